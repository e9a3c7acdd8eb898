//! Stochastic sampling: adds noise between t = 1 and t = 0, with or without the drift that
//! preserves the marginals.
//!
//! # Derivation
//! The flow's marginals obey `∂_t p = −∇·(v p)`. Reverse time, τ = 1 − t, and add noise g dW; for a
//! drift b the density then obeys `∂_τ q = −∇·(b q) + ½g²·Δq`. We want `q_τ = p_{1−τ}`, that is
//! `∂_τ q = +∇·(v q)`. Since `Δq = ∇·(q·∇ log q)`, this holds for
//!
//! `b = −v + ½g²·∇ log p_t`:
//!
//! noise spreads the samples, and the score, which points towards higher density, pulls them back
//! by the same amount. On the linear path `∇ log p_t = −ε̂/t` with `ε̂ = x + (1−t)·v̂` (see
//! [`path`](crate::path)), so a step of length h = t − t' is
//!
//! `x' = x − h·v̂ − c·ε̂ + s·z`, z ~ N(0, I), with `s² = g²h` and the drift `c = g²h/(2t)`
//! (Euler–Maruyama).
//!
//! # The end at t = 0
//! The score is −ε̂/t. On data without a density (points, a thin sheet) it grows like 1/t² away
//! from the data, and with a positive g the steps become unstable; on any data, noise that renews x
//! at the growing rate g²/t² accumulates errors. But the marginals are preserved for every g, so it
//! may decrease to 0. The corrected schemes limit it to `g² ≤ 4t`, which keeps the drift finite
//! (`½g²·ε̂/t ≤ 2ε̂`), and in addition
//! - [`SdeScheme::EulerMaruyama`] limits s to t, so that the drift c ≤ t/2 is at most half of the
//!   noise t·ε̂ that is left in x;
//! - [`SdeScheme::Renoise`] removes noise and adds the same amount of new noise: `x' = (1−t')·â +
//!   √(t'² − s²)·ε̂ + s·z`, which is the same to first order in h (`c = t' − √(t'² − s²)`), with s
//!   limited to t'. It is exact for a single point at any noise level, and its last step, to t' =
//!   0, adds no noise and ends on â.

use crate::{Real, Scratch, VelocityField, grid_time};
use serde::{Deserialize, Serialize};

/// The corrected schemes keep g² ≤ FADE·t; see the [module](self).
const FADE: f64 = 4.0;

/// How the noise level g(t) of an [`SdeSampler`] depends on time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSchedule {
    /// g = σ.
    Constant,
    /// g = σ·√t: the drift `½σ²·ε̂` per unit of time is the same at all times.
    #[default]
    SqrtTime,
    /// g = σ·t.
    Time,
    /// Every step adds noise of standard deviation σ, for any number of steps: g = σ/√h. Used by
    /// policy gradients through the denoising steps (DPPO, 2409.00588; the baseline in 2507.21053).
    PerStep,
}

/// How an [`SdeSampler`] corrects for its noise; the [module](self) has the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SdeScheme {
    /// Removes noise and adds new noise: stable for all data, and no noise is left in the action.
    #[default]
    Renoise,
    /// Adds noise, and the score's drift against it: more accurate than `Renoise` for smooth data.
    EulerMaruyama,
    /// Adds noise alone. The samples have a wider spread than the flow's; the denoising-MDP policy
    /// of 2507.21053 does this.
    Uncorrected,
}

/// Integrates a stochastic differential equation from noise to action.
///
/// ```
/// use fpo_flow::{NoiseSchedule, SdeSampler, SdeScheme};
///
/// let (schedule, scheme) = (NoiseSchedule::Constant, SdeScheme::EulerMaruyama);
/// let sde = SdeSampler { sigma: 1.0, schedule, scheme };
/// // From t = 0.5 to 0.25: s = √0.25 and c = 0.25/(2·0.5), so
/// // x' = x − 0.25·v − 0.25·(x + 0.5·v) + 0.5·z.
/// let step = sde.transition(0.5f64, 0.25);
/// assert_eq!((step.state, step.velocity, step.std), (0.75, -0.375, 0.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdeSampler {
    /// σ ≥ 0, the scale of the noise; at 0 every scheme is Euler's. Corrected schemes use at most
    /// g² = 4t.
    pub sigma: f64,
    /// How the noise depends on time.
    pub schedule: NoiseSchedule,
    /// How the noise is corrected for.
    pub scheme: SdeScheme,
}

