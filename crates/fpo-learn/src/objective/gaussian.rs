//! The Gaussian policy's negative log-likelihood and entropy, with their gradients.
//!
//! A prediction is a row (μ, σ) of 2·d numbers: the means of the action's entries, then their
//! standard deviations.

use fpo_policy::Squash;
use std::f32::consts::LN_2;

/// −log N(action; μ, σ²), summed over the entries: `prediction` `[2d]`, `action` `[d]`.
pub(super) fn negative_log_likelihood(prediction: &[f32], action: &[f32]) -> f32 {
    let (mean, std) = prediction.split_at(action.len());
    let mut sum = 0.0;
    for ((&m, &s), &a) in mean.iter().zip(std).zip(action) {
        let z = (a - m) / s;
        sum += 0.5 * z * z + libm::logf(s);
    }
    sum + HALF_LN_TAU * action.len() as f32
}

/// Writes `upstream`·∂ℓ/∂(μ, σ) of [`negative_log_likelihood`] into `gradient` `[2d]`.
pub(super) fn negative_log_likelihood_gradient(
    prediction: &[f32],
    action: &[f32],
    upstream: f32,
    gradient: &mut [f32],
) {
    let (mean, std) = prediction.split_at(action.len());
    let (d_mean, d_std) = gradient.split_at_mut(action.len());
    for (i, &a) in action.iter().enumerate() {
        let z = (a - mean[i]) / std[i];
        d_mean[i] = -upstream * z / std[i];
        d_std[i] = upstream * (1.0 - z * z) / std[i];
    }
}

/// The entropy bonus of PPO for a Gaussian policy (Schulman et al., arXiv 1707.06347, equation 9).
///
/// The entropy of N(μ, σ²) is Σ ½·ln(2πe) + ln σ. Squashing by tanh adds E[Σ ln(1 − tanh²(x))],
/// which one sample x = μ + σz estimates (as the published comparison with FPO does, after Brax);
/// the gradient goes through the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntropyBonus {
    /// Its weight.
    pub coefficient: f32,
    /// How the Gaussian's sample is squashed. With clipping the entropy is the Gaussian's.
    pub squash: Squash,
}

impl EntropyBonus {
    /// Σ of the entropy over the rows; adds the gradient of −`scale`·coefficient·Σ to `gradient`.
    ///
    /// * `predictions`, `gradient` `[rows, 2d]`: (μ, σ)
    /// * `noise` `[rows, d]`: z ~ N(0, I)
    /// * `d`: entries of an action
    pub fn evaluate(
        &self,
        predictions: &[f32],
        noise: &[f32],
        d: usize,
        scale: f32,
        gradient: &mut [f32],
    ) -> f64 {
        let upstream = -scale * self.coefficient;
        let rows = predictions.chunks_exact(2 * d).zip(noise.chunks_exact(d));
        let mut sum = 0.0;
        for ((prediction, noise), gradient) in rows.zip(gradient.chunks_exact_mut(2 * d)) {
            let (mean, std) = prediction.split_at(d);
            let (d_mean, d_std) = gradient.split_at_mut(d);
            let mut entropy = (0.5 + HALF_LN_TAU) * d as f32;
            for (i, &z) in noise.iter().enumerate() {
                entropy += libm::logf(std[i]);
                d_std[i] += upstream / std[i];
                if self.squash == Squash::Tanh {
                    let x = std[i].mul_add(z, mean[i]);
                    entropy += tanh_log_slope(x);
                    let slope = upstream * -2.0 * libm::tanhf(x);
                    d_mean[i] += slope;
                    d_std[i] += slope * z;
                }
            }
            sum += f64::from(entropy);
        }
        sum
    }
}

/// ln(1 − tanh²(x)), in a form that stays accurate where tanh saturates.
fn tanh_log_slope(x: f32) -> f32 {
    let x = x.abs();
    2.0 * (LN_2 - x - libm::log1pf(libm::expf(-2.0 * x)))
}

/// ½·ln 2π.
const HALF_LN_TAU: f32 = 0.918_938_5;

#[cfg(test)]
mod tests {
    use super::*;

    const PREDICTION: [f32; 4] = [0.3, -1.2, 0.5, 1.7];
    const ACTION: [f32; 2] = [0.8, 1.9];

    /// Central differences of `f` at [`PREDICTION`] against `gradient`.
    fn check(f: impl Fn(&[f32]) -> f64, gradient: &[f32]) {
        for i in 0..4 {
            let moved = |h: f32| {
                let mut p = PREDICTION;
                p[i] += h;
                f(&p)
            };
            let numeric = (moved(5e-3) - moved(-5e-3)) / 1e-2;
            let found = f64::from(gradient[i]);
            assert!(
                (numeric - found).abs() < 1e-3 * numeric.abs().max(1.0),
                "{i}: {found} against {numeric}"
            );
        }
    }

    #[test]
    fn likelihood_by_hand_and_by_finite_differences() {
        // z = 1 and 3.1/1.7.
        let expected = 0.5
            + 0.5f64.ln()
            + 0.5 * (3.1f64 / 1.7).powi(2)
            + 1.7f64.ln()
            + std::f64::consts::TAU.ln();
        let nll = |p: &[f32]| f64::from(negative_log_likelihood(p, &ACTION));
        assert!((nll(&PREDICTION) - expected).abs() < 1e-6);
        let mut gradient = [f32::NAN; 4];
        negative_log_likelihood_gradient(&PREDICTION, &ACTION, -2.0, &mut gradient);
        check(|p| -2.0 * nll(p), &gradient);
    }

    #[test]
    fn entropy_by_finite_differences() {
        for squash in [Squash::Tanh, Squash::Clip] {
            let bonus = EntropyBonus {
                coefficient: 0.5,
                squash,
            };
            let evaluate =
                |p: &[f32], gradient: &mut [f32]| bonus.evaluate(p, &[0.4, -0.9], 2, 3.0, gradient);
            // The gradient is added to the buffer's content.
            let mut gradient = [10.0; 4];
            evaluate(&PREDICTION, &mut gradient);
            gradient.iter_mut().for_each(|g| *g -= 10.0);
            check(|p| -1.5 * evaluate(p, &mut [0.0; 4]), &gradient);
        }
    }

    /// The entropy of the squashed action is −E[ln p], with p the density of tanh(x).
    #[test]
    fn tanh_entropy_is_that_of_the_squashed_action() {
        let (mean, std) = (0.7f64, 0.8f64);
        let (mut expected, mut found) = (0.0, 0.0);
        let bonus = EntropyBonus {
            coefficient: 1.0,
            squash: Squash::Tanh,
        };
        // Quadrature over z.
        for k in -4000..=4000 {
            let z = f64::from(k) * 2e-3;
            let weight = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * 2e-3;
            let y = (mean + std * z).tanh();
            let density =
                (-0.5 * z * z).exp() / (std * std::f64::consts::TAU.sqrt()) / (1.0 - y * y);
            expected -= weight * density.ln();
            found += weight
                * bonus.evaluate(
                    &[mean as f32, std as f32],
                    &[z as f32],
                    1,
                    1.0,
                    &mut [0.0; 2],
                );
        }
        assert!(
            (expected - found).abs() < 1e-4,
            "{found} against {expected}"
        );
    }

    #[test]
    fn saturation_is_finite() {
        assert_eq!(tanh_log_slope(0.0), 0.0);
        let far = tanh_log_slope(-40.0);
        assert!((far - (2.0 * LN_2 - 80.0)).abs() < 1e-4, "{far}");
    }
}
