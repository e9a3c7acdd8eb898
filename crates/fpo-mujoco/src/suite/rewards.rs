//! The soft indicator function in DM Control's rewards (Tassa et al., *DeepMind Control Suite*,
//! 2018, section 2).

use libm::{acos, acosh, atanh, cos, cosh, exp, log, tanh};
use std::f64::consts::PI;

/// How a reward falls off outside its target interval. At a distance of one margin it is the value
/// at the margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sigmoid {
    /// exp(−(s·d)²/2)
    Gaussian,
    /// 1/cosh(s·d)
    Hyperbolic,
    /// 1/((s·d)² + 1)
    LongTail,
    /// 1/(s·|d| + 1)
    Reciprocal,
    /// (1 + cos(π·s·d))/2 while s·d < 1, then 0
    Cosine,
    /// 1 − s·d while s·d < 1, then 0
    Linear,
    /// 1 − (s·d)² while s·d < 1, then 0
    Quadratic,
    /// 1 − tanh²(s·d)
    TanhSquared,
}

impl Sigmoid {
    /// The value at a distance of `d` margins, where it is `value_at_margin` at one margin.
    fn at(self, d: f64, value_at_margin: f64) -> f64 {
        let v = value_at_margin;
        let within = |d: f64, value: f64| if d.abs() < 1.0 { value } else { 0.0 };
        match self {
            Self::Gaussian => exp(-0.5 * (d * (-2.0 * log(v)).sqrt()).powi(2)),
            Self::Hyperbolic => cosh(d * acosh(1.0 / v)).recip(),
            Self::LongTail => ((d * (1.0 / v - 1.0).sqrt()).powi(2) + 1.0).recip(),
            Self::Reciprocal => (d.abs() * (1.0 / v - 1.0) + 1.0).recip(),
            Self::Cosine => {
                let d = d * acos(2.0 * v - 1.0) / PI;
                within(d, (1.0 + cos(PI * d)) / 2.0)
            }
            Self::Linear => {
                let d = d * (1.0 - v);
                within(d, 1.0 - d)
            }
            Self::Quadratic => {
                let d = d * (1.0 - v).sqrt();
                within(d, 1.0 - d * d)
            }
            Self::TanhSquared => 1.0 - tanh(d * atanh((1.0 - v).sqrt())).powi(2),
        }
    }
}

/// The interval of good values and how the reward falls off outside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    lower: f64,
    upper: f64,
    margin: f64,
    sigmoid: Sigmoid,
    value_at_margin: f64,
}

impl Tolerance {
    /// One for `lower` ≤ x ≤ `upper`, and zero elsewhere. The bounds may be infinite.
    pub const fn within(lower: f64, upper: f64) -> Self {
        Self {
            lower,
            upper,
            margin: 0.0,
            sigmoid: Sigmoid::Gaussian,
            value_at_margin: 0.1,
        }
    }

    /// One for x ≥ `lower`, and zero elsewhere.
    pub const fn at_least(lower: f64) -> Self {
        Self::within(lower, f64::INFINITY)
    }

    /// The same interval, falling off over `margin` as a Gaussian that is 0.1 at the margin.
    pub const fn margin(self, margin: f64) -> Self {
        Self { margin, ..self }
    }

    /// The same interval and margin, falling off as `sigmoid`. `value_at_margin` lies between 0 and
    /// 1; it may be 0 for the sigmoids that reach zero.
    pub const fn sigmoid(self, sigmoid: Sigmoid, value_at_margin: f64) -> Self {
        Self {
            sigmoid,
            value_at_margin,
            ..self
        }
    }

