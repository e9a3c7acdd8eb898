//! The anchor of a policy that follows a Q-gradient: its samples' losses, all with one weight.
//!
//! For a flow it is supervised flow matching on the actions that were taken, which alone would
//! reproduce the policy that acted; it holds what the Q-gradient does not ask to move (QF3, arXiv
//! 2610.08789, equation 1).

use super::RatioStats;

/// Minimizes λ·ℓ_θ, ℓ averaged over the action's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorObjective {
    /// λ; 0 for ratios as statistics only.
    pub weight: f32,
    /// Whether an action's loss also counts by its weight ([`crate::advantage::SoftmaxWeights`]).
    pub weighted: bool,
    /// Ratios outside 1 ± this are counted as clipped, for the statistics only.
    pub clip: f32,
}

impl AnchorObjective {
    /// Loss and gradient of n actions with N samples each.
    ///
    /// * `losses`, `old_losses` `[n, N]`: ℓ_θ and ℓ_old of the same samples; the latter for `stats`
    ///   only
    /// * `weights` `[n]`: w of each action, where they count
    /// * `gradient` `[n, N]`: written with ∂(Σ λ·w·mean ℓ)/∂ℓ_θ
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        weights: &[f32],
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        let samples = losses.len() / weights.len().max(1);
        let share = 1.0 / samples as f32;
        for (n, weight) in weights.iter().enumerate() {
            let at = n * samples..(n + 1) * samples;
            let sum = |x: &[f32]| x.iter().sum::<f32>();
            let (new, old) = (sum(&losses[at.clone()]), sum(&old_losses[at.clone()]));
            let weight = self.weight * if self.weighted { *weight } else { 1.0 };
            gradient[at].fill(weight * share);
            stats.loss += f64::from(weight * share * new);
            let log_ratio = (old - new) * share;
            stats.add(libm::expf(log_ratio), log_ratio, self.clip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_by_hand() {
        for (weighted, [first, second]) in [(false, [1.0, 1.0]), (true, [1.5, 0.25])] {
            let anchor = AnchorObjective {
                weight: 0.5,
                weighted,
                clip: 0.1,
            };
            let (mut gradient, mut stats) = ([0.0; 4], RatioStats::default());
            anchor.evaluate(
                &[1.0, 3.0, 0.5, 0.5],
                &[1.0, 2.0, 0.5, 0.5],
                &[1.5, 0.25],
                &mut gradient,
                &mut stats,
            );
            let [a, b] = [0.25 * first, 0.25 * second];
            assert_eq!(gradient, [a, a, b, b]);
            let loss = 0.5 * (f64::from(first) * 2.0 + f64::from(second) * 0.5);
            assert!((stats.loss - loss).abs() < 1e-9);
            assert_eq!((stats.count, stats.clipped), (2, 1));
            assert!((f64::from(stats.min) - (-0.5f64).exp()).abs() < 1e-6);
        }
    }
}
