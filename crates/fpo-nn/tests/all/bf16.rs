//! Compares the bfloat16 passes with the f64 reference: the errors of rounding to 8 bits, and the
//! values that must not be affected.
//!
//! On machines without the matrix unit these tests print that and pass.

use crate::common::{backward, forward};
use fpo_nn::{Activation, Initialization, Mlp, MlpSpec, Precision};
use fpo_rng::{Key, Stream, fill_normal};

fn normal(step: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    fill_normal(Key::new(5, Stream::Test).step(step), &mut out);
    out
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A network in `precision`, and parameters with non-zero biases; none if the machine does not
/// support it.
fn network_in(
    precision: Precision,
    input: usize,
    hidden: &[usize],
    output: usize,
    activation: Activation,
) -> Option<(Mlp, Vec<f32>)> {
    if !precision.is_available() {
        // The tests must not be skipped on a processor that has the unit.
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let hidden = cpu.contains(" amx_bf16") && std::env::var_os("FPO_SIMD").is_none();
        assert!(!hidden, "the processor has AMX, but it was not found");
        eprintln!("skipped: no bfloat16 matrix unit");
        return None;
    }
    let spec = MlpSpec {
        input,
        hidden: hidden.to_vec(),
        output,
        activation,
    };
    let mlp = Mlp::new(spec).unwrap().with_precision(precision).unwrap();
    let mut parameters = vec![0.0; mlp.parameter_count()];
    mlp.init(
        Initialization::LecunUniform,
        1.0,
        Key::new(6, Stream::Test),
        &mut parameters,
    );
    for layer in mlp.layers() {
        let bias = normal(1 + layer.bias.start as u64, layer.outputs);
        for (b, z) in parameters[layer.bias.clone()].iter_mut().zip(bias) {
            *b = 0.3 * z;
        }
    }
    Some((mlp, parameters))
}

fn network(
    input: usize,
    hidden: &[usize],
    output: usize,
    activation: Activation,
) -> Option<(Mlp, Vec<f32>)> {
    network_in(Precision::Bf16, input, hidden, output, activation)
}

/// ‖found − expected‖ / ‖expected‖ over all numbers, with a mean square of at least `floor`,
/// because a few numbers may be near zero by chance.
fn relative_distance(found: &[f32], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let distance: f64 = found
        .iter()
        .zip(expected)
        .map(|(f, e)| square(f64::from(*f) - e))
        .sum();
    let size: f64 = expected.iter().map(|e| square(*e)).sum();
    (distance / size.max(floor * expected.len() as f64).max(1e-30)).sqrt()
}

/// Sizes below, equal to and above multiples of 32.
const SHAPES: [(usize, &[usize], usize); 7] = [
    (17, &[256, 256, 256], 1),
    (31, &[32, 32], 6),
    (67, &[64], 40),
    (1, &[1], 1),
    (5, &[], 3),
    (3, &[33, 7, 65], 34),
    (64, &[16, 128], 32),
];

#[test]
fn values_and_gradients_agree_to_the_precision_of_bfloat16() {
    agree(Precision::Bf16, 0.01);
}

#[test]
fn gradients_alone_are_rounded() {
    agree(Precision::Bf16Gradient, 1e-5);
}

/// Values within `of_values`, gradients within 3%.
fn agree(precision: Precision, of_values: f64) {
    for activation in [
        Activation::Silu,
        Activation::Elu,
        Activation::Relu,
        Activation::Tanh,
    ] {
        for (case, (input, hidden, output)) in SHAPES.into_iter().enumerate() {
            let Some((mlp, parameters)) = network_in(precision, input, hidden, output, activation)
            else {
                return;
            };
            let mut weights = mlp.weights();
            mlp.pack(&parameters, &mut weights);
            let mut scratch = mlp.scratch(70, true);
            let mut gradient = vec![0.0; mlp.parameter_count()];
            let mut expected_gradient = vec![0.0; mlp.parameter_count()];
            // Alternate large and small tiles on one scratch: leftovers of an earlier tile must not
            // matter.
            for (step, rows) in [70, 1, 33, 64, 0, 31].into_iter().enumerate() {
                let x = normal(100 + step as u64, rows * input);
                let d = normal(200 + step as u64, rows * output);
                scratch.input_mut(rows).copy_from_slice(&x);
                let y = mlp.forward(&weights, &mut scratch, rows).to_vec();
                scratch.output_and_gradient_mut(rows).1.copy_from_slice(&d);
                mlp.backward(&weights, &mut scratch, rows, &mut gradient);
                let mut expected = Vec::new();
                for (x, d) in x.chunks_exact(input).zip(d.chunks_exact(output)) {
                    let exact = wide(&parameters);
                    expected.extend(forward(&mlp, &exact, &wide(x)).0);
                    backward(&mlp, &exact, &wide(x), &wide(d), &mut expected_gradient);
                }
                let off = relative_distance(&y, &expected, 0.5);
                assert!(
                    off < of_values,
                    "{activation:?} {case}, {rows} rows: values off by {off}"
                );
            }
            // Rounding carries some arguments of ReLU across its kink.
            let allowed = if activation == Activation::Relu {
                0.1
            } else {
                0.03
            };
            for (l, layer) in mlp.layers().iter().enumerate() {
                for range in [layer.weight.clone(), layer.bias.clone()] {
                    let off = relative_distance(
                        &gradient[range.clone()],
                        &expected_gradient[range],
                        1e-12,
                    );
                    assert!(
                        off < allowed,
                        "{activation:?} {case}, layer {l}: gradient off by {off}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_at_the_inputs_agree_to_the_precision_of_bfloat16() {
    for activation in [Activation::Silu, Activation::Elu, Activation::Tanh] {
        for (case, (input, hidden, output)) in SHAPES.into_iter().enumerate() {
            let Some((mlp, parameters)) = network(input, hidden, output, activation) else {
                return;
            };
            let mut weights = mlp.weights();
            mlp.pack(&parameters, &mut weights);
            let mut scratch = mlp.scratch(70, true);
            // One scratch for all, as above; every pass needs a forward pass of its own.
            for (step, rows) in [70, 1, 33, 64, 0, 31].into_iter().enumerate() {
                let x = normal(300 + step as u64, rows * input);
                let d = normal(400 + step as u64, rows * output);
                scratch.input_mut(rows).copy_from_slice(&x);
                mlp.forward(&weights, &mut scratch, rows);
                scratch.output_and_gradient_mut(rows).1.copy_from_slice(&d);
                let found = mlp.backward_to_inputs(&weights, &mut scratch, rows);
                let mut of_parameters = vec![0.0; mlp.parameter_count()];
                let mut expected = Vec::new();
                for (x, d) in x.chunks_exact(input).zip(d.chunks_exact(output)) {
                    let (exact, x, d) = (wide(&parameters), wide(x), wide(d));
                    expected.extend(backward(&mlp, &exact, &x, &d, &mut of_parameters));
                }
                let off = relative_distance(found, &expected, 1e-12);
                assert!(
                    off < 0.03,
                    "{activation:?} {case}, {rows} rows: off by {off}"
                );
            }
        }
    }
}

/// Ratios must not depend on the precision of gradients.
#[test]
fn outputs_with_rounded_gradients_are_those_of_f32() {
    let Some((mlp, parameters)) =
        network_in(Precision::Bf16Gradient, 17, &[64, 64], 5, Activation::Silu)
    else {
        return;
    };
    let plain = Mlp::new(mlp.spec().clone()).unwrap();
    let x = normal(1, 50 * 17);
    let outputs = |mlp: &Mlp| {
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let mut scratch = mlp.scratch(50, true);
        scratch.input_mut(50).copy_from_slice(&x);
        mlp.forward(&weights, &mut scratch, 50).to_vec()
    };
    assert_eq!(outputs(&mlp), outputs(&plain));
}

/// Infinities in one tile must not affect the next.
#[test]
fn nothing_is_left_of_an_earlier_tile() {
    for precision in [Precision::Bf16, Precision::Bf16Gradient] {
        let Some((mlp, parameters)) = network_in(precision, 4, &[32, 32], 1, Activation::Silu)
        else {
            return;
        };
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let mut scratch = mlp.scratch(64, true);
        let mut gradient = vec![0.0; mlp.parameter_count()];
        for (rows, x) in [(64, f32::INFINITY), (3, 1.0)] {
            scratch.input_mut(rows).fill(x);
            mlp.forward(&weights, &mut scratch, rows);
            scratch.output_and_gradient_mut(rows).1.fill(1.0);
            gradient.fill(0.0);
            mlp.backward(&weights, &mut scratch, rows, &mut gradient);
        }
        assert!(gradient.iter().all(|g| g.is_finite()), "{precision:?}");
    }
}

/// With weights that are exact in bfloat16, the only error is that of the inputs, which keep 16
/// bits: changes of 0.01 of an input of 1000 are not lost.
#[test]
fn inputs_keep_their_digits() {
    let Some((mlp, mut parameters)) = network(40, &[], 2, Activation::Silu) else {
        return;
    };
    parameters.fill(0.5);
    let mut weights = mlp.weights();
    mlp.pack(&parameters, &mut weights);
    let mut scratch = mlp.scratch(1, false);
    let x: Vec<f32> = normal(1, 40).iter().map(|z| 1000.0 + z).collect();
    scratch.input_mut(1).copy_from_slice(&x);
    let y = mlp.infer(&weights, &mut scratch, 1)[0];
    let expected = 0.5 + 0.5 * x.iter().map(|&x| f64::from(x)).sum::<f64>();
    assert!((f64::from(y) - expected).abs() < 0.05, "{y} for {expected}");
}

#[test]
fn a_row_does_not_depend_on_other_rows_nor_on_training() {
    let Some((mlp, parameters)) = network(17, &[64, 64], 5, Activation::Silu) else {
        return;
    };
    let mut weights = mlp.weights();
    mlp.pack(&parameters, &mut weights);
    let x = normal(1, 50 * 17);
    let mut scratch = mlp.scratch(50, true);
    scratch.input_mut(50).copy_from_slice(&x);
    let together = mlp.forward(&weights, &mut scratch, 50).to_vec();
    let mut alone = mlp.scratch(1, false);
    for (x, y) in x.chunks_exact(17).zip(together.chunks_exact(5)) {
        alone.input_mut(1).copy_from_slice(x);
        assert_eq!(mlp.infer(&weights, &mut alone, 1), y);
    }
}

#[test]
fn what_is_not_a_number_stays_visible() {
    let Some((mlp, parameters)) = network(4, &[32, 32], 1, Activation::Silu) else {
        return;
    };
    let mut weights = mlp.weights();
    mlp.pack(&parameters, &mut weights);
    let mut scratch = mlp.scratch(2, false);
    scratch
        .input_mut(2)
        .copy_from_slice(&[0.0, f32::NAN, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let y = mlp.infer(&weights, &mut scratch, 2);
    assert!(y[0].is_nan() && y[1].is_finite(), "{y:?}");
}

/// All combinations of weights, scratch and network of two precisions.
#[test]
fn weights_and_scratches_of_another_precision_are_refused() {
    let kinds = [Precision::F32, Precision::Bf16, Precision::Bf16Gradient];
    let networks: Option<Vec<Mlp>> = kinds
        .map(|precision| Some(network_in(precision, 4, &[32], 1, Activation::Silu)?.0))
        .into_iter()
        .collect();
    let Some(networks) = networks else { return };
    let indices = (0..27).map(|i| (i / 9, i / 3 % 3, i % 3));
    for (network, weights, scratch) in indices {
        let run = std::panic::catch_unwind(|| {
            let (weights, mut scratch) = (
                networks[weights].weights(),
                networks[scratch].scratch(1, true),
            );
            networks[network].infer(&weights, &mut scratch, 1);
        });
        assert_eq!(
            run.is_ok(),
            network == weights && network == scratch,
            "{network} {weights} {scratch}"
        );
    }
}
