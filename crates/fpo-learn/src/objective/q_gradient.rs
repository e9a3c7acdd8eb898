//! A policy that follows the gradient of a Q-function at its own actions.
//!
//! * A flow (QF3, arXiv 2610.08789, equations 1–5, here with t = 1 for noise): every stored pair
//!   (t, ε) of an action a has a one-step prediction. With the gap e = v̂ − (ε − a), which is 0
//!   where the flow would reproduce a, and â = a − t·clip(e, ±α),
//!
//!   L = −Q(o, â) and ∂L/∂v̂ᵢ = t·[|eᵢ| < α]·∂Q/∂aᵢ.
//!
//!   No gradient goes through the sampler. â stays within t·α of an action that was taken, where
//!   the critic knows something; the flow-matching loss on the same pairs, added with a weight λ
//!   ([`super::AnchorObjective`]), pulls the rest of the gap back.
//! * A Gaussian: a = μ + σz, ∂L/∂μ = −∂Q/∂a and ∂L/∂σ = −z·∂Q/∂a (REPPO, arXiv 2507.11019, after
//!   SAC).
//!
//! The critic sees an action squashed into [−1, 1]; gradients pass through the squashing.

use crate::rollout::LossSample;
use fpo_policy::Squash;

/// Where the policy's actions come from that the critic judges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ActionSource {
    /// One-step predictions of a flow, whose gap is clipped to ± α; infinity for no clip.
    OneStep {
        /// α.
        clip: f32,
    },
    /// Samples of a Gaussian.
    Reparameterized,
}

/// The gradient of Q at a policy's actions, through to its predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QGradient {
    /// The actions.
    pub source: ActionSource,
    /// How they are squashed.
    pub squash: Squash,
    /// Their bound before squashing; 0 for none.
    pub bound: f32,
}

/// Statistics of Q-gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QStats {
    /// Entries of actions.
    pub entries: u64,
    /// Those inside the clip.
    pub inside: u64,
    /// Σ |∂Q/∂a| over the entries, through the squashing, in the critic's units.
    pub slope: f64,
}

impl QStats {
    /// The mean size of the slope of an entry, if any was measured.
    pub fn mean_slope(&self) -> Option<f64> {
        (self.entries > 0).then(|| self.slope / self.entries as f64)
    }

    /// Adds another part's.
    pub fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.inside += other.inside;
        self.slope += other.slope;
    }
}

impl QGradient {
    /// Whether the actions need noise of their own.
    pub fn needs_noise(&self) -> bool {
        self.source == ActionSource::Reparameterized
    }

