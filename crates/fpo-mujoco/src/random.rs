//! The distributions of initial states.

use fpo_rng::Philox;
use rand::RngExt;
use rand_distr::StandardNormal;

/// A number uniform between `low` and `high`.
pub(crate) fn uniform(rng: &mut Philox, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A standard normal number.
pub(crate) fn normal(rng: &mut Philox) -> f64 {
    rng.sample(StandardNormal)
}
