//! Windows of values.

use std::collections::VecDeque;

/// The last values of a series, up to a fixed number.
#[derive(Clone, Debug)]
pub(super) struct Window {
    values: VecDeque<f64>,
    length: usize,
}

impl Window {
    pub(super) fn new(length: usize) -> Self {
        Self {
            values: VecDeque::with_capacity(length),
            length,
        }
    }

    /// Adds a value and returns the one that leaves the window.
    pub(super) fn push(&mut self, value: f64) -> Option<f64> {
        let out = if self.values.len() == self.length {
            self.values.pop_front()
        } else {
            None
        };
        self.values.push_back(value);
        out
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.values.len() == self.length
    }

    pub(super) fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    pub(super) fn median(&self) -> f64 {
        median(self.values.iter().copied())
    }
}

/// The median of some values, the upper one of two; non-finite values count as infinite. NaN if
/// there are none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values
        .map(|x| if x.is_finite() { x } else { f64::INFINITY })
        .collect();
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        return f64::NAN;
    }
    *sorted.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means_by_hand() {
        let mut window = Window::new(3);
        assert!(window.median().is_nan());
        for (x, out) in [(5.0, None), (1.0, None), (9.0, None), (2.0, Some(5.0))] {
            assert_eq!(window.push(x), out);
        }
        assert!(window.is_full());
        assert_eq!(
            (window.median(), window.mean(), window.len()),
            (2.0, 4.0, 3)
        );
        window.push(f64::NAN);
        assert_eq!(window.median(), 9.0, "NaN counts as infinite");
        window.clear();
        assert_eq!(window.len(), 0);
    }
}
