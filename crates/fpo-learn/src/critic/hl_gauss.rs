//! A value as a distribution over bins: HL-Gauss (Farebrother et al., *Stop Regressing*, arXiv
//! 2403.03950; in on-policy Q-learning: REPPO, arXiv 2507.11019).
//!
//! The network's outputs are logits of n bins with centers zᵢ, w apart; the value is Σ qᵢ·zᵢ with q
//! their softmax. A target y becomes the distribution of N(y, σ²), σ = ¾·w, over the bins, and the
//! loss is the cross-entropy to it. Gradients are bounded whatever the size of an error, which is
//! what makes a critic's gradient at the action usable.

use super::smooth_step::{SMOOTHING, SmoothStep};
use fpo_nn::exp_in_place;
use libm::logf;

/// The bins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HlGauss {
    bins: usize,
    /// Center of the first bin.
    min: f32,
    /// Distance w of the centers.
    width: f32,
}

impl HlGauss {
    /// `bins` centers, at least 2, from `min` to `max`.
    pub fn new(bins: usize, min: f32, max: f32) -> Self {
        Self {
            bins,
            min,
            width: (max - min) / (bins - 1) as f32,
        }
    }

    /// The number n of bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Whether `y` lies between the first center and the last.
    pub fn covers(&self, y: f32) -> bool {
        (self.min..=self.center(self.bins - 1)).contains(&y)
    }

    fn center(&self, i: usize) -> f32 {
        self.min + self.width * i as f32
    }

    /// The value Σ qᵢ·zᵢ of a row of `logits` `[n]`.
    pub fn value(&self, logits: &[f32]) -> f32 {
        // On the stack, a few bins at a time.
        let largest = largest(logits);
        let (mut sum, mut moment) = (0.0, 0.0);
        let mut piece = [0.0; 64];
        for (k, logits) in logits.chunks(piece.len()).enumerate() {
            let first = k * piece.len();
            let piece = &mut piece[..logits.len()];
            piece.copy_from_slice(logits);
            piece.iter_mut().for_each(|l| *l -= largest);
            exp_in_place(piece);
            sum += lane_sum(piece, |_, e| e);
            moment += lane_sum(piece, |i, e| e * self.center(first + i));
        }
        moment / sum
    }

    /// The value, and its gradient times `upstream` at the logits: ∂Q/∂lᵢ = qᵢ·(zᵢ − Q).
    pub fn value_gradient(&self, logits: &[f32], upstream: f32, gradient: &mut [f32]) -> f32 {
        let (_, sum) = exponentials(logits, gradient);
        let moment = lane_sum(gradient, |i, e| e * self.center(i));
        let value = moment / sum;
        for (i, g) in gradient.iter_mut().enumerate() {
            *g *= upstream * (self.center(i) - value) / sum;
        }
        value
    }

    /// The cross-entropy of a row of `logits` `[n]` to the distribution of the target `y`, which is
    /// clipped to the bins; its gradient times `upstream` at the logits, qᵢ − pᵢ, into `gradient`.
    pub fn loss(&self, logits: &[f32], y: f32, upstream: f32, gradient: &mut [f32]) -> f32 {
        let (largest, sum) = exponentials(logits, gradient);
        let scale = upstream / sum;
        gradient.iter_mut().for_each(|g| *g *= scale);
        let log_sum = largest + logf(sum);
        let mut loss = 0.0;
        self.distribute(y, |i, p| {
            loss += p * (log_sum - logits[i]);
            gradient[i] -= upstream * p;
        });
        loss
    }

    /// Gives `visit` the bins of N(y, σ²) and their probabilities, those more than 6 σ away left
    /// out; they add up to 1.
    fn distribute(&self, y: f32, mut visit: impl FnMut(usize, f32)) {
        // In units of a bin, from the first center on.
        let at = f64::from((y - self.min) / self.width).clamp(0.0, (self.bins - 1) as f64);
        let reach = (6.0 * SMOOTHING).ceil();
        let first = (at - reach).floor().max(0.0) as usize;
        let last = ((at + reach).ceil() as usize).min(self.bins - 1);
        let cdf = SmoothStep::from(first as f64 - 0.5 - at);
        let (below, above) = (cdf.at(0), cdf.at(last + 1 - first));
        let mut left = below;
        for i in first..=last {
            let right = cdf.at(i + 1 - first);
            visit(i, ((right - left) / (above - below)) as f32);
            left = right;
        }
    }
}

