//! The buffers of one tile.

use crate::aligned::Aligned;
#[cfg(target_arch = "x86_64")]
use crate::bf16;
use crate::kernel::{BLOCK_ROWS, PANEL};
use crate::{Mlp, MlpSpec, Precision};

/// All buffers that [`Mlp::infer`], [`Mlp::forward`] and [`Mlp::backward`] need for a tile,
/// allocated once. One thread uses one scratch.
#[derive(Clone)]
pub struct Scratch {
    pub(crate) spec: MlpSpec,
    pub(crate) precision: Precision,
    rows: usize,
    /// [rows, input].
    pub(crate) input: Aligned,
    pub(crate) between: Between,
    pub(crate) prepared: Prepared,
    /// [rows, output].
    pub(crate) output: Aligned,
    /// [rows, output]; empty without training.
    pub(crate) d_output: Aligned,
    /// [rows, input]; allocated on first use.
    pub(crate) d_input: Aligned,
}

/// The first layer's sums over inputs common to many passes, and a buffer for the other inputs;
/// allocated on first use.
#[derive(Clone)]
pub(crate) struct Prepared {
    /// Number of prepared rows.
    pub(crate) rows: usize,
    /// Number of the first inputs of each row that `sums` includes; biases are always included.
    pub(crate) inputs: usize,
    /// Sums over the first inputs of each row; rows `stride(outputs)` apart.
    pub(crate) sums: Aligned,
    /// The inputs after them.
    pub(crate) own: Aligned,
}

impl Prepared {
    /// Ensures capacity for `rows` rows of `inputs` inputs and `outputs` sums.
    pub(crate) fn make_room(&mut self, rows: usize, inputs: usize, outputs: usize) {
        for (buffer, len) in [
            (&mut self.sums, len(rows, stride(outputs))),
            (&mut self.own, len(rows, inputs)),
        ] {
            if buffer.as_slice().len() < len {
                *buffer = Aligned::zeros(len);
            }
        }
    }
}

/// The values between layers, in the network's precision.
#[derive(Clone)]
pub(crate) enum Between {
    F32 {
        /// Activations after each hidden layer, rows `stride(width)` apart. Two alternating buffers
        /// without training.
        hidden: Vec<Aligned>,
        /// f′(z) of each hidden layer after `forward`, the gradient at z after `backward`; empty
        /// without training.
        derivative: Vec<Aligned>,
        /// For a backward pass in bfloat16.
        #[cfg(target_arch = "x86_64")]
        gradients: Option<bf16::Gradients>,
    },
    #[cfg(target_arch = "x86_64")]
    Bf16(bf16::Buffers),
}

/// Distance between the rows of a hidden layer's buffer: whole panels, and one more cache line if
/// the distance would be a multiple of 512 bytes, because such rows map to the same few cache sets.
pub(crate) fn stride(width: usize) -> usize {
    let padded = width.next_multiple_of(PANEL);
    if padded.is_multiple_of(128) {
        padded + 16
    } else {
        padded
    }
}

/// Numbers in a buffer of `rows` rows `stride` apart: whole blocks of rows, and one panel after the
/// last one, because kernels read whole vectors.
fn len(rows: usize, stride: usize) -> usize {
    // Checked arithmetic, because the safety of kernels depends on these lengths.
    rows.checked_next_multiple_of(BLOCK_ROWS)
        .and_then(|rows| rows.checked_mul(stride)?.checked_add(PANEL))
        .expect("a tile that fits in memory")
}

impl Mlp {
    /// Buffers for tiles of up to `rows` rows; with `training` also those that `forward` and
    /// `backward` need.
    pub fn scratch(&self, rows: usize, training: bool) -> Scratch {
        let spec = self.spec();
        Scratch {
            rows,
            input: Aligned::zeros(len(rows, spec.input)),
            between: self.between(rows, training),
            prepared: Prepared {
                rows: 0,
                inputs: 0,
                sums: Aligned::zeros(0),
                own: Aligned::zeros(0),
            },
            output: Aligned::zeros(len(rows, spec.output)),
            d_output: Aligned::zeros(if training { len(rows, spec.output) } else { 0 }),
            d_input: Aligned::zeros(0),
            spec: spec.clone(),
            precision: self.precision(),
        }
    }
}

impl Mlp {
    fn between(&self, rows: usize, training: bool) -> Between {
        #[cfg(target_arch = "x86_64")]
        if self.precision() == Precision::Bf16 {
            return Between::Bf16(bf16::Buffers::new(self.spec(), rows, training));
        }
        let bf16_gradient = self.precision() == Precision::Bf16Gradient;
        Between::f32(self.spec(), rows, training, bf16_gradient)
    }
}

impl Between {
    fn f32(spec: &MlpSpec, rows: usize, training: bool, bf16_gradient: bool) -> Self {
        let hidden: Vec<Aligned> = if training {
            spec.hidden
                .iter()
                .map(|&width| Aligned::zeros(len(rows, stride(width))))
                .collect()
        } else {
            let widest = spec
                .hidden
                .iter()
                .map(|&width| stride(width))
                .max()
                .unwrap_or(0);
            (0..spec.hidden.len().min(2))
                .map(|_| Aligned::zeros(len(rows, widest)))
                .collect()
        };
        assert!(!bf16_gradient || cfg!(target_arch = "x86_64"));
        Self::F32 {
            derivative: if training { hidden.clone() } else { Vec::new() },
            hidden,
            #[cfg(target_arch = "x86_64")]
            gradients: (training && bf16_gradient).then(|| bf16::Gradients::after_f32(spec, rows)),
        }
    }
}

impl Scratch {
    /// The maximum number of rows of a tile.
    pub fn capacity(&self) -> usize {
        self.rows
    }

    /// Whether the scratch has the buffers for `forward` and `backward`.
    pub fn is_training(&self) -> bool {
        !self.d_output.as_slice().is_empty()
    }

    /// Ensures that there is a buffer for the gradient at the input.
    pub(crate) fn make_room_at_input(&mut self) {
        let len = len(self.rows, self.spec.input);
        if self.d_input.as_slice().len() < len {
            self.d_input = Aligned::zeros(len);
        }
    }

    /// The input of a tile, [rows, input] row-major, for the caller to fill.
    ///
    /// # Panics
    /// If `rows` exceeds the capacity.
    pub fn input_mut(&mut self, rows: usize) -> &mut [f32] {
        self.check(rows);
        &mut self.input.as_mut_slice()[..rows * self.spec.input]
    }

    /// The output of the last pass, [rows, output] row-major.
    ///
    /// # Panics
    /// If `rows` exceeds the capacity.
    pub fn output(&self, rows: usize) -> &[f32] {
        self.check(rows);
        &self.output.as_slice()[..rows * self.spec.output]
    }

    /// The output of the last pass and the gradient at it that `backward` will read, both [rows,
    /// output].
    ///
    /// # Panics
    /// If `rows` exceeds the capacity or the scratch is not for training.
    pub fn output_and_gradient_mut(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        self.check(rows);
        assert!(
            self.is_training(),
            "the scratch was created without training buffers"
        );
        let len = rows * self.spec.output;
        (
            &self.output.as_slice()[..len],
            &mut self.d_output.as_mut_slice()[..len],
        )
    }

    pub(crate) fn check(&self, rows: usize) {
        assert!(
            rows <= self.rows,
            "a tile of {rows} rows in a scratch for {}",
            self.rows
        );
    }
}