impl Default for SdeSampler {
    fn default() -> Self {
        Self {
            sigma: 1.0,
            schedule: NoiseSchedule::default(),
            scheme: SdeScheme::default(),
        }
    }
}

/// An invalid noise scale σ.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the noise scale sigma must be finite and not negative, not {0}")]
pub struct InvalidSigma(f64);

/// One step's Gaussian: `x' ~ N(state·x + velocity·v̂, std²·I)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition<R> {
    /// Factor of x.
    pub state: R,
    /// Factor of v̂(x, t).
    pub velocity: R,
    /// Standard deviation of every entry.
    pub std: R,
}

impl<R: Real> Transition<R> {
    /// The mean of an entry of x'.
    #[inline(always)]
    pub fn mean(self, x: R, v: R) -> R {
        self.state * x + self.velocity * v
    }
}

impl SdeSampler {
    /// Checks the settings.
    ///
    /// # Errors
    /// If σ is negative, infinite or not a number.
    pub fn validate(self) -> Result<(), InvalidSigma> {
        if self.sigma.is_finite() && self.sigma >= 0.0 {
            Ok(())
        } else {
            Err(InvalidSigma(self.sigma))
        }
    }

    /// The step from time `t` to an earlier `t_next`, `1 ≥ t > t_next ≥ 0`.
    pub fn transition<R: Real>(self, t: R, t_next: R) -> Transition<R> {
        let (t, t_next) = (t.to_f64(), t_next.to_f64());
        let h = t - t_next;
        let variance = self.sigma
            * self.sigma
            * match self.schedule {
                NoiseSchedule::Constant => h,
                NoiseSchedule::SqrtTime => t * h,
                NoiseSchedule::Time => t * t * h,
                NoiseSchedule::PerStep => 1.0,
            };
        let (pull, variance) = match self.scheme {
            SdeScheme::Uncorrected => (0.0, variance),
            SdeScheme::EulerMaruyama => {
                let variance = variance.min(FADE * t * h).min(t * t);
                (0.5 * variance / t, variance)
            }
            SdeScheme::Renoise => {
                let variance = variance.min(FADE * t * h).min(t_next * t_next);
                (t_next - (t_next * t_next - variance).sqrt(), variance)
            }
        };
        Transition {
            state: R::from_f64(1.0 - pull),
            velocity: R::from_f64(-h - pull * (1.0 - t)),
            std: R::from_f64(variance.sqrt()),
        }
    }

    /// Integrates `x` (`[rows, dim]`) from t = 1 to t = 0 in `steps` equal steps. `noise(k, z)`
    /// fills z (`[rows, dim]`) with the standard normal numbers of step k; it is not called in
    /// steps without noise.
    pub fn integrate<R: Real>(
        self,
        field: &mut impl VelocityField<R>,
        x: &mut [R],
        steps: usize,
        scratch: &mut Scratch<R>,
        noise: impl FnMut(usize, &mut [R]),
    ) {
        self.integrate_observed(field, x, steps, scratch, noise, |_, _, _| {});
    }

