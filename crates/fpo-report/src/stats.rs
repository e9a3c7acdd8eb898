//! The statistics of results over tasks and seeds.
//!
//! Point estimates and intervals are those that Agarwal et al., *Deep reinforcement learning at the
//! edge of the statistical precipice* (arXiv 2108.13264), recommend: means and interquartile means
//! over all runs, percentile intervals of a bootstrap that resamples the seeds within each task
//! (tasks are fixed, not a sample), and the probability of improvement. Resamples use a fixed seed,
//! so the same results give the same intervals.

use fpo_rng::{Key, Philox, Stream};
use rand_core::Rng;

/// Resamples for an interval.
pub const RESAMPLES: usize = 10_000;
/// Resamples for each point of a curve's band.
pub const CURVE_RESAMPLES: usize = 2_000;
/// Share of the resamples within an interval.
pub const CONFIDENCE: f64 = 0.95;
/// The seed of all resamples.
const SEED: u64 = 0;

/// The scores of one method: for each task those of its seeds.
pub type Scores = [Vec<f64>];

/// A value and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value itself.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The mean; NaN if there are no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample, with n − 1 in the denominator; NaN of fewer than two.
pub fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    if values.len() < 2 {
        return f64::NAN;
    }
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The interquartile mean: of n values, the mean without the ⌊n/4⌋ smallest and the ⌊n/4⌋ largest.
pub fn interquartile_mean(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 4;
    mean(&values[cut..values.len() - cut])
}

/// The quantile `q` of sorted values, linear between them; NaN if there are none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = q * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + at.fract() * (above - below)
}

/// An aggregate over all runs of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean of all runs; tasks with more seeds have more weight.
    Mean,
    /// The interquartile mean of all runs.
    InterquartileMean,
}

impl Aggregate {
    fn of(self, pooled: &mut [f64]) -> f64 {
        match self {
            Self::Mean => mean(pooled),
            Self::InterquartileMean => interquartile_mean(pooled),
        }
    }
}

/// `aggregate` of the runs in `scores`, with the interval of `resamples` stratified resamples. None
/// if there are no scores.
pub fn aggregate(aggregate: Aggregate, scores: &Scores, resamples: usize) -> Option<Estimate> {
    let mut pooled: Vec<f64> = scores.iter().flatten().copied().collect();
    if pooled.is_empty() {
        return None;
    }
    let value = aggregate.of(&mut pooled);
    Some(interval(value, resamples, |rng| {
        pooled.clear();
        scores
            .iter()
            .for_each(|task| resample(task, rng, &mut pooled));
        aggregate.of(&mut pooled)
    }))
}

/// The probability that a run of `x` has a higher score than a run of `y` on the same task, mean
/// over the tasks that both have; ties count half. None if they share no task.
///
/// # Panics
/// If `x` and `y` have different numbers of tasks.
pub fn probability_of_improvement(x: &Scores, y: &Scores, resamples: usize) -> Option<Estimate> {
    assert_eq!(x.len(), y.len(), "different tasks");
    let shared = x
        .iter()
        .zip(y)
        .filter(|(x, y)| !x.is_empty() && !y.is_empty());
    let shared: Vec<_> = shared.collect();
    if shared.is_empty() {
        return None;
    }
    let of = |pairs: &mut dyn Iterator<Item = f64>| pairs.sum::<f64>() / shared.len() as f64;
    let value = of(&mut shared.iter().map(|(x, y)| share_above(x, y)));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    Some(interval(value, resamples, |rng| {
        of(&mut shared.iter().map(|(x, y)| {
            a.clear();
            b.clear();
            resample(x, rng, &mut a);
            resample(y, rng, &mut b);
            share_above(&a, &b)
        }))
    }))
}

/// The share of pairs in which x is greater; ties count half.
fn share_above(x: &[f64], y: &[f64]) -> f64 {
    let pairs = x.iter().flat_map(|x| y.iter().map(move |y| (x, y)));
    let points = pairs.map(|(x, y)| match x.total_cmp(y) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    });
    points.sum::<f64>() / (x.len() * y.len()) as f64
}

/// Appends a resample of `values`: as many draws with replacement.
fn resample(values: &[f64], rng: &mut Philox, out: &mut Vec<f64>) {
    let n = values.len() as u64;
    out.extend(
        values
            .iter()
            .map(|_| values[((u64::from(rng.next_u32()) * n) >> 32) as usize]),
    );
}

