//! Conversions of blocks between a pass's f32 memory and tiles: inputs, outputs, and the gradient
//! of the previous layer.
//!
//! Every function here needs the vector instructions that [`super::is_available`] checks.

use super::amx::{Sums, Tile};
use super::vectors::{halves, load, round, round_in_turns, set_row, split, store};
use super::{BLOCK, TILE};
use std::arch::x86_64::*;

/// Writes both parts of the input `[rows, columns]` in left arrangement; whole blocks, zero beyond
/// the edges.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn split_rows(input: &[f32], rows: usize, columns: usize, to: &mut [Tile]) {
    let blocks = columns.div_ceil(BLOCK);
    for (i, run) in to
        .chunks_exact_mut(2 * blocks)
        .take(2 * rows.div_ceil(BLOCK))
        .enumerate()
    {
        for r in 0..TILE {
            let line = match i * TILE + r {
                at if at < rows => &input[at * columns..(at + 1) * columns],
                _ => &[],
            };
            for block in 0..blocks {
                let ((a, a_rest), (b, b_rest)) = (
                    split(load(line, block * BLOCK)),
                    split(load(line, block * BLOCK + TILE)),
                );
                set_row(&mut run[block], r, round(a, b));
                set_row(&mut run[blocks + block], r, round(a_rest, b_rest));
            }
        }
    }
}

/// Writes sums + bias to the existing rows and columns of `output`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn write_outputs(
    sums: &Sums,
    bias: &[f32],
    rows: usize,
    columns: usize,
    block: usize,
    column: usize,
    output: &mut [f32],
) {
    let (bias_a, bias_b) = (load(bias, 0), load(bias, TILE));
    let lines = output[..rows * columns]
        .chunks_exact_mut(columns)
        .skip(block * BLOCK);
    for (line, sums) in lines.zip(&sums.0) {
        let to = &mut line[column * BLOCK..];
        let (a, b) = halves(sums);
        store(to, 0, _mm512_add_ps(a, bias_a));
        store(to, TILE, _mm512_add_ps(b, bias_b));
    }
}

/// A block of the gradient at the outputs, zero beyond its edges.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn read_gradient(
    d_output: &[f32],
    rows: usize,
    columns: usize,
    block: usize,
    column: usize,
    sums: &mut Sums,
) {
    for (r, line) in sums.0.iter_mut().enumerate() {
        let at = block * BLOCK + r;
        let from = if at < rows {
            &d_output[at * columns..(at + 1) * columns]
        } else {
            &[]
        };
        store(line, 0, load(from, column * BLOCK));
        store(line, TILE, load(from, column * BLOCK + TILE));
    }
}

/// Writes ∂L/∂z in left and right arrangement, where `slope` computes it from line r of the sums;
/// returns its column sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn hand_down(
    sums: &Sums,
    slope: impl Fn(usize, __m512, __m512) -> (__m512, __m512),
    left: [&mut Tile; 2],
    right: [&mut Tile; 2],
) -> (__m512, __m512) {
    let (mut sum_a, mut sum_b) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    let [right_a, right_b] = right;
    for (half, left) in left.into_iter().enumerate() {
        for r in (0..TILE).step_by(2) {
            let mut lines = [(sum_a, sum_b); 2];
            for (i, line) in lines.iter_mut().enumerate() {
                let at = half * TILE + r + i;
                let (a, b) = halves(&sums.0[at]);
                let (a, b) = slope(at, a, b);
                set_row(left, r + i, round(a, b));
                (sum_a, sum_b) = (_mm512_add_ps(sum_a, a), _mm512_add_ps(sum_b, b));
                *line = (a, b);
            }
            let p = (half * TILE + r) / 2;
            set_row(right_a, p, round_in_turns(lines[0].0, lines[1].0));
            set_row(right_b, p, round_in_turns(lines[0].1, lines[1].1));
        }
    }
    (sum_a, sum_b)
}

/// The sums over rows of a block's columns.
pub(super) struct ColumnSums(__m512, __m512);

impl ColumnSums {
    #[target_feature(enable = "avx512f")]
    pub(super) fn new() -> Self {
        Self(_mm512_setzero_ps(), _mm512_setzero_ps())
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn add(&mut self, (a, b): (__m512, __m512)) {
        (self.0, self.1) = (_mm512_add_ps(self.0, a), _mm512_add_ps(self.1, b));
    }

    /// Adds them to the biases' gradient.
    #[target_feature(enable = "avx512f")]
    pub(super) fn add_to(self, gradient: &mut [f32], column: usize) {
        for (at, sums) in [(column * BLOCK, self.0), (column * BLOCK + TILE, self.1)] {
            store(gradient, at, _mm512_add_ps(load(gradient, at), sums));
        }
    }
}
