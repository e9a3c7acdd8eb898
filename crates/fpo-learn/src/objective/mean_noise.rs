//! Noise on the means of a Gaussian policy while it learns.

use fpo_rng::{Key, fill_uniform};

/// Robust Policy Optimization (RPO, arXiv 2212.07536): the gradient is taken at the means plus
/// uniform noise, with the standard deviations as they are. An action is then as likely under many
/// means, so the policy does not become narrow. Stored likelihoods are without the noise, so ratios
/// are not 1 at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanNoise {
    /// Each entry of a mean moves by up to this, in units of the unbounded action.
    pub half_width: f32,
}

impl MeanNoise {
    /// Writes `predictions` with other means into `moved`.
    ///
    /// * `predictions`, `moved` `[rows, 2d]`: (μ, σ)
    /// * `key(row)`: where a row's noise comes from
    pub fn add(
        &self,
        predictions: &[f32],
        d: usize,
        key: impl Fn(usize) -> Key,
        moved: &mut [f32],
    ) {
        let rows = predictions.chunks_exact(2 * d);
        for (row, (from, to)) in rows.zip(moved.chunks_exact_mut(2 * d)).enumerate() {
            let (mean, std) = to.split_at_mut(d);
            fill_uniform(key(row), mean);
            for (mean, from) in mean.iter_mut().zip(from) {
                *mean = self.half_width.mul_add(2.0 * *mean - 1.0, *from);
            }
            std.copy_from_slice(&from[d..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::Stream;

    #[test]
    fn means_move_uniformly_and_standard_deviations_do_not() {
        let noise = MeanNoise { half_width: 0.5 };
        let (rows, d) = (4000, 2);
        let predictions: Vec<f32> = [1.0, -3.0, 0.25, 4.0].repeat(rows);
        let mut moved = vec![f32::NAN; predictions.len()];
        let key = |row: usize| Key::new(1, Stream::Test).index(row as u32);
        noise.add(&predictions, d, key, &mut moved);
        let (mut sum, mut squares) = ([0.0f64; 2], [0.0f64; 2]);
        for row in moved.chunks_exact(4) {
            assert_eq!(row[2..], [0.25, 4.0]);
            for (i, mean) in [1.0, -3.0].into_iter().enumerate() {
                let z = f64::from(row[i] - mean);
                assert!(z.abs() < 0.5, "{z}");
                sum[i] += z;
                squares[i] += z * z;
            }
        }
        for i in 0..d {
            // The variance of U(−½, ½) is 1/12.
            assert!((sum[i] / rows as f64).abs() < 0.02);
            assert!((squares[i] / rows as f64 - 1.0 / 12.0).abs() < 0.005);
        }
    }
}
