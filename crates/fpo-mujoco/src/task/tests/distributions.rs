//! Samples of initial states, and tests of their distributions.

use super::{make, reset};
use crate::task::ModelEnv;

/// The results of `read` after each of `n` resets of an environment of `name`; `[read's
/// length][n]`.
pub(crate) fn draws<const N: usize>(
    name: &str,
    n: u64,
    read: impl Fn(&ModelEnv) -> [f64; N],
) -> [Vec<f64>; N] {
    let mut env = make(name);
    let mut columns = [const { Vec::new() }; N];
    for step in 0..n {
        reset(&mut env, step);
        columns
            .iter_mut()
            .zip(read(&env))
            .for_each(|(column, value)| column.push(value));
    }
    columns
}

/// Kolmogorov's test against the uniform distribution, at p = 1e-4 (the numbers are the same in
/// every run).
pub(crate) fn assert_uniform(what: &str, samples: &[f64], low: f64, high: f64) {
    let n = samples.len() as f64;
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let distance = sorted.iter().enumerate().fold(0.0_f64, |worst, (i, x)| {
        let cdf = (x - low) / (high - low);
        assert!(
            (0.0..=1.0).contains(&cdf),
            "{what}: {x} is outside [{low}, {high}]"
        );
        worst
            .max((cdf - i as f64 / n).abs())
            .max((cdf - (i + 1) as f64 / n).abs())
    });
    assert!(
        distance < 2.23 / n.sqrt(),
        "{what}: {distance} from uniform on [{low}, {high}]"
    );
}

/// Mean, standard deviation and tail of a normal distribution, within five standard errors.
pub(crate) fn assert_normal(what: &str, samples: &[f64], mean: f64, sd: f64) {
    let n = samples.len() as f64;
    let m = samples.iter().sum::<f64>() / n;
    let s = (samples.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n).sqrt();
    let beyond = samples
        .iter()
        .filter(|x| (*x - mean).abs() > 2.0 * sd)
        .count() as f64
        / n;
    assert!(
        (m - mean).abs() < 5.0 * sd / n.sqrt(),
        "{what}: mean {m} instead of {mean}"
    );
    assert!(
        (s - sd).abs() < 5.0 * sd / (2.0 * n).sqrt(),
        "{what}: standard deviation {s} instead of {sd}"
    );
    assert!(
        (beyond - 0.0455).abs() < 5.0 * (0.0455 / n).sqrt(),
        "{what}: {beyond} beyond two sigma"
    );
}
