//! A trust region around ratios ρ = exp(ℓ_old − ℓ_θ) of the losses of an action's samples.
//!
//! If ℓ is a negative log-likelihood, ρ is the likelihood ratio of PPO (Schulman et al., arXiv
//! 1707.06347). If ℓ is a conditional flow-matching loss, which stands in for it, this is Flow
//! Policy Optimization (McAllister et al., arXiv 2507.21053); with one ratio per pair, the trust
//! region [`TrustRegion::Aspo`] and the two clamps, FPO++ (Yi et al., arXiv 2602.02481).
//!
//! All of them use ρ as a ratio of probabilities even where the losses have moved too far for that.
//! With exp, every gradient has the factor ρ: for a loss that has risen by 5, the gradient that
//! lowers it again is 150 times smaller than at ρ = 1; for a loss that has fallen by 5 it is 150
//! times larger. The tangent at ρ = 1, [`RatioForm::Linear`], has the same gradient before anything
//! has moved, and neither problem.

use super::{RatioForm, RatioKind, TrustRegion};

/// With a linear ratio, bound on the exponents of the exp in the statistics; exp overflows f32
/// beyond 88.
const LARGEST_EXPONENT: f32 = 80.0;

/// The objective on ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioObjective {
    /// One ratio per action, from the mean loss of its samples, or one per sample.
    pub ratio: RatioKind,
    /// ρ as a function of the difference ℓ_old − ℓ_θ. Statistics use exp in either form.
    pub form: RatioForm,
    /// How a ratio is kept near 1.
    pub trust_region: TrustRegion,
    /// Range ε of the trust region.
    pub clip: f32,
    /// Bound on |ℓ_old − ℓ_θ|, with zero gradient beyond; `f32::INFINITY` for none.
    pub log_ratio_clamp: f32,
    /// Bound on ℓ_old − ℓ_θ from above whose gradient is that of an unbounded difference;
    /// `f32::INFINITY` for none. (FPO++)
    pub log_ratio_max: f32,
    /// Bound on both losses, with zero gradient beyond; `f32::INFINITY` for none. (FPO++)
    pub loss_max: f32,
    /// A pull back on losses that have run away.
    pub loss_pull: LossPull,
}

/// A pull on large losses: `weight`·max(ℓ − `from`, 0) is added to the objective of a sample whose
/// action has an advantage.
///
/// The objective raises the losses of bad actions, and where epochs are short the trust region of
/// one iteration hands them over to the next: over tens of millions of steps losses drift up, and
/// a few samples of huge loss rule every gradient. Beyond `from` this is supervised flow matching
/// on the actions taken; below it nothing changes. With a weight of 1 the pull outweighs the push
/// of an average bad action, whose normalized advantage is about −1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPull {
    /// Its weight; 0 for none.
    pub weight: f32,
    /// The loss that it begins at.
    pub from: f32,
}

impl LossPull {
    /// No pull.
    pub const NONE: Self = Self {
        weight: 0.0,
        from: f32::INFINITY,
    };
}

/// Statistics of the ratios of some rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioStats {
    /// Σ over the actions of the loss −ψ, not yet averaged.
    pub loss: f64,
    /// Ratios counted.
    pub count: u64,
    /// Ratios outside 1 ± ε.
    pub clipped: u64,
    /// Their sum.
    pub sum: f64,
    /// Σ (ρ − 1) − ln ρ: how far the policy has moved, for [`crate::learner::Movement::Ratios`].
    pub divergence: f64,
    /// Their smallest.
    pub min: f32,
    /// Their largest.
    pub max: f32,
    /// Samples whose loss was beyond [`RatioObjective::loss_max`].
    pub bounded: u64,
}

impl Default for RatioStats {
    fn default() -> Self {
        Self {
            loss: 0.0,
            count: 0,
            clipped: 0,
            sum: 0.0,
            divergence: 0.0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            bounded: 0,
        }
    }
}

