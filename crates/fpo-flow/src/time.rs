//! Distributions of the time t in the CFM loss.

use crate::Real;
use crate::quantile::normal_quantile;
use serde::{Deserialize, Serialize};

/// Time number `k` of the uniform grid of `steps` steps, from `t_0 = 1` to `t_steps = 0`: `(steps −
/// k)/steps`, rounded once. The samplers and [`TimeSampler::Grid`] share it, so that a network is
/// trained at exactly the times at which it is evaluated.
#[inline(always)]
pub fn grid_time<R: Real>(k: usize, steps: usize) -> R {
    R::from_f64((steps - k) as f64) / R::from_f64(steps as f64)
}

/// The distribution of the t of a (t, ε) pair.
///
/// Each is a function of one uniform number ([`TimeSampler::time`]), so callers can stratify: with
/// [`stratum`], the N pairs of an action are in N different parts of the path.
///
/// ```
/// use fpo_flow::TimeSampler;
///
/// assert_eq!(TimeSampler::Grid { steps: 10 }.time(0.25), 0.8);
/// assert_eq!(TimeSampler::Uniform.time(0.25), 0.25);
/// let median = TimeSampler::LogitNormal { mean: -1.2, std: 1.2 }.time(0.5);
/// assert!((median - 0.7685).abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeSampler {
    /// The times at which a sampler of `steps` steps evaluates the network: {1, 1−1/K, …, 1/K},
    /// equally often (2507.21053).
    Grid {
        /// K, at least 1.
        steps: u32,
    },
    /// The same without t = 1, where the loss of ε has no gradient: {1−1/K, …, 1/K}, equally often.
    InnerGrid {
        /// K, at least 2.
        steps: u32,
    },
    /// Uniform on (0, 1).
    Uniform,
    /// `0.005 + 0.99·(1 − (1−u)^{1/β})`: a Beta(1, β) number kept away from both ends (2602.02481).
    /// β > 1 favors the action's end, β < 1 the noise's, β = 1 is uniform.
    Beta {
        /// β > 0.
        beta: f32,
    },
    /// `1/(1 + exp(m + s·z))` with z standard normal; a mean below zero favors the noise's end.
    LogitNormal {
        /// m.
        mean: f32,
        /// s > 0.
        std: f32,
    },
}

/// A setting of a [`TimeSampler`] out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("time sampler: {name} must be {range}, not {value}")]
pub struct InvalidTime {
    name: &'static str,
    range: &'static str,
    value: f32,
}

impl TimeSampler {
    /// Checks the settings; [`TimeSampler::time`] is meaningful only for those that pass.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(self) -> Result<(), InvalidTime> {
        let positive = "positive and finite";
        let (name, range, value, ok) = match self {
            Self::Grid { steps } => ("steps", "at least 1", steps as f32, steps >= 1),
            Self::InnerGrid { steps } => ("steps", "at least 2", steps as f32, steps >= 2),
            Self::Uniform => return Ok(()),
            Self::Beta { beta } => ("beta", positive, beta, beta > 0.0 && beta.is_finite()),
            Self::LogitNormal { mean, .. } if !mean.is_finite() => ("mean", "finite", mean, false),
            Self::LogitNormal { std, .. } => ("std", positive, std, std > 0.0 && std.is_finite()),
        };
        if ok {
            Ok(())
        } else {
            Err(InvalidTime { name, range, value })
        }
    }

    /// The time for the uniform number `u` of [0, 1); in [0, 1].
    pub fn time(self, u: f32) -> f32 {
        match self {
            Self::Grid { steps } => {
                let steps = steps.max(1) as usize;
                // u·K can round up to K.
                grid_time(((u * steps as f32) as usize).min(steps - 1), steps)
            }
            Self::InnerGrid { steps } => {
                let steps = steps.max(2) as usize;
                // As above.
                let k = ((u * (steps - 1) as f32) as usize).min(steps - 2);
                grid_time(k + 1, steps)
            }
            Self::Uniform => u,
            Self::Beta { beta } => 0.005 + 0.99 * (1.0 - libm::powf(1.0 - u, 1.0 / beta)),
            Self::LogitNormal { mean, std } => {
                let z = normal_quantile(f64::from(u)) as f32;
                1.0 / (1.0 + libm::expf(mean + std * z))
            }
        }
    }
}

