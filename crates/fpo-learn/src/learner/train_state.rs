//! What is learned: the parameters of two networks and their optimizers.

use fpo_nn::{Adam, AdamConfig, Mlp, Weights};

/// A network's parameters while they are learned.
#[derive(Clone)]
pub struct TrainState {
    /// The parameters.
    pub parameters: Vec<f32>,
    /// Their optimizer.
    pub adam: Adam,
    /// The parameters as the kernels read them.
    pub weights: Weights,
}

impl TrainState {
    /// `parameters` of `network` before the first step.
    pub fn new(network: &Mlp, parameters: Vec<f32>, adam: AdamConfig) -> Self {
        let mut weights = network.weights();
        network.pack(&parameters, &mut weights);
        Self {
            adam: Adam::new(adam, parameters.len()),
            parameters,
            weights,
        }
    }

    /// Whether every parameter and every moment is a number.
    pub fn is_finite(&self) -> bool {
        [&self.parameters, &self.adam.first, &self.adam.second]
            .iter()
            .all(|x| x.iter().all(|x| x.is_finite()))
    }

    /// Whether it can be what training left: finite, with non-negative second moments.
    pub fn is_valid(&self) -> bool {
        self.is_finite() && self.adam.second.iter().all(|x| *x >= 0.0)
    }

    /// One optimizer step with learning rate `lr`, and the weights that follow from it.
    pub fn step(&mut self, network: &Mlp, gradient: &[f32], lr: f32) {
        self.adam.step(&mut self.parameters, gradient, lr);
        network.pack(&self.parameters, &mut self.weights);
    }
}

/// What is learned: a policy and a critic.
#[derive(Clone)]
pub struct ActorCritic {
    /// The policy's network.
    pub policy: TrainState,
    /// The critic's.
    pub critic: TrainState,
}
