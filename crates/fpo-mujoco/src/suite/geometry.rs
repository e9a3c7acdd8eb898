//! Geometry for rewards and observations.

/// The distance between two points.
pub(super) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The vector from `a` to `b` in the frame of body or geom `i`, whose orientations are `frames`
/// (`[n, 3, 3]`, the axes in the columns).
pub(super) fn from_to_in(a: [f64; 3], b: [f64; 3], frames: &[f64], i: usize) -> [f64; 3] {
    let frame = &frames[9 * i..][..9];
    std::array::from_fn(|axis| (0..3).map(|k| (b[k] - a[k]) * frame[3 * k + axis]).sum())
}
