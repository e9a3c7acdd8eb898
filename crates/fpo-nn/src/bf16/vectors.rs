//! Loading, storing, rounding to bfloat16 and moving numbers between arrangements, sixteen at a
//! time.
//!
//! Every function here needs the vector instructions that [`super::is_available`] checks.

#![allow(unsafe_code)]

use super::amx::Tile;
use super::{BLOCK, TILE};
use std::arch::x86_64::*;

/// The mask of the first `count` of 16 lanes.
pub(super) fn first(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// Loads sixteen numbers of `line` from `at` on, zero beyond its end.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(line: &[f32], at: usize) -> __m512 {
    let rest = line.get(at..).unwrap_or_default();
    if rest.is_empty() {
        // A masked load of zero lanes from unmapped memory would cost hundreds of cycles.
        return _mm512_setzero_ps();
    }
    // SAFETY: the mask keeps within `rest`.
    unsafe { _mm512_maskz_loadu_ps(first(rest.len()), rest.as_ptr()) }
}

/// Stores sixteen numbers to `line` from `at` on, but none beyond its end.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(line: &mut [f32], at: usize, value: __m512) {
    if let Some(rest) = line.get_mut(at..)
        && !rest.is_empty()
    {
        // SAFETY: the mask keeps within `rest`.
        unsafe { _mm512_mask_storeu_ps(rest.as_mut_ptr(), first(rest.len()), value) }
    }
}

/// Both halves of a line of sums.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn halves(line: &[f32; BLOCK]) -> (__m512, __m512) {
    // SAFETY: a line has 32 numbers.
    unsafe {
        (
            _mm512_loadu_ps(line.as_ptr()),
            _mm512_loadu_ps(line.as_ptr().add(TILE)),
        )
    }
}

/// `a`, then `b`, rounded to bfloat16 (to nearest, ties to even).
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn round(a: __m512, b: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of plain data.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(b, a)) }
}

/// As [`round`], with the numbers of `a` and `b` interleaved: a₀, b₀, a₁, b₁, ….
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn round_in_turns(a: __m512, b: __m512) -> __m512i {
    const TURNS: [u16; 32] = {
        let mut turns = [0; 32];
        let mut i = 0;
        while i < 16 {
            turns[2 * i] = i as u16;
            turns[2 * i + 1] = 16 + i as u16;
            i += 1;
        }
        turns
    };
    // SAFETY: 64 readable bytes.
    let turns = unsafe { _mm512_loadu_si512(TURNS.as_ptr().cast()) };
    _mm512_permutexvar_epi16(turns, round(a, b))
}

/// The inverse of [`round_in_turns`], apart from the rounding.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn widen_turns(turns: __m512i) -> (__m512, __m512) {
    let even = _mm512_slli_epi32::<16>(turns);
    let odd = _mm512_and_si512(turns, _mm512_set1_epi32(0xffff_0000_u32 as i32));
    (_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd))
}

/// `x` rounded to bfloat16, and the exact rest; if that is rounded, too, both together keep 16
/// significant bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn split(x: __m512) -> (__m512, __m512) {
    // SAFETY: both are 32 bytes of plain data.
    let rounded: __m256i = unsafe { std::mem::transmute(_mm512_cvtneps_pbh(x)) };
    let high = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(rounded)));
    (high, _mm512_sub_ps(x, high))
}

/// A tile's row.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn row(tile: &Tile, row: usize) -> __m512i {
    // SAFETY: a row is 64 bytes.
    unsafe { _mm512_loadu_si512(tile.0[row].as_ptr().cast()) }
}

/// Replaces a tile's row.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn set_row(tile: &mut Tile, row: usize, value: __m512i) {
    // SAFETY: a row is 64 bytes.
    unsafe { _mm512_storeu_si512(tile.0[row].as_mut_ptr().cast(), value) }
}

