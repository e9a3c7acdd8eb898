//! How far a policy has moved from the one that acted in the rollout, in nats.

use super::MinibatchStats;
use crate::objective::SampleLoss;

/// An estimate of KL(old ‖ new) from the statistics of a minibatch before its gradient step.
///
/// * A Gaussian: the mean of (ρ − 1) − ln ρ over likelihood ratios ρ (Schulman, *Approximating KL
///   divergence*, 2020).
/// * A sampler whose steps add noise: the exact KL of two Gaussians of one step, h²‖Δv̂‖²/(2σ²).
/// * A flow without noise: its density is unknown, so the estimate uses velocities. If its actions
///   were N(μ, σ²I) with d entries, then with D = t² + (1 − t)²σ² the best velocity would have the
///   mean squared error σ²/D in each entry, and a shift of μ by δ would move it by δ·t/D. So, for t
///   well above σ, the squared shift of the velocity over its mean squared error is δ²/σ², and
///
///   KL = ‖δ‖²/(2σ²) ≈ (d/2) · E‖v̂ − v̂_old‖² / E‖v̂_old − (ε − a)‖²,
///
///   both means over the stored pairs. At the times of ten Euler steps this is 0.9, 0.6 and 0.5 of
///   the KL for σ = 0.05, 0.2 and 0.5. For distributions of other shapes it is a proxy of the KL.
///   Unlike a difference of flow-matching losses it is relative to the policy's spread: the same
///   difference is a larger move for a narrower policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Movement {
    /// By likelihood ratios.
    Ratios,
    /// By velocities.
    Velocities {
        /// Nats for each unit of [`SampleLoss::distance`].
        scale: f64,
    },
}

impl Movement {
    /// For actions of `action` entries, whose samples had the mean loss `mean_loss` at the time of
    /// the rollout.
    pub fn new(loss: &SampleLoss, action: usize, mean_loss: f64) -> Self {
        match loss {
            SampleLoss::Gaussian => Self::Ratios,
            SampleLoss::Step(_) => Self::Velocities { scale: 1.0 },
            SampleLoss::FlowMatching(_) => Self::Velocities {
                // For a flow that has no spread left, every move is large.
                scale: 0.5 * action as f64 / mean_loss.max(f64::MIN_POSITIVE),
            },
        }
    }

    /// How far the policy had moved.
    pub fn kl(&self, stats: &MinibatchStats) -> f64 {
        match self {
            Self::Ratios => stats.ratio.divergence / stats.ratio.count as f64,
            Self::Velocities { scale } => scale * stats.moved / stats.samples as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::StepLikelihood;
    use crate::rollout::LossSample;
    use fpo_flow::{CfmLoss, CfmTarget, Reduction, interpolate};
    use fpo_rng::{Key, Stream, fill_normal};

    const D: usize = 4;

    /// The best velocity at (x, t) of a flow whose actions are N(mean, sigma²I).
    fn best_velocity(x: &[f32], t: f32, mean: f32, sigma: f32) -> Vec<f32> {
        let rest = 1.0 - t;
        let denominator = t * t + rest * rest * sigma * sigma;
        let gain = (t - rest * sigma * sigma) / denominator;
        x.iter().map(|x| gain * (x - rest * mean) - mean).collect()
    }

    /// The estimate for a Gaussian whose mean moves by `shift` in every entry, at the times of ten
    /// Euler steps.
    fn estimate(sigma: f32, shift: f32, reduction: Reduction) -> f64 {
        let loss = SampleLoss::FlowMatching(CfmLoss {
            target: CfmTarget::Velocity,
            reduction,
            ..CfmLoss::default()
        });
        let (mut mean_loss, mut moved, mut samples) = (0.0, 0.0, 0u64);
        for k in 0..20_000u32 {
            let t = (1 + k % 10) as f32 / 10.0;
            let (mut noise, mut action, mut x) = ([0.0; D], [0.0; D], [0.0; D]);
            fill_normal(Key::new(1, Stream::Test).index(k), &mut noise);
            fill_normal(Key::new(2, Stream::Test).index(k), &mut action);
            action.iter_mut().for_each(|a| *a = 0.3 + sigma * *a);
            interpolate(&action, &noise, t, &mut x);
            let [old, new] = [0.3, 0.3 + shift].map(|mean| best_velocity(&x, t, mean, sigma));
            let sample = |_| LossSample {
                action: &action,
                target: &noise,
                time: t,
            };
            let mut of_one = [0.0];
            loss.evaluate(&old, sample, &mut of_one);
            mean_loss += f64::from(of_one[0]) / 20_000.0;
            moved += loss.distance(&new, |_| &old, sample);
            samples += 1;
        }
        let stats = MinibatchStats {
            moved,
            samples,
            ..MinibatchStats::default()
        };
        Movement::new(&loss, D, mean_loss).kl(&stats)
    }

    /// The derivation gives the share Σ t²/D² / Σ 1/D (sums over the times) of KL = d·δ²/(2σ²), for
    /// any shift and reduction.
    #[test]
    fn a_shifted_gaussian_has_moved_by_a_known_share_of_its_kl() {
        for (sigma, shift, expected) in [
            (0.05f32, 0.01f32, 0.89),
            (0.2, 0.1, 0.60),
            (0.5, 0.02, 0.54),
        ] {
            for reduction in [Reduction::Mean, Reduction::Sum] {
                let divergence = 0.5 * D as f64 * f64::from(shift / sigma).powi(2);
                let share = estimate(sigma, shift, reduction) / divergence;
                assert!(
                    (share / expected - 1.0).abs() < 0.05,
                    "{sigma}, {shift}: {share}"
                );
            }
        }
    }

    /// KL(N(x − h·u, σ²) ‖ N(x − h·v, σ²)) = h²‖v − u‖²/(2σ²).
    #[test]
    fn a_noisy_step_has_moved_by_the_kl_of_its_gaussians() {
        let loss = SampleLoss::Step(StepLikelihood::new(0.1, 0.3));
        let sample = |_| LossSample {
            action: &[0.0; 2],
            target: &[0.0; 2],
            time: 0.5,
        };
        let stats = MinibatchStats {
            moved: loss.distance(&[1.0, -2.0, 0.0, 0.0], |_| &[0.5, 0.0], sample),
            samples: 2,
            ..MinibatchStats::default()
        };
        let expected = 0.5 * (0.1f64 / 0.3).powi(2) * (0.25 + 4.0 + 0.25) / 2.0;
        assert!((Movement::new(&loss, 2, 7.0).kl(&stats) - expected).abs() < 1e-6);
    }
}
