//! Activation functions with their derivatives.

use crate::exp::{exp_plus, sigmoid, tanh};
use pulp::Simd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The activation after every hidden layer; the output layer is linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// z·σ(z).
    #[default]
    Silu,
    /// z for z > 0, otherwise exp(z) − 1.
    Elu,
    /// max(z, 0).
    Relu,
    /// tanh(z).
    Tanh,
}

/// A function of one vector register, known at compile time, so that it is fused into the matrix
/// product.
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

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    /// Applies a function to numbers, a vector at a time.
    struct Map<'a, F> {
        function: F,
        z: &'a [f32],
    }

    impl<F: Function> WithSimd for Map<'_, F> {
        type Output = (Vec<f32>, Vec<f32>);

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let (mut h, mut d) = (self.z.to_vec(), self.z.to_vec());
            for (h, d) in h.chunks_mut(S::F32_LANES).zip(d.chunks_mut(S::F32_LANES)) {
                let (value, slope) = self.function.apply(simd, simd.partial_load_f32s(h));
                simd.partial_store_f32s(h, value);
                simd.partial_store_f32s(d, slope);
            }
            (h, d)
        }
    }

    /// Numbers of both signs and all magnitudes, dense where the functions are curved.
    fn arguments() -> Vec<f32> {
        let tiny_to_huge = (0..4000).map(|i| 10f32.powf(-20.0 + i as f32 * 0.01));
        let dense = (0..100_000).map(|i| i as f32 * 1.5e-4);
        tiny_to_huge
            .chain(dense)
            .flat_map(|z| [z, -z])
            .chain([0.0])
            .collect()
    }

    /// Checks values to `ulps` units in the last place, and values and derivatives to an absolute
    /// error if that is larger.
    fn check(
        function: impl Function,
        exact: impl Fn(f64) -> (f64, f64),
        ulps: f64,
        value_floor: f64,
        slope: f64,
    ) {
        let z = arguments();
        let on_vectors = Arch::new().dispatch(Map { function, z: &z });
        let one_by_one = Simd::vectorize(pulp::Scalar::new(), Map { function, z: &z });
        for (h, d) in [on_vectors, one_by_one] {
            for ((&z, h), d) in z.iter().zip(h).zip(d) {
                let (value, derivative) = exact(f64::from(z));
                for (found, expected, floor) in [(h, value, value_floor), (d, derivative, slope)] {
                    let allowed = (ulps * f64::from(f32::EPSILON) * expected.abs()).max(floor);
                    let error = (f64::from(found) - expected).abs();
                    assert!(error <= allowed, "at {z}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn values_and_derivatives_are_accurate() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        // The tail of SiLU ends at z·exp(−87); its derivative multiplies z by 1 − σ(z), which has
        // lost digits where σ(z) is close to 1.
        let silu = |z: f64| (z * sigmoid(z), sigmoid(z) * (1.0 + z * (1.0 - sigmoid(z))));
        check(Silu, silu, 4.0, 1e-17, 1e-6);
        check(
            Elu,
            |z| {
                if z > 0.0 {
                    (z, 1.0)
                } else {
                    (z.exp_m1(), z.exp())
                }
            },
            2.0,
            1e-30,
            1e-7,
        );
        check(
            Relu,
            |z| (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
            0.0,
            0.0,
            0.0,
        );
        check(
            Tanh,
            |z| (z.tanh(), 1.0 - z.tanh().powi(2)),
            3.0,
            1e-30,
            5e-7,
        );
    }

    #[test]
    fn small_arguments_keep_their_digits() {
        let z: Vec<f32> = (1..2000)
            .flat_map(|i| [i as f32 * 1e-6, i as f32 * -1e-6])
            .collect();
        let (tanh, _) = Arch::new().dispatch(Map {
            function: Tanh,
            z: &z,
        });
        let (elu, _) = Arch::new().dispatch(Map {
            function: Elu,
            z: &z,
        });
        for ((&z, tanh), elu) in z.iter().zip(tanh).zip(elu) {
            let expected = f64::from(z).tanh();
            assert!((f64::from(tanh) / expected - 1.0).abs() < 4e-7, "tanh {z}");
            let expected = if z > 0.0 {
                f64::from(z)
            } else {
                f64::from(z).exp_m1()
            };
            assert!((f64::from(elu) / expected - 1.0).abs() < 4e-7, "elu {z}");
        }
    }

    #[test]
    fn nan_passes_through_every_function() {
        let z = [f32::NAN; 3];
        let all_nan = |(h, _): (Vec<f32>, Vec<f32>)| h.iter().all(|h| h.is_nan());
        assert!(all_nan(Arch::new().dispatch(Map {
            function: Silu,
            z: &z
        })));
        assert!(all_nan(Arch::new().dispatch(Map {
            function: Elu,
            z: &z
        })));
        assert!(all_nan(Arch::new().dispatch(Map {
            function: Relu,
            z: &z
        })));
        assert!(all_nan(Arch::new().dispatch(Map {
            function: Tanh,
            z: &z
        })));
    }

    #[test]
    fn zero_stays_zero() {
        for (h, _) in [
            Arch::new().dispatch(Map {
                function: Silu,
                z: &[0.0],
            }),
            Arch::new().dispatch(Map {
                function: Elu,
                z: &[0.0],
            }),
            Arch::new().dispatch(Map {
                function: Relu,
                z: &[0.0],
            }),
            Arch::new().dispatch(Map {
                function: Tanh,
                z: &[0.0],
            }),
        ] {
            assert_eq!(h, [0.0], "padding requires it");
        }
    }

    #[test]
    fn names_in_configuration() {
        for (activation, name) in [
            (Activation::Silu, "\"silu\""),
            (Activation::Elu, "\"elu\""),
            (Activation::Relu, "\"relu\""),
            (Activation::Tanh, "\"tanh\""),
        ] {
            assert_eq!(serde_json::to_string(&activation).unwrap(), name);
        }
    }
}
