//! The linear path between action and noise, and what a network may predict on it.
//!
//! On the path `x_t = t·ε + (1−t)·a` with velocity `v = dx_t/dt = ε − a`, any one of (v, ε, a)
//! together with x_t and t gives the other two by a linear combination:
//!
//! | known | v | ε | a |
//! |---|---|---|---|
//! | v | v | x + (1−t)·v | x − t·v |
//! | ε | (ε − x)/(1−t) | ε | (x − t·ε)/(1−t) |
//! | a | (x − a)/t | (x − (1−t)·a)/t | a |
//!
//! # The score
//! Given a, `x_t ~ N((1−t)·a, t²·I)`, so the conditional score is `−(x_t − (1−t)·a)/t² = −ε/t`. The
//! score of the marginal p_t is the mean of conditional scores over the posterior of (a, ε) given
//! x_t, hence `∇ log p_t(x) = −E[ε | x_t = x]/t`, and with a model's ε̂ in place of the posterior
//! mean, `−ε̂/t = −(x + (1−t)·v̂)/t`.
//!
//! # The ends
//! At t = 1 knowledge of ε says nothing about a, since x₁ = ε; at t = 0 knowledge of a says nothing
//! about ε. There the quotients are 0/0 for a perfect network and infinite for any other. Within
//! [`END`] of such an end the posterior's best guess without data stands in: a = 0 at t = 1
//! (actions are centered; so `v = x`), and ε = 0 at t = 0 (exact for data with a density; so
//! `v = −x`). The network's output then does not enter, and gradients through it are zero. A
//! velocity has no such end.

use crate::Real;
use serde::{Deserialize, Serialize};

/// How near to an end of the path a division by t or by 1 − t is replaced by its limit; see the
/// [module](self).
pub const END: f64 = 1e-4;

/// A quantity that, with x_t and t, determines the flow: what a network predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// `v = ε − a`.
    #[default]
    Velocity,
    /// The noise ε.
    Epsilon,
    /// The action a.
    Data,
}

/// A linear combination `output·y + state·x_t` of a network's output y and the point x_t it was
/// given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combination<R> {
    /// Factor of the network's output.
    pub output: R,
    /// Factor of x_t.
    pub state: R,
}

impl<R: Real> Combination<R> {
    /// The combination of one entry.
    #[inline(always)]
    pub fn at(self, output: R, x: R) -> R {
        self.output * output + self.state * x
    }

    /// The combination, entry by entry, in place of the output.
    #[inline(always)]
    pub fn apply(self, output: &mut [R], x: &[R]) {
        for (y, &x) in output.iter_mut().zip(x) {
            *y = self.at(*y, x);
        }
    }
}

impl Prediction {
    /// How to make `quantity` from this prediction and x_t at time t; the [module](self) has the
    /// table and what happens at the ends.
    ///
    /// ```
    /// use fpo_flow::Prediction;
    ///
    /// let (action, noise, t) = (2.0, -1.0, 0.25);
    /// let x = 0.25 * noise + 0.75 * action;
    /// assert_eq!(x, 1.25);
    /// assert_eq!(Prediction::Velocity.to(Prediction::Data, t).at(noise - action, x), action);
    /// assert_eq!(Prediction::Epsilon.to(Prediction::Velocity, t).at(noise, x), -3.0);
    /// ```
    #[inline(always)]
    pub fn to<R: Real>(self, quantity: Self, t: R) -> Combination<R> {
        use Prediction::{Data, Epsilon, Velocity};
        let (zero, one, end) = (R::ZERO, R::ONE, R::from_f64(END));
        let rest = one - t;
        let (output, state) = match (self, quantity) {
            (Velocity, Velocity) | (Epsilon, Epsilon) | (Data, Data) => (one, zero),
            (Velocity, Epsilon) => (rest, one),
            (Velocity, Data) => (-t, one),
            (Epsilon, Velocity) if rest < end => (zero, one),
            (Epsilon, Velocity) => (one / rest, -one / rest),
            (Epsilon, Data) if rest < end => (zero, zero),
            (Epsilon, Data) => (-t / rest, one / rest),
            (Data, Velocity) if t < end => (zero, -one),
            (Data, Velocity) => (-one / t, one / t),
            (Data, Epsilon) if t < end => (zero, zero),
            (Data, Epsilon) => (-rest / t, one / t),
        };
        Combination { output, state }
    }

