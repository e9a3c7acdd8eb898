//! The flow policy: a velocity network and a sampler that walks noise to an action.

use super::PolicyScratch;
use crate::config::PolicyConfig;
use fpo_flow::{Sampler, VelocityField, embed_time};
use fpo_nn::{Mlp, MlpError, MlpSpec, Scratch, Weights};

/// What a flow policy is made of, without its parameters.
///
/// The network sees `concat(observation, x_t, embed(t))` and puts out the velocity v̂ = `output_scale` × its output;
/// sampling walks dx/dt = v̂ from x₁ = noise at t = 1 to the (unbounded) action at t = 0.
#[derive(Clone, Debug)]
pub struct FlowPolicy {
    /// The velocity network.
    pub network: Mlp,
    /// Entries of an observation.
    pub observation_dim: usize,
    /// Entries of an action.
    pub action_dim: usize,
    /// Entries of the embedding of t.
    pub embedding: usize,
    /// Factor on the network's output.
    pub output_scale: f32,
    /// Steps of the sampler.
    pub steps: usize,
    /// The sampler's rule.
    pub sampler: Sampler,
}

impl FlowPolicy {
    /// The policy that `config` describes, for observations and actions of these sizes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(config: &PolicyConfig, observation_dim: usize, action_dim: usize) -> Result<Self, MlpError> {
        let spec = MlpSpec {
            input: observation_dim + action_dim + config.time_embedding,
            hidden: config.hidden.clone(),
            output: action_dim,
            activation: config.activation,
        };
        Ok(Self {
            network: Mlp::new(spec)?,
            observation_dim,
            action_dim,
            embedding: config.time_embedding,
            output_scale: config.output_scale,
            steps: config.flow_steps,
            sampler: config.sampler,
        })
    }

    /// Turns noise into actions.
    ///
    /// * `observations` `[rows, observation_dim]`, normalised
    /// * `x` `[rows, action_dim]`: the noise x₁ on entry, the unbounded action on return
    pub fn sample(
        &self,
        weights: &Weights,
        observations: &[f32],
        x: &mut [f32],
        scratch: &mut PolicyScratch,
    ) {
        let rows = x.len() / self.action_dim;
        let input = scratch.network.input_mut(rows);
        let (od, width) = (self.observation_dim, self.network.spec().input);
        for (row, observation) in input.chunks_exact_mut(width).zip(observations.chunks_exact(od)) {
            row[..od].copy_from_slice(observation);
        }
        let mut field = Field {
            policy: self,
            weights,
            network: &mut scratch.network,
            embedding: &mut scratch.embedding,
        };
        self.sampler
            .integrate(&mut field, x, self.steps, &mut scratch.sampler);
    }
}

/// v̂(o, x, t) for rows whose observations already lie in the network's input.
struct Field<'a> {
    policy: &'a FlowPolicy,
    weights: &'a Weights,
    network: &'a mut Scratch,
    embedding: &'a mut [f32],
}

impl VelocityField for Field<'_> {
    fn velocity(&mut self, x: &[f32], t: f32, out: &mut [f32]) {
        let p = self.policy;
        let rows = x.len() / p.action_dim;
        embed_time(t, self.embedding);
        let width = p.network.spec().input;
        let input = self.network.input_mut(rows).chunks_exact_mut(width);
        for (row, x) in input.zip(x.chunks_exact(p.action_dim)) {
            let tail = &mut row[p.observation_dim..];
            tail[..p.action_dim].copy_from_slice(x);
            tail[p.action_dim..].copy_from_slice(self.embedding);
        }
        let output = p.network.infer(self.weights, self.network, rows);
        for (v, y) in out.iter_mut().zip(output) {
            *v = p.output_scale * y;
        }
    }
}
