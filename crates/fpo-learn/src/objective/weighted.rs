//! Advantage-weighted flow matching: supervised flow matching on the policy's own actions, with
//! more weight on better ones. There is no ratio and no trust region. McAllister et al. (arXiv
//! 2507.21053) derive FPO from it; with the weight exp(A/β) it is advantage-weighted regression
//! (Peng et al., arXiv 1910.00177) on a flow.

use super::RatioStats;
use super::WeightKind;

/// Minimizes w(A)·ℓ_θ with w ≥ 0, ℓ averaged over the action's samples.
///
/// A weight is never negative: the loss of a bad action has no upper bound and would diverge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedObjective {
    /// How an advantage becomes a weight.
    pub weight: WeightKind,
    /// β of the softplus and the exponential.
    pub temperature: f32,
    /// Upper bound on a weight.
    pub weight_max: f32,
    /// Ratios outside 1 ± this are counted as clipped, for the statistics only.
    pub clip: f32,
}

impl WeightedObjective {
    /// Loss and gradient of n actions with N samples each.
    ///
    /// * `losses`, `old_losses` `[n, N]`: ℓ_θ and ℓ_old of the same samples; the latter for `stats`
    ///   only
    /// * `advantages` `[n]` (with [`WeightKind::Softmax`] the weights themselves); `lowest`: the
    ///   lowest of the minibatch
    /// * `gradient` `[n, N]`: written with ∂(Σ w·mean ℓ)/∂ℓ_θ
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        advantages: &[f32],
        lowest: f32,
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        let weight = |advantage| self.weight(advantage, lowest);
        weigh(
            losses, old_losses, advantages, weight, self.clip, gradient, stats,
        );
    }

    /// The weight of an action with this advantage, where the lowest of its minibatch is `lowest`;
    /// never negative.
    pub fn weight(&self, advantage: f32, lowest: f32) -> f32 {
        let weight = match self.weight {
            WeightKind::Shift => advantage - lowest,
            WeightKind::Softplus => {
                let x = advantage / self.temperature;
                x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
            }
            WeightKind::Exp => libm::expf(advantage / self.temperature),
            // Found for the whole batch before the epochs.
            WeightKind::Softmax => return advantage,
        };
        weight.min(self.weight_max)
    }
}

/// Minimizes w(A)·ℓ_θ, ℓ averaged over the action's samples; shapes as in
/// [`WeightedObjective::evaluate`].
pub(super) fn weigh(
    losses: &[f32],
    old_losses: &[f32],
    advantages: &[f32],
    weight: impl Fn(f32) -> f32,
    clip: f32,
    gradient: &mut [f32],
    stats: &mut RatioStats,
) {
    let samples = losses.len() / advantages.len().max(1);
    let share = 1.0 / samples as f32;
    for (n, &advantage) in advantages.iter().enumerate() {
        let at = n * samples..(n + 1) * samples;
        let sum = |x: &[f32]| x.iter().sum::<f32>();
        let (new, old) = (sum(&losses[at.clone()]), sum(&old_losses[at.clone()]));
        let weight = weight(advantage);
        gradient[at].fill(weight * share);
        stats.loss += f64::from(weight * share * new);
        let log_ratio = (old - new) * share;
        stats.add(libm::expf(log_ratio), log_ratio, clip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [WeightKind; 3] = [WeightKind::Shift, WeightKind::Softplus, WeightKind::Exp];

    fn objective(weight: WeightKind) -> WeightedObjective {
        WeightedObjective {
            weight,
            temperature: 0.5,
            weight_max: 5.0,
            clip: 0.1,
        }
    }

    #[test]
    fn weights_by_hand() {
        let weights = |kind| [-2.0, 0.0, 0.5, 30.0].map(|a| objective(kind).weight(a, -2.0));
        let near = |found: [f32; 4], expected: [f32; 4]| {
            assert!(
                found
                    .iter()
                    .zip(expected)
                    .all(|(f, e)| (f - e).abs() < 1e-5),
                "{found:?} {expected:?}"
            );
        };
        near(weights(WeightKind::Shift), [0.0, 2.0, 2.5, 5.0]);
        near(
            weights(WeightKind::Softplus),
            [(-4f32).exp().ln_1p(), 2f32.ln(), 1f32.exp().ln_1p(), 5.0],
        );
        near(
            weights(WeightKind::Exp),
            [(-4f32).exp(), 1.0, 1f32.exp(), 5.0],
        );
    }

    #[test]
    fn gradient_equals_finite_differences_and_never_pushes_away() {
        let old = [0.5f32; 6];
        let losses = [0.3, 0.45, 0.52, 0.46, 0.9, 0.61];
        let advantages = [1.3, -0.7, -2.0];
        for kind in KINDS {
            let evaluate = |losses: &[f32], gradient: &mut [f32]| {
                let mut stats = RatioStats::default();
                objective(kind).evaluate(losses, &old, &advantages, -2.5, gradient, &mut stats);
                stats
            };
            let mut gradient = [f32::NAN; 6];
            let stats = evaluate(&losses, &mut gradient);
            assert_eq!(stats.count, 3);
            assert!((stats.max - (0.5f32 - 0.375).exp()).abs() < 1e-6);
            assert!(gradient.iter().all(|g| *g > 0.0), "{gradient:?}");
            for i in 0..6 {
                let moved = |h: f32| {
                    let mut l = losses;
                    l[i] += h;
                    evaluate(&l, &mut [0.0; 6]).loss
                };
                let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!(
                    (numeric - f64::from(gradient[i])).abs() < 1e-4,
                    "{kind:?} {i}: {numeric}"
                );
            }
        }
    }
}
