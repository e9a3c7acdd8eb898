//! A penalty that keeps a flow's actions in their box: it pulls the flow's one-step predictions
//! back from outside of it.
//!
//! Beyond `policy.action_bound` a gradient step no longer changes the executed action, since it is
//! clipped. But a step outward raises the flow-matching loss of the clipped action, and an
//! objective on losses rewards that for every bad action. Nothing else stops it: in long runs the
//! flow leaves the box in some states and never returns (docs/stability.md). So the one-step
//! prediction â = x_t − t·v̂ of every pair has the penalty
//!
//! w · mean over the entries of ψ(max(|â| − b, 0)), ψ(x) = x² up to 1 and 2x − 1 beyond,
//!
//! which is zero inside the box |a| ≤ b and whose gradient at â never exceeds 2w.

use crate::rollout::LossSample;
use fpo_flow::Penalty;

/// ψ, as a function of the distance from the box.
const PENALTY: Penalty = Penalty::Huber { delta: 1.0 };

/// The penalty outside the box, for flows that predict velocities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundPull {
    /// Its weight w.
    pub weight: f32,
    /// Half the width b of the box, above 0.
    pub bound: f32,
}

/// Statistics of the penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pulled {
    /// Σ of the penalties over the pairs.
    pub loss: f64,
    /// Entries of predictions that lie outside the box.
    pub outside: u64,
}

impl BoundPull {
    /// Computes the penalties of some pairs and adds `upstream`·∂penalty/∂v̂ to `gradient`.
    ///
    /// * `velocities`, `gradient` `[rows, d]`: v̂ at (x_t, t)
    /// * `sample(row)`: the row's pair, an action a and a noise ε, of which x_t = t·ε + (1 − t)·a
    pub fn evaluate<'a>(
        &self,
        velocities: &[f32],
        sample: impl Fn(usize) -> LossSample<'a>,
        upstream: f32,
        gradient: &mut [f32],
    ) -> Pulled {
        let d = sample(0).action.len();
        let share = self.weight / d as f32;
        let mut pulled = Pulled::default();
        let rows = velocities.chunks_exact(d).zip(gradient.chunks_exact_mut(d));
        for (row, (velocity, gradient)) in rows.enumerate() {
            let LossSample {
                action,
                target: noise,
                time: t,
            } = sample(row);
            for (((g, v), a), e) in gradient.iter_mut().zip(velocity).zip(action).zip(noise) {
                // â = x_t − t·v̂ = a + t·((ε − a) − v̂).
                let predicted = a + t * (e - a - v);
                let beyond = predicted.abs() - self.bound;
                if beyond > 0.0 {
                    pulled.loss += f64::from(share * PENALTY.of(beyond));
                    pulled.outside += 1;
                    let slope = 2.0 * PENALTY.half_slope(beyond).copysign(predicted);
                    *g -= upstream * share * slope * t;
                }
            }
        }
        pulled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTION: [f32; 3] = [3.0, -3.0, 0.5];
    const NOISE: [f32; 3] = [0.4, -1.0, 1.5];
    const T: f32 = 0.7;
    const PULL: BoundPull = BoundPull {
        weight: 1.5,
        bound: 3.0,
    };

    fn sample<'a>(_: usize) -> LossSample<'a> {
        LossSample {
            action: &ACTION,
            target: &NOISE,
            time: T,
        }
    }

    fn penalty(velocity: &[f32]) -> f64 {
        PULL.evaluate(velocity, sample, 1.0, &mut [0.0; 3]).loss
    }

    /// Far outside, where the gradient is constant; slightly outside, on the other side; inside.
    #[test]
    fn gradient_equals_finite_differences() {
        let velocity = [-7.0f32, 2.6, 0.3];
        let mut gradient = [10.0f32; 3];
        let pulled = PULL.evaluate(&velocity, sample, -2.0, &mut gradient);
        assert_eq!(pulled.outside, 2);
        for i in 0..3 {
            let moved = |h: f32| {
                let mut v = velocity;
                v[i] += h;
                penalty(&v)
            };
            let numeric = -2.0 * (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let found = f64::from(gradient[i] - 10.0);
            assert!(
                (numeric - found).abs() < 1e-3,
                "{i}: {found} against {numeric}"
            );
        }
        assert_eq!(gradient[2], 10.0, "no gradient inside the box");
    }

    /// By hand: â = 5 and −3.5 with b = 3 cost (2·2 − 1) and 0.5².
    #[test]
    fn the_penalty_by_hand() {
        let velocity_to = |i: usize, to: f32| NOISE[i] - ACTION[i] - (to - ACTION[i]) / T;
        let velocity = [
            velocity_to(0, 5.0),
            velocity_to(1, -3.5),
            velocity_to(2, 2.9),
        ];
        assert!((penalty(&velocity) - 0.5 * (3.0 + 0.25)).abs() < 1e-5);
    }

    /// A gradient step moves the prediction towards the box, from both sides.
    #[test]
    fn it_pulls_inward() {
        let velocity = [NOISE[0] - ACTION[0] - 4.0, NOISE[1] - ACTION[1] + 4.0, 0.0];
        let mut gradient = [0.0; 3];
        PULL.evaluate(&velocity, sample, 1.0, &mut gradient);
        for i in 0..2 {
            let predicted = |v: f32| ACTION[i] + T * (NOISE[i] - ACTION[i] - v);
            let (before, after) = (
                predicted(velocity[i]),
                predicted(velocity[i] - 0.1 * gradient[i]),
            );
            assert!(
                after.abs() < before.abs() && before.abs() > 3.0,
                "{before} to {after}"
            );
        }
    }
}
