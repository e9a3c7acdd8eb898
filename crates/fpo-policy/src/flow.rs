//! The flow policy: a velocity network, and a sampler that integrates from noise to an action.

use super::PolicyScratch;
use crate::PolicyConfig;
use fpo_flow::{NoiseSchedule, Sampler, SdeSampler, SdeScheme, VelocityField, embed_time};
use fpo_nn::{Mlp, MlpError, MlpSpec, Scratch, Weights};

/// A flow policy without its parameters.
///
/// The network's input is `concat(observation, x_t, embed(t))`, and the velocity v̂ is
/// `output_scale` × its output; sampling integrates dx/dt = v̂ from x₁ = noise at t = 1 to the
/// (unbounded) action at t = 0. With `step_noise` the steps are a chain of Gaussians with known
/// likelihoods, x' ~ N(x + (t' − t)·v̂, step_noise²): the policy of DPPO (Ren et al., arXiv
/// 2409.00588).
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
    /// Standard deviation of the noise that each step of the sampler adds; 0 for none. Needs
    /// Euler's rule.
    pub step_noise: f32,
}

impl FlowPolicy {
    /// The policy that `config` describes, for observations and actions of these sizes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(
        config: &PolicyConfig,
        step_noise: f32,
        observation_dim: usize,
        action_dim: usize,
    ) -> Result<Self, MlpError> {
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
            step_noise,
        })
    }

    /// Length of the noise vector of an action: x₁, and as much again for each step that adds
    /// noise.
    pub fn noise_dim(&self) -> usize {
        if self.step_noise > 0.0 {
            (self.steps + 1) * self.action_dim
        } else {
            self.action_dim
        }
    }

    /// Turns noise into actions and calls `observe(k, t_k, x)` for k = 0 (the noise) to `steps`
    /// (the action).
    ///
    /// * `observations` `[rows, observation_dim]`, normalized
    /// * `noise` `[rows, noise_dim]`
    /// * `x` `[rows, action_dim]`: written with the unbounded actions
    pub fn sample(
        &self,
        weights: &Weights,
        observations: &[f32],
        noise: &[f32],
        x: &mut [f32],
        scratch: &mut PolicyScratch,
        observe: impl FnMut(usize, f32, &[f32]),
    ) {
        let (d, width) = (self.action_dim, self.noise_dim());
        let rows = x.len() / d;
        // Part `k` of every row's noise.
        let part = |k: usize, out: &mut [f32]| {
            for (out, noise) in out.chunks_exact_mut(d).zip(noise.chunks_exact(width)) {
                out.copy_from_slice(&noise[k * d..][..d]);
            }
        };
        part(0, x);
        let input = scratch.network.input_mut(rows);
        let (od, width) = (self.observation_dim, self.network.spec().input);
        for (row, observation) in input
            .chunks_exact_mut(width)
            .zip(observations.chunks_exact(od))
        {
            row[..od].copy_from_slice(observation);
        }
        self.network
            .prepare(weights, &mut scratch.network, rows, od);
        let mut field = Field {
            policy: self,
            weights,
            network: &mut scratch.network,
            embedding: &mut scratch.embedding,
        };
        let (steps, scratch) = (self.steps, &mut scratch.sampler);
        if self.step_noise > 0.0 {
            let noisy = SdeSampler {
                sigma: f64::from(self.step_noise),
                schedule: NoiseSchedule::PerStep,
                scheme: SdeScheme::Uncorrected,
            };
            let draw = |k: usize, z: &mut [f32]| part(k + 1, z);
            noisy.integrate_observed(&mut field, x, steps, scratch, draw, observe);
        } else {
            self.sampler
                .integrate_observed(&mut field, x, steps, scratch, observe);
        }
    }
}

/// v̂(o, x, t) for rows whose observations are already in the network's input.
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
        let output = p
            .network
            .infer_prepared(self.weights, self.network, rows, x, self.embedding);
        for (v, y) in out.iter_mut().zip(output) {
            *v = p.output_scale * y;
        }
    }
}
