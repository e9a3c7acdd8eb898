//! The passes against a plain f64 implementation, and that against finite differences.

use crate::common::{backward, forward, relative_error};
use fpo_nn::{Activation, Initialization, Mlp, MlpSpec};
use fpo_rng::{Key, Stream, fill_normal};

const ACTIVATIONS: [Activation; 4] = [
    Activation::Silu,
    Activation::Elu,
    Activation::Relu,
    Activation::Tanh,
];

fn key(step: u64) -> Key {
    Key::new(11, Stream::Test).step(step)
}

fn normal(step: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    fill_normal(key(step), &mut out);
    out
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A network with random biases too, so that no term is zero by chance.
fn network(
    input: usize,
    hidden: &[usize],
    output: usize,
    activation: Activation,
) -> (Mlp, Vec<f32>) {
    let mlp = Mlp::new(MlpSpec {
        input,
        hidden: hidden.to_vec(),
        output,
        activation,
    })
    .unwrap();
    let mut parameters = vec![0.0; mlp.parameter_count()];
    mlp.init(Initialization::LecunUniform, 1.0, key(0), &mut parameters);
    for layer in mlp.layers() {
        let bias = normal(1 + layer.bias.start as u64, layer.outputs);
        parameters[layer.bias.clone()]
            .iter_mut()
            .zip(bias)
            .for_each(|(b, z)| *b = 0.3 * z);
    }
    (mlp, parameters)
}

/// Sizes below, equal to and above multiples of blocks of rows, vectors and panels.
const SHAPES: [(usize, &[usize], usize); 8] = [
    (31, &[32, 32, 32, 32], 6),
    (17, &[256, 256], 1),
    (1, &[1], 1),
    (5, &[], 3),
    (40, &[], 70),
    (3, &[33, 7, 65], 34),
    (16, &[16, 128], 16),
    (2, &[64, 64], 2),
];

#[test]
fn the_reference_agrees_with_finite_differences() {
    for activation in ACTIVATIONS {
        let (mlp, parameters) = network(3, &[7, 5], 2, activation);
        let mut parameters = wide(&parameters);
        let (x, d) = (wide(&normal(2, 3)), wide(&normal(3, 2)));
        let mut gradient = vec![0.0; parameters.len()];
        backward(&mlp, &parameters, &x, &d, &mut gradient);
        let loss = |p: &[f64]| {
            forward(&mlp, p, &x)
                .0
                .iter()
                .zip(&d)
                .map(|(y, d)| y * d)
                .sum::<f64>()
        };
        for i in 0..parameters.len() {
            let (at, h) = (parameters[i], 1e-6);
            parameters[i] = at + h;
            let above = loss(&parameters);
            parameters[i] = at - h;
            let below = loss(&parameters);
            parameters[i] = at;
            let slope = (above - below) / (2.0 * h);
            assert!(
                (slope - gradient[i]).abs() < 1e-8,
                "{activation:?} {i}: {slope} {}",
                gradient[i]
            );
        }
    }
}

#[test]
fn outputs_and_gradients_agree_with_the_reference() {
    for activation in ACTIVATIONS {
        for (case, (input, hidden, output)) in SHAPES.into_iter().enumerate() {
            let (mlp, parameters) = network(input, hidden, output, activation);
            let exact = wide(&parameters);
            let mut weights = mlp.weights();
            mlp.pack(&parameters, &mut weights);
            let mut scratch = mlp.scratch(40, true);
            // Alternate full and small tiles on one scratch: leftovers of an earlier tile must not
            // matter.
            let mut gradient = vec![0.0; mlp.parameter_count()];
            let mut expected = vec![0.0; mlp.parameter_count()];
            for rows in [40, 3, 13, 1, 8] {
                let x = normal(case as u64 * 100 + rows as u64, rows * input);
                let d = normal(case as u64 * 100 + 50 + rows as u64, rows * output);
                scratch.input_mut(rows).copy_from_slice(&x);
                let y = mlp.forward(&weights, &mut scratch, rows).to_vec();
                scratch.output_and_gradient_mut(rows).1.copy_from_slice(&d);
                mlp.backward(&weights, &mut scratch, rows, &mut gradient);
                let mut reference = Vec::new();
                for (x, d) in x.chunks(input).zip(d.chunks(output)) {
                    reference.extend(forward(&mlp, &exact, &wide(x)).0);
                    backward(&mlp, &exact, &wide(x), &wide(d), &mut expected);
                }
                let error = relative_error(&y, &reference);
                assert!(
                    error < 2e-6,
                    "{activation:?} {:?} rows {rows}: output off by {error}",
                    mlp.spec()
                );
            }
            for layer in mlp.layers() {
                for range in [layer.weight.clone(), layer.bias.clone()] {
                    let error = relative_error(&gradient[range.clone()], &expected[range]);
                    assert!(
                        error < 5e-6,
                        "{activation:?} {:?}: gradient off by {error}",
                        mlp.spec()
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_tile() {
    for (input, hidden, output) in SHAPES {
        let (mlp, parameters) = network(input, hidden, output, Activation::Silu);
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let x = normal(5, 37 * input);
        let mut training = mlp.scratch(37, true);
        training.input_mut(37).copy_from_slice(&x);
        let whole = mlp.forward(&weights, &mut training, 37).to_vec();
        for (size, train) in [(37, false), (1, false), (5, true), (8, false), (16, true)] {
            let mut scratch = mlp.scratch(size, train);
            let mut parts = Vec::new();
            for x in x.chunks(size * input) {
                let rows = x.len() / input;
                scratch.input_mut(rows).copy_from_slice(x);
                parts.extend_from_slice(mlp.infer(&weights, &mut scratch, rows));
            }
            assert_eq!(parts, whole, "tiles of {size} rows");
        }
    }
}

#[test]
fn extreme_inputs_neither_overflow_nor_hide_nan() {
    for activation in ACTIVATIONS {
        let (mlp, parameters) = network(4, &[32], 3, activation);
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let mut scratch = mlp.scratch(2, true);
        let mut gradient = vec![0.0; mlp.parameter_count()];
        for scale in [0.0, 1e-30, 1e3, 1e15] {
            let input = scratch.input_mut(2);
            input
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = if i % 2 == 0 { scale } else { -scale });
            assert!(
                mlp.forward(&weights, &mut scratch, 2)
                    .iter()
                    .all(|y| y.is_finite()),
                "{activation:?} {scale}"
            );
            scratch.output_and_gradient_mut(2).1.fill(1.0);
            mlp.backward(&weights, &mut scratch, 2, &mut gradient);
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{activation:?} {scale}"
            );
        }
        scratch
            .input_mut(2)
            .copy_from_slice(&[0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0]);
        let y = mlp.infer(&weights, &mut scratch, 2);
        assert!(
            y[..3].iter().all(|y| y.is_finite()),
            "NaN leaked into another row: {y:?}"
        );
        assert!(
            y[3..].iter().all(|y| y.is_nan()),
            "{activation:?} hid NaN: {y:?}"
        );
    }
}

#[test]
fn no_rows_are_no_work() {
    let (mlp, parameters) = network(4, &[8], 3, Activation::Elu);
    let mut weights = mlp.weights();
    mlp.pack(&parameters, &mut weights);
    let mut scratch = mlp.scratch(8, true);
    assert!(mlp.forward(&weights, &mut scratch, 0).is_empty());
    let mut gradient = vec![1.0; mlp.parameter_count()];
    mlp.backward(&weights, &mut scratch, 0, &mut gradient);
    assert!(gradient.iter().all(|&g| g == 1.0));
}

/// Prepared inputs and common inputs of any number give the same outputs as whole rows, and a row's
/// bits do not depend on other rows.
#[test]
fn prepared_inputs_give_the_same_outputs() {
    for (input, hidden, output) in SHAPES {
        let (mlp, parameters) = network(input, hidden, output, Activation::Silu);
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let mut scratch = mlp.scratch(21, false);
        for (known, common) in [
            (0, 0),
            (1, 0),
            (input / 2, input / 4),
            (0, input),
            (input, 0),
            (input / 2, input - input / 2),
        ] {
            let own = input - known - common;
            let mut first = Vec::new();
            for rows in [21, 1, 8] {
                let mut x = normal(1, rows * input);
                scratch.input_mut(rows).copy_from_slice(&x);
                mlp.prepare(&weights, &mut scratch, rows, known);
                for step in 0..2 {
                    let shared = normal(4 + step, common);
                    let new = normal(2 + step, rows * own);
                    for (k, x) in x.chunks_exact_mut(input).enumerate() {
                        x[known..known + own].copy_from_slice(&new[k * own..][..own]);
                        x[known + own..].copy_from_slice(&shared);
                    }
                    // Prepared inputs are not read again.
                    scratch.input_mut(rows).fill(f32::NAN);
                    let found = mlp
                        .infer_prepared(&weights, &mut scratch, rows, &new, &shared)
                        .to_vec();
                    scratch.input_mut(rows).copy_from_slice(&x);
                    let expected = mlp.infer(&weights, &mut scratch, rows);
                    for (found, expected) in found.iter().zip(expected) {
                        assert!(
                            (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                            "{known} + {own} + {common}"
                        );
                    }
                    if rows == 21 {
                        first.push(found);
                    } else {
                        assert_eq!(
                            found,
                            first[step as usize][..rows * output],
                            "{rows} rows of {known} + {own} + {common}"
                        );
                    }
                }
            }
        }
    }
}

/// Gradients at the inputs against central differences of the f64 reference, for all shapes.
#[test]
fn gradients_at_the_inputs_agree_with_finite_differences() {
    for activation in ACTIVATIONS {
        for (input, hidden, output) in SHAPES {
            let (mlp, parameters) = network(input, hidden, output, activation);
            let mut weights = mlp.weights();
            mlp.pack(&parameters, &mut weights);
            let rows = 11;
            let (x, d_output) = (normal(90, rows * input), normal(91, rows * output));
            let mut scratch = mlp.scratch(rows, true);
            scratch.input_mut(rows).copy_from_slice(&x);
            mlp.forward(&weights, &mut scratch, rows);
            scratch
                .output_and_gradient_mut(rows)
                .1
                .copy_from_slice(&d_output);
            let found = mlp.backward_to_inputs(&weights, &mut scratch, rows);

            let loss = |row: usize, x: &[f64]| -> f64 {
                let y = forward(&mlp, &wide(&parameters), x).0;
                let d = &d_output[row * output..][..output];
                y.iter().zip(d).map(|(y, d)| y * f64::from(*d)).sum()
            };
            let mut expected = vec![0.0; rows * input];
            for row in [0, 7, 10] {
                for i in 0..input {
                    let moved = |h: f64| {
                        let mut x = wide(&x[row * input..][..input]);
                        x[i] += h;
                        loss(row, &x)
                    };
                    expected[row * input + i] = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                }
                let at = row * input..(row + 1) * input;
                let error = relative_error(&found[at.clone()], &expected[at]);
                assert!(
                    error < 1e-4,
                    "{activation:?} {input} {hidden:?} {output}: {error}"
                );
            }
        }
    }
}
