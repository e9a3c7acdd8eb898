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
    /// Ratios outside 1 ± this are counted as clipped, for the statistics only.
    pub clip: f32,
}

impl AnchorObjective {
    /// Loss and gradient of n actions with N samples each.
    ///
    /// * `losses`, `old_losses` `[n, N]`: ℓ_θ and ℓ_old of the same samples; the latter for `stats`
    ///   only
    /// * `gradient` `[n, N]`: written with ∂(Σ λ·mean ℓ)/∂ℓ_θ
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        samples: usize,
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        let share = 1.0 / samples as f32;
        gradient.fill(self.weight * share);
        let actions = losses.chunks_exact(samples);
        for (new, old) in actions.zip(old_losses.chunks_exact(samples)) {
            let (new, old) = (new.iter().sum::<f32>(), old.iter().sum::<f32>());
            stats.loss += f64::from(self.weight * share * new);
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
        let anchor = AnchorObjective {
            weight: 0.5,
            clip: 0.1,
        };
        let (mut gradient, mut stats) = ([0.0; 4], RatioStats::default());
        anchor.evaluate(
            &[1.0, 3.0, 0.5, 0.5],
            &[1.0, 2.0, 0.5, 0.5],
            2,
            &mut gradient,
            &mut stats,
        );
        assert_eq!(gradient, [0.25; 4]);
        assert!((stats.loss - 0.5 * (2.0 + 0.5)).abs() < 1e-9);
        assert_eq!((stats.count, stats.clipped), (2, 1));
        assert!((f64::from(stats.min) - (-0.5f64).exp()).abs() < 1e-6);
    }
}
