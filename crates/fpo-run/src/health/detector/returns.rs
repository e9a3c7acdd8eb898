//! The return of the episodes of training.

use crate::health::Metrics;
use crate::health::finding::rounded;
use crate::health::limits::*;
use crate::health::series::Window;

/// Past and present training returns.
#[derive(Clone, Debug)]
pub(super) struct Returns {
    window: Window,
    /// Distances of single iterations from the mean of their window.
    deviations: Window,
    /// The first level: the return before learning.
    pub(super) first: Option<f64>,
    best: f64,
    /// Consecutive iterations in which it was low.
    fallen: usize,
    pub(super) collapsed: bool,
}

impl Returns {
    pub(super) fn new() -> Self {
        Self {
            window: Window::new(RETURN_WINDOW),
            deviations: Window::new(NOISE_WINDOW),
            first: None,
            best: f64::NEG_INFINITY,
            fallen: 0,
            collapsed: false,
        }
    }

    pub(super) fn observe(&mut self, row: &dyn Metrics) {
        let Some(value) = row.get("episode_return").filter(|value| value.is_finite()) else {
            return;
        };
        self.window.push(value);
        if !self.window.is_full() {
            return;
        }
        let level = self.window.mean();
        let first = *self.first.get_or_insert(level);
        self.deviations.push((value - level).abs());
        self.best = self.best.max(level);
        let (gained, lost) = (self.best - first, self.best - level);
        let fallen = lost > LOST_SHARE * gained && lost > LOST_NOISE * self.noise();
        self.fallen = if fallen { self.fallen + 1 } else { 0 };
        let recovered = lost < CALM_SHARE * LOST_SHARE * gained;
        self.collapsed = self.fallen >= LOST_FOR || (self.collapsed && !recovered);
    }

    /// Resets the present, but not the best.
    pub(super) fn forget(&mut self) {
        self.window.clear();
        (self.fallen, self.collapsed) = (0, false);
    }

    /// Whether it has risen by more than its noise; none if there are too few episodes.
    pub(super) fn has_risen(&self) -> Option<bool> {
        self.first
            .map(|first| self.best - first > GAINED_NOISE * self.noise())
    }

    /// The return before learning, a mean of [`RETURN_WINDOW`] iterations.
    pub(super) fn start(&self) -> Option<f64> {
        self.first
    }

    /// How far the return is below its best, in words.
    pub(super) fn fall(&self) -> String {
        format!(
            "the training return fell from {} to {} (means of {RETURN_WINDOW} iterations)",
            rounded(self.best),
            rounded(self.window.mean())
        )
    }

    /// The standard deviation of one iteration's return, which is 1.25 × the mean absolute
    /// deviation of a normal distribution.
    fn noise(&self) -> f64 {
        1.25 * self.deviations.mean()
    }
}
