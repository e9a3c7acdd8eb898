//! Arrays of uniform and standard normal numbers, vectorized over Philox blocks.

use crate::philox::{LANES, blocks};
use crate::simd::dispatch;
use crate::{Key, Philox};
use pulp::{Simd, WithSimd};
use std::f32::consts::{FRAC_PI_2, LN_2};

/// Numbers computed at a time: four words per block.
const CHUNK: usize = 4 * LANES;

/// Fills `out` with independent uniform numbers of the open interval (0, 1): odd multiples of 2⁻²⁴.
/// `out[j]` depends on `key` and `j` alone.
pub fn fill_uniform(key: Key, out: &mut [f32]) {
    fill(
        key,
        out,
        #[inline(always)]
        |words| words.map(|w| w.map(unit)),
    );
}

/// Fills `out` with independent standard normal numbers (Box–Muller; |z| < 5.8).
/// `out[j]` depends on `key` and `j` alone.
///
/// ```
/// let key = fpo_rng::Key::new(1, fpo_rng::Stream::Test);
/// let mut z = vec![0.0; 10_000];
/// fpo_rng::fill_normal(key, &mut z);
/// let mean = z.iter().sum::<f32>() / 1e4;
/// let variance = z.iter().map(|z| z * z).sum::<f32>() / 1e4;
/// assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05);
/// ```
pub fn fill_normal(key: Key, out: &mut [f32]) {
    fill(
        key,
        out,
        #[inline(always)]
        |[a, b, c, d]| {
            let ([mut z0, mut z1], [mut z2, mut z3]) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
            for lane in 0..LANES {
                (z0[lane], z1[lane]) = box_muller(a[lane], b[lane]);
                (z2[lane], z3[lane]) = box_muller(c[lane], d[lane]);
            }
            [z0, z1, z2, z3]
        },
    );
}

/// Runs `convert` over all blocks of `key` that `out` needs, with the widest instructions of this
/// machine.
fn fill(key: Key, out: &mut [f32], convert: impl Fn([[u32; LANES]; 4]) -> [[f32; LANES]; 4]) {
    let (key, counter) = key.words();
    dispatch(Fill {
        key,
        counter,
        out,
        convert,
    });
}

/// The work of [`fill`].
struct Fill<'a, F> {
    key: [u32; 2],
    counter: [u32; 3],
    out: &'a mut [f32],
    convert: F,
}

impl<F: Fn([[u32; LANES]; 4]) -> [[f32; LANES]; 4]> WithSimd for Fill<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (i, chunk) in self.out.chunks_mut(CHUNK).enumerate() {
            let numbers = (self.convert)(blocks(self.key, self.counter, (i * LANES) as u32));
            let mut interleaved = [0.0; CHUNK];
            for lane in 0..LANES {
                for word in 0..4 {
                    interleaved[4 * lane + word] = numbers[word][lane];
                }
            }
            chunk.copy_from_slice(&interleaved[..chunk.len()]);
        }
    }
}

impl Philox {
    /// A uniform number of the open interval (0, 1), as in [`fill_uniform`].
    pub fn unit(&mut self) -> f32 {
        unit(rand_core::Rng::next_u32(self))
    }
}

#[inline(always)]
fn unit(word: u32) -> f32 {
    // 23 bits, so that the sum is exact and 1 is never reached. The conversion is signed, because
    // x86 has no vector conversion of unsigned words before AVX-512.
    ((word >> 9) as i32 as f32 + 0.5) * (1.0 / 8_388_608.0)
}

#[inline(always)]
fn box_muller(a: u32, b: u32) -> (f32, f32) {
    let radius = (-2.0 * ln(unit(a))).sqrt();
    let (sin, cos) = sin_cos_turn(unit(b));
    (radius * cos, radius * sin)
}

