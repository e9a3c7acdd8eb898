//! Forward and backward passes over one tile of rows.

#![allow(unsafe_code)]

use super::amx::{Sums, Tile, Unit};
use super::buffers::{Buffers, Gradients, pair_mut, runs, runs_of};
use super::functions::{Activate, Exact, FastSilu};
use super::vectors::{first, round, round_in_turns, row, set_row, split, transpose_block, widen_turns};
use super::weights::Packed;
use super::{BLOCK, TILE};
use crate::activation::{Elu, Relu, Tanh};
use crate::aligned::Aligned;
use crate::scratch::stride;
use crate::{Activation, Layer};
use std::arch::x86_64::*;

/// A network and its parameters, as the passes see them.
pub(crate) struct Network<'a> {
    pub(crate) layers: &'a [Layer],
    pub(crate) packed: &'a [Packed],
    pub(crate) activation: Activation,
}

impl Network<'_> {
    /// Outputs `[rows, output]` of inputs `[rows, input]`; keeps what [`Network::backward`] needs if `training`.
    pub(crate) fn forward(
        &self,
        buffers: &mut Buffers,
        rows: usize,
        input: &[f32],
        output: &mut [f32],
        training: bool,
    ) {
        if rows == 0 {
            return;
        }
        assert!(
            rows.div_ceil(BLOCK) <= buffers.row_blocks,
            "rows beyond the buffers"
        );
        let unit = Unit::new();
        // SAFETY: `Unit::new` has seen that the instructions are there.
        unsafe {
            match self.activation {
                Activation::Silu => {
                    self.forward_with(&unit, buffers, rows, input, output, training, FastSilu)
                }
                Activation::Elu => {
                    self.forward_with(&unit, buffers, rows, input, output, training, Exact(Elu))
                }
                Activation::Relu => {
                    self.forward_with(&unit, buffers, rows, input, output, training, Exact(Relu))
                }
                Activation::Tanh => {
                    self.forward_with(&unit, buffers, rows, input, output, training, Exact(Tanh))
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the pass, its unit and its activation")]
    #[target_feature(enable = "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    fn forward_with<A: Activate>(
        &self,
        unit: &Unit,
        buffers: &mut Buffers,
        rows: usize,
        input: &[f32],
        output: &mut [f32],
        training: bool,
        activation: A,
    ) {
        let Buffers {
            input: split_input,
            activations,
            training: kept,
            sums,
            row_blocks,
        } = buffers;
        let mut kept = kept.as_mut().filter(|_| training);
        assert!(kept.is_some() || !training, "buffers without room for training");
        let (blocks, room) = (rows.div_ceil(BLOCK), *row_blocks);
        let first_layer = &self.layers[0];
        split_rows(input, rows, first_layer.inputs, split_input);
        if let Some(kept) = &mut kept {
            let columns = 2 * first_layer.inputs.div_ceil(BLOCK);
            for (column, row) in (0..columns).flat_map(|c| (0..blocks).map(move |r| (c, r))) {
                let [a, b] = runs(split_input, row, columns);
                transpose_block(
                    [&a[column], &b[column]],
                    pair_mut(&mut kept.transposed[0], column, room, row),
                );
            }
        }
        let last = self.layers.len() - 1;
        let [mut from, mut to] = activations.each_mut();
        for (l, (layer, packed)) in self.layers.iter().zip(self.packed).enumerate() {
            let run = packed.forward_run;
            let left = if l == 0 { &*split_input } else { &*from };
            for column in 0..layer.outputs.div_ceil(BLOCK) {
                let right = runs(&packed.forward, column, run);
                let bias = &packed.bias[column * BLOCK..][..BLOCK];
                for block in 0..blocks {
                    unit.multiply(runs(left, block, run), right, sums);
                    if l == last {
                        write_outputs(sums, bias, rows, layer.outputs, block, column, output);
                        continue;
                    }
                    let width = layer.outputs.div_ceil(BLOCK);
                    let [top, bottom] = pair_mut(to, block, width, column);
                    match &mut kept {
                        None => activate(sums, bias, activation, [top, bottom], None),
                        Some(kept) => {
                            let at = 2 * (column * room + block);
                            let derivative = &mut kept.derivative[l][at..at + 2];
                            activate(
                                sums,
                                bias,
                                activation,
                                [&mut *top, &mut *bottom],
                                Some(derivative),
                            );
                            let transposed = pair_mut(&mut kept.transposed[l + 1], column, room, block);
                            transpose_block([top, bottom], transposed);
                        }
                    }
                }
            }
            std::mem::swap(&mut from, &mut to);
        }
    }

    /// Adds the parameters' gradient to `gradient`, given that at the outputs, `[rows, output]`, after [`Network::forward`].
    pub(crate) fn backward(
        &self,
        buffers: &mut Buffers,
        rows: usize,
        d_output: &[f32],
        gradient: &mut [f32],
    ) {
        let kept = buffers.training.as_mut().expect("buffers with room for training");
        let source = Tiles {
            transposed: &kept.transposed,
            derivative: &kept.derivative,
        };
        self.differentiate(&source, &mut kept.gradients, rows, d_output, gradient);
    }

    /// Adds the parameters' gradient to `gradient`, given that at the outputs, `[rows, output]`, and what a forward pass kept.
    pub(crate) fn differentiate<S: Source>(
        &self,
        source: &S,
        gradients: &mut Gradients,
        rows: usize,
        d_output: &[f32],
        gradient: &mut [f32],
    ) {
        if rows == 0 {
            return;
        }
        assert!(
            rows.div_ceil(BLOCK) <= gradients.row_blocks,
            "rows beyond the buffers"
        );
        let unit = Unit::new();
        // SAFETY: `Unit::new` has seen that the instructions are there.
        unsafe { self.backward_with(&unit, source, gradients, rows, d_output, gradient) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn backward_with<S: Source>(
        &self,
        unit: &Unit,
        source: &S,
        gradients: &mut Gradients,
        rows: usize,
        d_output: &[f32],
        gradient: &mut [f32],
    ) {
        let Gradients {
            row_blocks,
            left,
            right: d_z,
            transposed,
            sums,
        } = gradients;
        let (blocks, room) = (rows.div_ceil(BLOCK), *row_blocks);
        let [mut from, mut to] = left.each_mut();
        let last = self.layers.last().expect("a network has layers");
        let width = last.outputs.div_ceil(BLOCK);
        for column in 0..width {
            let mut bias = ColumnSums::new();
            for block in 0..blocks {
                read_gradient(d_output, rows, last.outputs, block, column, sums);
                let (left, right) = (
                    pair_mut(from, block, width, column),
                    pair_mut(d_z, column, room, block),
                );
                bias.add(hand_down(sums, |_, a, b| (a, b), left, right));
            }
            bias.add_to(&mut gradient[last.bias.clone()], column);
        }
        for (l, layer) in self.layers.iter().enumerate().rev() {
            // SAFETY: this function asks for the same instructions.
            let (x, parts) = unsafe { source.inputs(l, layer.inputs, rows, room, transposed) };
            let of_weights = &mut gradient[layer.weight.clone()];
            weight_gradient(unit, layer, (x, parts), d_z, (blocks, room), sums, of_weights);
            if l == 0 {
                break;
            }
            let (packed, below) = (&self.packed[l], &self.layers[l - 1]);
            let (run, width) = (packed.backward_run, layer.inputs.div_ceil(BLOCK));
            for column in 0..width {
                let columns = runs(&packed.backward, column, run);
                let mut bias = ColumnSums::new();
                for block in 0..blocks {
                    unit.multiply(runs(from, block, run), columns, sums);
                    let derivative = source.derivative(l - 1, below.outputs, column, block, rows, room);
                    let (left, right) = (
                        pair_mut(to, block, width, column),
                        pair_mut(d_z, column, room, block),
                    );
                    bias.add(hand_down(
                        sums,
                        |r, a, b| {
                            // SAFETY: as above.
                            let (d_a, d_b) = unsafe { S::line(&derivative, r) };
                            (_mm512_mul_ps(a, d_a), _mm512_mul_ps(b, d_b))
                        },
                        left,
                        right,
                    ));
                }
                bias.add_to(&mut gradient[below.bias.clone()], column);
            }
            std::mem::swap(&mut from, &mut to);
        }
    }
}

/// What a forward pass kept.
pub(crate) trait Source {
    /// The derivatives of one block.
    type Block<'a>
    where
        Self: 'a;

    /// Layer `l`'s input of `width` columns, transposed, in one part or two; in `to` if it does not lie so already.
    ///
    /// # Safety
    /// The vector instructions that [`super::is_available`] asks for are there; so for [`Source::line`].
    unsafe fn inputs<'a>(
        &'a self,
        l: usize,
        width: usize,
        rows: usize,
        room: usize,
        to: &'a mut [Tile],
    ) -> (&'a [Tile], usize);

    /// f′(z) of hidden layer `l`, which is `width` wide, in one block.
    fn derivative(
        &self,
        l: usize,
        width: usize,
        column: usize,
        block: usize,
        rows: usize,
        room: usize,
    ) -> Self::Block<'_>;

    /// Line `r` of a block.
    ///
    /// # Safety
    /// As for [`Source::inputs`].
    unsafe fn line(block: &Self::Block<'_>, r: usize) -> (__m512, __m512);
}

/// What [`Network::forward`] kept.
struct Tiles<'a> {
    transposed: &'a [Vec<Tile>],
    derivative: &'a [Vec<Tile>],
}

impl Source for Tiles<'_> {
    type Block<'a>
        = &'a [Tile]
    where
        Self: 'a;

    unsafe fn inputs<'a>(
        &'a self,
        l: usize,
        _: usize,
        _: usize,
        _: usize,
        _: &'a mut [Tile],
    ) -> (&'a [Tile], usize) {
        (&self.transposed[l], if l == 0 { 2 } else { 1 })
    }

    fn derivative(&self, l: usize, _: usize, column: usize, block: usize, _: usize, room: usize) -> &[Tile] {
        let at = 2 * (column * room + block);
        &self.derivative[l][at..at + 2]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn line(block: &&[Tile], r: usize) -> (__m512, __m512) {
        widen_turns(row(&block[r / TILE], r % TILE))
    }
}

/// What a forward pass in f32 kept: rows of the layers' widths, hidden ones `stride` apart.
pub(crate) struct Kept<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) hidden: &'a [Aligned],
    pub(crate) derivative: &'a [Aligned],
}

impl Source for Kept<'_> {
    /// Rows of the block that exist, from its first column on, and their distance.
    type Block<'a>
        = (&'a [f32], usize, usize)
    where
        Self: 'a;

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn inputs<'a>(
        &'a self,
        l: usize,
        width: usize,
        rows: usize,
        room: usize,
        to: &'a mut [Tile],
    ) -> (&'a [Tile], usize) {
        let (data, stride) = match l {
            0 => (self.input, width),
            _ => (self.hidden[l - 1].as_slice(), stride(width)),
        };
        let mut block_rows = [Tile::ZERO; 2];
        for block in 0..rows.div_ceil(BLOCK) {
            for column in 0..width.div_ceil(BLOCK) {
                for r in 0..BLOCK {
                    let line = match block * BLOCK + r {
                        at if at < rows => &data[at * stride..][..width],
                        _ => &[],
                    };
                    let (a, b) = (load(line, column * BLOCK), load(line, column * BLOCK + TILE));
                    set_row(&mut block_rows[r / TILE], r % TILE, round(a, b));
                }
                let [top, bottom] = &block_rows;
                transpose_block([top, bottom], pair_mut(to, column, room, block));
            }
        }
        (to, 1)
    }

    fn derivative(
        &self,
        l: usize,
        width: usize,
        column: usize,
        block: usize,
        rows: usize,
        _: usize,
    ) -> (&[f32], usize, usize) {
        let stride = stride(width);
        let from = &self.derivative[l].as_slice()[block * BLOCK * stride + column * BLOCK..];
        (from, stride, rows - block * BLOCK)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn line(&(data, stride, rows): &(&[f32], usize, usize), r: usize) -> (__m512, __m512) {
        if r >= rows {
            // Nothing comes down to rows that do not exist; what lies there is left from another tile.
            return (_mm512_setzero_ps(), _mm512_setzero_ps());
        }
        let line = &data[r * stride..][..BLOCK];
        (load(line, 0), load(line, TILE))
    }
}

/// Both parts of the input `[rows, columns]`, left; whole blocks, zero beyond the edges.
#[target_feature(enable = "avx512f,avx512bf16")]
fn split_rows(input: &[f32], rows: usize, columns: usize, to: &mut [Tile]) {
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

/// Sixteen numbers of `line` from `at` on, zero beyond its end.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &[f32], at: usize) -> __m512 {
    let rest = line.get(at..).unwrap_or_default();
    if rest.is_empty() {
        // Not by a load of no lanes: where there is no memory it costs hundreds of cycles.
        return _mm512_setzero_ps();
    }
    // SAFETY: the mask keeps within `rest`.
    unsafe { _mm512_maskz_loadu_ps(first(rest.len()), rest.as_ptr()) }
}

/// Both halves of a line of sums.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves(line: &[f32; BLOCK]) -> (__m512, __m512) {
    // SAFETY: a line has 32 numbers.
    unsafe {
        (
            _mm512_loadu_ps(line.as_ptr()),
            _mm512_loadu_ps(line.as_ptr().add(TILE)),
        )
    }
}

