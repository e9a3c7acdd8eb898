//! Exact marginal flows, in f64: the velocity fields that a perfect network would learn.
//!
//! A trained velocity field approximates the posterior mean `v(x, t) = E[ε − a | x_t = x]`. If the
//! actions' distribution is a [`GaussianMixture`] or a finite [`DataSet`], the mean has a closed
//! form: an average over components or points, weighted by their posterior probabilities given x.
//! These fields are the ground truth for tests and pictures.

mod data_set;
mod mixture;

pub use data_set::{DataSet, InvalidDataSet};
pub use mixture::{Component, GaussianMixture, InvalidMixture};

/// Half the logarithm of 2π.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// A softmax-weighted mean in one pass, without overflow: sums are relative to the largest logit so
/// far.
struct Softmax {
    max: f64,
    sum: f64,
}

impl Softmax {
    fn new() -> Self {
        Self {
            max: f64::NEG_INFINITY,
            sum: 0.0,
        }
    }

    /// Adds a logit; returns the factor by which previous sums must be multiplied, and the weight
    /// of the new term.
    fn push(&mut self, logit: f64) -> (f64, f64) {
        let (rescale, weight) = if logit > self.max {
            (libm::exp(self.max - logit), 1.0)
        } else {
            (1.0, libm::exp(logit - self.max))
        };
        self.max = self.max.max(logit);
        self.sum = self.sum * rescale + weight;
        (rescale, weight)
    }

    /// Adds `value(j)` with weight `exp(logit)` to the sums `out`.
    fn accumulate(&mut self, logit: f64, out: &mut [f64], value: impl Fn(usize) -> f64) {
        let (rescale, weight) = self.push(logit);
        for (j, out) in out.iter_mut().enumerate() {
            *out = *out * rescale + weight * value(j);
        }
    }

    /// Turns the sums into means.
    fn normalize(&self, out: &mut [f64]) {
        for out in out {
            *out /= self.sum;
        }
    }

    /// The logarithm of the sum of exponentials.
    fn log_sum(&self) -> f64 {
        self.max + libm::log(self.sum)
    }
}
