//! The conditional flow-matching (CFM) loss of one (t, ε) pair, and its gradient.
//!
//! Predictions and targets are linear in the action and the noise, and a perfect output gives a
//! perfect estimate of the target (see [`path`](crate::path)), so the error of the target is a
//! multiple of the error of the output:
//!
//! `estimate(ŷ, x_t) − target = c(t)·(ŷ − y)`, where y is the output of a perfect network for this
//! pair,
//!
//! and every loss here is `Σ penalty(c(t)·(ŷ − y))` times the reduction's factor: with the squared
//! penalty `c(t)²·Σ(ŷ − y)²`. The weights c² are
//!
//! | output \ error of | velocity | ε | action |
//! |---|---|---|---|
//! | velocity | 1 | (1−t)² | t² |
//! | ε | 1/(1−t)² | 1 | t²/(1−t)² |
//! | action | 1/t² | (1−t)²/t² | 1 |
//!
//! Within [`END`](crate::path::END) of a pole the weight is zero, because there the output carries
//! no information about the target.
//!
//! A Huber penalty applies to the target's error, so with it the losses of different targets are no
//! longer multiples of each other: whether an error of the velocity is beyond δ does not depend on
//! t, but whether the resulting error of ε is beyond δ does.

use crate::{Penalty, Prediction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The quantity whose error a CFM loss measures, independently of the network's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CfmTarget {
    /// `v̂ − (ε − a)`.
    Velocity,
    /// `ε̂ − ε`: the best in 2507.21053. For a network that predicts velocities and squared errors,
    /// it is (1−t)² times the loss of the velocity.
    #[default]
    Epsilon,
    /// `â − a`.
    Data,
}

impl From<CfmTarget> for Prediction {
    fn from(target: CfmTarget) -> Self {
        match target {
            CfmTarget::Velocity => Self::Velocity,
            CfmTarget::Epsilon => Self::Epsilon,
            CfmTarget::Data => Self::Data,
        }
    }
}

/// How the penalties of the d entries of an action are reduced to one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean: the sum divided by d, the number of action entries (2507.21053).
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum divided by √d (2602.02481): a compromise, so that one clipping range suits robots
    /// with few and with many joints.
    Sqrt,
}

impl Reduction {
    /// The factor of the sum of `dim` penalties.
    #[inline(always)]
    pub fn factor(self, dim: usize) -> f32 {
        match self {
            Self::Mean => 1.0 / dim as f32,
            Self::Sum => 1.0,
            Self::Sqrt => 1.0 / (dim as f32).sqrt(),
        }
    }
}

/// The CFM loss: the network's output, the target whose error is measured, the penalty of an error,
/// and the reduction over entries.
///
/// ```
/// use fpo_flow::{CfmLoss, CfmTarget};
///
/// let (action, noise, t) = ([1.0, 0.0], [0.0, 2.0], 0.5);
/// // The true velocity is [−1, 2]; this output is off by (1, −1).
/// let output = [0.0, 1.0];
/// let mut loss = CfmLoss { target: CfmTarget::Velocity, ..CfmLoss::default() };
/// assert_eq!(loss.loss(&output, &action, &noise, t), 1.0);
/// loss.target = CfmTarget::Epsilon;
/// assert_eq!(loss.loss(&output, &action, &noise, t), 0.25);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CfmLoss {
    /// The network's output.
    pub prediction: Prediction,
    /// The target whose error is measured.
    pub target: CfmTarget,
    /// The penalty of an entry's error.
    pub penalty: Penalty,
    /// The reduction over entries.
    pub reduction: Reduction,
}

impl CfmLoss {
    /// The factor of the sum of squared errors of a `dim`-entry output at time t: c(t)² times the
    /// reduction's factor. Finite and non-negative for every t in [0, 1]. A Huber penalty has no
    /// such weight beyond its δ.
    #[inline(always)]
    pub fn weight(self, t: f32, dim: usize) -> f32 {
        let c = self.error_scale(t);
        c * c * self.reduction.factor(dim)
    }

    /// c(t): the error of the target per unit of the output's error.
    #[inline(always)]
    fn error_scale(self, t: f32) -> f32 {
        self.prediction.to(self.target.into(), t).output
    }

    /// The output of a perfect network for an entry of the pair.
    #[inline(always)]
    pub fn perfect(self, action: f32, noise: f32) -> f32 {
        match self.prediction {
            Prediction::Velocity => noise - action,
            Prediction::Epsilon => noise,
            Prediction::Data => action,
        }
    }