/// The uniform number `u` of [0, 1) moved into the `i`-th of `n` equal parts of [0, 1):
/// `(i + u)/n`. Uniform numbers of all n parts together cover (0, 1) more evenly than n independent
/// ones, and each, with i drawn at random or all taken together, remains uniform.
#[inline]
pub fn stratum(u: f32, i: usize, n: usize) -> f32 {
    const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
    ((i as f32 + u) / n as f32).min(BELOW_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Stream, fill_uniform};

    const N: usize = 100_000;

    fn times(sampler: TimeSampler) -> Vec<f64> {
        let mut u = vec![0.0; N];
        fill_uniform(Key::new(11, Stream::Test), &mut u);
        let mut t: Vec<f64> = u.into_iter().map(|u| f64::from(sampler.time(u))).collect();
        t.sort_by(f64::total_cmp);
        t
    }

    /// The largest distance between the samples' distribution function and `cdf`
    /// (Kolmogorov–Smirnov).
    fn distance(sorted: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
        let n = sorted.len() as f64;
        let at = |(i, &t): (usize, &f64)| {
            let p = cdf(t);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        };
        sorted.iter().enumerate().map(at).fold(0.0, f64::max)
    }

    /// The distance exceeded by chance once in 2·10⁵.
    fn critical() -> f64 {
        2.5 / (N as f64).sqrt()
    }

    /// The standard normal distribution function by Simpson's rule on the density.
    fn normal_cdf(z: f64) -> f64 {
        let n = 100;
        let h = z / n as f64;
        let f = |i: usize| (-0.5 * (i as f64 * h).powi(2)).exp();
        let sum: f64 = (1..n)
            .map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 })
            .sum();
        0.5 + (f(0) + sum + f(n)) * h / 3.0 / std::f64::consts::TAU.sqrt()
    }

    #[test]
    fn continuous_times_follow_their_distributions() {
        let uniform = distance(&times(TimeSampler::Uniform), |t| t);
        assert!(uniform < critical(), "{uniform}");
        for beta in [0.5f32, 1.0, 1.5, 3.0] {
            let cdf = |t: f64| 1.0 - (1.0 - (t - 0.005) / 0.99).max(0.0).powf(f64::from(beta));
            let d = distance(&times(TimeSampler::Beta { beta }), cdf);
            assert!(d < critical(), "beta {beta}: {d}");
        }
        for (mean, std) in [(-1.2f32, 1.2f32), (0.0, 1.0), (0.5, 0.3)] {
            let sampler = TimeSampler::LogitNormal { mean, std };
            // P(1/(1+e^{m+sz}) ≤ t) = P(z ≥ (ln((1−t)/t) − m)/s).
            let cdf =
                |t: f64| normal_cdf(-(((1.0 - t) / t).ln() - f64::from(mean)) / f64::from(std));
            let mut t = times(sampler);
            let d = distance(&t, cdf);
            assert!(d < critical(), "{sampler:?}: {d}");
            // The test is sensitive: it detects 3% more spread.
            t = times(TimeSampler::LogitNormal {
                mean,
                std: std * 1.03,
            });
            assert!(distance(&t, cdf) > critical(), "{sampler:?}");
        }
    }

    #[test]
    fn grid_times_are_the_samplers_and_equally_frequent() {
        for steps in [1usize, 3, 10, 64] {
            let sorted = times(TimeSampler::Grid {
                steps: steps as u32,
            });
            for k in 0..steps {
                let t = f64::from(grid_time::<f32>(k, steps));
                let count = sorted.iter().filter(|&&s| s == t).count() as f64;
                let expected = N as f64 / steps as f64;
                assert!(
                    (count - expected).abs() < 5.0 * expected.sqrt(),
                    "{steps} steps, t = {t}: {count}"
                );
            }
        }
        let grid = TimeSampler::Grid { steps: 10 };
        assert_eq!(
            (grid.time(0.0), grid.time(f32::from_bits(0x3f7f_ffff))),
            (1.0, 0.1)
        );
    }

    #[test]
    fn the_inner_grid_is_the_grid_without_its_start() {
        let sorted = times(TimeSampler::InnerGrid { steps: 5 });
        assert!(sorted.iter().all(|t| *t < 1.0));
        for k in 1..5 {
            let t = f64::from(grid_time::<f32>(k, 5));
            let count = sorted.iter().filter(|&&s| s == t).count() as f64;
            let expected = N as f64 / 4.0;
            assert!(
                (count - expected).abs() < 5.0 * expected.sqrt(),
                "t = {t}: {count}"
            );
        }
        assert!(TimeSampler::InnerGrid { steps: 1 }.validate().is_err());
    }

    #[test]
    fn every_uniform_number_gives_a_time() {
        for sampler in [
            TimeSampler::Grid { steps: 16_777_217 },
            TimeSampler::InnerGrid { steps: 16_777_217 },
            TimeSampler::InnerGrid { steps: 2 },
            TimeSampler::Uniform,
            TimeSampler::Beta { beta: 1e-3 },
            TimeSampler::Beta { beta: 1e3 },
            TimeSampler::LogitNormal {
                mean: 0.0,
                std: 100.0,
            },
        ] {
            for u in [0.0, 1e-30, 0.5, f32::from_bits(0x3f7f_ffff), 1.0] {
                assert!(
                    (0.0..=1.0).contains(&sampler.time(u)),
                    "{sampler:?} at {u}: {}",
                    sampler.time(u)
                );
            }
        }
    }

    #[test]
    fn strata_cover_the_interval_once_each() {
        for (i, u) in [0.0, 0.3, 0.9, f32::from_bits(0x3f7f_ffff)]
            .into_iter()
            .enumerate()
        {
            let x = stratum(u, i, 4);
            assert!(
                (i as f32 / 4.0..=(i + 1) as f32 / 4.0).contains(&x) && x < 1.0,
                "{i}: {x}"
            );
        }
    }

    #[test]
    fn settings_read_and_say_what_is_wrong() {
        #[derive(serde::Deserialize)]
        struct Config {
            time: TimeSampler,
        }
        let parse = |text: &str| toml::from_str::<Config>(text).map(|c| c.time);
        assert_eq!(
            parse("time = { kind = 'grid', steps = 10 }"),
            Ok(TimeSampler::Grid { steps: 10 })
        );
        assert_eq!(
            parse("time = { kind = 'uniform' }"),
            Ok(TimeSampler::Uniform)
        );
        let beta = parse("time = { kind = 'beta', beta = nan }").unwrap();
        assert_eq!(
            beta.validate().unwrap_err().to_string(),
            "time sampler: beta must be positive and finite, not NaN"
        );
        assert!(TimeSampler::Grid { steps: 0 }.validate().is_err());
        assert!(
            TimeSampler::LogitNormal {
                mean: 0.0,
                std: 0.0
            }
            .validate()
            .is_err()
        );
        assert!(
            TimeSampler::LogitNormal {
                mean: f32::INFINITY,
                std: 1.0
            }
            .validate()
            .is_err()
        );
        assert!(
            TimeSampler::LogitNormal {
                mean: -1.2,
                std: 1.2
            }
            .validate()
            .is_ok()
        );
        assert!(parse("time = { kind = 'beta', alpha = 2 }").is_err());
    }
}
