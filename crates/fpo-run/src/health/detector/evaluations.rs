//! The return of evaluations.

use crate::health::Metrics;
use crate::health::finding::rounded;
use crate::health::limits::{CALM_SHARE, LOST_SHARE, LOST_SPREAD};

/// The metrics of evaluations from zero noise and from random noise: the mean, and the standard
/// deviation over episodes.
const COLUMNS: [(&str, &str); 2] = [
    ("eval/zero_noise", "eval/zero_noise_std"),
    ("eval/random_noise", "eval/random_noise_std"),
];

/// Whether a row holds an evaluation.
pub(super) fn has_evaluation(row: &dyn Metrics) -> bool {
    row.get(COLUMNS[0].0).is_some()
}

/// Past and present returns of evaluations, for each kind of noise.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluations {
    seen: bool,
    /// The lower of the first evaluation and the first training return: the return before learning.
    first: [f64; 2],
    best: [f64; 2],
    last: [f64; 2],
    /// Standard deviations of the episodes of the latest.
    spread: [f64; 2],
    pub(super) collapsed: bool,
}

impl Evaluations {
    /// Adds a row, if it has an evaluation; `start` is the first training return.
    pub(super) fn observe(&mut self, row: &dyn Metrics, start: Option<f64>) {
        let finite = |name: &str| row.get(name).filter(|value| value.is_finite());
        let columns = COLUMNS.map(|(mean, std)| Some((finite(mean)?, finite(std).unwrap_or(0.0))));
        let [Some(zero), Some(random)] = columns else {
            return;
        };
        let columns = [zero, random];
        self.last = columns.map(|(mean, _)| mean);
        self.spread = columns.map(|(_, std)| std);
        if !self.seen {
            self.seen = true;
            (self.first, self.best) = (self.last, self.last);
        }
        let mut shares = [0.0; 2];
        for (i, (now, std)) in columns.into_iter().enumerate() {
            self.best[i] = self.best[i].max(now);
            let first = self.first[i].min(start.unwrap_or(self.first[i]));
            let (gained, lost) = (self.best[i] - first, self.best[i] - now);
            let matters = lost > LOST_SPREAD * std;
            shares[i] = if matters { lost / gained } else { 0.0 };
        }
        // Both must have fallen: a policy may be bad from zero noise and good from random noise, or
        // the reverse.
        let lost = shares[0].min(shares[1]);
        self.collapsed = lost > LOST_SHARE || (self.collapsed && lost > CALM_SHARE * LOST_SHARE);
    }

    /// Whether the latest one is above the return `start` by more than its episodes scatter.
    pub(super) fn exceed(&self, start: Option<f64>) -> bool {
        let columns = self.last.into_iter().zip(self.spread);
        self.seen && start.is_some_and(|start| columns.into_iter().any(|(x, std)| x > start + std))
    }

    /// Resets the present, but not the best.
    pub(super) fn forget(&mut self) {
        self.collapsed = false;
    }

    /// How far the return is below its best, in words.
    pub(super) fn fall(&self) -> String {
        let ([zero, random], [best_zero, best_random]) = (self.last, self.best);
        format!(
            "the evaluation fell from {} to {} (zero noise) and from {} to {} (random noise)",
            rounded(best_zero),
            rounded(zero),
            rounded(best_random),
            rounded(random)
        )
    }
}
