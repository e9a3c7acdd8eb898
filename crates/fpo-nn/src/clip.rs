//! Gradient clipping by the global norm.

/// The Euclidean norm over all `parts`, summed in f64 in a fixed order. NaN if any number is NaN.
pub fn global_norm(parts: &[&[f32]]) -> f64 {
    parts
        .iter()
        .map(|part| sum_of_squares(part))
        .sum::<f64>()
        .sqrt()
}

fn sum_of_squares(values: &[f32]) -> f64 {
    // Eight running sums: the order is fixed, and additions do not depend on each other.
    let mut sums = [0.0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(x) * f64::from(x);
    }
    sums.iter().sum()
}

/// Scales `part` by `max_norm / norm` if `norm`, the [`global_norm`] over all parts, exceeds
/// `max_norm`. With a non-finite norm the numbers are unchanged; the caller must check for it.
pub fn clip_to_norm(part: &mut [f32], norm: f64, max_norm: f64) {
    if norm > max_norm && norm.is_finite() {
        let scale = (max_norm / norm) as f32;
        part.iter_mut().for_each(|x| *x *= scale);
    }
}
