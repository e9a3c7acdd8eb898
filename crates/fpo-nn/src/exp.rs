//! The exponential function and its relatives on vector registers.

use fpo_rng::simd::dispatch;
use pulp::{Simd, WithSimd};

/// 1.5·2²³ + 127: adding it to a number leaves the nearest integer, plus the exponent bias, in the
/// low bits. So rounding and computing 2ⁿ need no conversion between floats and integers, which is
/// slow.
const ROUND: f32 = 12_583_039.0;

/// Beyond ±87, 2ⁿ would not be a normal number; for every function built on it, exp(±87) is
/// equivalent to 0 or ∞.
const LIMIT: f32 = 87.0;

/// ln 2 in two parts; the first has few enough bits for its product with an exponent to be exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// (exp(r) − 1)/r on |r| ≤ ½ ln 2, by interpolation in Chebyshev's nodes; error 5e-9 relative to
/// exp(r).
const SERIES: [f32; 6] = [
    1.0,
    0.5,
    0.166_665_05,
    0.041_666_465,
    0.008_369_184,
    0.001_393_368_6,
];

/// x clamped to ±87, the n nearest to x·`log2_e`, and 2ⁿ. NaN stays NaN.
#[inline(always)]
fn nearest_power<S: Simd>(simd: S, x: S::f32s, log2_e: f32) -> [S::f32s; 3] {
    let splat = |value| simd.splat_f32s(value);
    // x is the second operand, which x86 returns if one of the operands is NaN.
    let x = simd.min_f32s(splat(LIMIT), simd.max_f32s(splat(-LIMIT), x));
    let shifted = simd.mul_add_e_f32s(x, splat(log2_e), splat(ROUND));
    let bits = simd.transmute_u32s_f32s(shifted);
    let power = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23)));
    [x, simd.sub_f32s(shifted, splat(ROUND)), power]
}

/// Σ `coefficients[i]`·rⁱ.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, coefficients: [f32; N], r: S::f32s) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = simd.mul_add_e_f32s(sum, r, simd.splat_f32s(coefficients[i]));
    }
    sum
}

/// exp(x) = 2ⁿ·(1 + m): the parts (2ⁿ, m), with x clamped to ±87. NaN stays NaN.
#[inline(always)]
fn parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value| simd.splat_f32s(value);
    let [x, n, power] = nearest_power(simd, x, std::f32::consts::LOG2_E);
    let r = simd.mul_add_e_f32s(n, splat(-LN_2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, splat(-LN_2_LOW), r);
    (power, simd.mul_f32s(r, polynomial(simd, SERIES, r)))
}

/// exp(x) + `add`, to about 1 ulp for x within ±87 and the value at ±87 beyond.
#[inline(always)]
pub(crate) fn exp_plus<S: Simd>(simd: S, x: S::f32s, add: f32) -> S::f32s {
    let (scale, m) = parts(simd, x);
    simd.mul_add_e_f32s(scale, m, simd.add_f32s(scale, simd.splat_f32s(add)))
}

/// Replaces every number by its exponential, to about 1 ulp for numbers within ±87; beyond, by the
/// exponential of ±87. The same bits on AVX2 and AVX-512.
///
/// ```
/// let mut values = [0.0, 1.0, -1000.0];
/// fpo_nn::exp_in_place(&mut values);
/// assert_eq!(values[..2], [1.0, std::f32::consts::E]);
/// assert!(values[2] < 1e-37);
/// ```
pub fn exp_in_place(values: &mut [f32]) {
    struct Exp<'a>(&'a mut [f32]);
    impl WithSimd for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (whole, rest) = S::as_mut_simd_f32s(self.0);
            for x in whole {
                *x = exp_plus(simd, *x, 0.0);
            }
            let last = exp_plus(simd, simd.partial_load_f32s(rest), 0.0);
            simd.partial_store_f32s(rest, last);
        }
    }
    dispatch(Exp(values));
}

/// exp(−r) on |r| ≤ ½ ln 2, a minimax polynomial with the first two coefficients of the series;
/// error 1.1e-7 relative.
const FALL: [f32; 6] = [
    1.0,
    -1.0,
    0.499_992_3,
    -0.166_671_14,
    0.041_890_156,
    -0.008_312_521,
];

/// 1/(1 + exp(−x)), to 4e-7 of it, and the value at ±87 beyond. NaN stays NaN on vectors.
///
/// This function dominates the latency of acting, so it is shorter than a version with
/// [`exp_plus`], whose accuracy near 0 is not needed here.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value| simd.splat_f32s(value);
    // exp(−x) = 2ⁿ·exp(−r) with r = x + n·ln 2.
    let [x, n, power] = nearest_power(simd, x, -std::f32::consts::LOG2_E);
    // WebAssembly's vectors have no fused multiply-add either.
    let r = if S::IS_SCALAR || cfg!(target_family = "wasm") {
        // Without it the product is rounded, unless it is exact.
        simd.mul_add_e_f32s(
            n,
            splat(LN_2_LOW),
            simd.mul_add_e_f32s(n, splat(LN_2_HIGH), x),
        )
    } else {
        simd.mul_add_e_f32s(n, splat(std::f32::consts::LN_2), x)
    };
    let one = splat(1.0);
    simd.div_f32s(
        one,
        simd.mul_add_e_f32s(polynomial(simd, FALL, r), power, one),
    )
}

/// tanh(x) = m/(m + 2) with m = exp(2x) − 1, which stays accurate near 0.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let m = exp_plus(simd, simd.add_f32s(x, x), -1.0);
    simd.div_f32s(m, simd.add_f32s(m, simd.splat_f32s(2.0)))
}
