//! The number format of a network's products.

/// The number format of matrix products. Parameters, gradients, inputs and outputs are f32 either
/// way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision throughout, on any machine.
    #[default]
    F32,
    /// Weights, activations and their gradients are rounded to bfloat16 (8 significant bits) before
    /// they are multiplied; sums are f32. Inputs are split into two bfloat16 numbers and keep 16
    /// bits. Needs the matrix unit of recent Intel processors (AMX).
    Bf16,
    /// Outputs are those of `F32`, bit for bit; the products of the backward pass are computed as
    /// with `Bf16`, except that inputs are rounded once instead of split.
    Bf16Gradient,
}

/// A precision this machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine has no bfloat16 matrix unit (AMX, with the system's permission to use it), or \
    FPO_SIMD forbids it"
)]
pub struct PrecisionError;

impl Precision {
    /// Whether this machine supports it.
    pub fn is_available(self) -> bool {
        match self {
            Self::F32 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 | Self::Bf16Gradient => crate::bf16::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Bf16 | Self::Bf16Gradient => false,
        }
    }
}
