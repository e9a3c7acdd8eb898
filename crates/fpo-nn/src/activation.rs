//! Activation functions with their derivatives.

use crate::exp::{exp_plus, sigmoid, tanh};
use pulp::Simd;
use serde::{Deserialize, Serialize};

/// The function after every hidden layer; the output layer is linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// z·σ(z).
    #[default]
    Silu,
    /// z where z > 0, exp(z) − 1 elsewhere.
    Elu,
    /// max(z, 0).
    Relu,
    /// tanh(z).
    Tanh,
}

/// A function of one vector register, known at compile time, so that it fuses into the matrix product.
pub(crate) trait Function: Copy {
    /// f(z) and f′(z). All of them have f(0) = 0, which keeps padded columns at zero.
    fn apply<S: Simd>(self, simd: S, z: S::f32s) -> (S::f32s, S::f32s);
}

#[derive(Clone, Copy)]
pub(crate) struct Silu;
#[derive(Clone, Copy)]
pub(crate) struct Elu;
#[derive(Clone, Copy)]
pub(crate) struct Relu;
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl Function for Silu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, z: S::f32s) -> (S::f32s, S::f32s) {
        let s = sigmoid(simd, z);
        let h = simd.mul_f32s(z, s);
        (
            h,
            simd.mul_add_e_f32s(h, simd.sub_f32s(simd.splat_f32s(1.0), s), s),
        )
    }
}

impl Function for Elu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, z: S::f32s) -> (S::f32s, S::f32s) {
        let one = simd.splat_f32s(1.0);
        let negative = exp_plus(simd, z, -1.0);
        let positive = simd.greater_than_f32s(z, simd.splat_f32s(0.0));
        (
            simd.select_f32s(positive, z, negative),
            simd.select_f32s(positive, one, simd.add_f32s(negative, one)),
        )
    }
}

impl Function for Relu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, z: S::f32s) -> (S::f32s, S::f32s) {
        let zero = simd.splat_f32s(0.0);
        // Selected by z ≤ 0, so that NaN passes through.
        let negative = simd.less_than_or_equal_f32s(z, zero);
        (
            simd.select_f32s(negative, zero, z),
            simd.select_f32s(negative, zero, simd.splat_f32s(1.0)),
        )
    }
}

impl Function for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, z: S::f32s) -> (S::f32s, S::f32s) {
        let h = tanh(simd, z);
        (h, simd.sub_f32s(simd.splat_f32s(1.0), simd.mul_f32s(h, h)))
    }
}
