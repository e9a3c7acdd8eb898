//! Forward and backward passes over one tile.

#![allow(unsafe_code)]

use crate::activation::{Elu, Function, Relu, Silu, Tanh};
use crate::aligned::Aligned;
#[cfg(target_arch = "x86_64")]
use crate::bf16;
use crate::epilogue::{Accumulate, Activate, Chain, Keep, Linear, Target, add};
use crate::kernel::{Begun, Left, PANEL, Product, Right, load};
use crate::scratch::{Between, Prepared, stride};
use crate::weights::{Layers, Packed};
use crate::{Activation, Layer, Mlp, Scratch, Weights};
use fpo_rng::simd::dispatch;
use pulp::{Simd, WithSimd};

impl Mlp {
    /// Computes the outputs, [rows, output], for the first `rows` rows of the scratch's input.
    /// Keeps nothing for `backward`.
    ///
    /// A row's output does not depend on other rows, bit for bit.
    ///
    /// # Panics
    /// If `weights` or `scratch` belong to another network, or `rows` exceeds the scratch's
    /// capacity.
    pub fn infer<'s>(&self, weights: &Weights, scratch: &'s mut Scratch, rows: usize) -> &'s [f32] {
        self.walk(weights, scratch, rows, false, None);
        scratch.output(rows)
    }

    /// Processes the first `known` inputs of every row in advance, for [`Mlp::infer_prepared`]: a
    /// flow policy evaluates ten velocities at one observation. They must stay in the scratch's
    /// input until then, because in bfloat16 they are read again.
    ///
    /// # Panics
    /// As [`Mlp::infer`], and if the network has fewer inputs.
    pub fn prepare(&self, weights: &Weights, scratch: &mut Scratch, rows: usize, known: usize) {
        self.check(weights, scratch, rows);
        let layer = &self.layers()[0];
        assert!(
            known <= layer.inputs,
            "more known inputs than the network has"
        );
        let Scratch {
            input, prepared, ..
        } = scratch;
        (prepared.rows, prepared.inputs) = (rows, known);
        let Some([packed, ..]) = in_f32(&weights.layers) else {
            return;
        };
        prepared.make_room(rows, layer.inputs, layer.outputs);
        let factors = Factors {
            rows,
            depth: known,
            left: Left {
                data: input.as_slice(),
                row: layer.inputs,
                step: 1,
            },
            right: forward_factor(layer, packed),
            begun: None,
        };
        let sums = Target::new(prepared.sums.as_mut_slice(), stride(layer.outputs));
        product(layer, factors, Keep { sums });
    }

    /// As [`Mlp::infer`], except for rounding, where a row's inputs are those that [`Mlp::prepare`]
    /// has processed, then its own part of `own` `[rows, width]`, then `common`, the same for all
    /// rows. `rows` are the first of the prepared rows.
    ///
    /// A row's output does not depend on other rows, bit for bit.
    ///
    /// # Panics
    /// As [`Mlp::infer`], and if these inputs are not as many as the network's.
    pub fn infer_prepared<'s>(
        &self,
        weights: &Weights,
        scratch: &'s mut Scratch,
        rows: usize,
        own: &[f32],
        common: &[f32],
    ) -> &'s [f32] {
        let layer = &self.layers()[0];
        let known = scratch.prepared.inputs;
        assert!(rows <= scratch.prepared.rows, "rows that were not prepared");
        assert!(
            known + common.len() <= layer.inputs,
            "more inputs than the network has"
        );
        let width = layer.inputs - known - common.len();
        assert_eq!(own.len(), rows * width, "inputs of the rows' own");
        if in_f32(&weights.layers).is_none() {
            // That pass needs complete inputs.
            let inputs = scratch.input_mut(rows).chunks_exact_mut(layer.inputs);
            for (k, row) in inputs.enumerate() {
                row[known..known + width].copy_from_slice(&own[k * width..][..width]);
                row[known + width..].copy_from_slice(common);
            }
            return self.infer(weights, scratch, rows);
        }
        // `walk` checks the rest.
        let prepared = &mut scratch.prepared;
        prepared.own.as_mut_slice()[..own.len()].copy_from_slice(own);
        self.walk(weights, scratch, rows, false, Some(common));
        scratch.output(rows)
    }

    /// As [`Mlp::infer`], but keeps the values for [`Mlp::backward`].
    ///
    /// # Panics
    /// As [`Mlp::infer`], and if the scratch was created without training buffers.
    pub fn forward<'s>(
        &self,
        weights: &Weights,
        scratch: &'s mut Scratch,
        rows: usize,
    ) -> &'s [f32] {
        check_training(scratch);
        self.walk(weights, scratch, rows, true, None);
        scratch.output(rows)
    }

    /// Runs all layers. With `common`, the inputs common to all rows, the first layer starts from
    /// the prepared sums.
    fn walk(
        &self,
        weights: &Weights,
        scratch: &mut Scratch,
        rows: usize,
        training: bool,
        common: Option<&[f32]>,
    ) {
        self.check(weights, scratch, rows);
        let Scratch {
            input,
            between,
            output,
            prepared,
            ..
        } = scratch;
        match (&weights.layers, between) {
            #[cfg(target_arch = "x86_64")]
            (Layers::Bf16(packed), Between::Bf16(buffers)) => {
                let (input, output) = (input.as_slice(), output.as_mut_slice());
                self.bf16(packed)
                    .forward(buffers, rows, input, output, training);
            }
            (
                layers,
                Between::F32 {
                    hidden, derivative, ..
                },
            ) => {
                let packed = in_f32(layers).expect("`check` compared the precisions");
                let prepared = common.map(|common| (&*prepared, common));
                self.walk_f32(
                    packed, input, hidden, derivative, output, rows, training, prepared,
                );
            }
            #[cfg(target_arch = "x86_64")]
            _ => unreachable!("`check` compared the precisions"),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn bf16<'a>(&'a self, packed: &'a [bf16::Packed]) -> bf16::Network<'a> {
        bf16::Network {
            layers: self.layers(),
            packed,
            activation: self.spec().activation,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a scratch")]
    fn walk_f32(
        &self,
        packed: &[Packed],
        input: &Aligned,
        hidden: &mut [Aligned],
        derivative: &mut [Aligned],
        output: &mut Aligned,
        rows: usize,
        training: bool,
        prepared: Option<(&Prepared, &[f32])>,
    ) {
        // Without training buffers two hidden buffers alternate.
        let slots = hidden.len().max(1);
        let last = self.layers().len() - 1;
        for (l, (layer, packed)) in self.layers().iter().zip(packed).enumerate() {
            // The first layer may have prepared sums.
            let prepared = prepared.filter(|_| l == 0);
            let (from, to) = if l == 0 {
                (None, hidden.first_mut())
            } else if l == last {
                (Some(&hidden[(l - 1) % slots]), None)
            } else {
                let [from, to] = hidden
                    .get_disjoint_mut([(l - 1) % slots, l % slots])
                    .expect("two buffers");
                (Some(&*from), Some(to))
            };
            let factors = match (from, prepared) {
                (None, Some((prepared, common))) => {
                    let shared = layer.inputs - common.len();
                    let own = shared - prepared.inputs;
                    Factors {
                        rows,
                        depth: own,
                        left: Left {
                            data: prepared.own.as_slice(),
                            row: own,
                            step: 1,
                        },
                        right: inputs_from(layer, packed, prepared.inputs),
                        begun: Some(Begun {
                            data: prepared.sums.as_slice(),
                            row: stride(layer.outputs),
                            common,
                            right: inputs_from(layer, packed, shared).data,
                        }),
                    }
                }
                (from, _) => Factors {
                    rows,
                    depth: layer.inputs,
                    left: Left {
                        data: from.unwrap_or(input).as_slice(),
                        row: from.map_or(layer.inputs, |_| stride(layer.inputs)),
                        step: 1,
                    },
                    right: forward_factor(layer, packed),
                    begun: None,
                },
            };
            if l == last {
                let output = Target::new(output.as_mut_slice(), layer.outputs);
                product(layer, factors, Linear { output });
                continue;
            }
            let to = to.expect("a hidden layer has a buffer");
            let stride = stride(layer.outputs);
            let hidden = Target::new(to.as_mut_slice(), stride);
            let derivative = training.then(|| Target::new(derivative[l].as_mut_slice(), stride));
            match self.spec().activation {
                Activation::Silu => activate(layer, factors, hidden, derivative, Silu),
                Activation::Elu => activate(layer, factors, hidden, derivative, Elu),
                Activation::Relu => activate(layer, factors, hidden, derivative, Relu),
                Activation::Tanh => activate(layer, factors, hidden, derivative, Tanh),
            }
        }
    }

    /// Adds the gradient of the loss with respect to the parameters to `gradient`, in the same
    /// layout. Reads the gradient at the output from [`Scratch::output_and_gradient_mut`] and the
    /// values kept by the last [`Mlp::forward`] on this scratch, which it overwrites: each
    /// `backward` needs its own `forward`.
    ///
    /// # Panics
    /// As [`Mlp::forward`], and if `gradient` is not [`Mlp::parameter_count`] long.
    pub fn backward(
        &self,
        weights: &Weights,
        scratch: &mut Scratch,
        rows: usize,
        gradient: &mut [f32],
    ) {
        check_training(scratch);
        assert_eq!(
            gradient.len(),
            self.parameter_count(),
            "length of the gradient"
        );
        self.check(weights, scratch, rows);
        let Scratch {
            input,
            between,
            d_output,
            ..
        } = scratch;
        match (&weights.layers, between) {
            #[cfg(target_arch = "x86_64")]
            (Layers::Bf16(packed), Between::Bf16(buffers)) => {
                self.bf16(packed)
                    .backward(buffers, rows, d_output.as_slice(), gradient);
            }
            #[cfg(target_arch = "x86_64")]
            (
                Layers::Both(_, packed),
                Between::F32 {
                    hidden,
                    derivative,
                    gradients: Some(gradients),
                },
            ) => {
                let kept = bf16::Kept {
                    input: input.as_slice(),
                    hidden,
                    derivative,
                };
                self.bf16(packed).differentiate(
                    &kept,
                    gradients,
                    rows,
                    d_output.as_slice(),
                    gradient,
                );
            }
            (
                Layers::F32(packed),
                Between::F32 {
                    hidden, derivative, ..
                },
            ) => {
                self.backward_f32(packed, input, hidden, derivative, d_output, rows, gradient);
            }
            #[cfg(target_arch = "x86_64")]
            _ => unreachable!("`check` compared the precisions"),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a scratch")]
    fn backward_f32(
        &self,
        packed: &[Packed],
        input: &Aligned,
        hidden: &[Aligned],
        derivative: &mut [Aligned],
        d_output: &Aligned,
        rows: usize,
        gradient: &mut [f32],
    ) {
        for (l, (layer, packed)) in self.layers().iter().zip(packed).enumerate().rev() {
            // Derivatives of this layer and after; the one before becomes the gradient at the
            // layer's input.
            let (before, after) = derivative.split_at_mut(l);
            let (d_z, d_stride) = match after.first() {
                Some(d_z) => (d_z.as_slice(), stride(layer.outputs)),
                None => (d_output.as_slice(), layer.outputs),
            };
            let (x, x_stride) = match l {
                0 => (input.as_slice(), layer.inputs),
                _ => (hidden[l - 1].as_slice(), stride(layer.inputs)),
            };
            Product {
                rows: layer.inputs,
                columns: layer.outputs,
                depth: rows,
                left: Left {
                    data: x,
                    row: 1,
                    step: x_stride,
                },
                right: Right {
                    data: d_z,
                    panel: PANEL,
                    step: d_stride,
                    bias: false,
                },
                begun: None,
                epilogue: Accumulate {
                    gradient: Target::new(&mut gradient[layer.weight.clone()], layer.outputs),
                    rows: layer.inputs,
                },
            }
            .run();
            ColumnSums {
                data: d_z,
                stride: d_stride,
                rows,
                sums: &mut gradient[layer.bias.clone()],
            }
            .run();
            if let Some(before) = before.last_mut() {
                let derivative = Target::new(before.as_mut_slice(), stride(layer.inputs));
                to_inputs(layer, packed, (d_z, d_stride), rows, Chain { derivative });
            }
        }
    }

    /// The gradient of the loss with respect to the inputs, [rows, input]: what a policy's gradient
    /// through a critic needs. Otherwise as [`Mlp::backward`], but the parameters' gradient is not
    /// computed, which is half of the work.
    ///
    /// # Panics
    /// As [`Mlp::forward`], and if only the network's parameters have their gradient in bfloat16
    /// ([`Precision::Bf16Gradient`](crate::Precision::Bf16Gradient)).
    pub fn backward_to_inputs<'s>(
        &self,
        weights: &Weights,
        scratch: &'s mut Scratch,
        rows: usize,
    ) -> &'s [f32] {
        check_training(scratch);
        self.check(weights, scratch, rows);
        scratch.make_room_at_input();
        let Scratch {
            between,
            d_output,
            d_input,
            ..
        } = scratch;
        match (&weights.layers, between) {
            (Layers::F32(packed), Between::F32 { derivative, .. }) => {
                for (l, (layer, packed)) in self.layers().iter().zip(packed).enumerate().rev() {
                    let (before, after) = derivative.split_at_mut(l);
                    let d_z = match after.first() {
                        Some(d_z) => (d_z.as_slice(), stride(layer.outputs)),
                        None => (d_output.as_slice(), layer.outputs),
                    };
                    if let Some(before) = before.last_mut() {
                        let derivative = Target::new(before.as_mut_slice(), stride(layer.inputs));
                        to_inputs(layer, packed, d_z, rows, Chain { derivative });
                    } else {
                        let output = Target::new(d_input.as_mut_slice(), layer.inputs);
                        to_inputs(layer, packed, d_z, rows, Linear { output });
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            (Layers::Bf16(packed), Between::Bf16(buffers)) => {
                let (d_output, d_input) = (d_output.as_slice(), d_input.as_mut_slice());
                self.bf16(packed)
                    .backward_to_inputs(buffers, rows, d_output, d_input);
            }
            #[cfg(target_arch = "x86_64")]
            _ => panic!("no gradients at inputs after a pass in single precision"),
        }
        &d_input.as_slice()[..rows * self.spec().input]
    }

    fn check(&self, weights: &Weights, scratch: &Scratch, rows: usize) {
        scratch.check(rows);
        assert_eq!(&scratch.spec, self.spec(), "scratch of another network");
        assert_eq!(
            scratch.precision,
            self.precision(),
            "scratch of another precision"
        );
        self.check_weights(weights);
    }
}

/// The parameters for a forward pass in single precision; none if it is in bfloat16.
fn in_f32(layers: &Layers) -> Option<&[Packed]> {
    match layers {
        Layers::F32(packed) => Some(packed),
        #[cfg(target_arch = "x86_64")]
        Layers::Both(packed, _) => Some(packed),
        #[cfg(target_arch = "x86_64")]
        Layers::Bf16(_) => None,
    }
}

fn check_training(scratch: &Scratch) {
    assert!(
        scratch.is_training(),
        "the scratch was created without training buffers"
    );
}

/// The gradient at a layer's inputs, from that at its outputs: `(d_z, stride)`.
fn to_inputs(
    layer: &Layer,
    packed: &Packed,
    (d_z, stride): (&[f32], usize),
    rows: usize,
    epilogue: impl crate::kernel::Epilogue,
) {
    Product {
        rows,
        columns: layer.inputs,
        depth: layer.outputs,
        left: Left {
            data: d_z,
            row: stride,
            step: 1,
        },
        right: Right {
            data: packed.backward.as_slice(),
            panel: PANEL * layer.outputs,
            step: PANEL,
            bias: false,
        },
        begun: None,
        epilogue,
    }
    .run();
}

/// The biases and weights of a layer.
fn forward_factor<'a>(layer: &Layer, packed: &'a Packed) -> Right<'a> {
    Right {
        data: packed.forward.as_slice(),
        panel: PANEL * (1 + layer.inputs),
        step: PANEL,
        bias: true,
    }
}

/// The weights of a layer's inputs from number `first` on.
fn inputs_from<'a>(layer: &Layer, packed: &'a Packed, first: usize) -> Right<'a> {
    Right {
        data: &packed.forward.as_slice()[(1 + first) * PANEL..],
        bias: false,
        ..forward_factor(layer, packed)
    }
}

/// The factors of a layer's forward product, and the initial values of its sums.
#[derive(Clone, Copy)]
struct Factors<'a> {
    rows: usize,
    depth: usize,
    left: Left<'a>,
    right: Right<'a>,
    begun: Option<Begun<'a>>,
}

fn product(layer: &Layer, factors: Factors, epilogue: impl crate::kernel::Epilogue) {
    Product {
        rows: factors.rows,
        columns: layer.outputs,
        depth: factors.depth,
        left: factors.left,
        right: factors.right,
        begun: factors.begun,
        epilogue,
    }
    .run();
}

fn activate<F: Function>(
    layer: &Layer,
    factors: Factors,
    hidden: Target,
    derivative: Option<Target>,
    function: F,
) {
    product(
        layer,
        factors,
        Activate {
            hidden,
            derivative,
            function,
        },
    );
}

/// `sums[j] += Σ_i data[i, j]` over the first `rows` rows.
struct ColumnSums<'a> {
    data: &'a [f32],
    stride: usize,
    rows: usize,
    sums: &'a mut [f32],
}