/// The 32-bit element (i, j) of `rows` goes to (j, i) of the result.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    // Pairs of rows, then quadruples, within each quarter of a vector: afterwards `b[4q + r]`
    // holds, in quarter l, rows 4q to 4q + 3 of column 4l + r.
    let mut b = [zero; 16];
    for q in 0..4 {
        let [r0, r1, r2, r3] = [
            rows[4 * q],
            rows[4 * q + 1],
            rows[4 * q + 2],
            rows[4 * q + 3],
        ];
        let (low01, high01) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (low23, high23) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        b[4 * q] = _mm512_unpacklo_epi64(low01, low23);
        b[4 * q + 1] = _mm512_unpackhi_epi64(low01, low23);
        b[4 * q + 2] = _mm512_unpacklo_epi64(high01, high23);
        b[4 * q + 3] = _mm512_unpackhi_epi64(high01, high23);
    }
    // The quarters of four vectors are a 4 × 4 matrix to transpose.
    let mut out = [zero; 16];
    for r in 0..4 {
        let [q0, q1, q2, q3] = [b[r], b[4 + r], b[8 + r], b[12 + r]];
        let (even01, odd01) = (
            _mm512_shuffle_i32x4::<0x88>(q0, q1),
            _mm512_shuffle_i32x4::<0xdd>(q0, q1),
        );
        let (even23, odd23) = (
            _mm512_shuffle_i32x4::<0x88>(q2, q3),
            _mm512_shuffle_i32x4::<0xdd>(q2, q3),
        );
        out[r] = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        out[4 + r] = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        out[8 + r] = _mm512_shuffle_i32x4::<0xdd>(even01, even23);
        out[12 + r] = _mm512_shuffle_i32x4::<0xdd>(odd01, odd23);
    }
    out
}

/// The left arrangement of a block's transpose: from two tiles, rows 0–15 and 16–31 of 32 columns,
/// to two tiles, columns 0–15 and 16–31 of 32 rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn transpose_block(from: [&Tile; 2], to: [&mut Tile; 2]) {
    let zero = _mm512_setzero_si512();
    // Rows 2p and 2p + 1 interleaved, which leaves columns 8l to 8l + 3 in quarter l of `low` and
    // the next four in `high`.
    let (mut low, mut high) = ([zero; 16], [zero; 16]);
    for p in 0..16 {
        let tile = from[p / 8];
        let (a, b) = (row(tile, 2 * p % TILE), row(tile, 2 * p % TILE + 1));
        low[p] = _mm512_unpacklo_epi16(a, b);
        high[p] = _mm512_unpackhi_epi16(a, b);
    }
    let (low, high) = (transpose(low), transpose(high));
    for (i, (low, high)) in low.into_iter().zip(high).enumerate() {
        let column = i / 4 * 8 + i % 4;
        let tile = &mut *to[column / TILE];
        set_row(tile, column % TILE, low);
        set_row(tile, column % TILE + 4, high);
    }
}

#[cfg(test)]
mod tests {
    use super::super::is_available;
    use super::*;

    #[test]
    fn blocks_are_transposed() {
        if !is_available() {
            eprintln!("skipped: no bfloat16 matrix unit");
            return;
        }
        let at = |row: usize, column: usize| (row * 100 + column) as u16;
        let mut from = [Tile::ZERO; 2];
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                from[row / TILE].0[row % TILE][column] = at(row, column);
            }
        }
        let mut to = [Tile::ZERO; 2];
        let [left, right] = &mut to;
        // SAFETY: the instructions exist.
        unsafe { transpose_block([&from[0], &from[1]], [left, right]) };
        for row in 0..BLOCK {
            for column in 0..BLOCK {
                assert_eq!(to[column / TILE].0[column % TILE][row], at(row, column));
            }
        }
    }

    #[test]
    fn numbers_are_rounded_in_both_orders_and_split() {
        if !is_available() {
            eprintln!("skipped: no bfloat16 matrix unit");
            return;
        }
        let a: [f32; 16] = std::array::from_fn(|i| 1.0 + i as f32 / 300.0);
        let b: [f32; 16] = std::array::from_fn(|i| -3.0e5 * (1.0 + i as f32 / 77.0));
        let nearest = |x: f32, y: f32| (x - y).abs() <= x.abs() / 256.0;
        let load = |x: &[f32; 16]| {
            // SAFETY: sixteen numbers.
            unsafe { _mm512_loadu_ps(x.as_ptr()) }
        };
        // SAFETY: vectors are plain data.
        let numbers = |x: __m512| unsafe { std::mem::transmute::<__m512, [f32; 16]>(x) };
        // SAFETY: the instructions exist; vectors are plain data.
        unsafe {
            let (even, odd) = widen_turns(round_in_turns(load(&a), load(&b)));
            let (even, odd) = (numbers(even), numbers(odd));
            let plain = std::mem::transmute::<__m512i, [u16; 32]>(round(load(&a), load(&b)));
            let (high, low) = split(load(&b));
            let (high, low) = (numbers(high), numbers(low));
            for i in 0..16 {
                assert!(nearest(a[i], even[i]) && nearest(b[i], odd[i]));
                assert_eq!(plain[i], (even[i].to_bits() >> 16) as u16);
                assert_eq!(plain[16 + i], (odd[i].to_bits() >> 16) as u16);
                assert_eq!((high[i], high[i] + low[i]), (odd[i], b[i]));
            }
        }
    }
}
