//! The penalty of the error of one entry of an action.

use serde::{Deserialize, Serialize};

/// The penalty of an error e.
///
/// ```
/// use fpo_flow::Penalty;
///
/// let huber = Penalty::Huber { delta: 0.5 };
/// assert_eq!(huber.of(-0.5), Penalty::Squared.of(-0.5));
/// // 2·0.5·3 − 0.25: from δ on every unit costs 2δ more.
/// assert_eq!(huber.of(3.0), 2.75);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Penalty {
    /// e².
    #[default]
    Squared,
    /// Huber's (*Robust estimation of a location parameter*, 1964): e² where |e| ≤ δ, the tangent
    /// 2δ|e| − δ² beyond, so that no error has a larger gradient than one of δ. Twice the usual
    /// form, so that small errors have the same penalty as without it. (2602.02481 fine-tunes with
    /// a Huber loss of the velocity.)
    Huber {
        /// δ > 0, in the units of the target.
        delta: f32,
    },
}

impl Penalty {
    /// The penalty of `error`.
    #[inline(always)]
    pub fn of(self, error: f32) -> f32 {
        match self {
            Self::Squared => error * error,
            Self::Huber { delta } => {
                let e = error.abs();
                if e <= delta {
                    e * e
                } else {
                    delta * (2.0 * e - delta)
                }
            }
        }
    }

    /// Half its slope at `error`: the error itself, at most δ to either side.
    #[inline(always)]
    pub fn half_slope(self, error: f32) -> f32 {
        match self {
            Self::Squared => error,
            Self::Huber { delta } => error.clamp(-delta, delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huber_by_hand() {
        let huber = Penalty::Huber { delta: 2.0 };
        for (error, penalty, half_slope) in [
            (0.0, 0.0, 0.0),
            (-1.5, 2.25, -1.5),
            (2.0, 4.0, 2.0),
            (5.0, 16.0, 2.0),
            (-10.0, 36.0, -2.0),
        ] {
            assert_eq!(
                (huber.of(error), huber.half_slope(error)),
                (penalty, half_slope),
                "{error}"
            );
        }
    }

    #[test]
    fn slopes_agree_with_finite_differences() {
        for penalty in [Penalty::Squared, Penalty::Huber { delta: 0.7 }] {
            // Away from the joint at δ, where the slope is not differentiable.
            for error in [-3.0f32, -0.9, -0.2, 0.4, 0.8, 2.5] {
                let h = 1e-2;
                let numeric = (penalty.of(error + h) - penalty.of(error - h)) / (2.0 * h);
                let found = 2.0 * penalty.half_slope(error);
                assert!(
                    (numeric - found).abs() < 1e-3,
                    "{penalty:?} at {error}: {found} against {numeric}"
                );
            }
        }
    }

    #[test]
    fn settings_are_lower_case_words() {
        let read = |text| toml::from_str::<Penalty>(text);
        assert_eq!(
            read("kind = 'huber'\ndelta = 0.5").unwrap(),
            Penalty::Huber { delta: 0.5 }
        );
        assert_eq!(read("kind = 'squared'").unwrap(), Penalty::Squared);
        assert!(read("kind = 'Huber'\ndelta = 0.5").is_err());
    }
}