/// Natural logarithm of a positive normal number, to about 2 units in the last place.
#[inline(always)]
fn ln(x: f32) -> f32 {
    // x = m·2^e with m in [√½, √2): shift the exponent's origin to √½ before truncating it.
    let shifted = x.to_bits().wrapping_sub(0x3f35_04f3) as i32;
    let exponent = (shifted >> 23) as f32;
    let mantissa = f32::from_bits((shifted as u32 & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln m = 2·artanh(s) with s = (m − 1)/(m + 1), |s| < 0.172: four terms reach f32.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let series = s2.mul_add(s2.mul_add(s2.mul_add(2.0 / 7.0, 2.0 / 5.0), 2.0 / 3.0), 2.0);
    exponent.mul_add(LN_2, s * series)
}

/// (sin, cos) of `turn` full turns, for `turn` in [0, 1].
#[inline(always)]
fn sin_cos_turn(turn: f32) -> (f32, f32) {
    // The nearest quarter turn, by the addition of 1.5·2²³, which leaves the integer in the low
    // mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = turn.mul_add(4.0, ROUND);
    let quarter = shifted.to_bits();
    let angle = turn.mul_add(4.0, -(shifted - ROUND)) * FRAC_PI_2;
    let a2 = angle * angle;
    let sin = a2.mul_add(
        a2.mul_add(a2.mul_add(-1.0 / 5040.0, 1.0 / 120.0), -1.0 / 6.0),
        1.0,
    ) * angle;
    let cos = a2.mul_add(
        a2.mul_add(
            a2.mul_add(a2.mul_add(1.0 / 40320.0, -1.0 / 720.0), 1.0 / 24.0),
            -0.5,
        ),
        1.0,
    );
    let (s, c) = if quarter & 1 == 0 {
        (sin, cos)
    } else {
        (cos, sin)
    };
    let s_sign = (quarter & 2) << 30;
    let c_sign = (quarter.wrapping_add(1) & 2) << 30;
    (
        f32::from_bits(s.to_bits() ^ s_sign),
        f32::from_bits(c.to_bits() ^ c_sign),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    fn key() -> Key {
        Key::new(42, Stream::Test)
    }

    #[test]
    fn elementary_functions_agree_with_std() {
        for i in 1..20_000u32 {
            let word = i.wrapping_mul(214_013) << 8;
            let x = unit(word);
            assert!(
                (ln(x) - x.ln()).abs() <= 3e-7 * x.ln().abs().max(0.5),
                "ln {x}"
            );
            let (s, c) = sin_cos_turn(x);
            let angle = f64::from(x) * std::f64::consts::TAU;
            assert!((f64::from(s) - angle.sin()).abs() < 4e-7, "sin {x}: {s}");
            assert!((f64::from(c) - angle.cos()).abs() < 4e-7, "cos {x}: {c}");
        }
    }

    #[test]
    fn uniform_numbers_reach_neither_end() {
        let step = 0.5f32.powi(24);
        assert_eq!((unit(0), unit(u32::MAX)), (step, 1.0 - step));
    }

    #[test]
    fn a_prefix_does_not_depend_on_the_length() {
        let (mut short, mut long) = (vec![0.0; 7], vec![0.0; 1000]);
        fill_normal(key(), &mut short);
        fill_normal(key(), &mut long);
        assert_eq!(short, long[..7]);
        let mut single = Philox::new(key());
        fill_uniform(key(), &mut long);
        assert!(long.iter().all(|&u| u == single.unit()));
    }

    #[test]
    fn moments_and_tails_are_normal() {
        let n = 1_000_000;
        let mut z = vec![0.0f32; n];
        fill_normal(key(), &mut z);
        let moment = |p: i32| z.iter().map(|&z| f64::from(z).powi(p)).sum::<f64>() / n as f64;
        // Five standard errors each: Var(z)=1, Var(z²)=2, Var(z³)=15, Var(z⁴)=96.
        for (p, expected, variance) in [
            (1, 0.0, 1.0f64),
            (2, 1.0, 2.0),
            (3, 0.0, 15.0),
            (4, 3.0, 96.0),
        ] {
            let error = (moment(p) - expected).abs();
            assert!(
                error < 5.0 * (variance / n as f64).sqrt(),
                "moment {p} off by {error}"
            );
        }
        let beyond_3 = z.iter().filter(|z| z.abs() > 3.0).count() as f64 / n as f64;
        assert!(
            (beyond_3 - 0.0027).abs() < 5.0 * (0.0027 / n as f64).sqrt(),
            "P(|z| > 3) = {beyond_3}"
        );
        let lag1: f64 = z.windows(2).map(|w| f64::from(w[0] * w[1])).sum::<f64>() / n as f64;
        assert!(
            lag1.abs() < 5.0 / (n as f64).sqrt(),
            "neighbors correlate: {lag1}"
        );
    }

    #[test]
    fn keys_are_independent() {
        let draw = |key: Key| {
            let mut out = [0.0; 64];
            fill_uniform(key, &mut out);
            out
        };
        let base = draw(key());
        for other in [
            key().index(1),
            key().step(1),
            key().step(1 << 33),
            Key::new(43, Stream::Test),
            Key::new(42, Stream::Reset),
        ] {
            assert!(
                draw(other)
                    .iter()
                    .zip(base)
                    .filter(|(a, b)| **a == *b)
                    .count()
                    < 2,
                "{other:?}"
            );
        }
    }
}
