//! A plain f64 multi-layer perceptron as reference.

use fpo_nn::{Activation, Mlp};

/// f(z) and f′(z) by definition.
pub fn activation(activation: Activation, z: f64) -> (f64, f64) {
    match activation {
        Activation::Silu => {
            let s = 1.0 / (1.0 + (-z).exp());
            (z * s, s + z * s * (1.0 - s))
        }
        Activation::Elu => {
            if z > 0.0 {
                (z, 1.0)
            } else {
                (z.exp_m1(), z.exp())
            }
        }
        Activation::Relu => {
            if z > 0.0 {
                (z, 1.0)
            } else {
                (0.0, 0.0)
            }
        }
        Activation::Tanh => (z.tanh(), 1.0 - z.tanh().powi(2)),
    }
}

/// A layer's input, and the derivative at its output.
type Kept = (Vec<f64>, Vec<f64>);

/// Output of one row, and each layer's input and derivative at its output (1 for the last layer).
pub fn forward(mlp: &Mlp, parameters: &[f64], x: &[f64]) -> (Vec<f64>, Vec<Kept>) {
    let mut kept = Vec::new();
    let mut x = x.to_vec();
    for (l, layer) in mlp.layers().iter().enumerate() {
        let (weight, bias) = (
            &parameters[layer.weight.clone()],
            &parameters[layer.bias.clone()],
        );
        let z: Vec<f64> = (0..layer.outputs)
            .map(|j| {
                bias[j]
                    + (0..layer.inputs)
                        .map(|i| x[i] * weight[i * layer.outputs + j])
                        .sum::<f64>()
            })
            .collect();
        let (y, d) = if l + 1 == mlp.layers().len() {
            (z.clone(), vec![1.0; z.len()])
        } else {
            z.iter()
                .map(|&z| activation(mlp.spec().activation, z))
                .unzip()
        };
        kept.push((std::mem::replace(&mut x, y), d));
    }
    (x, kept)
}

/// Adds the gradient of Σ output·d_output of one row to `gradient`, and returns that at the inputs.
pub fn backward(
    mlp: &Mlp,
    parameters: &[f64],
    x: &[f64],
    d_output: &[f64],
    gradient: &mut [f64],
) -> Vec<f64> {
    let (_, kept) = forward(mlp, parameters, x);
    let mut d = d_output.to_vec();
    for (layer, (x, derivative)) in mlp.layers().iter().zip(&kept).rev() {
        d.iter_mut().zip(derivative).for_each(|(d, f)| *d *= f);
        for (j, d) in d.iter().enumerate() {
            gradient[layer.bias.start + j] += d;
            for (i, x) in x.iter().enumerate() {
                gradient[layer.weight.start + i * layer.outputs + j] += x * d;
            }
        }
        let weight = &parameters[layer.weight.clone()];
        d = (0..layer.inputs)
            .map(|i| {
                d.iter()
                    .zip(&weight[i * layer.outputs..])
                    .map(|(d, w)| d * w)
                    .sum()
            })
            .collect();
    }
    d
}

/// Largest difference, relative to the largest expected number.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    found
        .iter()
        .zip(expected)
        .map(|(&f, e)| (f64::from(f) - e).abs())
        .fold(0.0, f64::max)
        / scale
}
