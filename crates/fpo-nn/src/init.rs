//! Initial parameters.

use crate::Mlp;
use fpo_rng::{Key, fill_normal, fill_uniform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How weights are drawn; biases start at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// Uniform with variance 1/inputs (LeCun et al., *Efficient BackProp*, 1998).
    #[default]
    LecunUniform,
    /// Orthonormal rows or columns, whichever there are fewer of (Saxe et al., arXiv 1312.6120),
    /// times √2 in hidden layers.
    Orthogonal,
}

impl Mlp {
    /// Draws initial parameters. The weights of the output layer are multiplied by `final_gain`.
    /// Layer `i` uses `key` at index `256·key.index + i`.
    ///
    /// # Panics
    /// If `parameters` is not [`Mlp::parameter_count`] long.
    pub fn init(&self, how: Initialization, final_gain: f32, key: Key, parameters: &mut [f32]) {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "length of the parameter vector"
        );
        let last = self.layers().len() - 1;
        for (i, layer) in self.layers().iter().enumerate() {
            let key = key.index((key.index << 8) | i as u32);
            parameters[layer.bias.clone()].fill(0.0);
            let weight = &mut parameters[layer.weight.clone()];
            let gain = match how {
                Initialization::LecunUniform => {
                    lecun_uniform(key, layer.inputs, weight);
                    if i == last { final_gain } else { 1.0 }
                }
                Initialization::Orthogonal => {
                    orthogonal(key, layer.inputs, layer.outputs, weight);
                    if i == last {
                        final_gain
                    } else {
                        std::f32::consts::SQRT_2
                    }
                }
            };
            weight.iter_mut().for_each(|w| *w *= gain);
        }
    }
}

fn lecun_uniform(key: Key, inputs: usize, weight: &mut [f32]) {
    let bound = (3.0 / inputs as f32).sqrt();
    fill_uniform(key, weight);
    weight
        .iter_mut()
        .for_each(|w| *w = (2.0 * *w - 1.0) * bound);
}

/// Orthonormalizes a normal matrix by modified Gram–Schmidt in f64, which gives the uniform (Haar)
/// distribution.
fn orthogonal(key: Key, inputs: usize, outputs: usize, weight: &mut [f32]) {
    fill_normal(key, weight);
    let (vectors, length) = (inputs.min(outputs), inputs.max(outputs));
    // Vector v has its element e at [v, e] of the (inputs, outputs) matrix or at [e, v], whichever
    // is longer.
    let at = |v: usize, e: usize| {
        if inputs <= outputs {
            v * outputs + e
        } else {
            e * outputs + v
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    for v in 0..vectors {
        let mut x: Vec<f64> = (0..length).map(|e| f64::from(weight[at(v, e)])).collect();
        // Twice: the second pass removes the rounding errors of the first.
        for _ in 0..2 {
            for b in &basis {
                let projection = dot(&x, b);
                x.iter_mut().zip(b).for_each(|(x, b)| *x -= projection * b);
            }
        }
        let norm = dot(&x, &x).sqrt();
        x.iter_mut().for_each(|x| *x /= norm);
        (0..length).for_each(|e| weight[at(v, e)] = x[e] as f32);
        basis.push(x);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
