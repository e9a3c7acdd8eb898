//! Weights of a whole batch: a softmax of advantages whose temperature follows from how many
//! actions are to count.

/// w = exp(A/β)/mean, with β such that the effective sample size (Σw)²/Σw² is a given share of the
/// batch.
///
/// With a fixed β the number of actions that rule the update follows from how heavy the tail of
/// advantages is: for Gaussian ones exp(−1/β²) of them count, for others far fewer. A given share
/// is the constraint of relative entropy policy search and V-MPO (Song et al., arXiv 1909.12238)
/// in other words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxWeights {
    /// The effective sample size, as a share of the batch: above 0, below 1.
    pub ess: f64,
    /// Upper bound on a weight, where 1 is the mean; the mean is 1 again afterwards.
    pub max: f32,
}

/// Bisection steps: β is then known to a relative 1e-9 or so.
const STEPS: usize = 48;

impl SoftmaxWeights {
    /// Replaces `advantages` with their weights, whose mean is 1. Where all advantages are equal,
    /// every weight is 1.
    ///
    /// ```
    /// use fpo_learn::advantage::SoftmaxWeights;
    ///
    /// let mut a = [0.0, 1.0, 2.0, 3.0];
    /// SoftmaxWeights { ess: 0.5, max: 20.0 }.apply(&mut a);
    /// let (sum, squares): (f32, f32) = (a.iter().sum(), a.iter().map(|w| w * w).sum());
    /// assert!((sum - 4.0).abs() < 1e-5);
    /// assert!((sum * sum / squares / 4.0 - 0.5).abs() < 1e-5);
    /// ```
    pub fn apply(&self, advantages: &mut [f32]) {
        let highest = advantages.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let lowest = advantages.iter().copied().fold(f32::INFINITY, f32::min);
        let range = f64::from(highest) - f64::from(lowest);
        // Equal ones, none, or one that is not a number, which the check of the losses reports.
        if range.is_nan() || range <= 0.0 || range.is_infinite() {
            advantages.iter_mut().for_each(|a| *a = 1.0 + 0.0 * *a);
            return;
        }
        let beta = self.temperature(advantages, highest, range);
        let weight = |a: f32| libm::exp(f64::from(a - highest) / beta);
        let mean = advantages.iter().map(|&a| weight(a)).sum::<f64>() / advantages.len() as f64;
        let bound = |w: f64| (w / mean).min(f64::from(self.max));
        let bounded = advantages.iter().map(|&a| bound(weight(a))).sum::<f64>();
        let scale = advantages.len() as f64 / bounded;
        advantages
            .iter_mut()
            .for_each(|a| *a = (bound(weight(*a)) * scale) as f32);
    }

    /// β: the effective sample size rises with it, from a few actions to all.
    fn temperature(&self, advantages: &[f32], highest: f32, range: f64) -> f64 {
        let share = |beta: f64| {
            let (sum, squares) = advantages.iter().fold((0.0, 0.0), |(sum, squares), &a| {
                let w = libm::exp(f64::from(a - highest) / beta);
                (sum + w, squares + w * w)
            });
            sum * sum / squares / advantages.len() as f64
        };
        let (mut low, mut high) = (libm::log(1e-6 * range), libm::log(1e6 * range));
        for _ in 0..STEPS {
            let middle = 0.5 * (low + high);
            if share(libm::exp(middle)) < self.ess {
                low = middle;
            } else {
                high = middle;
            }
        }
        libm::exp(0.5 * (low + high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Stream, fill_normal};

    fn gaussian(n: usize) -> Vec<f32> {
        let mut advantages = vec![0.0; n];
        fill_normal(Key::new(4, Stream::Test), &mut advantages);
        advantages
    }

    /// For Gaussian advantages of standard deviation 1 the share is exp(−1/β²), so weights are
    /// exp(A/β)/exp(1/(2β²)) with 1/β² = −ln(share).
    #[test]
    fn gaussian_advantages_have_the_temperature_of_theory() {
        let advantages = gaussian(200_000);
        for ess in [0.8, 0.5, 0.3] {
            let mut weights = advantages.clone();
            SoftmaxWeights { ess, max: 1e9 }.apply(&mut weights);
            let precision = -f64::ln(ess);
            for (a, w) in advantages.iter().zip(&weights).take(100) {
                let expected = (f64::from(*a) * precision.sqrt() - 0.5 * precision).exp();
                assert!(
                    (f64::from(*w) / expected - 1.0).abs() < 0.05,
                    "{w} {expected}"
                );
            }
        }
    }

    #[test]
    fn neither_the_unit_nor_the_mean_of_advantages_matters() {
        let advantages = gaussian(1000);
        let weights = |scale: f32, shift: f32| {
            let mut weights: Vec<_> = advantages.iter().map(|a| scale * a + shift).collect();
            SoftmaxWeights {
                ess: 0.4,
                max: 20.0,
            }
            .apply(&mut weights);
            weights
        };
        let expected = weights(1.0, 0.0);
        for found in [weights(1e-4, 0.0), weights(1e4, 0.0), weights(1.0, 3.0)] {
            for (w, e) in found.iter().zip(&expected) {
                assert!((w - e).abs() < 1e-3 * e.max(0.1), "{w} {e}");
            }
        }
    }

    #[test]
    fn weights_are_bounded_and_their_mean_is_one() {
        let mut weights = gaussian(1000);
        weights[17] = 100.0;
        SoftmaxWeights {
            ess: 0.01,
            max: 5.0,
        }
        .apply(&mut weights);
        let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / 1000.0;
        assert!((mean - 1.0).abs() < 1e-5);
        assert_eq!(weights.iter().copied().fold(0.0, f32::max), weights[17]);
        let mut equal = [-3.0; 8];
        SoftmaxWeights { ess: 0.3, max: 5.0 }.apply(&mut equal);
        assert_eq!(equal, [1.0; 8]);
    }
}
