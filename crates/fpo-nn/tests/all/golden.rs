//! Networks, the optimizer and named tensors against values computed by the authors' JAX code.

use crate::common::relative_error;
use fpo_nn::{Activation, Adam, AdamConfig, Mlp, MlpSpec};
use safetensors::SafeTensors;

const FILES: [&[u8]; 3] = [
    include_bytes!("../golden/fpo_eps_average.safetensors"),
    include_bytes!("../golden/fpo_eps_per_sample.safetensors"),
    include_bytes!("../golden/fpo_velocity_average.safetensors"),
];

fn numbers(file: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap();
    tensor
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

/// The network with the shapes of the tensors with `prefix`.
fn network(file: &SafeTensors, prefix: &str) -> Mlp {
    let shape = |i: usize| {
        file.tensor(&format!("{prefix}{i}.weight"))
            .map(|t| t.shape().to_vec())
    };
    let shapes: Vec<Vec<usize>> = (0..).map_while(|i| shape(i).ok()).collect();
    let (last, hidden) = shapes.split_last().unwrap();
    Mlp::new(MlpSpec {
        input: shapes[0][0],
        hidden: hidden.iter().map(|shape| shape[1]).collect(),
        output: last[1],
        activation: Activation::Silu,
    })
    .unwrap()
}

#[test]
fn values_of_the_critic() {
    for file in FILES {
        let file = SafeTensors::deserialize(file).unwrap();
        let mlp = network(&file, "params.value.");
        let mut weights = mlp.weights();
        mlp.pack(&mlp.load("params.value.", &file).unwrap(), &mut weights);
        let (mean, std) = (numbers(&file, "obs_mean"), numbers(&file, "obs_std"));
        let mut observations = numbers(&file, "obs");
        for row in observations.chunks_mut(mean.len()) {
            row.iter_mut()
                .zip(&mean)
                .zip(&std)
                .for_each(|((x, mean), std)| *x = (*x - mean) / std);
        }
        let rows = observations.len() / mean.len();
        let mut scratch = mlp.scratch(rows, false);
        scratch.input_mut(rows).copy_from_slice(&observations);
        let expected: Vec<f64> = numbers(&file, "values")
            .into_iter()
            .map(f64::from)
            .collect();
        let error = relative_error(mlp.infer(&weights, &mut scratch, rows), &expected);
        assert!(error < 2e-6, "values off by {error}");
    }
}

#[test]
fn one_step_of_adam() {
    for file in FILES {
        let file = SafeTensors::deserialize(file).unwrap();
        for network_name in ["policy", "value"] {
            let mlp = network(&file, &format!("params.{network_name}."));
            let load = |what: &str| mlp.load(&format!("{what}.{network_name}."), &file).unwrap();
            let before = load("params");
            let mut parameters = before.clone();
            let config = AdamConfig::default();
            let mut adam = Adam::new(config, parameters.len());
            adam.step(&mut parameters, &load("grads"), config.learning_rate);
            // Compare the step itself, because it hardly changes the parameters.
            for ((after, before), expected) in
                parameters.iter().zip(&before).zip(load("after_adam"))
            {
                let (found, expected) = (after - before, expected - before);
                assert!(
                    (found - expected).abs() <= 1e-7 + 1e-4 * expected.abs(),
                    "{found} for {expected}"
                );
            }
        }
    }
}
