//! k-NN entropy estimate of a flow, whose density is unknown, from the distances between actions
//! that it samples for one observation.
//!
//! The estimate of Kozachenko and Leonenko (*Sample estimate of the entropy of a random vector*,
//! 1987): of N points in d dimensions, with r the distance from a point x to its k-th nearest
//! neighbor among the others,
//!
//! −ln p(x) ≈ ψ(N) − ψ(k) + ln V_d + d·ln r,
//!
//! with the digamma function ψ and the volume V_d of the unit ball. The entropy is the mean over
//! the points.

use std::f64::consts::PI;

/// Lower bound on distances, so that the surprisal of equal points is finite.
const SHORTEST: f32 = 1e-6;

/// Estimates the surprisal of each of some points from the distances between them.
#[derive(Clone, Debug)]
pub struct KnnEntropy {
    /// Entries of a point.
    dim: usize,
    /// Which nearest neighbor's distance counts.
    k: usize,
    /// ψ(N) − ψ(k) + ln V_d.
    constant: f32,
    /// Squared distances from one point to all others.
    squares: Vec<f32>,
}

impl KnnEntropy {
    /// For N = `points` points of `dim` entries and the distance to the k-th nearest neighbor, with
    /// 1 ≤ k < N.
    ///
    /// # Panics
    /// If k is out of range.
    pub fn new(points: usize, dim: usize, k: usize) -> Self {
        assert!(
            (1..points).contains(&k),
            "k = {k} must be at least 1 and below {points}, the number of points"
        );
        Self {
            dim,
            k,
            constant: (digamma(points) - digamma(k) + ln_ball(dim)) as f32,
            squares: Vec::with_capacity(points),
        }
    }

    /// −ln p of each of `points` `[N, dim]` into `surprisal` `[N]`, in nats.
    ///
    /// ```
    /// use fpo_learn::objective::KnnEntropy;
    ///
    /// let mut surprisal = [0.0; 3];
    /// KnnEntropy::new(3, 1, 1).estimate(&[0.0, 1.0, 4.0], &mut surprisal);
    /// // ψ(3) − ψ(1) = 1.5, V = 2, r = 1, 1, 3.
    /// assert!((surprisal[0] - (1.5 + 2f32.ln())).abs() < 1e-6 && surprisal[0] == surprisal[1]);
    /// assert!((surprisal[2] - (1.5 + 6f32.ln())).abs() < 1e-6);
    /// ```
    pub fn estimate(&mut self, points: &[f32], surprisal: &mut [f32]) {
        let Self {
            dim,
            k,
            constant,
            squares,
        } = self;
        for (i, (point, surprisal)) in points.chunks_exact(*dim).zip(surprisal).enumerate() {
            squares.clear();
            for (j, other) in points.chunks_exact(*dim).enumerate() {
                if i != j {
                    squares.push(
                        point
                            .iter()
                            .zip(other)
                            .map(|(a, b)| (a - b) * (a - b))
                            .sum(),
                    );
                }
            }
            let (_, square, _) = squares.select_nth_unstable_by(*k - 1, f32::total_cmp);
            *surprisal = *constant + *dim as f32 * libm::logf(square.sqrt().max(SHORTEST));
        }
    }
}

/// ψ(n) = −γ + 1 + 1/2 + … + 1/(n − 1) of an integer n ≥ 1.
fn digamma(n: usize) -> f64 {
    const GAMMA: f64 = 0.577_215_664_901_532_9;
    (1..n).map(|j| 1.0 / j as f64).sum::<f64>() - GAMMA
}

/// The logarithm of the volume of the unit ball: V₀ = 1, V₁ = 2, V_d = V_{d−2}·2π/d.
fn ln_ball(dim: usize) -> f64 {
    let first = if dim.is_multiple_of(2) {
        0.0
    } else {
        std::f64::consts::LN_2
    };
    let steps = (2..=dim).filter(|d| d % 2 == dim % 2);
    first + steps.map(|d| libm::log(2.0 * PI / d as f64)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Stream, fill_normal};

    #[test]
    fn volumes_are_those_of_balls() {
        for (dim, volume) in [
            (1, 2.0),
            (2, PI),
            (3, 4.0 / 3.0 * PI),
            (4, PI * PI / 2.0),
            (6, PI.powi(3) / 6.0),
        ] {
            assert!((ln_ball(dim) - f64::ln(volume)).abs() < 1e-12, "{dim}");
        }
    }

    /// ½·ln(2πe·σ²) for each dimension.
    #[test]
    fn the_entropy_of_a_gaussian_is_found() {
        const N: usize = 2000;
        for (dim, sigma, k) in [(1, 1.0f32, 1), (1, 0.1, 3), (2, 0.5, 3), (6, 2.0, 5)] {
            let (mut x, mut surprisal) = (vec![0.0; N * dim], vec![0.0; N]);
            fill_normal(Key::new(3, Stream::Test).index(dim as u32), &mut x);
            x.iter_mut().for_each(|x| *x *= sigma);
            KnnEntropy::new(N, dim, k).estimate(&x, &mut surprisal);
            let found = surprisal.iter().map(|r| f64::from(*r)).sum::<f64>() / N as f64;
            let expected =
                0.5 * dim as f64 * (2.0 * PI * std::f64::consts::E * f64::from(sigma).powi(2)).ln();
            assert!(
                (found - expected).abs() < 0.04 * dim as f64,
                "{dim}, {sigma}, {k}: {found} against {expected}"
            );
        }
    }

    /// With as few points as in a rollout, the tails make the estimate slightly too small.
    #[test]
    fn few_points_give_it_on_average() {
        const N: usize = 9;
        let mut entropy = KnnEntropy::new(N, 1, 2);
        let (mut x, mut surprisal, mut sum) = ([0.0; N], [0.0; N], 0.0);
        for draw in 0..2000 {
            fill_normal(Key::new(4, Stream::Test).step(draw), &mut x);
            entropy.estimate(&x, &mut surprisal);
            sum += surprisal.iter().map(|r| f64::from(*r)).sum::<f64>() / N as f64;
        }
        let expected = 0.5 * (2.0 * PI * std::f64::consts::E).ln();
        assert!(
            (sum / 2000.0 - expected).abs() < 0.1,
            "{} against {expected}",
            sum / 2000.0
        );
    }

    #[test]
    fn equal_points_stay_finite() {
        let mut surprisal = [0.0; 4];
        KnnEntropy::new(4, 2, 2).estimate(&[0.5; 8], &mut surprisal);
        assert!(surprisal.iter().all(|r| r.is_finite()), "{surprisal:?}");
    }
}