    /// Writes the unbounded actions `[rows, d]` to be judged.
    ///
    /// * `predictions` `[rows, width]`: velocities, or (μ, σ)
    /// * `sample(row)`: the row's pair, for a flow
    /// * `noise` `[rows, d]`: z, for a Gaussian
    pub fn actions<'a>(
        &self,
        predictions: &[f32],
        sample: impl Fn(usize) -> LossSample<'a>,
        noise: &[f32],
        out: &mut [f32],
        d: usize,
    ) {
        match self.source {
            ActionSource::OneStep { clip } => {
                let rows = predictions.chunks_exact(d).zip(out.chunks_exact_mut(d));
                for (row, (velocity, out)) in rows.enumerate() {
                    let LossSample {
                        action,
                        target: epsilon,
                        time: t,
                    } = sample(row);
                    for i in 0..d {
                        let gap = velocity[i] - (epsilon[i] - action[i]);
                        out[i] = action[i] - t * gap.clamp(-clip, clip);
                    }
                }
            }
            ActionSource::Reparameterized => {
                let rows = predictions.chunks_exact(2 * d).zip(out.chunks_exact_mut(d));
                for ((prediction, out), z) in rows.zip(noise.chunks_exact(d)) {
                    let (mean, std) = prediction.split_at(d);
                    for i in 0..d {
                        out[i] = std[i].mul_add(z[i], mean[i]);
                    }
                }
            }
        }
    }

    /// Adds `upstream`·∂(−Q)/∂prediction to `gradient`.
    ///
    /// * `actions` `[rows, d]`: from [`QGradient::actions`]
    /// * `slopes(row)` `[d]`: ∂Q/∂(squashed action) of the row
    /// * the rest as there; `gradient` has the shape of `predictions`
    #[expect(clippy::too_many_arguments, reason = "slices of one tile")]
    pub fn backward<'a, 'b>(
        &self,
        predictions: &[f32],
        sample: impl Fn(usize) -> LossSample<'a>,
        noise: &[f32],
        actions: &[f32],
        slopes: impl Fn(usize) -> &'b [f32],
        upstream: f32,
        gradient: &mut [f32],
        d: usize,
        stats: &mut QStats,
    ) {
        let width = gradient.len() / (actions.len() / d);
        let rows = gradient
            .chunks_exact_mut(width)
            .zip(actions.chunks_exact(d));
        for (row, (gradient, action)) in rows.enumerate() {
            let slopes = slopes(row);
            for i in 0..d {
                let slope = slopes[i] * self.squash_slope(action[i], slopes[i]);
                stats.slope += f64::from(slope.abs());
                stats.entries += 1;
                match self.source {
                    ActionSource::OneStep { clip } => {
                        let pair = sample(row);
                        let gap = predictions[row * d + i] - (pair.target[i] - pair.action[i]);
                        if gap.abs() < clip {
                            stats.inside += 1;
                            gradient[i] += upstream * pair.time * slope;
                        }
                    }
                    ActionSource::Reparameterized => {
                        stats.inside += 1;
                        gradient[i] -= upstream * slope;
                        gradient[d + i] -= upstream * slope * noise[row * d + i];
                    }
                }
            }
        }
    }

    /// The slope of the squashing at `a`. Outside of the bound the critic sees the bound, and a
    /// slope of Q that points further out is ignored; one that points back in counts.
    fn squash_slope(&self, a: f32, q_slope: f32) -> f32 {
        let bound = match (self.squash, self.bound) {
            (Squash::Clip, b) if b > 0.0 => b.min(1.0),
            (Squash::Clip, _) => 1.0,
            (Squash::Tanh, b) if b > 0.0 => b,
            (Squash::Tanh, _) => f32::INFINITY,
        };
        if a.abs() >= bound && q_slope * a > 0.0 {
            return 0.0;
        }
        match self.squash {
            Squash::Tanh => {
                let y = self.squash.apply(self.bound, a);
                1.0 - y * y
            }
            Squash::Clip => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: usize = 3;
    const ACTION: [f32; D] = [0.5, -0.3, 0.1];
    const NOISE: [f32; D] = [0.4, -1.0, 1.5];

    fn sample<'a>(_: usize) -> LossSample<'a> {
        LossSample {
            action: &ACTION,
            target: &NOISE,
            time: 0.7,
        }
    }

    /// A smooth Q of a squashed action, and its slopes.
    fn q(u: &[f32]) -> (f64, [f32; D]) {
        let value = 0.3 * u[0] + u[1] * u[2] - 0.5 * u[0] * u[0];
        (f64::from(value), [0.3 - u[0], u[2], u[1]])
    }

    /// Q of the actions that `predictions` give, and the gradient of −Q at them.
    fn evaluate(q_gradient: QGradient, predictions: &[f32], noise: &[f32]) -> (f64, Vec<f32>) {
        let mut actions = [0.0; D];
        q_gradient.actions(predictions, sample, noise, &mut actions, D);
        let units = actions.map(|a| q_gradient.squash.apply(q_gradient.bound, a));
        let (value, slopes) = q(&units);
        let mut gradient = vec![0.0; predictions.len()];
        let mut stats = QStats::default();
        q_gradient.backward(
            predictions,
            sample,
            noise,
            &actions,
            |_| &slopes,
            1.0,
            &mut gradient,
            D,
            &mut stats,
        );
        assert_eq!(stats.entries, D as u64);
        (value, gradient)
    }

    fn check(q_gradient: QGradient, predictions: &[f32], noise: &[f32]) {
        let (_, gradient) = evaluate(q_gradient, predictions, noise);
        for i in 0..predictions.len() {
            let moved = |h: f32| {
                let mut p = predictions.to_vec();
                p[i] += h;
                -evaluate(q_gradient, &p, noise).0
            };
            let numeric = (moved(5e-3) - moved(-5e-3)) / 1e-2;
            let found = f64::from(gradient[i]);
            assert!(
                (numeric - found).abs() < 2e-4,
                "{q_gradient:?} {i}: {found} against {numeric}"
            );
        }
    }

    /// The second gap is beyond the clip, which leaves it no gradient.
    #[test]
    fn a_flows_gradient_equals_finite_differences() {
        let velocity = [NOISE[0] - ACTION[0] + 0.2, NOISE[1] - ACTION[1] - 0.9, 1.1];
        for squash in [Squash::Tanh, Squash::Clip] {
            for clip in [0.5, f32::INFINITY] {
                let q_gradient = QGradient {
                    source: ActionSource::OneStep { clip },
                    squash,
                    bound: 3.0,
                };
                check(q_gradient, &velocity, &[]);
                let (_, gradient) = evaluate(q_gradient, &velocity, &[]);
                assert_eq!(gradient[1] == 0.0, clip < 0.9, "{gradient:?}");
            }
        }
    }

    #[test]
    fn a_gaussians_gradient_equals_finite_differences() {
        let q_gradient = QGradient {
            source: ActionSource::Reparameterized,
            squash: Squash::Tanh,
            bound: 0.0,
        };
        let prediction = [0.3, -0.4, 0.8, 0.5, 0.2, 0.9];
        check(q_gradient, &prediction, &[0.4, -1.1, 0.3]);
    }

    /// A linear Q with nothing in the way: ∂L/∂v̂ = t·g.
    #[test]
    fn by_hand() {
        let q_gradient = QGradient {
            source: ActionSource::OneStep {
                clip: f32::INFINITY,
            },
            squash: Squash::Clip,
            bound: 0.0,
        };
        let velocity: Vec<f32> = (0..D).map(|i| NOISE[i] - ACTION[i]).collect();
        let (mut actions, mut gradient) = ([0.0; D], [10.0; D]);
        q_gradient.actions(&velocity, sample, &[], &mut actions, D);
        assert_eq!(actions, ACTION, "a flow without a gap predicts the action");
        let slopes = [2.0, -1.0, 0.5];
        let mut stats = QStats::default();
        q_gradient.backward(
            &velocity,
            sample,
            &[],
            &actions,
            |_| &slopes,
            3.0,
            &mut gradient,
            D,
            &mut stats,
        );
        for i in 0..D {
            assert!((gradient[i] - 10.0 - 3.0 * 0.7 * slopes[i]).abs() < 1e-5);
        }
        assert_eq!((stats.inside, stats.slope), (3, 3.5));
    }

    /// At the bound a slope outward is ignored and one inward counts.
    #[test]
    fn actions_are_not_pushed_out_of_their_bound() {
        for (squash, bound) in [
            (Squash::Clip, 0.0),
            (Squash::Clip, 1.0),
            (Squash::Tanh, 2.0),
        ] {
            let q_gradient = QGradient {
                source: ActionSource::Reparameterized,
                squash,
                bound,
            };
            assert_eq!(q_gradient.squash_slope(2.5, 1.0), 0.0);
            assert_eq!(q_gradient.squash_slope(-2.5, -1.0), 0.0);
            assert!(q_gradient.squash_slope(2.5, -1.0) > 0.0);
            assert!(q_gradient.squash_slope(0.5, 1.0) > 0.0);
        }
    }
}