    /// [`SdeSampler::integrate`] that calls `observe(k, t_k, x)` for k = 0 (the noise) to `steps`
    /// (the action).
    pub fn integrate_observed<R: Real>(
        self,
        field: &mut impl VelocityField<R>,
        x: &mut [R],
        steps: usize,
        scratch: &mut Scratch<R>,
        mut noise: impl FnMut(usize, &mut [R]),
        mut observe: impl FnMut(usize, R, &[R]),
    ) {
        observe(0, R::ONE, x);
        for k in 0..steps {
            let (t, t_next) = (grid_time(k, steps), grid_time(k + 1, steps));
            let step = self.transition(t, t_next);
            let [v, z] = scratch.slices(x.len());
            field.velocity(x, t, v);
            if step.std > R::ZERO {
                noise(k, z);
            } else {
                z.fill(R::ZERO);
            }
            for ((x, &v), &z) in x.iter_mut().zip(&*v).zip(&*z) {
                *x = step.mean(*x, v) + step.std * z;
            }
            observe(k + 1, t_next, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NoiseSchedule::{Constant, PerStep, SqrtTime, Time};
    use SdeScheme::{EulerMaruyama, Renoise, Uncorrected};

    /// The exact mean and variance at t = 0 if the data are N(mean, std²): the field is linear, so
    /// every x_t is normal.
    fn law(sde: SdeSampler, (mean, std): (f64, f64), steps: usize) -> (f64, f64) {
        let (mut m, mut variance) = (0.0, 1.0);
        for k in 0..steps {
            let (t, t_next) = (grid_time(k, steps), grid_time(k + 1, steps));
            let step = sde.transition::<f64>(t, t_next);
            // v = E[ε − a | x] = slope·(x − (1−t)·mean) − mean.
            let slope = (t - (1.0 - t) * std * std) / (t * t + (1.0 - t) * (1.0 - t) * std * std);
            m = step.mean(m, slope * (m - (1.0 - t) * mean) - mean);
            variance = variance * step.mean(1.0, slope).powi(2) + step.std * step.std;
        }
        (m, variance)
    }

    #[test]
    fn corrected_schemes_converge_to_the_data_and_the_uncorrected_does_not() {
        let data = (1.5, 0.6);
        for sigma in [0.0, 0.3, 1.0, 2.0, 5.0] {
            for schedule in [Constant, SqrtTime, Time] {
                for scheme in [EulerMaruyama, Renoise] {
                    let sde = SdeSampler {
                        sigma,
                        schedule,
                        scheme,
                    };
                    let error = |steps| {
                        let (m, v) = law(sde, data, steps);
                        ((m - data.0).abs(), (v - data.1 * data.1).abs())
                    };
                    let (coarse, fine) = (error(400), error(1600));
                    println!(
                        "{sde:?}: variance off by {:.2e} and {:.2e}",
                        coarse.1, fine.1
                    );
                    // Four times the steps, a quarter of the error: weak order 1.
                    assert!(fine.0 < 1e-3 && fine.1 < 5e-3, "{sde:?}: {fine:?}");
                    assert!(fine.1 < 0.35 * coarse.1, "{sde:?}: {coarse:?} {fine:?}");
                }
                if sigma > 0.0 {
                    let (_, v) = law(
                        SdeSampler {
                            sigma,
                            schedule,
                            scheme: Uncorrected,
                        },
                        data,
                        1600,
                    );
                    assert!(v > 0.36 + 0.05 * sigma * sigma, "{schedule:?} {sigma}: {v}");
                }
            }
        }
    }

    #[test]
    fn data_without_spread_are_reached_at_every_noise_level() {
        for sigma in [0.5, 1.0, 3.0, 30.0] {
            for schedule in [Constant, SqrtTime, Time, PerStep] {
                let (m, v) = law(
                    SdeSampler {
                        sigma,
                        schedule,
                        scheme: Renoise,
                    },
                    (1.5, 0.0),
                    20,
                );
                assert!(
                    (m - 1.5).abs() < 1e-12 && v < 1e-20,
                    "renoise {schedule:?} {sigma}: {m} {v}"
                );
                let (_, v) = law(
                    SdeSampler {
                        sigma,
                        schedule,
                        scheme: EulerMaruyama,
                    },
                    (1.5, 0.0),
                    1000,
                );
                assert!(v < 1e-5, "Euler–Maruyama {schedule:?} {sigma}: {v}");
            }
        }
    }

    #[test]
    fn without_noise_every_scheme_is_euler() {
        for scheme in [EulerMaruyama, Renoise, Uncorrected] {
            let step = SdeSampler {
                sigma: 0.0,
                schedule: Constant,
                scheme,
            }
            .transition(0.5, 0.25);
            assert_eq!(
                step,
                Transition {
                    state: 1.0,
                    velocity: -0.25,
                    std: 0.0
                }
            );
        }
        let per_step = SdeSampler {
            sigma: 0.1,
            schedule: PerStep,
            scheme: Uncorrected,
        };
        assert_eq!(
            per_step.transition(0.5, 0.25),
            Transition {
                state: 1.0,
                velocity: -0.25,
                std: 0.1
            }
        );
    }

    #[test]
    fn settings_read_and_are_checked() {
        let sde: SdeSampler =
            toml::from_str("sigma = 0.5\nschedule = 'per_step'\nscheme = 'euler_maruyama'")
                .unwrap();
        assert_eq!(
            sde,
            SdeSampler {
                sigma: 0.5,
                schedule: PerStep,
                scheme: EulerMaruyama
            }
        );
        assert!(sde.validate().is_ok());
        for sigma in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(SdeSampler { sigma, ..sde }.validate().is_err());
        }
    }
}
