//! The return of evaluations.

use crate::health::Metrics;
use crate::health::finding::figure;
use crate::health::limits::{CALM_SHARE, LOST_SHARE, LOST_SPREAD};

/// Its two columns, from zero noise and from random noise: the mean and its standard deviation over
/// episodes.
const COLUMNS: [(&str, &str); 2] = [
    ("eval/zero_noise", "eval/zero_noise_std"),
    ("eval/random_noise", "eval/random_noise_std"),
];

/// Whether a row holds an evaluation.
pub(super) fn has_evaluation(row: &dyn Metrics) -> bool {
    row.get(COLUMNS[0].0).is_some()
}

/// What that return was and is, column by column.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluations {
    seen: bool,
    /// The lower of the first evaluation and the first training return: where the run began.
    first: [f64; 2],
    best: [f64; 2],
    last: [f64; 2],
    pub(super) collapsed: bool,
}

impl Evaluations {
    /// Takes in a row, if it has both columns; `start` is the first training return.
    pub(super) fn observe(&mut self, row: &dyn Metrics, start: Option<f64>) {
        let finite = |name: &str| row.get(name).filter(|value| value.is_finite());
        let columns = COLUMNS.map(|(mean, std)| Some((finite(mean)?, finite(std).unwrap_or(0.0))));
        let [Some(zero), Some(random)] = columns else {
            return;
        };
        let columns = [zero, random];
        self.last = columns.map(|(mean, _)| mean);
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
        // Both: a policy may be bad from zero noise and good from random noise, or the other way
        // round.
        let lost = shares[0].min(shares[1]);
        self.collapsed = lost > LOST_SHARE || (self.collapsed && lost > CALM_SHARE * LOST_SHARE);
    }

    /// Forgets the present, but not what was reached.
    pub(super) fn forget(&mut self) {
        self.collapsed = false;
    }

    /// How far it is from its best, in words.
    pub(super) fn fall(&self) -> String {
        let ([zero, random], [best_zero, best_random]) = (self.last, self.best);
        format!(
            "the evaluation fell from {} to {} (zero noise) and from {} to {} (random noise)",
            figure(best_zero),
            figure(zero),
            figure(best_random),
            figure(random)
        )
    }
}