/// Numbers that are added up side by side, which vectors do at once; the order does not depend on
/// their width.
const LANES: usize = 16;

fn largest(logits: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    for piece in logits.chunks(LANES) {
        most.iter_mut().zip(piece).for_each(|(m, l)| *m = m.max(*l));
    }
    most.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Σ `term(i, values[i])`.
fn lane_sum(values: &[f32], term: impl Fn(usize, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    for (k, piece) in values.chunks(LANES).enumerate() {
        for (j, (sum, value)) in sums.iter_mut().zip(piece).enumerate() {
            *sum += term(k * LANES + j, *value);
        }
    }
    sums.iter().sum()
}

/// Writes exp(l − max l) into `out`; returns max l and the sum.
fn exponentials(logits: &[f32], out: &mut [f32]) -> (f32, f32) {
    let largest = largest(logits);
    out.iter_mut()
        .zip(logits)
        .for_each(|(o, l)| *o = l - largest);
    exp_in_place(out);
    (largest, lane_sum(out, |_, e| e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: HlGauss = HlGauss {
        bins: 12,
        min: -1.0,
        width: 0.25,
    };

    fn logits() -> Vec<f32> {
        (0..12).map(|i| ((i * 7) % 5) as f32 * 0.4 - 1.0).collect()
    }

    fn check(f: impl Fn(&[f32]) -> f64, gradient: &[f32]) {
        for i in 0..12 {
            let moved = |h: f32| {
                let mut l = logits();
                l[i] += h;
                f(&l)
            };
            let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let found = f64::from(gradient[i]);
            assert!((numeric - found).abs() < 1e-4, "{i}: {found} {numeric}");
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let mut gradient = [f32::NAN; 12];
        for y in [-5.0, -0.9, 0.3, 1.7, 9.0] {
            let found = BINS.loss(&logits(), y, -2.0, &mut gradient);
            assert!(found > 0.0);
            let loss = |l: &[f32]| -2.0 * f64::from(BINS.loss(l, y, 1.0, &mut [0.0; 12]));
            check(loss, &gradient);
        }
        let value = BINS.value_gradient(&logits(), 3.0, &mut gradient);
        assert!((value - BINS.value(&logits())).abs() < 1e-6);
        check(|l| 3.0 * f64::from(BINS.value(l)), &gradient);
    }

    /// Three bins inside the range, the distribution's mean is the target, and it adds up to 1.
    #[test]
    fn a_target_within_the_bins_is_kept() {
        for y in [-0.25f32, 0.0, 0.31, 0.9] {
            let (mut sum, mut mean) = (0.0, 0.0);
            BINS.distribute(y, |i, p| {
                sum += p;
                mean += p * BINS.center(i);
            });
            assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            assert!((mean - y).abs() < 1e-3, "{mean} for {y}");
        }
    }

    /// The minimum of the loss over the logits is at the target's distribution.
    #[test]
    fn descent_finds_the_target() {
        let (mut l, mut g) = ([0.0f32; 12], [0.0; 12]);
        for _ in 0..2000 {
            BINS.loss(&l, 0.4, 1.0, &mut g);
            l.iter_mut().zip(&g).for_each(|(l, g)| *l -= g);
        }
        assert!((BINS.value(&l) - 0.4).abs() < 2e-3, "{}", BINS.value(&l));
    }

    #[test]
    fn far_logits_do_not_overflow() {
        let mut l = [-1e4f32; 12];
        l[3] = 1e4;
        assert_eq!(BINS.value(&l), BINS.center(3));
        let mut g = [0.0; 12];
        assert!(BINS.loss(&l, 1.0, 1.0, &mut g).is_finite());
        assert!(g.iter().all(|g| g.is_finite()));
    }
}
