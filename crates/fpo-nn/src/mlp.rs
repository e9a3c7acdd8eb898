//! The sizes of a network and the layout of its parameters.

use crate::{Activation, Precision, PrecisionError};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The architecture of a multi-layer perceptron: `input → hidden[0] → … → output`, with an
/// activation after every hidden layer and a linear output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpSpec {
    /// Numbers in an input row.
    pub input: usize,
    /// Widths of the hidden layers; may be empty (a linear map).
    pub hidden: Vec<usize>,
    /// Numbers in an output row.
    pub output: usize,
    /// The activation of the hidden layers.
    pub activation: Activation,
}

/// A network that cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MlpError {
    /// A layer of width zero, or wider than [`Mlp::MAX_WIDTH`].
    #[error(
        "layer {layer} has width {width}; it must lie in 1..={}",
        Mlp::MAX_WIDTH
    )]
    Width {
        /// Index among input, hidden layers and output.
        layer: usize,
        /// The invalid width.
        width: usize,
    },
    /// More than [`Mlp::MAX_LAYERS`] layers.
    #[error("{layers} layers; at most {} are supported", Mlp::MAX_LAYERS)]
    Depth {
        /// The invalid number of layers, including the output layer.
        layers: usize,
    },
}

/// One affine layer, `y = x·W + b`, inside the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `y`.
    pub outputs: usize,
    /// Range of `W`: `inputs` rows of `outputs` numbers.
    pub weight: Range<usize>,
    /// Range of `b`: `outputs` numbers.
    pub bias: Range<usize>,
}

/// A multi-layer perceptron: its sizes and the layout of its flat parameter vector, but no
/// parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mlp {
    spec: MlpSpec,
    layers: Vec<Layer>,
    precision: Precision,
}

impl Mlp {
    /// The maximum width of a layer.
    pub const MAX_WIDTH: usize = 65_536;
    /// The maximum number of layers.
    pub const MAX_LAYERS: usize = 64;

    /// The network of `spec`. Parameters are laid out as weight 0, bias 0, weight 1, ….
    ///
    /// # Errors
    /// A width that is zero or beyond [`Self::MAX_WIDTH`], or too many layers.
    pub fn new(spec: MlpSpec) -> Result<Self, MlpError> {
        let widths: Vec<usize> = [spec.input]
            .into_iter()
            .chain(spec.hidden.iter().copied())
            .chain([spec.output])
            .collect();
        if widths.len() > Self::MAX_LAYERS + 1 {
            return Err(MlpError::Depth {
                layers: widths.len() - 1,
            });
        }
        if let Some(layer) = widths
            .iter()
            .position(|w| !(1..=Self::MAX_WIDTH).contains(w))
        {
            return Err(MlpError::Width {
                layer,
                width: widths[layer],
            });
        }
        let mut offset = 0;
        let mut take = |len| {
            offset += len;
            offset - len..offset
        };
        let layers = widths
            .windows(2)
            .map(|pair| Layer {
                inputs: pair[0],
                outputs: pair[1],
                weight: take(pair[0] * pair[1]),
                bias: take(pair[1]),
            })
            .collect();
        Ok(Self {
            spec,
            layers,
            precision: Precision::F32,
        })
    }

    /// The same network with its products in `precision`. Existing weights and scratches cannot be
    /// used with it.
    ///
    /// # Errors
    /// If this machine does not have that precision.
    pub fn with_precision(self, precision: Precision) -> Result<Self, PrecisionError> {
        if precision.is_available() {
            Ok(Self { precision, ..self })
        } else {
            Err(PrecisionError)
        }
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The architecture of the network.
    pub fn spec(&self) -> &MlpSpec {
        &self.spec
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The length of the flat parameter vector.
    pub fn parameter_count(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }

    /// Rows of a tile whose activations and derivatives fill about half of a second-level cache of
    /// 1 MiB, or in bfloat16 two thirds of one of 2 MiB; a multiple of 16, at least 64 (to spread
    /// the traffic of the weights) and at most 512.
    pub fn tile_rows(&self) -> usize {
        #[cfg(target_arch = "x86_64")]
        if self.precision == Precision::Bf16 {
            return crate::bf16::Buffers::tile_rows(&self.spec);
        }
        let numbers =
            self.spec.input + 2 * self.spec.hidden.iter().sum::<usize>() + 2 * self.spec.output;
        let rows = (512 << 10) / (4 * numbers);
        (rows / 16 * 16).clamp(64, 512)
    }
}
