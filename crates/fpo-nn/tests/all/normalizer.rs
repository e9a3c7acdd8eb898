//! Running statistics and normalization.

use fpo_nn::{Moments, Normalizer, NormalizerConfig};
use fpo_rng::{Key, Stream, fill_normal};

const DIM: usize = 3;

/// Rows whose columns differ in offset and scale; the second has a mean 10⁵ times its spread.
fn rows(count: usize) -> Vec<f32> {
    let mut x = vec![0.0; count * DIM];
    fill_normal(Key::new(9, Stream::Test), &mut x);
    for row in x.chunks_mut(DIM) {
        row[0] = 2.0 * row[0] - 1.0;
        row[1] = 0.1 * row[1] + 10_000.0;
        row[2] = 7.0;
    }
    x
}

fn two_pass(x: &[f32]) -> Vec<(f64, f64)> {
    let n = (x.len() / DIM) as f64;
    let column = |i: usize| x.iter().skip(i).step_by(DIM).map(|&x| f64::from(x));
    (0..DIM)
        .map(|i| {
            let mean = column(i).sum::<f64>() / n;
            (mean, column(i).map(|x| (x - mean).powi(2)).sum::<f64>() / n)
        })
        .collect()
}

#[test]
fn merged_parts_equal_two_passes_over_everything() {
    let x = rows(5000);
    let expected = two_pass(&x);
    for sizes in [
        vec![5000],
        vec![1, 4999],
        vec![1000; 5],
        vec![1, 2, 3, 0, 4994],
    ] {
        let mut merged = Moments::new(DIM);
        let mut start = 0;
        for size in sizes {
            let mut part = Moments::new(DIM);
            part.add_rows(&x[start * DIM..(start + size) * DIM], DIM);
            merged.merge(&part);
            start += size;
        }
        assert_eq!(merged.count, 5000);
        for (i, (mean, variance)) in expected.iter().enumerate() {
            assert!(
                (merged.mean[i] - mean).abs() < 1e-11 * mean.abs().max(1.0),
                "mean of column {i}"
            );
            assert!(
                (merged.variance(i) - variance).abs() < 1e-9 * variance + 1e-20,
                "variance of column {i}"
            );
        }
    }
}

#[test]
fn adding_rows_equals_merging_them() {
    let x = rows(300);
    let (mut added, mut merged) = (Moments::new(DIM), Moments::new(DIM));
    for part in x.chunks(70 * DIM) {
        added.add_rows(part, DIM);
        let mut alone = Moments::new(DIM);
        alone.add_rows(part, DIM);
        merged.merge(&alone);
    }
    assert_eq!(added, merged);
}

#[test]
fn normalized_rows_have_mean_zero_and_variance_one() {
    let x = rows(5000);
    let mut seen = Moments::new(DIM);
    seen.add_rows(&x, DIM);
    let mut normalizer = Normalizer::new(
        NormalizerConfig {
            clip: None,
            variance_floor: 1e-8,
        },
        DIM,
    );
    normalizer.update(&seen);
    let mut out = vec![0.0; x.len()];
    normalizer.normalize(&x, &mut out);
    let statistics = two_pass(&out);
    assert!(statistics[0].0.abs() < 1e-6 && (statistics[0].1 - 1.0).abs() < 1e-5);
    // The second column's f32 inputs are multiples of 2⁻¹⁰, a hundredth of its spread.
    assert!(statistics[1].0.abs() < 1e-2 && (statistics[1].1 - 1.0).abs() < 1e-2);
    // A constant column divides by the floor, not by zero.
    assert_eq!(statistics[2], (0.0, 0.0));
}

#[test]
fn identity_until_data_and_clipped_after() {
    let config = NormalizerConfig {
        clip: Some(2.0),
        variance_floor: 1e-6,
    };
    let mut normalizer = Normalizer::new(config, DIM);
    let mut out = [0.0; DIM];
    normalizer.normalize(&[0.5, -1.5, 9.0], &mut out);
    assert_eq!(out, [0.5, -1.5, 2.0]);
    let mut seen = Moments::new(DIM);
    seen.add_rows(&rows(1000), DIM);
    normalizer.update(&seen);
    normalizer.normalize(&[100.0, -100.0, f32::NAN], &mut out);
    assert_eq!(out[..2], [2.0, -2.0]);
    assert!(out[2].is_nan(), "NaN is not clipped away");
    let restored = Normalizer::from_moments(normalizer.config(), normalizer.moments().clone());
    assert_eq!(restored, normalizer);
}
