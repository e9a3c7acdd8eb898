//! One metric and its threshold.

use crate::health::limits::{CALM_SHARE, LEVEL_WINDOW};
use crate::health::series::Window;

/// A metric whose level is compared with a threshold.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    window: Window,
    /// It has warned and has not fallen below the lower threshold since.
    pub(super) warned: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            window: Window::new(LEVEL_WINDOW),
            warned: false,
        }
    }

    /// Adds a value and returns the one that leaves the window.
    pub(super) fn push(&mut self, value: f64) -> Option<f64> {
        self.window.push(value)
    }

    /// The present value.
    pub(super) fn level(&self) -> f64 {
        self.window.median()
    }

    /// Whether the present value is known and at most `threshold`.
    pub(super) fn is_below(&self, threshold: f64) -> bool {
        self.window.is_full() && self.level() <= threshold
    }

    /// Returns whether `value` has risen above the threshold since the last call.
    pub(super) fn crosses(&mut self, value: f64, threshold: f64) -> bool {
        let (above, before) = (value > threshold, self.warned);
        if !self.window.is_full() {
            return false;
        }
        self.warned = above || (before && value > CALM_SHARE * threshold);
        above && !before
    }
}
