//! Parameters in the layout of the kernels.

use crate::aligned::Aligned;
#[cfg(target_arch = "x86_64")]
use crate::bf16;
use crate::kernel::PANEL;
use crate::{Layer, Mlp, MlpSpec, Precision};

/// A network's parameters packed for the matrix kernels: every weight matrix, and its transpose for
/// the backward pass, cut into panels of 32 columns that are contiguous in memory. Pack once per
/// optimizer step and share by reference between threads.
#[derive(Clone)]
pub struct Weights {
    pub(crate) spec: MlpSpec,
    pub(crate) precision: Precision,
    pub(crate) layers: Layers,
}

/// Each layer's parameters, in the layout for the network's precision.
#[derive(Clone)]
pub(crate) enum Layers {
    F32(Vec<Packed>),
    #[cfg(target_arch = "x86_64")]
    Bf16(Vec<bf16::Packed>),
    /// For the forward pass and for the backward pass.
    #[cfg(target_arch = "x86_64")]
    Both(Vec<Packed>, Vec<bf16::Packed>),
}

#[derive(Clone)]
pub(crate) struct Packed {
    /// For each panel of outputs: the biases, then `inputs` rows of weights. [panels, 1 + inputs,
    /// PANEL].
    pub(crate) forward: Aligned,
    /// For each panel of inputs: `outputs` rows of the transposed weights, [panels, outputs,
    /// PANEL]; or empty.
    pub(crate) backward: Aligned,
}

impl Mlp {
    /// A buffer for packed parameters, all zero until [`Mlp::pack`] fills it.
    pub fn weights(&self) -> Weights {
        let layers = self.layers();
        #[cfg(target_arch = "x86_64")]
        let bf16 = || {
            let packed = |(l, layer)| bf16::Packed::new(layer, l == 0);
            layers.iter().enumerate().map(packed).collect()
        };
        Weights {
            spec: self.spec().clone(),
            precision: self.precision(),
            layers: match self.precision() {
                Precision::F32 => Layers::F32(
                    layers
                        .iter()
                        .map(|layer| Packed::new(layer, true))
                        .collect(),
                ),
                #[cfg(target_arch = "x86_64")]
                Precision::Bf16 => Layers::Bf16(bf16()),
                #[cfg(target_arch = "x86_64")]
                Precision::Bf16Gradient => Layers::Both(
                    layers
                        .iter()
                        .map(|layer| Packed::new(layer, false))
                        .collect(),
                    bf16(),
                ),
                #[cfg(not(target_arch = "x86_64"))]
                _ => unreachable!("`Mlp::with_precision` rejects unsupported precisions"),
            },
        }
    }

    /// Packs a flat parameter vector. Later changes to `parameters` have no effect: pack again
    /// after each step.
    ///
    /// # Panics
    /// If `parameters` is not [`Mlp::parameter_count`] long or `weights` belong to another network.
    pub fn pack(&self, parameters: &[f32], weights: &mut Weights) {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "length of the parameter vector"
        );
        self.check_weights(weights);
        for (l, layer) in self.layers().iter().enumerate() {
            let (weight, bias) = (
                &parameters[layer.weight.clone()],
                &parameters[layer.bias.clone()],
            );
            match &mut weights.layers {
                Layers::F32(packed) => packed[l].pack(layer, weight, bias),
                #[cfg(target_arch = "x86_64")]
                Layers::Bf16(packed) => packed[l].pack(layer, weight, bias),
                #[cfg(target_arch = "x86_64")]
                Layers::Both(forward, backward) => {
                    forward[l].pack(layer, weight, bias);
                    backward[l].pack(layer, weight, bias);
                }
            }
        }
    }
}

impl Mlp {
    pub(crate) fn check_weights(&self, weights: &Weights) {
        assert_eq!(&weights.spec, self.spec(), "weights of another network");
        assert_eq!(
            weights.precision,
            self.precision(),
            "weights of another precision"
        );
    }
}

impl Packed {
    /// Zeros, with or without a buffer for the backward pass.
    fn new(layer: &Layer, backward: bool) -> Self {
        let transposed = layer.inputs.next_multiple_of(PANEL) * layer.outputs;
        Self {
            forward: Aligned::zeros(layer.outputs.next_multiple_of(PANEL) * (1 + layer.inputs)),
            backward: Aligned::zeros(if backward { transposed } else { 0 }),
        }
    }

    fn pack(&mut self, layer: &Layer, weight: &[f32], bias: &[f32]) {
        let panels = self
            .forward
            .as_mut_slice()
            .chunks_exact_mut(PANEL * (1 + layer.inputs));
        for (p, panel) in panels.enumerate() {
            let columns = p * PANEL..layer.outputs.min((p + 1) * PANEL);
            let rows = std::iter::once(bias).chain(weight.chunks_exact(layer.outputs));
            for (to, from) in panel.chunks_exact_mut(PANEL).zip(rows) {
                to[..columns.len()].copy_from_slice(&from[columns.clone()]);
            }
        }
        let panels = self
            .backward
            .as_mut_slice()
            .chunks_exact_mut(PANEL * layer.outputs);
        for (p, panel) in panels.enumerate() {
            let rows = weight
                .chunks_exact(layer.outputs)
                .skip(p * PANEL)
                .take(PANEL);
            for (column, row) in rows.enumerate() {
                for (to, &from) in panel.chunks_exact_mut(PANEL).zip(row) {
                    to[column] = from;
                }
            }
        }
    }
}