/// `value` with the percentile interval of `resamples` calls of `draw`.
fn interval(value: f64, resamples: usize, mut draw: impl FnMut(&mut Philox) -> f64) -> Estimate {
    let key = Key::new(SEED, Stream::Bootstrap);
    let mut drawn: Vec<f64> = (0..resamples)
        .map(|k| draw(&mut Philox::new(key.step(k as u64))))
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Estimate {
        value,
        low: quantile(&drawn, tail),
        high: quantile(&drawn, 1.0 - tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::fill_normal;

    fn normals(index: u32, n: usize) -> Vec<f64> {
        let mut x = vec![0.0; n];
        fill_normal(Key::new(1, Stream::Test).index(index), &mut x);
        x.into_iter().map(f64::from).collect()
    }

    #[test]
    fn by_hand() {
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(std(&[1.0, 2.0, 6.0]), 7.0_f64.sqrt());
        assert!(std(&[1.0]).is_nan() && mean(&[]).is_nan());
        // Of eight, two at each end are dropped: (3 + 4 + 5 + 7) / 4.
        let mut eight = [100.0, 5.0, 1.0, 4.0, 7.0, -50.0, 3.0, 8.0];
        assert_eq!(interquartile_mean(&mut eight), 4.75);
        // Of three none is dropped.
        assert_eq!(interquartile_mean(&mut [1.0, 2.0, 6.0]), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        // Pairs of the first task: 3 > 2, 3 > 1, 2 = 2, 2 > 1; of the second: 0 < 5.
        let x = [vec![3.0, 2.0], vec![0.0]];
        let y = [vec![2.0, 1.0], vec![5.0]];
        let p = probability_of_improvement(&x, &y, 100).unwrap();
        assert_eq!(p.value, (3.5 / 4.0 + 0.0) / 2.0);
        // The second task always gives 0, so no resample can exceed one half.
        assert!(p.low >= 0.0 && p.high <= 0.5, "{p:?}");
        // A task that only one of them has is ignored.
        let y = [vec![2.0, 1.0], vec![]];
        assert_eq!(
            probability_of_improvement(&x, &y, 10).unwrap().value,
            3.5 / 4.0
        );
        assert_eq!(probability_of_improvement(&x[1..], &y[1..], 10), None);
        assert_eq!(aggregate(Aggregate::Mean, &[vec![]], 10), None);
    }

    /// Compares with the definition by ranks: the mean of the values whose rank is in the middle
    /// half.
    #[test]
    fn interquartile_mean_is_that_of_the_middle() {
        for n in 1..40 {
            let mut values = normals(n as u32, n);
            let kept: Vec<f64> = values
                .iter()
                .filter(|x| {
                    let below = values.iter().filter(|y| y < x).count();
                    below >= n / 4 && below < n - n / 4
                })
                .copied()
                .collect();
            assert_eq!(kept.len(), n - 2 * (n / 4));
            let expected = mean(&kept);
            assert!((interquartile_mean(&mut values) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn probabilities_of_improvement_add_up_to_one() {
        let scores = |k: u32| [normals(k, 5), normals(k + 1, 3), vec![1.0, 1.0, 2.0]];
        let (x, y) = (scores(0), scores(10));
        let [a, b] =
            [(&x, &y), (&y, &x)].map(|(x, y)| probability_of_improvement(x, y, 200).unwrap());
        assert!((a.value + b.value - 1.0).abs() < 1e-12);
        assert!((0.0..=1.0).contains(&a.low) && a.low <= a.value && a.value <= a.high);
        let same = probability_of_improvement(&x, &x, 1).unwrap();
        assert!((same.value - 0.5).abs() < 1e-12);
    }

    #[test]
    fn resamples_stay_within_their_task_and_repeat() {
        // Strata far apart: every resample has exactly three of each, so the mean stays between
        // them.
        let scores = [vec![0.0, 1.0, 2.0], vec![1000.0, 1001.0, 1002.0]];
        let first = aggregate(Aggregate::Mean, &scores, 1000).unwrap();
        assert_eq!(first.value, 501.0);
        assert!(first.low >= 500.0 && first.high <= 502.0 && first.low < first.high);
        assert_eq!(aggregate(Aggregate::Mean, &scores, 1000), Some(first));
        // With one seed per task there is no spread.
        let one = aggregate(Aggregate::InterquartileMean, &[vec![3.0], vec![5.0]], 100).unwrap();
        assert_eq!([one.low, one.value, one.high], [4.0; 3]);
    }

    /// Intervals of the mean of 30 standard normals contain zero about as often as nominal.
    #[test]
    fn intervals_cover() {
        let experiments = 400;
        let covered = (0..experiments).filter(|k| {
            let e = aggregate(
                Aggregate::Mean,
                &[normals(1000 + k, 15), normals(5000 + k, 15)],
                400,
            )
            .unwrap();
            e.low <= 0.0 && 0.0 <= e.high
        });
        let share = covered.count() as f64 / f64::from(experiments);
        assert!((0.88..0.985).contains(&share), "{share}");
    }
}