    /// The loss of one pair: the network's `output` at (`x_t`, t) for `action` and `noise`, all
    /// `[d]`.
    #[inline(always)]
    pub fn loss(self, output: &[f32], action: &[f32], noise: &[f32], t: f32) -> f32 {
        assert!(output.len() == action.len() && output.len() == noise.len());
        // The error of an entry's output.
        let errors = output.iter().zip(action).zip(noise);
        let errors = errors.map(|((&y, &a), &e)| y - self.perfect(a, e));
        match self.penalty {
            Penalty::Squared => {
                let mut sum = 0.0;
                errors.for_each(|error| sum += error * error);
                sum * self.weight(t, output.len())
            }
            huber => {
                let c = self.error_scale(t);
                let sum: f32 = errors.map(|error| huber.of(c * error)).sum();
                sum * self.reduction.factor(output.len())
            }
        }
    }

    /// Writes `upstream·∂loss/∂output` into `d_output`; all slices are `[d]`.
    #[inline(always)]
    pub fn backward(
        self,
        output: &[f32],
        action: &[f32],
        noise: &[f32],
        t: f32,
        upstream: f32,
        d_output: &mut [f32],
    ) {
        assert!(
            output.len() == action.len()
                && output.len() == noise.len()
                && output.len() == d_output.len()
        );
        let entries = d_output.iter_mut().zip(output).zip(action).zip(noise);
        let entries = entries.map(|(((d, &y), &a), &e)| (d, y - self.perfect(a, e)));
        match self.penalty {
            Penalty::Squared => {
                let scale = 2.0 * upstream * self.weight(t, output.len());
                entries.for_each(|(d, error)| *d = scale * error);
            }
            huber => {
                let c = self.error_scale(t);
                let scale = 2.0 * upstream * c * self.reduction.factor(output.len());
                entries.for_each(|(d, error)| *d = scale * huber.half_slope(c * error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Stream, fill_normal};

    const PREDICTIONS: [Prediction; 3] =
        [Prediction::Velocity, Prediction::Epsilon, Prediction::Data];
    const TARGETS: [CfmTarget; 3] = [CfmTarget::Velocity, CfmTarget::Epsilon, CfmTarget::Data];
    const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::Sqrt];
    const PENALTIES: [Penalty; 2] = [Penalty::Squared, Penalty::Huber { delta: 0.4 }];
    const DIM: usize = 5;

    fn every_loss() -> impl Iterator<Item = CfmLoss> {
        let reductions = REDUCTIONS.into_iter();
        let both = reductions.flat_map(|reduction| PENALTIES.map(|penalty| (reduction, penalty)));
        PREDICTIONS.into_iter().flat_map(move |prediction| {
            let both = both.clone();
            TARGETS.into_iter().flat_map(move |target| {
                both.clone().map(move |(reduction, penalty)| CfmLoss {
                    prediction,
                    target,
                    penalty,
                    reduction,
                })
            })
        })
    }

    /// (output, action, noise), standard normal.
    fn pair(step: u64) -> [[f32; DIM]; 3] {
        let mut all = [0.0; 3 * DIM];
        fill_normal(Key::new(5, Stream::Test).step(step), &mut all);
        std::array::from_fn(|i| std::array::from_fn(|j| all[i * DIM + j]))
    }

    /// The definition, in f64: form x_t, estimate the target from the output, compare it to the
    /// target.
    fn by_definition(loss: CfmLoss, output: &[f32], action: &[f32], noise: &[f32], t: f32) -> f64 {
        let t = f64::from(t);
        let mut sum = 0.0;
        for j in 0..output.len() {
            let (y, a, e) = (
                f64::from(output[j]),
                f64::from(action[j]),
                f64::from(noise[j]),
            );
            let x = t * e + (1.0 - t) * a;
            let (v, e_hat, a_hat) = match loss.prediction {
                Prediction::Velocity => (y, x + (1.0 - t) * y, x - t * y),
                Prediction::Epsilon => ((y - x) / (1.0 - t), y, (x - t * y) / (1.0 - t)),
                Prediction::Data => ((x - y) / t, (x - (1.0 - t) * y) / t, y),
            };
            let error = match loss.target {
                CfmTarget::Velocity => v - (e - a),
                CfmTarget::Epsilon => e_hat - e,
                CfmTarget::Data => a_hat - a,
            };
            let delta = match loss.penalty {
                Penalty::Squared => f64::INFINITY,
                Penalty::Huber { delta } => f64::from(delta),
            };
            let inside = error.abs().min(delta);
            sum += inside * inside
                + if inside < error.abs() {
                    2.0 * delta * (error.abs() - delta)
                } else {
                    0.0
                };
        }
        let d = output.len() as f64;
        match loss.reduction {
            Reduction::Mean => sum / d,
            Reduction::Sum => sum,
            Reduction::Sqrt => sum / d.sqrt(),
        }
    }

    #[test]
    fn losses_are_their_definitions() {
        for (step, t) in [0.05, 0.1, 0.5, 0.9, 0.95].into_iter().enumerate() {
            let [output, action, noise] = pair(step as u64);
            for loss in every_loss() {
                let got = f64::from(loss.loss(&output, &action, &noise, t));
                let expected = by_definition(loss, &output, &action, &noise, t);
                assert!(
                    (got - expected).abs() < 1e-5 * expected,
                    "{loss:?} at {t}: {got}, {expected}"
                );
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let h = 1e-3f32;
        for (step, t) in [0.1, 0.5, 0.9].into_iter().enumerate() {
            let [output, action, noise] = pair(10 + step as u64);
            for loss in every_loss() {
                let mut gradient = [f32::NAN; DIM];
                loss.backward(&output, &action, &noise, t, -0.7, &mut gradient);
                for j in 0..DIM {
                    let shifted = |by: f32| {
                        let mut y = output;
                        y[j] += by;
                        (f64::from(y[j]), by_definition(loss, &y, &action, &noise, t))
                    };
                    let ((y1, l1), (y0, l0)) = (shifted(h), shifted(-h));
                    // Quadratic, or linear beyond δ: the central difference is exact except for
                    // rounding and close to the joint.
                    let expected = -0.7 * (l1 - l0) / (y1 - y0);
                    let error = (f64::from(gradient[j]) - expected).abs();
                    // The two points straddle the output up to a rounding of f32.
                    assert!(
                        error < 1e-4 * expected.abs() + 1e-4 * f64::from(loss.weight(t, DIM)),
                        "{loss:?} {j} at {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn epsilon_loss_is_the_velocity_loss_weighted_by_one_minus_t_squared() {
        let [output, action, noise] = pair(20);
        for t in [0.0, 0.1, 0.3, 0.9, 1.0] {
            let [v, e] = [CfmTarget::Velocity, CfmTarget::Epsilon].map(|target| {
                CfmLoss {
                    target,
                    ..Default::default()
                }
                .loss(&output, &action, &noise, t)
            });
            assert!(
                (e - (1.0 - t) * (1.0 - t) * v).abs() <= 1e-6 * v,
                "at {t}: {e}, {v}"
            );
        }
    }

    /// With a Huber penalty the losses are not proportional for errors where one target's penalty
    /// is quadratic and the other's is linear.
    #[test]
    fn huber_losses_of_epsilon_and_velocity_are_not_proportional() {
        let losses = |error: f32| {
            [CfmTarget::Velocity, CfmTarget::Epsilon].map(|target| {
                let penalty = Penalty::Huber { delta: 1.0 };
                CfmLoss {
                    target,
                    penalty,
                    ..Default::default()
                }
                .loss(&[error], &[0.0], &[0.0], 0.5)
            })
        };
        assert_eq!(losses(0.5), [0.25, 0.0625], "both quadratic: a quarter");
        assert_eq!(
            losses(2.0),
            [3.0, 1.0],
            "the velocity's error is beyond δ, that of ε at it"
        );
        assert_eq!(losses(8.0), [15.0, 7.0], "both linear");
    }

    #[test]
    fn ends_give_finite_losses_and_gradients() {
        let [output, action, noise] = pair(30);
        for t in [0.0, 1e-30, 1e-6, 1.0 - 1e-7, 1.0] {
            for loss in every_loss() {
                let mut gradient = [f32::NAN; DIM];
                loss.backward(&output, &action, &noise, t, 1.0, &mut gradient);
                assert!(
                    loss.loss(&output, &action, &noise, t).is_finite(),
                    "{loss:?} at {t}"
                );
                assert!(gradient.iter().all(|g| g.is_finite()), "{loss:?} at {t}");
            }
        }
    }

    #[test]
    fn settings_are_lower_case_words() {
        let loss: CfmLoss = toml::from_str("target = 'epsilon'\nreduction = 'sqrt'").unwrap();
        assert_eq!(
            loss,
            CfmLoss {
                reduction: Reduction::Sqrt,
                ..Default::default()
            }
        );
        assert!(toml::from_str::<CfmLoss>("target = 'Epsilon'").is_err());
        assert!(toml::from_str::<CfmLoss>("tarjet = 'epsilon'").is_err());
    }
}