/// h = f(sums + bias), left, and f′ in turns.
#[inline]
#[target_feature(enable = "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn activate<A: Activate>(
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
    for (tile, mut derivative, lines) in [(top, d_top, &sums.0[..TILE]), (bottom, d_bottom, &sums.0[TILE..])]
    {
        for (r, line) in lines.iter().enumerate() {
            let (a, b) = halves(line);
            // SAFETY: this function asks for the same instructions.
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

/// sums + bias to the rows and columns of `output` that exist.
#[inline]
#[target_feature(enable = "avx512f")]
fn write_outputs(
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

/// Sixteen numbers to `line` from `at` on, but none beyond its end.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(line: &mut [f32], at: usize, value: __m512) {
    if let Some(rest) = line.get_mut(at..)
        && !rest.is_empty()
    {
        // SAFETY: the mask keeps within `rest`.
        unsafe { _mm512_mask_storeu_ps(rest.as_mut_ptr(), first(rest.len()), value) }
    }
}

/// A block of the gradient at the outputs, zero beyond its edges.
#[inline]
#[target_feature(enable = "avx512f")]
fn read_gradient(
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

/// ∂L/∂z, left and right, which `slope` makes of line r of the sums; returns its column sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn hand_down(
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
struct ColumnSums(__m512, __m512);

impl ColumnSums {
    #[target_feature(enable = "avx512f")]
    fn new() -> Self {
        Self(_mm512_setzero_ps(), _mm512_setzero_ps())
    }

    #[target_feature(enable = "avx512f")]
    fn add(&mut self, (a, b): (__m512, __m512)) {
        (self.0, self.1) = (_mm512_add_ps(self.0, a), _mm512_add_ps(self.1, b));
    }

    /// Adds them to the biases' gradient.
    #[target_feature(enable = "avx512f")]
    fn add_to(self, gradient: &mut [f32], column: usize) {
        for (at, sums) in [(column * BLOCK, self.0), (column * BLOCK + TILE, self.1)] {
            store(gradient, at, _mm512_add_ps(load(gradient, at), sums));
        }
    }
}

/// ∂L/∂W += xᵀ·∂L/∂z, for x transposed in so many parts, over `blocks` blocks of rows where there is room for `room`.
#[target_feature(enable = "avx512f")]
fn weight_gradient(
    unit: &Unit,
    layer: &Layer,
    (transposed, parts): (&[Tile], usize),
    d_z: &[Tile],
    (blocks, room): (usize, usize),
    sums: &mut Sums,
    gradient: &mut [f32],
) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let input_blocks = inputs.div_ceil(BLOCK);
    for column in 0..outputs.div_ceil(BLOCK) {
        let right = runs_of(d_z, column, room, blocks);
        for part in 0..parts {
            for block in 0..input_blocks {
                let left = runs_of(transposed, part * input_blocks + block, room, blocks);
                let at = block * BLOCK * outputs + column * BLOCK;
                let inside = (block + 1) * BLOCK <= inputs && (column + 1) * BLOCK <= outputs;
                if inside {
                    // SAFETY: the block lies inside the matrix.
                    unsafe { unit.multiply_add(left, right, gradient[at..].as_mut_ptr(), outputs) };
                    continue;
                }
                unit.multiply(left, right, sums);
                let lines = gradient.chunks_exact_mut(outputs).skip(block * BLOCK);
                for (line, sums) in lines.zip(&sums.0) {
                    let (to, (a, b)) = (&mut line[column * BLOCK..], halves(sums));
                    store(to, 0, _mm512_add_ps(load(to, 0), a));
                    store(to, TILE, _mm512_add_ps(load(to, TILE), b));
                }
            }
        }
    }
}
