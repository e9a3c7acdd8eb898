//! Distributions of initial parameters.

use fpo_nn::{Activation, Initialization, Mlp, MlpSpec};
use fpo_rng::{Key, Stream};

fn initial(how: Initialization, final_gain: f32, widths: [usize; 4]) -> (Mlp, Vec<f32>) {
    let [input, a, b, output] = widths;
    let mlp = Mlp::new(MlpSpec {
        input,
        hidden: vec![a, b],
        output,
        activation: Activation::Relu,
    })
    .unwrap();
    let mut parameters = vec![f32::NAN; mlp.parameter_count()];
    mlp.init(how, final_gain, Key::new(5, Stream::Init), &mut parameters);
    (mlp, parameters)
}

#[test]
fn lecun_uniform_has_variance_one_over_inputs() {
    let (mlp, parameters) = initial(Initialization::LecunUniform, 0.1, [50, 400, 300, 200]);
    for (i, layer) in mlp.layers().iter().enumerate() {
        let weight = &parameters[layer.weight.clone()];
        let gain: f64 = if i == 2 { 0.1 } else { 1.0 };
        let n = weight.len() as f64;
        let mean = weight.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
        let variance = weight.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n;
        let expected = gain * gain / layer.inputs as f64;
        // Five standard errors; a uniform variable has kurtosis 9/5.
        assert!(
            mean.abs() < 5.0 * (expected / n).sqrt(),
            "layer {i}: mean {mean}"
        );
        assert!(
            (variance / expected - 1.0).abs() < 5.0 * (0.8 / n).sqrt(),
            "layer {i}: variance {variance}"
        );
        let bound = gain * (3.0 / layer.inputs as f64).sqrt();
        assert!(
            weight
                .iter()
                .all(|&w| f64::from(w).abs() <= bound * 1.000_001),
            "layer {i}"
        );
        assert!(parameters[layer.bias.clone()].iter().all(|&b| b == 0.0));
    }
}

#[test]
fn orthogonal_weights_are_orthogonal() {
    let (mlp, parameters) = initial(Initialization::Orthogonal, 0.01, [12, 64, 64, 5]);
    for (l, layer) in mlp.layers().iter().enumerate() {
        let weight = &parameters[layer.weight.clone()];
        let gain: f64 = if l == 2 { 0.01 } else { 2f64.sqrt() };
        let rows_are_fewer = layer.inputs <= layer.outputs;
        let (vectors, length) = if rows_are_fewer {
            (layer.inputs, layer.outputs)
        } else {
            (layer.outputs, layer.inputs)
        };
        let at = |v: usize, e: usize| {
            f64::from(if rows_are_fewer {
                weight[v * layer.outputs + e]
            } else {
                weight[e * layer.outputs + v]
            })
        };
        for a in 0..vectors {
            for b in 0..=a {
                let product: f64 =
                    (0..length).map(|e| at(a, e) * at(b, e)).sum::<f64>() / (gain * gain);
                let expected = if a == b { 1.0 } else { 0.0 };
                assert!(
                    (product - expected).abs() < 1e-6,
                    "layer {l}: {a}·{b} = {product}"
                );
            }
        }
    }
}

#[test]
fn layers_and_keys_draw_different_numbers() {
    let (mlp, first) = initial(Initialization::LecunUniform, 1.0, [16, 16, 16, 16]);
    let mut other = first.clone();
    mlp.init(
        Initialization::LecunUniform,
        1.0,
        Key::new(5, Stream::Init).index(1),
        &mut other,
    );
    let weight = |parameters: &[f32], l: usize| parameters[mlp.layers()[l].weight.clone()].to_vec();
    assert_ne!(weight(&first, 0), weight(&first, 1));
    assert_ne!(weight(&first, 0), weight(&other, 0));
    assert_ne!(weight(&first, 1), weight(&other, 0));
}
