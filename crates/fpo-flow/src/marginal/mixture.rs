//! The marginal flow of a mixture of Gaussians.

use super::{HALF_LN_TAU, Softmax};
use crate::VelocityField;
use crate::quantile::normal_quantile;
use rand_core::Rng;

/// One Gaussian of a mixture, with a diagonal covariance.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its share; positive, relative to the other components'.
    pub weight: f64,
    /// `[dim]`.
    pub mean: Vec<f64>,
    /// Standard deviation of every entry, positive; `[dim]`.
    pub std: Vec<f64>,
}

impl Component {
    /// A Gaussian with the same standard deviation in all directions.
    pub fn isotropic(weight: f64, mean: Vec<f64>, std: f64) -> Self {
        Self {
            weight,
            std: vec![std; mean.len()],
            mean,
        }
    }
}

/// A mixture of Gaussians as distribution of actions, and its flow from noise.
///
/// Under component k, `x_t ~ N((1−t)μ, (1−t)²σ² + t²)` entry by entry, jointly normal with a and ε.
/// With `z = (x − (1−t)μ)/((1−t)²σ² + t²)` the conditional means are `E[ε | x, k] = t·z` and
/// `E[a | x, k] = μ + (1−t)σ²·z`; the marginal's are their averages, weighted by the components'
/// posterior probabilities.
///
/// ```
/// use fpo_flow::marginal::{Component, GaussianMixture};
///
/// let modes = vec![
///     Component::isotropic(1.0, vec![-1.0], 0.1),
///     Component::isotropic(3.0, vec![1.0], 0.1),
/// ];
/// let mixture = GaussianMixture::new(modes)?;
/// let mut v = [0.0];
/// // At t = 1 the posterior is the prior: v = x − E[a], and E[a] is ¾ − ¼.
/// mixture.velocity(&[0.2], 1.0, &mut v);
/// assert!((v[0] + 0.3).abs() < 1e-12);
/// # Ok::<(), fpo_flow::marginal::InvalidMixture>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    dim: usize,
    /// With weights that sum to one.
    components: Vec<Component>,
}

/// Components that are not a mixture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidMixture {
    /// There are none, or they have no entries.
    #[error("a mixture needs at least one component of at least one entry")]
    Empty,
    /// A mean or standard deviation is not as long as the first component's mean.
    #[error("component {0} has other dimensions than the first")]
    Dimensions(usize),
    /// A number is out of range.
    #[error(
        "component {0} needs a positive weight, a finite mean and positive standard deviations"
    )]
    Range(usize),
}

impl GaussianMixture {
    /// The mixture of `components`; their weights are scaled to sum to one.
    ///
    /// # Errors
    /// Names the first component that has other dimensions than the first, or numbers out of range.
    pub fn new(mut components: Vec<Component>) -> Result<Self, InvalidMixture> {
        let dim = components.first().map_or(0, |c| c.mean.len());
        if dim == 0 {
            return Err(InvalidMixture::Empty);
        }
        let positive = |x: f64| x > 0.0 && x.is_finite();
        for (i, c) in components.iter().enumerate() {
            if c.mean.len() != dim || c.std.len() != dim {
                return Err(InvalidMixture::Dimensions(i));
            }
            let finite = c.mean.iter().all(|m| m.is_finite());
            if !(positive(c.weight) && finite && c.std.iter().all(|&s| positive(s))) {
                return Err(InvalidMixture::Range(i));
            }
        }
        let total: f64 = components.iter().map(|c| c.weight).sum();
        for c in &mut components {
            c.weight /= total;
        }
        Ok(Self { dim, components })
    }

    /// Entries of an action.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The components, with weights that sum to one.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The mean of the actions, `[dim]`; that of x_t is 1 − t times it.
    pub fn mean(&self) -> Vec<f64> {
        (0..self.dim)
            .map(|j| self.components.iter().map(|c| c.weight * c.mean[j]).sum())
            .collect()
    }

    /// The variance of every entry of the actions, `[dim]`; that of x_t is (1 − t)² times it, plus
    /// t².
    pub fn variance(&self) -> Vec<f64> {
        let about = |j: usize, mean: f64| {
            self.components
                .iter()
                .map(|c| c.weight * (c.std[j].powi(2) + (c.mean[j] - mean).powi(2)))
                .sum()
        };
        self.mean()
            .into_iter()
            .enumerate()
            .map(|(j, mean)| about(j, mean))
            .collect()
    }