impl ColumnSums<'_> {
    fn run(self) {
        if self.rows > 0 {
            let last = (self.rows - 1) * self.stride + self.sums.len().next_multiple_of(PANEL);
            assert!(last <= self.data.len(), "matrix too short");
            dispatch(self);
        }
    }
}

impl WithSimd for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for column in (0..self.sums.len()).step_by(S::F32_LANES) {
            // Four partial sums, so that consecutive additions do not depend on each other.
            let mut partial = [simd.splat_f32s(0.0); 4];
            // SAFETY: `run`, the only caller, has compared the last vector's end with the length.
            let at = |row: usize| unsafe {
                load(simd, self.data.as_ptr().add(row * self.stride + column))
            };
            let whole = self.rows / 4 * 4;
            for row in (0..whole).step_by(4) {
                for (i, partial) in partial.iter_mut().enumerate() {
                    *partial = simd.add_f32s(*partial, at(row + i));
                }
            }
            for row in whole..self.rows {
                partial[0] = simd.add_f32s(partial[0], at(row));
            }
            let [a, b, c, d] = partial;
            let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
            let left = self.sums.len() - column;
            // SAFETY: `left` numbers remain from `column` on.
            unsafe { add(simd, self.sums.as_mut_ptr().add(column), left, sum) };
        }
    }
}