impl RatioStats {
    /// Counts one ratio with logarithm `log_ratio`, as clipped if it is not in 1 ± `clip`.
    #[inline]
    pub(super) fn add(&mut self, ratio: f32, log_ratio: f32, clip: f32) {
        self.count += 1;
        self.clipped += u64::from((ratio - 1.0).abs() > clip);
        self.sum += f64::from(ratio);
        self.divergence += f64::from(ratio) - 1.0 - f64::from(log_ratio);
        self.min = self.min.min(ratio);
        self.max = self.max.max(ratio);
    }

    /// Adds the statistics of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.loss += other.loss;
        self.count += other.count;
        self.clipped += other.clipped;
        self.sum += other.sum;
        self.divergence += other.divergence;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.bounded += other.bounded;
    }
}

impl RatioObjective {
    /// Loss and gradient of n actions with N samples each.
    ///
    /// * `losses`, `old_losses` `[n, N]`: ℓ_θ and ℓ_old of the same samples
    /// * `advantages` `[n]`
    /// * `gradient` `[n, N]`: written with ∂(Σ −ψ)/∂ℓ_θ, where ψ is of the action's ratio or
    ///   averaged over its samples' ratios:
    ///
    /// ρ = exp(ℓ_old − ℓ_θ), or its tangent 1 + ℓ_old − ℓ_θ. PPO: ψ = min(ρA, clip(ρ, 1 ± ε)·A).
    /// SPO: ψ = ρA − |A|/(2ε)·(ρ − 1)². ASPO: PPO where A > 0, SPO elsewhere.
    ///
    /// ```
    /// use fpo_learn::objective::{ObjectiveConfig, RatioStats};
    ///
    /// let objective = ObjectiveConfig { clip: 0.2, ..Default::default() }.ratio_objective();
    /// let (mut gradient, mut stats) = ([0.0; 2], RatioStats::default());
    /// // The loss fell from 0.5 to 0.4 on average: ρ = e^0.1 = 1.105, inside the clip range.
    /// objective.evaluate(&[0.3, 0.5], &[0.4, 0.6], &[2.0], &mut gradient, &mut stats);
    /// assert!((stats.loss + 2.0 * 0.1f64.exp()).abs() < 1e-6);
    /// assert!((gradient[0] - 0.1f32.exp()).abs() < 1e-6);
    /// ```
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        advantages: &[f32],
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        let samples = losses.len() / advantages.len().max(1);
        let weight = 1.0 / samples as f32;
        for (n, &advantage) in advantages.iter().enumerate() {
            let at = n * samples..(n + 1) * samples;
            let (new, old) = (&losses[at.clone()], &old_losses[at.clone()]);
            let gradient = &mut gradient[at];
            match self.ratio {
                RatioKind::PerAction => {
                    let difference = old
                        .iter()
                        .zip(new)
                        .map(|(o, n)| self.difference(*o, *n))
                        .sum::<f32>()
                        * weight;
                    let slope = self.one_ratio(difference, advantage, 1.0, stats);
                    gradient.fill(slope * weight);
                }
                RatioKind::PerSample => {
                    for ((g, o), n) in gradient.iter_mut().zip(old).zip(new) {
                        *g = self.one_ratio(self.difference(*o, *n), advantage, weight, stats)
                            * weight;
                    }
                }
            }
            for (g, new) in gradient.iter_mut().zip(new) {
                let beyond = *new > self.loss_max;
                stats.bounded += u64::from(beyond);
                *g = if beyond { 0.0 } else { *g };
            }
            // Without an advantage nothing pushes, and an untrained flow's losses are large anyway.
            if self.loss_pull.weight > 0.0 && advantage != 0.0 {
                self.pull_back(new, gradient, stats);
            }
        }
    }

    /// Adds the pull on an action's losses `[N]`.
    fn pull_back(&self, losses: &[f32], gradient: &mut [f32], stats: &mut RatioStats) {
        let LossPull { weight, from } = self.loss_pull;
        let weight = weight / losses.len() as f32;
        for (g, loss) in gradient.iter_mut().zip(losses) {
            let beyond = loss - from;
            if beyond > 0.0 {
                stats.loss += f64::from(weight * beyond);
                *g += weight;
            }
        }
    }

    #[inline]
    fn difference(&self, old: f32, new: f32) -> f32 {
        old.min(self.loss_max) - new.min(self.loss_max)
    }

    /// Accounts for one ratio with a share of `weight` in the loss; returns ∂(−ψ)/∂(ℓ_θ) = ρ·∂ψ/∂ρ.
    #[inline]
    fn one_ratio(
        &self,
        difference: f32,
        advantage: f32,
        weight: f32,
        stats: &mut RatioStats,
    ) -> f32 {
        let bounded = difference.clamp(-self.log_ratio_clamp, self.log_ratio_clamp);
        let log_ratio = bounded.min(self.log_ratio_max);
        // exp(ℓ_old − ℓ_θ), for the statistics; ρ; ∂ρ/∂(ℓ_old − ℓ_θ).
        let (likelihood, ratio, growth) = match self.form {
            RatioForm::Exp => {
                let likelihood = libm::expf(log_ratio);
                (likelihood, likelihood, likelihood)
            }
            // The gradient does not depend on exp here, so its overflow must not fail the run.
            RatioForm::Linear => (
                libm::expf(log_ratio.min(LARGEST_EXPONENT)),
                1.0 + log_ratio,
                1.0,
            ),
        };
        let (psi, slope) = match self.trust_region {
            TrustRegion::Ppo => self.ppo(ratio, advantage),
            TrustRegion::Spo => self.spo(ratio, advantage),
            TrustRegion::Aspo if advantage > 0.0 => self.ppo(ratio, advantage),
            TrustRegion::Aspo => self.spo(ratio, advantage),
        };
        stats.loss -= f64::from(psi * weight);
        stats.add(likelihood, log_ratio, self.clip);
        if bounded == difference {
            growth * slope
        } else {
            0.0
        }
    }

    /// ψ and ∂ψ/∂ρ of PPO-clip (Schulman et al., arXiv 1707.06347).
    #[inline]
    fn ppo(&self, ratio: f32, advantage: f32) -> (f32, f32) {
        let plain = ratio * advantage;
        let clipped = ratio.clamp(1.0 - self.clip, 1.0 + self.clip) * advantage;
        // Inside the range both arguments of the minimum are the same function.
        (
            plain.min(clipped),
            if plain <= clipped { advantage } else { 0.0 },
        )
    }

    /// ψ and ∂ψ/∂ρ of simple policy optimization (Xie et al., arXiv 2401.16025): a penalty that
    /// pulls a ratio beyond ε back, where clipping only stops pushing it further.
    #[inline]
    fn spo(&self, ratio: f32, advantage: f32) -> (f32, f32) {
        let (deviation, stiffness) = (ratio - 1.0, advantage.abs() / self.clip);
        (
            ratio * advantage - 0.5 * stiffness * deviation * deviation,
            advantage - stiffness * deviation,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clipping(ratio: RatioKind, clamp: f32) -> RatioObjective {
        RatioObjective {
            ratio,
            form: RatioForm::Exp,
            trust_region: TrustRegion::Ppo,
            clip: 0.1,
            log_ratio_clamp: clamp,
            log_ratio_max: f32::INFINITY,
            loss_max: f32::INFINITY,
            loss_pull: LossPull::NONE,
        }
    }

    fn loss(objective: &RatioObjective, losses: &[f32], old: &[f32], advantages: &[f32]) -> f64 {
        let mut stats = RatioStats::default();
        objective.evaluate(
            losses,
            old,
            advantages,
            &mut vec![0.0; losses.len()],
            &mut stats,
        );
        stats.loss
    }

    /// Both sides of both clips, inside, and beyond the clamp; away from the kinks.
    #[test]
    fn gradient_equals_finite_differences() {
        let old = [0.5f32; 8];
        let losses = [0.3, 0.45, 0.52, 0.46, 0.9, 0.61, 0.55, 0.2];
        let advantages = [1.3, -0.7, 0.4, -2.0];
        for objective in [
            clipping(RatioKind::PerAction, f32::INFINITY),
            clipping(RatioKind::PerSample, f32::INFINITY),
            clipping(RatioKind::PerSample, 0.25),
            RatioObjective {
                trust_region: TrustRegion::Spo,
                ..clipping(RatioKind::PerAction, f32::INFINITY)
            },
            RatioObjective {
                trust_region: TrustRegion::Aspo,
                ..clipping(RatioKind::PerSample, f32::INFINITY)
            },
            RatioObjective {
                form: RatioForm::Linear,
                trust_region: TrustRegion::Aspo,
                ..clipping(RatioKind::PerSample, f32::INFINITY)
            },
            RatioObjective {
                form: RatioForm::Linear,
                ..clipping(RatioKind::PerAction, f32::INFINITY)
            },
            RatioObjective {
                loss_max: 0.58,
                ..clipping(RatioKind::PerSample, f32::INFINITY)
            },
            RatioObjective {
                loss_pull: LossPull {
                    weight: 1.5,
                    from: 0.5,
                },
                ..clipping(RatioKind::PerSample, f32::INFINITY)
            },
        ] {
            let (mut gradient, mut stats) = ([0.0; 8], RatioStats::default());
            objective.evaluate(&losses, &old, &advantages, &mut gradient, &mut stats);
            assert!(gradient.iter().any(|g| *g != 0.0), "{gradient:?}");
            assert!(
                objective.trust_region == TrustRegion::Spo || gradient.contains(&0.0),
                "{gradient:?}"
            );
            for i in 0..8 {
                let h = 1e-3;
                let moved = |d: f32| {
                    let mut l = losses;
                    l[i] += d;
                    loss(&objective, &l, &old, &advantages)
                };
                let numeric = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                assert!(
                    (numeric - f64::from(gradient[i])).abs() < 1e-3,
                    "{i}: {numeric} against {}",
                    gradient[i]
                );
            }
        }
    }

    /// Beyond ε SPO's gradient reverses; PPO's is zero.
    #[test]
    fn spo_pulls_back_a_ratio_that_ppo_ignores() {
        let slope = |trust_region, advantage: f32| {
            let objective = RatioObjective {
                trust_region,
                ..clipping(RatioKind::PerAction, f32::INFINITY)
            };
            let mut gradient = [0.0];
            // The loss rose by 0.3: ρ = 0.74, far below 1 − ε.
            objective.evaluate(
                &[0.8],
                &[0.5],
                &[advantage],
                &mut gradient,
                &mut RatioStats::default(),
            );
            gradient[0]
        };
        assert_eq!(slope(TrustRegion::Ppo, -1.0), 0.0);
        assert!(
            slope(TrustRegion::Aspo, -1.0) > 0.0,
            "descent lowers the loss again"
        );
        assert_eq!(slope(TrustRegion::Aspo, 1.0), slope(TrustRegion::Ppo, 1.0));
    }

    /// For a bad action whose loss has grown far, the gradient that lowers it again vanishes with
    /// exp and grows with the tangent.
    #[test]
    fn the_gradient_of_a_linear_ratio_does_not_vanish() {
        let objective = |form| RatioObjective {
            form,
            trust_region: TrustRegion::Aspo,
            ..clipping(RatioKind::PerSample, f32::INFINITY)
        };
        let pull = |form, advantage: f32, rise: f32| {
            let mut gradient = [0.0];
            let (losses, mut stats) = ([0.5 + rise], RatioStats::default());
            objective(form).evaluate(&losses, &[0.5], &[advantage], &mut gradient, &mut stats);
            gradient[0]
        };
        let of = |form| [0.5, 2.0, 6.0].map(|rise| pull(form, -1.0, rise));
        let (exp, linear) = (of(RatioForm::Exp), of(RatioForm::Linear));
        assert!(exp[0] > 1.0 && exp[2] < exp[1] && exp[2] < 0.05, "{exp:?}");
        // |A|·(rise/ε − 1), ε = 0.1.
        for (found, expected) in linear.iter().zip([4.0, 19.0, 59.0]) {
            assert!((found - expected).abs() < 1e-3, "{linear:?}");
        }
        // The same holds for a good action.
        assert!(pull(RatioForm::Exp, 2.0, 9.0) < 1e-3);
        assert_eq!(pull(RatioForm::Linear, 2.0, 9.0), 2.0);
    }

    /// At ρ = 1 both forms have the same gradient.
    #[test]
    fn both_forms_begin_with_the_same_gradient() {
        let of = |form| {
            let objective = RatioObjective {
                form,
                trust_region: TrustRegion::Aspo,
                ..clipping(RatioKind::PerAction, f32::INFINITY)
            };
            let (mut gradient, mut stats) = ([0.0; 4], RatioStats::default());
            let losses = [0.1, 0.9, 0.3, 0.4];
            objective.evaluate(&losses, &losses, &[1.5, -0.5], &mut gradient, &mut stats);
            (gradient, stats)
        };
        assert_eq!(of(RatioForm::Exp), of(RatioForm::Linear));
    }

    /// The upper bound changes the ratio's value but lets its gradient through.
    #[test]
    fn the_upper_bound_is_straight_through() {
        let objective = RatioObjective {
            log_ratio_max: 0.2,
            ..clipping(RatioKind::PerAction, f32::INFINITY)
        };
        let (mut gradient, mut stats) = ([0.0], RatioStats::default());
        objective.evaluate(&[1.0], &[3.0], &[-1.0], &mut gradient, &mut stats);
        assert!((stats.max - 0.2f32.exp()).abs() < 1e-6);
        assert!((gradient[0] + 0.2f32.exp()).abs() < 1e-6);
    }

    /// Σ (ρ − 1) − ln ρ of ρ = e^0.1 and e^−0.2.
    #[test]
    fn divergence_by_hand() {
        let mut stats = RatioStats::default();
        let objective = clipping(RatioKind::PerSample, f32::INFINITY);
        objective.evaluate(&[0.4, 0.8], &[0.5, 0.6], &[1.0], &mut [0.0; 2], &mut stats);
        let expected = (0.1f64.exp() - 1.0 - 0.1) + ((-0.2f64).exp() - 1.0 + 0.2);
        assert!(
            (stats.divergence - expected).abs() < 1e-6,
            "{}",
            stats.divergence
        );
    }

    /// Every sample beyond the bound counts, whether ratios are of actions or of samples.
    #[test]
    fn losses_beyond_their_bound_are_counted() {
        for ratio in [RatioKind::PerAction, RatioKind::PerSample] {
            let objective = RatioObjective {
                loss_max: 1.0,
                ..clipping(ratio, f32::INFINITY)
            };
            let (mut gradient, mut stats) = ([f32::NAN; 4], RatioStats::default());
            objective.evaluate(
                &[0.5, 1.5, 9.0, 1.0],
                &[0.5; 4],
                &[1.0, -1.0],
                &mut gradient,
                &mut stats,
            );
            assert_eq!(stats.bounded, 2);
            let mut both = stats;
            both.merge(&stats);
            assert_eq!(both.bounded, 4);
        }
    }

    #[test]
    fn unchanged_losses_give_ratio_one() {
        let mut stats = RatioStats::default();
        let objective = clipping(RatioKind::PerAction, f32::INFINITY);
        objective.evaluate(&[0.1, 0.9], &[0.1, 0.9], &[1.0], &mut [0.0; 2], &mut stats);
        assert_eq!(
            (stats.min, stats.max, stats.clipped, stats.loss),
            (1.0, 1.0, 0, -1.0)
        );
        assert_eq!(stats.divergence, 0.0);
    }
}