    /// `ln p_t(x)` of one point, `[dim]`.
    pub fn log_density(&self, x: &[f64], t: f64) -> f64 {
        let mut softmax = Softmax::new();
        for c in &self.components {
            softmax.push(c.at_time(t).logit(x));
        }
        softmax.log_sum() - HALF_LN_TAU * self.dim as f64
    }

    /// The probability that entry `j` of x_t is at most `x`, the marginal's distribution function
    /// along that entry.
    ///
    /// # Panics
    /// If there is no entry `j`.
    pub fn cumulative(&self, j: usize, x: f64, t: f64) -> f64 {
        let below = |c: &Component| {
            let (mean, variance) = c.at(j, t);
            c.weight * normal_cdf((x - mean) / variance.sqrt())
        };
        self.components.iter().map(below).sum()
    }

    /// Writes the marginal velocity `E[ε − a | x_t]` of every row; `[rows, dim]`. Exact for all t
    /// in [0, 1].
    pub fn velocity(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.average(x, t, out, |z, mean, variance| {
            (t - (1.0 - t) * variance) * z - mean
        });
    }

    /// Writes the score `∇ ln p_t(x)` of every row; `[rows, dim]`. Exact for all t in [0, 1].
    pub fn score(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.average(x, t, out, |z, _, _| -z);
    }

    /// Writes the posterior mean of the actions for each row, `E[a | x_t]`; `[rows, dim]`.
    pub fn denoise(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.average(x, t, out, |z, mean, variance| {
            mean + (1.0 - t) * variance * z
        });
    }

    /// Draws actions, one per row of `out`; `[rows, dim]`.
    pub fn sample(&self, rng: &mut impl Rng, out: &mut [f64]) {
        for row in out.chunks_exact_mut(self.dim) {
            let mut u = unit(rng);
            let last = self.components.len() - 1;
            let chosen = self.components[..last].iter().position(|c| {
                u -= c.weight;
                u < 0.0
            });
            let c = &self.components[chosen.unwrap_or(last)];
            for ((x, mean), std) in row.iter_mut().zip(&c.mean).zip(&c.std) {
                *x = mean + std * normal_quantile(unit(rng));
            }
        }
    }

    /// Averages `value(z, μ, σ²)` over the components' posterior probabilities, row by row and
    /// entry by entry.
    fn average(&self, x: &[f64], t: f64, out: &mut [f64], value: impl Fn(f64, f64, f64) -> f64) {
        assert!(x.len() == out.len() && x.len().is_multiple_of(self.dim));
        let components: Vec<_> = self.components.iter().map(|c| c.at_time(t)).collect();
        for (x, out) in x.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            out.fill(0.0);
            let mut softmax = Softmax::new();
            for (c, at) in self.components.iter().zip(&components) {
                softmax.accumulate(at.logit(x), out, |j| {
                    let (mean, variance) = at.moments(j);
                    value((x[j] - mean) / variance, c.mean[j], c.std[j] * c.std[j])
                });
            }
            softmax.normalize(out);
        }
    }
}

impl Component {
    /// Mean and variance of entry `j` of x_t under this component.
    fn at(&self, j: usize, t: f64) -> (f64, f64) {
        (
            (1.0 - t) * self.mean[j],
            ((1.0 - t) * self.std[j]).powi(2) + t * t,
        )
    }

    /// What its logits need at time `t`, computed once for all rows.
    fn at_time(&self, t: f64) -> AtTime<'_> {
        AtTime {
            component: self,
            t,
            log_weight: libm::log(self.weight),
            log_variance: match self.mean.len() {
                1 => Some(libm::log(self.at(0, t).1)),
                _ => None,
            },
        }
    }
}

/// A component at one time.
struct AtTime<'a> {
    component: &'a Component,
    t: f64,
    log_weight: f64,
    /// Of the only entry; several entries compute theirs, which needs no memory.
    log_variance: Option<f64>,
}

impl AtTime<'_> {
    /// Mean and variance of entry `j` of x_t.
    fn moments(&self, j: usize) -> (f64, f64) {
        self.component.at(j, self.t)
    }

    /// The logarithm of weight times density of x_t, without the factor of 2π.
    fn logit(&self, x: &[f64]) -> f64 {
        let entries = x.iter().enumerate().map(|(j, x)| {
            let (mean, variance) = self.moments(j);
            let log_variance = self.log_variance.unwrap_or_else(|| libm::log(variance));
            0.5 * ((x - mean).powi(2) / variance + log_variance)
        });
        self.log_weight - entries.sum::<f64>()
    }
}

