//! The marginal flow of finitely many actions.

use super::mixture::normal_cdf;
use super::{HALF_LN_TAU, Softmax};
use crate::VelocityField;

/// A uniform distribution over finitely many actions, and its flow from noise: what a network with
/// unlimited capacity would learn, by memorizing the data set.
///
/// Given point a, `x_t ~ N((1−t)·a, t²·I)`, so the posterior probabilities are a softmax of
/// `−|x − (1−t)·a|²/(2t²)`. With the posterior mean â the velocity is `(x − â)/t` and the score
/// `−(x − (1−t)·â)/t²`.
///
/// As t → 0 both diverge away from the points. Times below [`DataSet::LEAST_TIME`] are replaced by
/// it: the softmax then selects the nearest point, and results are huge but finite. Do not use
/// samplers that evaluate at t = 0 (Heun, RK4); Euler's last step ends on â exactly.
///
/// ```
/// use fpo_flow::{Sampler, Scratch, marginal::DataSet};
///
/// let mut data = DataSet::new(2, vec![1.0, 0.0, -1.0, 0.0, 0.0, 2.0])?;
/// let mut x = [0.3, 1.4];
/// Sampler::Euler.integrate(&mut data, &mut x, 50, &mut Scratch::new());
/// assert!((x[0] - 0.0).abs() < 1e-9 && (x[1] - 2.0).abs() < 1e-9);
/// # Ok::<(), fpo_flow::marginal::InvalidDataSet>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    dim: usize,
    points: Vec<f64>,
}

/// Points that are not a data set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidDataSet {
    /// There are none, or they have no entries.
    #[error("a data set needs at least one point of at least one entry")]
    Empty,
    /// The numbers do not fill whole rows.
    #[error("{len} numbers do not make points of {dim} entries")]
    Shape {
        /// Numbers given.
        len: usize,
        /// Entries of a point.
        dim: usize,
    },
    /// A number is infinite or not a number.
    #[error("point {0} is not finite")]
    NotFinite(usize),
}

impl DataSet {
    /// Smaller times are replaced by this one.
    pub const LEAST_TIME: f64 = 1e-6;

    /// The data set of `points`, `[rows, dim]`.
    ///
    /// # Errors
    /// If there are no points, if they do not fill whole rows, or if one is not finite.
    pub fn new(dim: usize, points: Vec<f64>) -> Result<Self, InvalidDataSet> {
        if dim == 0 || points.is_empty() {
            return Err(InvalidDataSet::Empty);
        }
        if !points.len().is_multiple_of(dim) {
            return Err(InvalidDataSet::Shape {
                len: points.len(),
                dim,
            });
        }
        match points.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(InvalidDataSet::NotFinite(i / dim)),
            None => Ok(Self { dim, points }),
        }
    }

    /// Entries of a point.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The points, `[rows, dim]`.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// `ln p_t(x)` of one point of space, `[dim]`.
    pub fn log_density(&self, x: &[f64], t: f64) -> f64 {
        let t = t.max(Self::LEAST_TIME);
        let mut softmax = Softmax::new();
        for point in self.points.chunks_exact(self.dim) {
            softmax.push(logit(x, point, t));
        }
        let count = (self.points.len() / self.dim) as f64;
        softmax.log_sum() - libm::log(count) - self.dim as f64 * (HALF_LN_TAU + libm::log(t))
    }

    /// The probability that entry `j` of x_t is at most `x`, the marginal's distribution function
    /// along that entry.
    ///
    /// # Panics
    /// If there is no entry `j`.
    pub fn cumulative(&self, j: usize, x: f64, t: f64) -> f64 {
        assert!(j < self.dim);
        let t = t.max(Self::LEAST_TIME);
        let points = self.points.chunks_exact(self.dim);
        let count = points.len() as f64;
        let below = points.map(|point| normal_cdf((x - (1.0 - t) * point[j]) / t));
        below.sum::<f64>() / count
    }

    /// Writes the marginal velocity `E[ε − a | x_t] = (x − â)/t` of every row; `[rows, dim]`.
    pub fn velocity(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let t = t.max(Self::LEAST_TIME);
        self.average(x, t, out, |x, mean| (x - mean) / t);
    }

    /// Writes the score `∇ ln p_t(x) = −(x − (1−t)·â)/t²` of every row; `[rows, dim]`.
    pub fn score(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let t = t.max(Self::LEAST_TIME);
        self.average(x, t, out, |x, mean| ((1.0 - t) * mean - x) / (t * t));
    }

    /// Writes the posterior mean of the points for each row, `â = E[a | x_t]`; `[rows, dim]`.
    pub fn denoise(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.average(x, t.max(Self::LEAST_TIME), out, |_, mean| mean);
    }

    /// Writes `value(x, â)` of every entry.
    fn average(&self, x: &[f64], t: f64, out: &mut [f64], value: impl Fn(f64, f64) -> f64) {
        assert!(x.len() == out.len() && x.len().is_multiple_of(self.dim));
        for (x, out) in x.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            out.fill(0.0);
            let mut softmax = Softmax::new();
            for point in self.points.chunks_exact(self.dim) {
                softmax.accumulate(logit(x, point, t), out, |j| point[j]);
            }
            softmax.normalize(out);
            for (out, &x) in out.iter_mut().zip(x) {
                *out = value(x, *out);
            }
        }
    }
}

