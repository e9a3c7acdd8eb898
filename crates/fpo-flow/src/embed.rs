//! The time embedding for a network.

/// Writes `[cos(2⁰t), cos(2¹t), …, sin(2⁰t), sin(2¹t), …]`, half of `out` each (the embedding of
/// McAllister et al., 2507.21053).
///
/// The frequencies are in radians per unit of time, without a factor of 2π: over t in [0, 1] the
/// slowest pair turns by one radian, so the embeddings of any two times differ.
///
/// # Panics
/// If the length of `out` is odd.
///
/// ```
/// let mut e = [0.0; 4];
/// fpo_flow::embed_time(0.5, &mut e);
/// assert_eq!(e, [0.5f32.cos(), 1.0f32.cos(), 0.5f32.sin(), 1.0f32.sin()]);
/// ```
pub fn embed_time(t: f32, out: &mut [f32]) {
    assert!(
        out.len().is_multiple_of(2),
        "a time embedding has an even length"
    );
    let (cos, sin) = out.split_at_mut(out.len() / 2);
    let mut angle = t;
    for (c, s) in cos.iter_mut().zip(sin) {
        (*s, *c) = libm::sincosf(angle);
        angle *= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_cosines_then_sines_of_doubling_frequencies() {
        for t in [0.0f32, 0.1, 0.7, 1.0] {
            let mut e = [0.0; 8];
            embed_time(t, &mut e);
            for k in 0..4 {
                let angle = f64::from(t) * f64::from(1 << k);
                assert!(
                    (f64::from(e[k]) - angle.cos()).abs() < 1e-7,
                    "cos {k} of {t}"
                );
                assert!(
                    (f64::from(e[4 + k]) - angle.sin()).abs() < 1e-7,
                    "sin {k} of {t}"
                );
            }
        }
    }
}
