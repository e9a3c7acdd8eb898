//! Running mean and variance, and normalization of observations.

use serde::{Deserialize, Serialize};

/// Count, mean and sum of squared deviations of each column of the rows seen so far, in f64.
/// Moments of separate parts can be merged without loss (Chan, Golub & LeVeque, *Updating formulae
/// and a pairwise algorithm for computing sample variances*, 1979).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Rows seen.
    pub count: u64,
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Σ(x − mean)² of each column.
    pub m2: Vec<f64>,
}

impl Moments {
    /// Moments of `dim` columns without rows.
    pub fn new(dim: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; dim],
            m2: vec![0.0; dim],
        }
    }

    /// Adds the rows of `rows`, row-major with `dim` columns: two passes over the new rows, then a
    /// merge.
    ///
    /// # Panics
    /// If `dim` is not the number of columns or does not divide the length.
    pub fn add_rows(&mut self, rows: &[f32], dim: usize) {
        assert_eq!(dim, self.mean.len(), "columns of the moments");
        assert!(
            dim > 0 && rows.len().is_multiple_of(dim),
            "{} numbers are not whole rows of {dim}",
            rows.len()
        );
        let count = rows.len() / dim;
        if count == 0 {
            return;
        }
        let mut part = Self::new(dim);
        part.count = count as u64;
        for row in rows.chunks_exact(dim) {
            part.mean
                .iter_mut()
                .zip(row)
                .for_each(|(mean, &x)| *mean += f64::from(x));
        }
        part.mean.iter_mut().for_each(|mean| *mean /= count as f64);
        for row in rows.chunks_exact(dim) {
            for ((m2, mean), &x) in part.m2.iter_mut().zip(&part.mean).zip(row) {
                let deviation = f64::from(x) - mean;
                *m2 += deviation * deviation;
            }
        }
        self.merge(&part);
    }

    /// Adds the rows of `other`.
    ///
    /// # Panics
    /// If the numbers of columns differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.mean.len(), other.mean.len(), "columns of the moments");
        if other.count == 0 {
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        self.count += other.count;
        for (i, (mean, m2)) in self.mean.iter_mut().zip(&mut self.m2).enumerate() {
            let delta = other.mean[i] - *mean;
            *mean += delta * m / (n + m);
            *m2 += other.m2[i] + delta * delta * n * m / (n + m);
        }
    }

    /// Population variance of column `i`; 0 before any row.
    pub fn variance(&self, i: usize) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.m2[i] / self.count as f64
        }
    }
}

/// Settings of a [`Normalizer`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizerConfig {
    /// Normalized values are clipped to ±clip; `None` for no clipping.
    pub clip: Option<f32>,
    /// Lower bound on the variance, which keeps constant columns finite.
    pub variance_floor: f64,
}

impl Default for NormalizerConfig {
    fn default() -> Self {
        Self {
            clip: Some(10.0),
            variance_floor: 1e-6,
        }
    }
}

/// Maps rows to (x − mean)/std, with statistics that only [`Normalizer::update`] changes. The
/// moments and the settings are its complete state.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalizer {
    config: NormalizerConfig,
    moments: Moments,
    shift: Vec<f32>,
    scale: Vec<f32>,
}

impl Normalizer {
    /// A normalizer of `dim` columns without data: the identity, except for clipping.
    pub fn new(config: NormalizerConfig, dim: usize) -> Self {
        Self::from_moments(config, Moments::new(dim))
    }

    /// The normalizer with the given statistics.
    pub fn from_moments(config: NormalizerConfig, moments: Moments) -> Self {
        let mut normalizer = Self {
            config,
            moments,
            shift: Vec::new(),
            scale: Vec::new(),
        };
        normalizer.refresh();
        normalizer
    }

    /// Adds the rows of `seen` to the statistics.
    ///
    /// # Panics
    /// If the numbers of columns differ.
    pub fn update(&mut self, seen: &Moments) {
        self.moments.merge(seen);
        self.refresh();
    }

    /// The statistics.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The settings.
    pub fn config(&self) -> NormalizerConfig {
        self.config
    }

    /// Number of columns.
    pub fn dim(&self) -> usize {
        self.shift.len()
    }

    /// Mean of each column as `normalize` uses it.
    pub fn mean(&self) -> &[f32] {
        &self.shift
    }

    /// 1/std of each column as `normalize` uses it.
    pub fn inverse_std(&self) -> &[f32] {
        &self.scale
    }

    /// Writes the normalized rows of `x` ([rows, dim]) to `out` of the same shape.
    ///
    /// # Panics
    /// If the lengths differ or are not whole rows.
    pub fn normalize(&self, x: &[f32], out: &mut [f32]) {
        assert_eq!(x.len(), out.len(), "input and output of different lengths");
        assert!(
            x.len().is_multiple_of(self.dim()),
            "{} numbers are not whole rows of {}",
            x.len(),
            self.dim()
        );
        let limit = self.config.clip.unwrap_or(f32::INFINITY);
        for (x, out) in x
            .chunks_exact(self.dim())
            .zip(out.chunks_exact_mut(self.dim()))
        {
            for (((out, &x), shift), scale) in
                out.iter_mut().zip(x).zip(&self.shift).zip(&self.scale)
            {
                *out = ((x - shift) * scale).clamp(-limit, limit);
            }
        }
    }

    fn refresh(&mut self) {
        let Self {
            config,
            moments,
            shift,
            scale,
        } = self;
        *shift = moments.mean.iter().map(|&mean| mean as f32).collect();
        *scale = match moments.count {
            0 => vec![1.0; moments.mean.len()],
            _ => {
                let variances = (0..moments.mean.len()).map(|i| moments.variance(i));
                variances
                    .map(|v| v.max(config.variance_floor).sqrt().recip() as f32)
                    .collect()
            }
        };
    }
}