    /// How to make the score `∇ log p_t(x_t) = −ε̂/t` from this prediction; none at t = 0, where a
    /// score follows from the data's density alone and not from the flow.
    #[inline(always)]
    pub fn score<R: Real>(self, t: R) -> Option<Combination<R>> {
        let epsilon = self.to(Self::Epsilon, t);
        (t > R::ZERO).then(|| Combination {
            output: -epsilon.output / t,
            state: -epsilon.state / t,
        })
    }
}

/// Writes the point `x_t = t·ε + (1−t)·a`; all slices are as long.
///
/// ```
/// let mut x = [0.0; 2];
/// fpo_flow::interpolate(&[1.0, 2.0], &[5.0, -2.0], 0.25, &mut x);
/// assert_eq!(x, [2.0, 1.0]);
/// ```
#[inline(always)]
pub fn interpolate<R: Real>(action: &[R], noise: &[R], t: R, x: &mut [R]) {
    assert!(action.len() == x.len() && noise.len() == x.len());
    for ((x, &a), &e) in x.iter_mut().zip(action).zip(noise) {
        *x = t * e + (R::ONE - t) * a;
    }
}

/// Writes the velocity `v = ε − a` of the path; all slices are as long.
#[inline(always)]
pub fn velocity<R: Real>(action: &[R], noise: &[R], v: &mut [R]) {
    assert!(action.len() == v.len() && noise.len() == v.len());
    for ((v, &a), &e) in v.iter_mut().zip(action).zip(noise) {
        *v = e - a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Prediction::{Data, Epsilon, Velocity};

    #[test]
    fn every_prediction_gives_every_quantity() {
        let (a, e) = (0.7f64, -1.3);
        for t in [0.001, 0.1, 0.5, 0.9, 0.999] {
            let x = t * e + (1.0 - t) * a;
            let truth = |p| match p {
                Velocity => e - a,
                Epsilon => e,
                Data => a,
            };
            for from in [Velocity, Epsilon, Data] {
                for quantity in [Velocity, Epsilon, Data] {
                    let got = from.to(quantity, t).at(truth(from), x);
                    assert!(
                        (got - truth(quantity)).abs() < 1e-9,
                        "{from:?} to {quantity:?} at {t}: {got}"
                    );
                }
                let score = from.score(t).unwrap().at(truth(from), x);
                let gaussian = -(x - (1.0 - t) * a) / (t * t);
                assert!(
                    (score - gaussian).abs() < 1e-9 * gaussian.abs(),
                    "{from:?} score at {t}: {score}"
                );
            }
        }
    }

    #[test]
    fn ends_are_finite_and_as_documented() {
        for t in [0.0f32, 1e-30, 1e-7, 1.0 - 1e-7, 1.0] {
            for from in [Velocity, Epsilon, Data] {
                for quantity in [Velocity, Epsilon, Data] {
                    let c = from.to(quantity, t);
                    assert!(
                        c.at(3.0, 2.0).is_finite(),
                        "{from:?} to {quantity:?} at {t}: {c:?}"
                    );
                }
            }
        }
        assert_eq!(Epsilon.to(Velocity, 1.0).at(9.0, 2.0), 2.0);
        assert_eq!(Epsilon.to(Data, 1.0).at(9.0, 2.0), 0.0);
        assert_eq!(Data.to(Velocity, 0.0).at(9.0, 2.0), -2.0);
        assert_eq!(Data.to(Epsilon, 0.0).at(9.0, 2.0), 0.0);
        assert_eq!(Velocity.score(0.0f32), None);
    }

    #[test]
    fn the_path_runs_from_action_to_noise_at_its_velocity() {
        let (a, e) = ([0.5f64, -2.0], [1.5, 0.25]);
        let (mut x0, mut x1, mut v) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        interpolate(&a, &e, 0.0, &mut x0);
        interpolate(&a, &e, 1.0, &mut x1);
        assert_eq!((x0, x1), (a, e));
        velocity(&a, &e, &mut v);
        interpolate(&a, &e, 0.4 + 1e-6, &mut x1);
        interpolate(&a, &e, 0.4, &mut x0);
        for j in 0..2 {
            assert!(((x1[j] - x0[j]) / 1e-6 - v[j]).abs() < 1e-8);
        }
    }
}