/// `−|x − (1−t)·point|²/(2t²)`.
fn logit(x: &[f64], point: &[f64], t: f64) -> f64 {
    let squares = x
        .iter()
        .zip(point)
        .map(|(x, a)| (x - (1.0 - t) * a).powi(2));
    -0.5 * squares.sum::<f64>() / (t * t)
}

impl VelocityField<f64> for DataSet {
    fn velocity(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        Self::velocity(self, x, t, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marginal::{Component, GaussianMixture};
    use crate::{Sampler, Scratch};
    use fpo_rng::{Key, Stream, fill_normal};

    const POINTS: [f64; 10] = [1.0, 0.5, -1.0, 0.2, 0.0, -1.5, 0.3, 0.1, 1.4, -1.0];

    fn data() -> DataSet {
        DataSet::new(2, POINTS.to_vec()).unwrap()
    }

    #[test]
    fn it_is_the_limit_of_a_mixture_of_thin_gaussians() {
        let thin = |point: &[f64]| Component::isotropic(1.0, point.to_vec(), 1e-9);
        let mixture = GaussianMixture::new(POINTS.chunks(2).map(thin).collect()).unwrap();
        let data = data();
        for t in [0.01, 0.2, 0.6, 1.0] {
            for x in [[0.1, 0.2], [-0.7, 0.9], [2.0, -2.0]] {
                let (mut got, mut expected) = ([0.0; 2], [0.0; 2]);
                data.velocity(&x, t, &mut got);
                mixture.velocity(&x, t, &mut expected);
                assert!(
                    (0..2).all(|j| (got[j] - expected[j]).abs() < 1e-9),
                    "{t} {x:?}: {got:?} {expected:?}"
                );
                data.score(&x, t, &mut got);
                mixture.score(&x, t, &mut expected);
                let close =
                    |j: usize| (got[j] - expected[j]).abs() < 1e-9 * (1.0 + expected[j].abs());
                assert!((0..2).all(close), "{t} {x:?}: {got:?} {expected:?}");
                for (j, &x) in x.iter().enumerate() {
                    let (got, expected) = (data.cumulative(j, x, t), mixture.cumulative(j, x, t));
                    assert!((got - expected).abs() < 1e-9, "{t} {x}: {got} {expected}");
                }
                let (got, expected) = (data.log_density(&x, t), mixture.log_density(&x, t));
                assert!(
                    (got - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                    "{t} {x:?}: {got} {expected}"
                );
            }
        }
    }

    #[test]
    fn the_flow_ends_on_the_points_and_finds_each() {
        let rows = 500;
        let mut noise = vec![0.0f32; 2 * rows];
        fill_normal(Key::new(6, Stream::Test), &mut noise);
        for sampler in [Sampler::Euler, Sampler::Midpoint] {
            let mut x: Vec<f64> = noise.iter().map(|&z| f64::from(z)).collect();
            sampler.integrate(&mut data(), &mut x, 100, &mut Scratch::new());
            let mut found = [0; 5];
            let mut off = 0;
            for row in x.chunks(2) {
                let distance = |p: &[f64]| (row[0] - p[0]).hypot(row[1] - p[1]);
                let (nearest, least) = POINTS
                    .chunks(2)
                    .map(distance)
                    .enumerate()
                    .min_by(|a, b| a.1.total_cmp(&b.1))
                    .unwrap();
                found[nearest] += 1;
                // A path on the ridge between two points may be undecided until the last step.
                off += usize::from(least > 1e-3);
            }
            assert!(
                off <= rows / 100,
                "{sampler:?}: {off} of {rows} end off the points"
            );
            // Each point is equally likely: a fifth of 500, within five standard deviations.
            assert!(
                found.iter().all(|&n| (55..=145).contains(&n)),
                "{sampler:?}: {found:?}"
            );
        }
    }

    #[test]
    fn early_times_are_finite_and_pick_the_nearest_point() {
        let data = data();
        for t in [0.0, 1e-300, 1e-7] {
            let mut out = [0.0; 2];
            data.denoise(&[0.9, 0.4], t, &mut out);
            assert_eq!(out, [1.0, 0.5]);
            data.velocity(&[1e6, -1e6], t, &mut out);
            assert!(out.iter().all(|v| v.is_finite()), "{out:?}");
            data.score(&[1e6, -1e6], t, &mut out);
            assert!(out.iter().all(|v| v.is_finite()), "{out:?}");
            assert!(data.log_density(&[0.9, 0.4], t).is_finite());
        }
    }

    #[test]
    fn invalid_points_are_reported() {
        assert_eq!(DataSet::new(2, vec![]), Err(InvalidDataSet::Empty));
        assert_eq!(DataSet::new(0, vec![1.0]), Err(InvalidDataSet::Empty));
        assert_eq!(
            DataSet::new(2, vec![1.0; 3]),
            Err(InvalidDataSet::Shape { len: 3, dim: 2 })
        );
        assert_eq!(
            DataSet::new(2, vec![1.0, 1.0, f64::NAN, 1.0]),
            Err(InvalidDataSet::NotFinite(1))
        );
    }
}
