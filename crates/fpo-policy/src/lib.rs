//! Policies: functions from an observation and noise to an action.
//!
//! [`Policy::load`] reads a policy that training exported, and its [`Actor`] computes actions.
//! Training itself uses the [`Model`]: a network, and the mapping from its outputs to an action.
//! This crate knows nothing of rewards, threads or files; it is all that a robot or a browser
//! needs.

#![forbid(unsafe_code)]

mod action;
mod actor;
mod file;
mod flow;
mod gaussian;
pub mod moments;
mod settings;

pub use action::ActionMap;
pub use actor::{ActBuffers, Actor, NonFiniteAction};
pub use file::{Policy, PolicyError};
pub use flow::FlowPolicy;
pub use gaussian::{GaussianPolicy, STD_FLOOR};
pub use settings::{PolicyConfig, Squash, StdKind};

use fpo_nn::{Mlp, MlpError, Precision, PrecisionError, Scratch, Weights};
use fpo_rng::Key;

/// The kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A flow: noise is integrated along a velocity field to an action.
    Flow,
    /// A flow each of whose steps adds noise ([`PolicyConfig::step_noise`]), so that steps have
    /// likelihoods.
    NoisyFlow,
    /// A Gaussian.
    Gaussian,
}

impl PolicyKind {
    /// Entries of the network's input besides the observation, for actions of `action` entries: x_t
    /// and the embedding of t of a flow.
    pub fn sample_input_dim(self, settings: &PolicyConfig, action: usize) -> usize {
        match self {
            Self::Flow | Self::NoisyFlow => action + settings.time_embedding,
            Self::Gaussian => 0,
        }
    }

    /// Entries of a sample's regression target: ε of a pair or the velocity of a step of a flow; 0
    /// for a Gaussian.
    pub fn target_dim(self, action: usize) -> usize {
        match self {
            Self::Flow | Self::NoisyFlow => action,
            Self::Gaussian => 0,
        }
    }
}

/// A policy without its parameters.
///
/// Either kind computes an (unbounded) action from an observation and [`Model::noise_dim`] numbers
/// of noise; zeros give the deterministic action.
#[derive(Clone, Debug)]
pub enum Model {
    /// Noise is integrated along a velocity field.
    Flow(FlowPolicy),
    /// Noise is scaled and shifted.
    Gaussian(GaussianPolicy),
}

impl Model {
    /// The policy of this kind that `settings` describe, for observations and actions of these
    /// sizes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(
        kind: PolicyKind,
        settings: &PolicyConfig,
        observation_dim: usize,
        action_dim: usize,
    ) -> Result<Self, MlpError> {
        let flow = |step_noise| FlowPolicy::new(settings, step_noise, observation_dim, action_dim);
        Ok(match kind {
            PolicyKind::Flow => Self::Flow(flow(0.0)?),
            PolicyKind::NoisyFlow => Self::Flow(flow(settings.step_noise)?),
            PolicyKind::Gaussian => {
                Self::Gaussian(GaussianPolicy::new(settings, observation_dim, action_dim)?)
            }
        })
    }

    /// The same policy with its network's products in `precision`.
    ///
    /// # Errors
    /// If this machine does not have that precision.
    pub fn with_precision(mut self, precision: Precision) -> Result<Self, PrecisionError> {
        let (Self::Flow(FlowPolicy { network, .. })
        | Self::Gaussian(GaussianPolicy { network, .. })) = &mut self;
        *network = network.clone().with_precision(precision)?;
        Ok(self)
    }

    /// The network.
    pub fn network(&self) -> &Mlp {
        match self {
            Self::Flow(p) => &p.network,
            Self::Gaussian(p) => &p.network,
        }
    }

    /// Entries of an observation.
    pub fn observation_dim(&self) -> usize {
        match self {
            Self::Flow(p) => p.observation_dim,
            Self::Gaussian(p) => p.observation_dim,
        }
    }

    /// Entries of an action.
    pub fn action_dim(&self) -> usize {
        match self {
            Self::Flow(p) => p.action_dim,
            Self::Gaussian(p) => p.action_dim,
        }
    }

    /// Length of the noise vector of an action.
    pub fn noise_dim(&self) -> usize {
        match self {
            Self::Flow(p) => p.noise_dim(),
            Self::Gaussian(p) => p.action_dim,
        }
    }

    /// Entries of the embedding of t in the network's input.
    pub fn embedding(&self) -> usize {
        match self {
            Self::Flow(p) => p.embedding,
            Self::Gaussian(_) => 0,
        }
    }

    /// Draws initial parameters.
    pub fn init(&self, settings: &PolicyConfig, key: Key, parameters: &mut [f32]) {
        self.network().init(
            settings.initialization,
            settings.final_gain,
            key,
            parameters,
        );
        if let Self::Gaussian(p) = self {
            p.start(settings.initial_std, parameters);
        }
    }

    /// Buffers to sample up to `rows` actions at a time.
    pub fn scratch(&self, rows: usize) -> PolicyScratch {
        PolicyScratch::new(self.network(), rows, self.embedding())
    }

    /// Turns noise into actions.
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
    ) {
        match self {
            Self::Flow(p) => p.sample(weights, observations, noise, x, scratch, |_, _, _| {}),
            Self::Gaussian(p) => p.sample(weights, observations, noise, x, scratch),
        }
    }

    /// Turns the network's outputs into predictions, both `[rows, output]`: v̂ of a flow, (μ, σ) of
    /// a Gaussian.
    pub fn predict(&self, outputs: &[f32], predictions: &mut [f32]) {
        match self {
            Self::Flow(p) => {
                let pairs = predictions.iter_mut().zip(outputs);
                pairs.for_each(|(v, y)| *v = p.output_scale * y);
            }
            Self::Gaussian(p) => p.predict(outputs, predictions),
        }
    }

    /// The constant part of ∂prediction/∂output, which [`Model::chain`] leaves to its caller.
    pub fn gain(&self) -> f32 {
        match self {
            Self::Flow(p) => p.output_scale,
            Self::Gaussian(_) => 1.0,
        }
    }

    /// Turns the gradient at the predictions, times [`Model::gain`], into that at the network's
    /// outputs; both `[rows, output]`.
    pub fn chain(&self, predictions: &[f32], gradient: &mut [f32]) {
        match self {
            Self::Flow(_) => {}
            Self::Gaussian(p) => p.chain(predictions, gradient),
        }
    }

    /// Sets the gradient of frozen parameters to zero.
    pub fn freeze(&self, gradient: &mut [f32]) {
        match self {
            Self::Flow(_) => {}
            Self::Gaussian(p) => p.freeze(gradient),
        }
    }
}

/// Buffers of [`Model::sample`].
pub struct PolicyScratch {
    network: Scratch,
    sampler: fpo_flow::Scratch,
    embedding: Vec<f32>,
}

impl PolicyScratch {
    fn new(network: &Mlp, rows: usize, embedding: usize) -> Self {
        Self {
            network: network.scratch(rows, false),
            sampler: fpo_flow::Scratch::new(),
            embedding: vec![0.0; embedding],
        }
    }

    /// Actions that can be sampled at once.
    pub fn capacity(&self) -> usize {
        self.network.capacity()
    }
}