    /// The reward at `x`, between 0 and 1.
    ///
    /// ```
    /// use fpo_mujoco::suite::rewards::{Sigmoid, Tolerance};
    ///
    /// let fast = Tolerance::at_least(10.0).margin(10.0).sigmoid(Sigmoid::Linear, 0.0);
    /// assert_eq!(fast.at(12.0), 1.0);
    /// assert_eq!(fast.at(4.0), 0.4);
    /// assert_eq!(fast.at(-3.0), 0.0);
    /// ```
    pub fn at(&self, x: f64) -> f64 {
        if self.lower <= x && x <= self.upper {
            1.0
        } else if self.margin == 0.0 {
            0.0
        } else {
            let outside = if x < self.lower {
                self.lower - x
            } else {
                x - self.upper
            };
            self.sigmoid.at(outside / self.margin, self.value_at_margin)
        }
    }

    /// The mean of the rewards at all of `xs`.
    pub(crate) fn mean(&self, xs: &[f64]) -> f64 {
        xs.iter().map(|&x| self.at(x)).sum::<f64>() / xs.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Sigmoid::*;
    use super::*;

    /// Values of `dm_control.utils.rewards.tolerance` at distances of 0.3, 1 and 1.7 margins.
    #[test]
    fn sigmoids_agree_with_dm_control() {
        for (sigmoid, v, expected) in SIGMOIDS {
            let tolerance = Tolerance::within(-1.0, 2.0).margin(0.5).sigmoid(sigmoid, v);
            for (d, expected) in [0.3, 1.0, 1.7].into_iter().zip(expected) {
                for x in [2.0 + 0.5 * d, -1.0 - 0.5 * d] {
                    let error = (tolerance.at(x) - expected).abs();
                    assert!(error < 1e-12, "{sigmoid:?} {v} at {x}: off by {error}");
                }
            }
        }
    }

    #[test]
    fn the_interval_is_closed() {
        let hard = Tolerance::within(0.0, 0.5);
        assert_eq!(
            [-1e-9, 0.0, 0.25, 0.5, 0.5 + 1e-9].map(|x| hard.at(x)),
            [0.0, 1.0, 1.0, 1.0, 0.0]
        );
        assert_eq!(Tolerance::at_least(1.0).at(f64::MAX), 1.0);
    }

    const SIGMOIDS: [(Sigmoid, f64, [f64; 3]); 16] = [
        (
            Gaussian,
            0.1,
            [
                0.8128305161640995,
                0.10000000000000002,
                0.0012882495516931317,
            ],
        ),
        (
            Gaussian,
            0.6,
            [0.9550665012214483, 0.6, 0.22848469466042393],
        ),
        (
            Hyperbolic,
            0.1,
            [
                0.6988109025273382,
                0.10000000000000002,
                0.012334319559925682,
            ],
        ),
        (
            Hyperbolic,
            0.6,
            [0.9480415119261753, 0.6, 0.3017731196196856],
        ),
        (
            LongTail,
            0.1,
            [0.5524861878453041, 0.1, 0.03702332469455757],
        ),
        (
            LongTail,
            0.6,
            [0.9433962264150945, 0.6000000000000001, 0.3416856492027335],
        ),
        (
            Reciprocal,
            0.1,
            [0.2702702702702704, 0.1, 0.06134969325153374],
        ),
        (
            Reciprocal,
            0.6,
            [0.8333333333333334, 0.6, 0.4687499999999999],
        ),
        (Cosine, 0.0, [0.7938926261462368, 0.0, 0.0]),
        (Cosine, 0.3, [0.9141600013574718, 0.3000000000000001, 0.0]),
        (Linear, 0.0, [0.7000000000000002, 0.0, 0.0]),
        (Linear, 0.3, [0.7900000000000001, 0.30000000000000004, 0.0]),
        (Quadratic, 0.0, [0.9100000000000001, 0.0, 0.0]),
        (Quadratic, 0.3, [0.937, 0.29999999999999993, 0.0]),
        (
            TanhSquared,
            0.1,
            [0.7528264532952056, 0.10000000000000009, 0.00822523049512014],
        ),
        (
            TanhSquared,
            0.6,
            [0.9516027896515639, 0.6, 0.2722597283069258],
        ),
    ];
}
