//! Activations, on one vector register and on a block of sums.

#![allow(unsafe_code)]

use super::TILE;
use super::amx::{Sums, Tile};
use super::vectors::{halves, load, round, round_in_turns, set_row};
use crate::activation::Function;
use pulp::x86::V4;
use std::arch::x86_64::*;
use std::mem::transmute;

/// f(z) and f′(z), more accurate than bfloat16, with f(0) = 0.
pub(super) trait Activate: Copy {
    /// # Safety
    /// The vector instructions that [`super::is_available`] checks must exist.
    unsafe fn apply(self, z: __m512) -> (__m512, __m512);
}

/// z·σ(z) to a relative error of 2e-4: rounding to bfloat16 is 10 times coarser, and a division
/// alone would cost more than all of this.
#[derive(Clone, Copy)]
pub(super) struct FastSilu;

/// 2^f on 0 ≤ f < 1, by interpolation in Chebyshev's nodes; error 3.5e-6.
const POWER: [f32; 5] = [
    1.000_003_5,
    0.692_972_9,
    0.241_604_36,
    0.051_744_998,
    0.013_670_309,
];

impl Activate for FastSilu {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn apply(self, z: __m512) -> (__m512, __m512) {
        let one = _mm512_set1_ps(1.0);
        // exp(−z) = 2^(n + f), n an integer.
        let power = _mm512_mul_ps(z, _mm512_set1_ps(-std::f32::consts::LOG2_E));
        const TO_FLOOR: i32 = 0x01;
        let f = _mm512_reduce_ps::<TO_FLOOR>(power);
        let mut series = _mm512_set1_ps(POWER[4]);
        for i in (0..4).rev() {
            series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(POWER[i]));
        }
        let exp = _mm512_scalef_ps(series, power);
        let sigmoid = _mm512_rcp14_ps(_mm512_add_ps(exp, one));
        let h = _mm512_mul_ps(z, sigmoid);
        (h, _mm512_fmadd_ps(h, _mm512_sub_ps(one, sigmoid), sigmoid))
    }
}

/// The function of the f32 passes.
#[derive(Clone, Copy)]
pub(super) struct Exact<F>(pub(super) F);

impl<F: Function> Activate for Exact<F> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx2,fma")]
    unsafe fn apply(self, z: __m512) -> (__m512, __m512) {
        // SAFETY: the caller guarantees that the instructions exist; vectors are plain data of the
        // same size.
        unsafe {
            let (h, d) = self
                .0
                .apply(V4::new_unchecked(), transmute::<__m512, pulp::f32x16>(z));
            (
                transmute::<pulp::f32x16, __m512>(h),
                transmute::<pulp::f32x16, __m512>(d),
            )
        }
    }
}

/// Writes h = f(sums + bias) in left arrangement, and f′ interleaved.
#[inline]
#[target_feature(enable = "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(super) fn activate<A: Activate>(
    sums: &Sums,
    bias: &[f32],
    activation: A,
    to: [&mut Tile; 2],
    derivative: Option<&mut [Tile]>,
) {
    let (bias_a, bias_b) = (load(bias, 0), load(bias, TILE));
    let [top, bottom] = to;
    let (mut d_top, mut d_bottom) = (None, None);
    if let Some([first, second]) = derivative {
        (d_top, d_bottom) = (Some(first), Some(second));
    }
    for (tile, mut derivative, lines) in [
        (top, d_top, &sums.0[..TILE]),
        (bottom, d_bottom, &sums.0[TILE..]),
    ] {
        for (r, line) in lines.iter().enumerate() {
            let (a, b) = halves(line);
            // SAFETY: this function requires the same instructions.
            let ((a, d_a), (b, d_b)) = unsafe {
                (
                    activation.apply(_mm512_add_ps(a, bias_a)),
                    activation.apply(_mm512_add_ps(b, bias_b)),
                )
            };
            set_row(tile, r, round(a, b));
            if let Some(derivative) = &mut derivative {
                set_row(derivative, r, round_in_turns(d_a, d_b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_silu_is_silu() {
        if !super::super::is_available() {
            eprintln!("skipped: no bfloat16 matrix unit");
            return;
        }
        let apply = |z: f32| {
            // SAFETY: the instructions exist; vectors are plain data.
            unsafe {
                let (h, d) = FastSilu.apply(_mm512_set1_ps(z));
                (_mm512_cvtss_f32(h), _mm512_cvtss_f32(d))
            }
        };
        for i in -4000..=4000 {
            let z = f64::from(i) * 0.01;
            let s = 1.0 / (1.0 + (-z).exp());
            let (h, d) = apply(z as f32);
            assert!(
                (f64::from(h) - z * s).abs() <= 2e-4 * (z * s).abs() + 1e-12,
                "{z}: {h}"
            );
            assert!(
                (f64::from(d) - (s + z * s * (1.0 - s))).abs() <= 1.5e-3 * s.max(0.1),
                "{z}: {d}"
            );
        }
        assert_eq!(apply(0.0).0, 0.0, "padding requires it");
        assert_eq!(apply(-1e30).0, 0.0);
        assert_eq!(apply(1e30).0, 1e30);
        assert!(apply(f32::NAN).0.is_nan());
    }
}