/// The standard normal distribution function.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

impl VelocityField<f64> for GaussianMixture {
    fn velocity(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        Self::velocity(self, x, t, out);
    }
}

/// A uniform number of the open interval (0, 1).
fn unit(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Philox, Stream};

    fn mixture() -> GaussianMixture {
        GaussianMixture::new(vec![
            Component {
                weight: 1.0,
                mean: vec![-1.0, 0.5],
                std: vec![0.3, 0.2],
            },
            Component {
                weight: 2.0,
                mean: vec![1.2, 0.0],
                std: vec![0.15, 0.5],
            },
            Component {
                weight: 0.5,
                mean: vec![0.0, -1.5],
                std: vec![0.4, 0.4],
            },
        ])
        .unwrap()
    }

    const TIMES: [f64; 6] = [0.0, 0.05, 0.3, 0.6, 0.95, 1.0];
    const POINTS: [[f64; 2]; 5] = [
        [0.0, 0.0],
        [-1.0, 0.4],
        [1.5, -0.7],
        [0.3, -2.0],
        [3.0, 3.0],
    ];

    #[test]
    fn the_distribution_function_is_the_integral_of_the_density() {
        let component = |weight, mean, std| Component::isotropic(weight, vec![mean], std);
        let mixture =
            GaussianMixture::new(vec![component(1.0, -1.0, 0.3), component(3.0, 0.8, 0.1)])
                .unwrap();
        for t in TIMES {
            // Simpson's rule from where nothing is left of.
            let (n, start, end) = (4000, -8.0, 0.7);
            let h = (end - start) / n as f64;
            let density = |i: usize| mixture.log_density(&[start + i as f64 * h], t).exp();
            let inner: f64 = (1..n)
                .map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 })
                .sum();
            let integral = (density(0) + inner + density(n)) * h / 3.0;
            let found = mixture.cumulative(0, end, t);
            assert!((found - integral).abs() < 1e-9, "{t}: {found}, {integral}");
        }
        assert!(
            mixture.cumulative(0, 40.0, 0.3) == 1.0 && mixture.cumulative(0, -40.0, 0.3) == 0.0
        );
    }

    #[test]
    fn score_is_the_gradient_of_the_log_density() {
        let (mixture, h) = (mixture(), 1e-5);
        for t in TIMES {
            for x in POINTS {
                let mut score = [0.0; 2];
                mixture.score(&x, t, &mut score);
                for j in 0..2 {
                    let at = |by: f64| {
                        let mut y = x;
                        y[j] += by;
                        mixture.log_density(&y, t)
                    };
                    let expected = (at(h) - at(-h)) / (2.0 * h);
                    assert!(
                        (score[j] - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                        "{x:?} {t}: {score:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn velocity_score_and_posterior_mean_agree_with_the_path() {
        use crate::Prediction::{Data, Velocity};
        let mixture = mixture();
        for t in &TIMES[1..] {
            for x in POINTS {
                let [mut v, mut s, mut a] = [[0.0; 2]; 3];
                mixture.velocity(&x, *t, &mut v);
                mixture.score(&x, *t, &mut s);
                mixture.denoise(&x, *t, &mut a);
                for j in 0..2 {
                    assert!((Velocity.to(Data, *t).at(v[j], x[j]) - a[j]).abs() < 1e-9);
                    let score = Velocity.score(*t).unwrap().at(v[j], x[j]);
                    assert!(
                        (score - s[j]).abs() < 1e-8 * (1.0 + s[j].abs()),
                        "{x:?} {t}: {score} {s:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_ends_are_those_the_path_states() {
        let mixture = mixture();
        for x in POINTS {
            let (mut v, mean) = ([0.0; 2], mixture.mean());
            mixture.velocity(&x, 0.0, &mut v);
            assert!(
                (0..2).all(|j| (v[j] + x[j]).abs() < 1e-12),
                "v(x, 0) = −x: {v:?}"
            );
            mixture.velocity(&x, 1.0, &mut v);
            assert!(
                (0..2).all(|j| (v[j] - (x[j] - mean[j])).abs() < 1e-12),
                "v(x, 1) = x − E[a]: {v:?}"
            );
        }
    }

    #[test]
    fn velocity_satisfies_the_continuity_equation() {
        let modes = vec![
            Component::isotropic(1.0, vec![-1.0], 0.3),
            Component::isotropic(2.0, vec![0.8], 0.2),
        ];
        let mixture = GaussianMixture::new(modes).unwrap();
        let density = |x: f64, t: f64| mixture.log_density(&[x], t).exp();
        let flux = |x: f64, t: f64| {
            let mut v = [0.0];
            mixture.velocity(&[x], t, &mut v);
            v[0] * density(x, t)
        };
        let h = 1e-4;
        for t in [0.1, 0.4, 0.7, 0.95] {
            for i in -20..=20 {
                let x = f64::from(i) * 0.1;
                let change = (density(x, t + h) - density(x, t - h)) / (2.0 * h);
                let divergence = (flux(x + h, t) - flux(x - h, t)) / (2.0 * h);
                let scale = change.abs() + divergence.abs() + 1.0;
                assert!(
                    (change + divergence).abs() < 1e-5 * scale,
                    "{x} {t}: {change} {divergence}"
                );
            }
        }
    }

    #[test]
    fn velocity_is_the_mean_of_pair_velocities() {
        // The definition itself: among pairs (a, ε) whose x_t falls near x, the mean of ε − a.
        let modes = vec![
            Component::isotropic(1.0, vec![-1.0], 0.3),
            Component::isotropic(2.0, vec![0.8], 0.2),
        ];
        let mixture = GaussianMixture::new(modes).unwrap();
        let noise = GaussianMixture::new(vec![Component::isotropic(1.0, vec![0.0], 1.0)]).unwrap();
        let mut rng = Philox::new(Key::new(3, Stream::Test));
        let (mut a, mut e) = (vec![0.0; 400_000], vec![0.0; 400_000]);
        mixture.sample(&mut rng, &mut a);
        noise.sample(&mut rng, &mut e);
        let (t, width) = (0.4, 0.02);
        for x in [-0.8, 0.0, 0.5, 1.0] {
            let near: Vec<f64> = (a.iter().zip(&e))
                .filter(|(a, e)| (t * **e + (1.0 - t) * **a - x).abs() < width)
                .map(|(a, e)| e - a)
                .collect();
            let n = near.len() as f64;
            let mean = near.iter().sum::<f64>() / n;
            let error = (near.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n / n).sqrt();
            let mut v = [0.0];
            mixture.velocity(&[x], t, &mut v);
            assert!(
                (mean - v[0]).abs() < 5.0 * error + width * width,
                "{x}: {mean} ± {error}, {v:?}"
            );
        }
    }

    #[test]
    fn samples_have_the_mixtures_moments() {
        let mixture = mixture();
        let n = 100_000;
        let mut x = vec![0.0; 2 * n];
        mixture.sample(&mut Philox::new(Key::new(4, Stream::Test)), &mut x);
        for j in 0..2 {
            let entry = || x.iter().skip(j).step_by(2);
            let mean = entry().sum::<f64>() / n as f64;
            let variance = entry().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let (m, v) = (mixture.mean()[j], mixture.variance()[j]);
            assert!((mean - m).abs() < 5.0 * (v / n as f64).sqrt(), "{mean} {m}");
            assert!((variance - v).abs() < 0.02 * v, "{variance} {v}");
        }
    }

    #[test]
    fn far_points_stay_finite() {
        let mixture = mixture();
        let mut out = [0.0; 2];
        for x in [[1e6, -1e6], [-1e150, 0.0]] {
            for t in TIMES {
                mixture.velocity(&x, t, &mut out);
                assert!(out.iter().all(|v| v.is_finite()), "{x:?} {t}: {out:?}");
            }
        }
    }

    #[test]
    fn invalid_components_are_reported() {
        let good = Component::isotropic(1.0, vec![0.0], 1.0);
        let with = |bad: Component| GaussianMixture::new(vec![good.clone(), bad]);
        assert_eq!(GaussianMixture::new(vec![]), Err(InvalidMixture::Empty));
        assert_eq!(
            with(Component::isotropic(1.0, vec![0.0; 2], 1.0)),
            Err(InvalidMixture::Dimensions(1))
        );
        for bad in [
            Component::isotropic(0.0, vec![0.0], 1.0),
            Component::isotropic(1.0, vec![f64::NAN], 1.0),
            Component::isotropic(1.0, vec![0.0], 0.0),
        ] {
            assert_eq!(with(bad), Err(InvalidMixture::Range(1)));
        }
    }
}
