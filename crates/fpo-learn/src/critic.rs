//! The value network.

use fpo_nn::{Activation, Initialization, Mlp, MlpError, MlpSpec, Scratch, Weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The units of the critic's predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueScale {
    /// The (scaled) return itself, as published.
    None,
    /// The return times (1 − γ): the discounted average reward, on the scale of one reward.
    Horizon,
}

/// The value network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CriticConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Initialization of the weights; biases start at zero.
    pub initialization: Initialization,
    /// Factor on the initial weights of the output layer.
    pub final_gain: f32,
    /// Units of the prediction.
    pub value_scale: ValueScale,
    /// Weight of the value loss.
    pub loss_coefficient: f32,
}

impl Default for CriticConfig {
    fn default() -> Self {
        Self {
            hidden: vec![256; 5],
            activation: Activation::Silu,
            initialization: Initialization::LecunUniform,
            final_gain: 1.0,
            value_scale: ValueScale::None,
            loss_coefficient: 0.25,
        }
    }
}

/// A value network and the unit of its predictions, without its parameters: V(o) = `unit` × its
/// output.
#[derive(Clone, Debug)]
pub struct Critic {
    /// The network, from a normalized observation to one number.
    pub network: Mlp,
    /// Value of a prediction of 1.
    pub unit: f32,
}

impl Critic {
    /// The critic that `config` describes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(
        config: &CriticConfig,
        observation_dim: usize,
        gamma: f64,
    ) -> Result<Self, MlpError> {
        let spec = MlpSpec {
            input: observation_dim,
            hidden: config.hidden.clone(),
            output: 1,
            activation: config.activation,
        };
        let unit = match config.value_scale {
            ValueScale::None => 1.0,
            // γ = 1 has no horizon; validation rejects that configuration.
            ValueScale::Horizon => 1.0 / (1.0 - gamma) as f32,
        };
        Ok(Self {
            network: Mlp::new(spec)?,
            unit,
        })
    }

    /// Values of normalized `observations` `[rows, observation]` into `out` `[rows]`, in tiles that
    /// fit `scratch`.
    pub fn values(
        &self,
        weights: &Weights,
        observations: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let od = self.network.spec().input;
        let tile = scratch.capacity();
        for (observations, out) in observations.chunks(tile * od).zip(out.chunks_mut(tile)) {
            let rows = out.len();
            scratch.input_mut(rows).copy_from_slice(observations);
            let values = self.network.infer(weights, scratch, rows);
            out.iter_mut()
                .zip(values)
                .for_each(|(v, y)| *v = self.unit * y);
        }
    }
}
