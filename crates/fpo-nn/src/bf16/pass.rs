//! Forward and backward passes over one tile of rows.

#![allow(unsafe_code)]

use super::amx::{Sums, Tile, Unit};
use super::blocks::{ColumnSums, hand_down, read_gradient, split_rows, write_outputs};
use super::buffers::{Buffers, Gradients, pair_mut, runs, runs_of};
use super::functions::{Activate, Exact, FastSilu, activate};
use super::vectors::{halves, load, round, row, set_row, store, transpose_block, widen_turns};
use super::weights::Packed;
use super::{BLOCK, TILE};
use crate::activation::{Elu, Relu, Tanh};
use crate::aligned::Aligned;
use crate::scratch::stride;
use crate::{Activation, Layer};
use std::arch::x86_64::*;

/// A network and its parameters, for the passes.
pub(crate) struct Network<'a> {
    pub(crate) layers: &'a [Layer],
    pub(crate) packed: &'a [Packed],
    pub(crate) activation: Activation,
}

impl Network<'_> {
    /// Computes outputs `[rows, output]` of inputs `[rows, input]`; keeps the values for
    /// [`Network::backward`] if `training`.
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
        // SAFETY: `Unit::new` has checked that the instructions exist.
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

    #[expect(
        clippy::too_many_arguments,
        reason = "the pass, its unit and its activation"
    )]
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
        assert!(
            kept.is_some() || !training,
            "buffers without room for training"
        );
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
                            let transposed =
                                pair_mut(&mut kept.transposed[l + 1], column, room, block);
                            transpose_block([top, bottom], transposed);
                        }
                    }
                }
            }
            std::mem::swap(&mut from, &mut to);
        }
    }

    /// Adds the parameters' gradient to `gradient`, given that at the outputs, `[rows, output]`,
    /// after [`Network::forward`].
    pub(crate) fn backward(
        &self,
        buffers: &mut Buffers,
        rows: usize,
        d_output: &[f32],
        gradient: &mut [f32],
    ) {
        let (source, gradients) = kept(buffers);
        self.differentiate(&source, gradients, rows, d_output, gradient);
    }

    /// Adds the parameters' gradient to `gradient`, given that at the outputs, `[rows, output]`,
    /// and the values kept by a forward pass.
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
        let unit = gradients.unit(rows);
        // SAFETY: `Unit::new` has checked that the instructions exist.
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
        let size = (rows, *row_blocks);
        let [mut from, mut to] = left.each_mut();
        let last = self.layers.last().expect("a network has layers");
        let bias = Some(&mut gradient[last.bias.clone()]);
        let down = (&mut from[..], &mut d_z[..]);
        take_up(last, d_output, size, down, sums, bias);
        for (l, layer) in self.layers.iter().enumerate().rev() {
            // SAFETY: this function requires the same instructions.
            let (x, parts) = unsafe { source.inputs(l, layer.inputs, rows, size.1, transposed) };
            let of_weights = &mut gradient[layer.weight.clone()];
            weight_gradient(
                unit,
                layer,
                (x, parts),
                d_z,
                (rows.div_ceil(BLOCK), size.1),
                sums,
                of_weights,
            );
            if l == 0 {
                break;
            }
            let bias = Some(&mut gradient[self.layers[l - 1].bias.clone()]);
            let down = (&mut to[..], &mut d_z[..]);
            self.chain(unit, source, l, size, from, down, sums, bias);
            std::mem::swap(&mut from, &mut to);
        }
    }

    /// Writes the gradient at the inputs, `[rows, input]`, given that at the outputs, `[rows,
    /// output]`, after [`Network::forward`]. That of the parameters is not computed.
    pub(crate) fn backward_to_inputs(
        &self,
        buffers: &mut Buffers,
        rows: usize,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let (source, gradients) = kept(buffers);
        if rows == 0 {
            return;
        }
        let unit = gradients.unit(rows);
        // SAFETY: `Unit::new` has checked that the instructions exist.
        unsafe { self.to_inputs_with(&unit, &source, gradients, rows, d_output, d_input) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn to_inputs_with<S: Source>(
        &self,
        unit: &Unit,
        source: &S,
        gradients: &mut Gradients,
        rows: usize,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let Gradients {
            row_blocks,
            left,
            right: d_z,
            sums,
            ..
        } = gradients;
        let size = (rows, *row_blocks);
        let [mut from, mut to] = left.each_mut();
        let last = self.layers.last().expect("a network has layers");
        let down = (&mut from[..], &mut d_z[..]);
        take_up(last, d_output, size, down, sums, None);
        for l in (1..self.layers.len()).rev() {
            let down = (&mut to[..], &mut d_z[..]);
            self.chain(unit, source, l, size, from, down, sums, None);
            std::mem::swap(&mut from, &mut to);
        }
        let (inputs, packed) = (self.layers[0].inputs, &self.packed[0]);
        for column in 0..inputs.div_ceil(BLOCK) {
            let columns = runs(&packed.backward, column, packed.backward_run);
            for block in 0..rows.div_ceil(BLOCK) {
                unit.multiply(runs(from, block, packed.backward_run), columns, sums);
                let none = &[0.0; BLOCK];
                write_outputs(sums, none, rows, inputs, block, column, d_input);
            }
        }
    }

    /// The gradient at z of hidden layer `l` − 1, from that of layer `l` in left arrangement, into
    /// both arrangements; its column sums are added to the gradient of that layer's `bias`.
    #[expect(clippy::too_many_arguments, reason = "the buffers of a pass")]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn chain<S: Source>(
        &self,
        unit: &Unit,
        source: &S,
        l: usize,
        (rows, room): (usize, usize),
        from: &[Tile],
        (to, d_z): (&mut [Tile], &mut [Tile]),
        sums: &mut Sums,
        mut bias: Option<&mut [f32]>,
    ) {
        let (layer, packed, below) = (&self.layers[l], &self.packed[l], &self.layers[l - 1]);
        let (run, width) = (packed.backward_run, layer.inputs.div_ceil(BLOCK));
        for column in 0..width {
            let columns = runs(&packed.backward, column, run);
            let mut total = ColumnSums::new();
            for block in 0..rows.div_ceil(BLOCK) {
                unit.multiply(runs(from, block, run), columns, sums);
                let derivative = source.derivative(l - 1, below.outputs, column, block, rows, room);
                let (left, right) = (
                    pair_mut(to, block, width, column),
                    pair_mut(d_z, column, room, block),
                );
                total.add(hand_down(
                    sums,
                    |r, a, b| {
                        // SAFETY: this function requires the instructions.
                        let (d_a, d_b) = unsafe { S::line(&derivative, r) };
                        (_mm512_mul_ps(a, d_a), _mm512_mul_ps(b, d_b))
                    },
                    left,
                    right,
                ));
            }
            if let Some(bias) = &mut bias {
                total.add_to(bias, column);
            }
        }
    }
}

