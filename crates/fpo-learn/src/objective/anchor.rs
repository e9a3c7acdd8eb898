//! The anchor of a policy that follows a Q-gradient: its samples' losses, all with one weight.
//!
//! For a flow it is supervised flow matching on the actions that were taken, which alone would
//! reproduce the policy that acted; it holds what the Q-gradient does not ask to move (QF3, arXiv
//! 2610.08789, equation 1).

use super::RatioStats;
use super::weighted::weigh;

/// Minimizes λ·ℓ_θ, ℓ averaged over the action's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorObjective {
    /// λ; 0 for ratios as statistics only.
    pub weight: f32,
    /// β: an action's loss also counts by exp(A/β) of its advantage; infinite for all alike.
    pub temperature: f32,
    /// Upper bound on that weight.
    pub weight_max: f32,
    /// Ratios outside 1 ± this are counted as clipped, for the statistics only.
    pub clip: f32,
}

impl AnchorObjective {
    /// Whether it asks for advantages.
    pub fn uses_advantages(&self) -> bool {
        self.weight > 0.0 && self.temperature.is_finite()
    }

    /// Loss and gradient of n actions with N samples each.
    ///
    /// * `losses`, `old_losses` `[n, N]`: ℓ_θ and ℓ_old of the same samples; the latter for `stats`
    ///   only
    /// * `advantages` `[n]`
    /// * `gradient` `[n, N]`: written with ∂(Σ λ·w(A)·mean ℓ)/∂ℓ_θ
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        advantages: &[f32],
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        let weight = |a: f32| self.weight * libm::expf(a / self.temperature).min(self.weight_max);
        weigh(
            losses, old_losses, advantages, weight, self.clip, gradient, stats,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_by_hand() {
        let cases = [
            (f32::INFINITY, [1.0, 1.0]),
            (2.0, [3.0, 0.5]),
            (1.0, [5.0, 0.25]),
        ];
        for (temperature, [first, second]) in cases {
            let anchor = AnchorObjective {
                weight: 0.5,
                temperature,
                weight_max: 5.0,
                clip: 0.1,
            };
            let (mut gradient, mut stats) = ([0.0; 4], RatioStats::default());
            anchor.evaluate(
                &[1.0, 3.0, 0.5, 0.5],
                &[1.0, 2.0, 0.5, 0.5],
                // Twice the logarithms of 3 and ½.
                &[2.197_224_6, -1.386_294_4],
                &mut gradient,
                &mut stats,
            );
            let expected = [first, first, second, second].map(|w| 0.25 * w);
            let near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-6;
            assert!(gradient.iter().zip(&expected).all(near), "{gradient:?}");
            let loss = 0.5 * (f64::from(first) * 2.0 + f64::from(second) * 0.5);
            assert!((stats.loss - loss).abs() < 1e-6);
            assert_eq!((stats.count, stats.clipped), (2, 1));
            assert!((f64::from(stats.min) - (-0.5f64).exp()).abs() < 1e-6);
        }
    }
}
