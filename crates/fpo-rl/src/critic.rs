//! The value network.

use crate::config::{CriticConfig, ValueScale};
use fpo_nn::{Mlp, MlpError, MlpSpec, PrecisionError, Scratch, Weights};

/// A value network and the units it predicts in, without its parameters: V(o) = `unit` × its output.
#[derive(Clone, Debug)]
pub struct Critic {
    /// The network, from a normalised observation to one number.
    pub network: Mlp,
    /// Value of a prediction of 1.
    pub unit: f32,
}

/// A critic that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CriticError {
    /// Impossible sizes.
    #[error("critic.hidden: {0}")]
    Sizes(#[from] MlpError),
    /// A precision this machine does not have.
    #[error(
        "critic.precision = \"bf16\": {0}; use --precision f32, with which results differ in their last digits"
    )]
    Precision(#[from] PrecisionError),
}

impl Critic {
    /// The critic that `config` describes.
    ///
    /// # Errors
    /// If the network's sizes are impossible or this machine does not have its precision.
    pub fn new(config: &CriticConfig, observation_dim: usize, gamma: f64) -> Result<Self, CriticError> {
        let spec = MlpSpec {
            input: observation_dim,
            hidden: config.hidden.clone(),
            output: 1,
            activation: config.activation,
        };
        let unit = match config.value_scale {
            ValueScale::None => 1.0,
            // γ = 1 has no horizon; the configuration is refused before.
            ValueScale::Horizon => 1.0 / (1.0 - gamma) as f32,
        };
        Ok(Self {
            network: Mlp::new(spec)?.with_precision(config.precision.decide())?,
            unit,
        })
    }

    /// Values of normalised `observations` `[rows, observation]` into `out` `[rows]`, in tiles that fit `scratch`.
    pub fn values(&self, weights: &Weights, observations: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let od = self.network.spec().input;
        let tile = scratch.capacity();
        for (observations, out) in observations.chunks(tile * od).zip(out.chunks_mut(tile)) {
            let rows = out.len();
            scratch.input_mut(rows).copy_from_slice(observations);
            let values = self.network.infer(weights, scratch, rows);
            out.iter_mut().zip(values).for_each(|(v, y)| *v = self.unit * y);
        }
    }
}