impl Gradients {
    /// The matrix unit, for a backward pass over `rows` rows.
    ///
    /// # Panics
    /// If these buffers are smaller.
    fn unit(&self, rows: usize) -> Unit {
        assert!(
            rows.div_ceil(BLOCK) <= self.row_blocks,
            "rows beyond the buffers"
        );
        Unit::new()
    }
}

/// What [`Network::forward`] kept, and the buffers of a pass back.
fn kept(buffers: &mut Buffers) -> (Tiles<'_>, &mut Gradients) {
    let kept = buffers
        .training
        .as_mut()
        .expect("buffers with room for training");
    let source = Tiles {
        transposed: &kept.transposed,
        derivative: &kept.derivative,
    };
    (source, &mut kept.gradients)
}

/// The gradient at the outputs, which are `layer`'s, into both arrangements; its column sums are
/// added to the gradient of the layer's `bias`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn take_up(
    layer: &Layer,
    d_output: &[f32],
    (rows, room): (usize, usize),
    (left, right): (&mut [Tile], &mut [Tile]),
    sums: &mut Sums,
    mut bias: Option<&mut [f32]>,
) {
    let width = layer.outputs.div_ceil(BLOCK);
    for column in 0..width {
        let mut total = ColumnSums::new();
        for block in 0..rows.div_ceil(BLOCK) {
            read_gradient(d_output, rows, layer.outputs, block, column, sums);
            let (left, right) = (
                pair_mut(left, block, width, column),
                pair_mut(right, column, room, block),
            );
            total.add(hand_down(sums, |_, a, b| (a, b), left, right));
        }
        if let Some(bias) = &mut bias {
            total.add_to(bias, column);
        }
    }
}

/// The values kept by a forward pass.
pub(crate) trait Source {
    /// The derivatives of one block.
    type Block<'a>
    where
        Self: 'a;

    /// Layer `l`'s input of `width` columns, transposed, in one part or two; written to `to` unless
    /// it is already stored transposed.
    ///
    /// # Safety
    /// The vector instructions that [`super::is_available`] checks must exist; the same holds for
    /// [`Source::line`].
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

/// The values kept by [`Network::forward`].
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

    fn derivative(
        &self,
        l: usize,
        _: usize,
        column: usize,
        block: usize,
        _: usize,
        room: usize,
    ) -> &[Tile] {
        let at = 2 * (column * room + block);
        &self.derivative[l][at..at + 2]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn line(block: &&[Tile], r: usize) -> (__m512, __m512) {
        widen_turns(row(&block[r / TILE], r % TILE))
    }
}

/// The values kept by a forward pass in f32: rows of the layers' widths, hidden ones `stride`
/// apart.
pub(crate) struct Kept<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) hidden: &'a [Aligned],
    pub(crate) derivative: &'a [Aligned],
}

impl Source for Kept<'_> {
    /// The existing rows of the block, from its first column on, and their distance.
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
                    let (a, b) = (
                        load(line, column * BLOCK),
                        load(line, column * BLOCK + TILE),
                    );
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
            // The gradient of rows that do not exist is zero; the buffer may hold values of an
            // earlier tile there.
            return (_mm512_setzero_ps(), _mm512_setzero_ps());
        }
        let line = &data[r * stride..][..BLOCK];
        (load(line, 0), load(line, TILE))
    }
}

/// ∂L/∂W += xᵀ·∂L/∂z, for the `parts` of the transposed x, over `blocks` blocks of rows in buffers
/// with a capacity of `room`.
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
