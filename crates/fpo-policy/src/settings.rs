//! Settings of the policy's network and of its actions.

use fpo_flow::Sampler;
use fpo_nn::{Activation, Initialization};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an unbounded action of the policy reaches the environment's action range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Squash {
    /// tanh, then linearly onto the range.
    Tanh,
    /// Clipped to [−1, 1], then linearly onto the range.
    Clip,
}

/// What the standard deviation of a Gaussian policy depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StdKind {
    /// On the observation: softplus of an output of the network, plus 0.001. (The published
    /// comparison with FPO, after Brax.)
    StateDependent,
    /// On nothing: exp of one learned parameter per action entry. (Stable-Baselines3.)
    StateIndependent,
}

/// The policy: a flow, or a Gaussian with objective.method = "ppo" or "reppo".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Initialization of the weights; biases start at zero.
    pub initialization: Initialization,
    /// Factor on the initial weights of the output layer.
    pub final_gain: f32,
    /// Factor on the network's output, the velocity (flow).
    pub output_scale: f32,
    /// Steps of the sampler from noise (t = 1) to action (t = 0) (flow).
    pub flow_steps: usize,
    /// The sampler's rule (flow; dppo needs Euler's).
    pub sampler: Sampler,
    /// Standard deviation of the noise that every step of the sampler adds (dppo).
    pub step_noise: f32,
    /// Entries of the embedding of t; even (flow).
    pub time_embedding: usize,
    /// What the standard deviation depends on (Gaussian).
    pub std: StdKind,
    /// Initial standard deviation with std = "state_independent" (Gaussian). The other kind starts
    /// near softplus(0) = 0.69.
    pub initial_std: f32,
    /// Standard deviation of noise that is added to the unbounded action in training (fpo, awfm,
    /// qfm; FPO++: 0.02); 0 for none. What is learned from is the action with its noise.
    pub action_noise: f32,
    /// The action noise decreases linearly to this fraction at the end of the run (fpo, awfm, qfm);
    /// 1 keeps it constant.
    pub final_noise_fraction: f32,
    /// How the action reaches the environment's range.
    pub squash: Squash,
    /// Entries of the unbounded action are clipped to ± this before squashing; 0 for no bound. A
    /// flow learns from the clipped action: beyond a few units squashed actions hardly differ, but
    /// their flow-matching losses grow. Methods with likelihoods (ppo, dppo) learn from the
    /// unclipped sample; a critic of actions (qfm, reppo) sees the clipped one.
    pub action_bound: f32,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            hidden: vec![32; 4],
            activation: Activation::Silu,
            initialization: Initialization::LecunUniform,
            final_gain: 1.0,
            output_scale: 0.25,
            flow_steps: 10,
            sampler: Sampler::Euler,
            step_noise: 0.1,
            time_embedding: 8,
            std: StdKind::StateDependent,
            initial_std: 1.0,
            action_noise: 0.0,
            final_noise_fraction: 1.0,
            squash: Squash::Tanh,
            action_bound: 0.0,
        }
    }
}
