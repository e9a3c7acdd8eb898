//! Parameters rounded to bfloat16, in the arrangements of the products.

#![allow(unsafe_code)]

use super::amx::Tile;
use super::vectors::{first, round, round_in_turns, set_row, transpose};
use super::{BLOCK, TILE, is_available};
use crate::Layer;
use std::arch::x86_64::*;

/// One layer's parameters.
#[derive(Clone)]
pub(crate) struct Packed {
    /// Right arrangement of W: for each 16 outputs a run of tiles over the inputs, [outputs / 16,
    /// input blocks]. The first layer has each run twice, for the two parts of its inputs.
    pub(super) forward: Vec<Tile>,
    /// Right arrangement of Wᵀ: for each 16 inputs a run over the outputs, [inputs / 16, output
    /// blocks].
    pub(super) backward: Vec<Tile>,
    /// Biases and zeros, [outputs in whole blocks].
    pub(super) bias: Vec<f32>,
    /// Tiles in a forward run and in a backward run.
    pub(super) forward_run: usize,
    pub(super) backward_run: usize,
}

impl Packed {
    /// Zeros for `layer`, the first of a network or not.
    pub(crate) fn new(layer: &Layer, first_layer: bool) -> Self {
        let (inputs, outputs) = (layer.inputs.div_ceil(BLOCK), layer.outputs.div_ceil(BLOCK));
        let forward_run = if first_layer { 2 * inputs } else { inputs };
        Self {
            forward: vec![Tile::ZERO; 2 * outputs * forward_run],
            backward: vec![Tile::ZERO; 2 * inputs * outputs],
            bias: vec![0.0; outputs * BLOCK],
            forward_run,
            backward_run: outputs,
        }
    }

    /// Packs a layer's weights `[inputs, outputs]` and biases.
    pub(crate) fn pack(&mut self, layer: &Layer, weight: &[f32], bias: &[f32]) {
        assert!(is_available(), "packed for a machine with a matrix unit");
        assert_eq!(weight.len(), layer.inputs * layer.outputs);
        self.bias[..bias.len()].copy_from_slice(bias);
        // SAFETY: the instructions exist.
        unsafe { self.pack_weights(layer, weight) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn pack_weights(&mut self, layer: &Layer, weight: &[f32]) {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let matrix = Matrix {
            data: weight,
            rows: inputs,
            columns: outputs,
        };
        let blocks = inputs.div_ceil(BLOCK);
        for (panel, run) in self.forward.chunks_exact_mut(self.forward_run).enumerate() {
            for (i, tile) in run.iter_mut().enumerate() {
                let row = i % blocks * BLOCK;
                for p in 0..TILE {
                    let (a, b) = (
                        matrix.load(row + 2 * p, panel * TILE),
                        matrix.load(row + 2 * p + 1, panel * TILE),
                    );
                    set_row(tile, p, round_in_turns(a, b));
                }
            }
        }
        for (panel, run) in self
            .backward
            .chunks_exact_mut(self.backward_run)
            .enumerate()
        {
            for (i, tile) in run.iter_mut().enumerate() {
                // Sixteen inputs with 32 outputs each: pairs of outputs are the elements to
                // transpose.
                let mut rows = [_mm512_setzero_si512(); TILE];
                for (c, pairs) in rows.iter_mut().enumerate() {
                    let row = panel * TILE + c;
                    let (a, b) = (
                        matrix.load(row, i * BLOCK),
                        matrix.load(row, i * BLOCK + TILE),
                    );
                    *pairs = round(a, b);
                }
                for (p, pairs) in transpose(rows).into_iter().enumerate() {
                    set_row(tile, p, pairs);
                }
            }
        }
    }
}

/// A row-major matrix that is zero beyond its edges.
struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
}

impl Matrix<'_> {
    /// Sixteen numbers of `row` from `column` on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(&self, row: usize, column: usize) -> __m512 {
        if row >= self.rows || column >= self.columns {
            return _mm512_setzero_ps();
        }
        let from = &self.data[row * self.columns + column..(row + 1) * self.columns];
        // SAFETY: the mask keeps within `from`.
        unsafe { _mm512_maskz_loadu_ps(first(from.len()), from.as_ptr()) }
    }
}
