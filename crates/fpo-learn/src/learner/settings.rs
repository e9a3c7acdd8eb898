//! Settings of the optimizer: learning rates, epochs and minibatches; and what a learner knows of
//! all settings.

use super::{AdaptiveLr, Networks};
use crate::advantage::{AdvantageNormalization, Gae, SoftmaxWeights};
use crate::objective::{
    BoundPull, EntropyBonus, MeanNoise, PolicyObjective, QGradient, SampleLoss, ValueLoss,
};
use crate::reduce::GradientSum;
use crate::rollout::{Batch, BatchDims};
use fpo_nn::AdamConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Optimizer, epochs and minibatches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Adam's learning rate for the policy.
    pub learning_rate: f32,
    /// Adam's learning rate for the critic.
    pub critic_learning_rate: f32,
    /// Learning rates decrease linearly to this fraction at the end of the run; 1 keeps them
    /// constant.
    pub final_lr_fraction: f32,
    /// Target of the metric `approx_kl` (in nats) for an iteration. Above twice this, the policy's
    /// learning rate is divided by 1.5; below half of it, multiplied by 1.5. 0 disables.
    pub target_kl: f32,
    /// Limit on the metric `approx_kl` (in nats): an iteration's epochs end before the first
    /// minibatch that exceeds it. 0 disables. For a flow it is relative to the policy's spread, so
    /// that steps become smaller as the policy sharpens.
    pub max_kl: f32,
    /// Lower bound on the factor by which optimizer.target_kl changes the learning rate.
    pub lr_scale_min: f32,
    /// Upper bound on that factor.
    pub lr_scale_max: f32,
    /// Adam's β₁.
    pub beta1: f32,
    /// Adam's β₂.
    pub beta2: f32,
    /// Adam's ε.
    pub eps: f32,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f32,
    /// Bound on the norm of the gradient, over both networks (of each with qfm, reppo); 0 for none.
    pub max_grad_norm: f32,
    /// Passes over an iteration's batch.
    pub epochs: usize,
    /// Gradient steps per pass.
    pub minibatches: usize,
    /// The policy improves in every n-th gradient step of an iteration, the critic in all of them
    /// (delayed policy updates, TD3, arXiv 1802.09477). 1 improves both in all steps.
    pub policy_every: usize,
}

/// The factor of a linear schedule in `iteration` of `iterations`: from 1 to `last`.
pub(crate) fn linear_fraction(last: f32, iteration: u64, iterations: u64) -> f64 {
    let progress = iteration as f64 / iterations.max(1) as f64;
    1.0 - (1.0 - f64::from(last)) * progress.min(1.0)
}

impl OptimizerConfig {
    /// The factor of the linear schedule on the learning rates in `iteration` of `iterations`.
    pub fn lr_fraction(&self, iteration: u64, iterations: u64) -> f64 {
        linear_fraction(self.final_lr_fraction, iteration, iterations)
    }

    /// The adaptation of the policy's learning rate, if there is one.
    pub fn adaptive_lr(&self) -> Option<AdaptiveLr> {
        (self.target_kl > 0.0).then(|| AdaptiveLr {
            target: self.target_kl.into(),
            bounds: [self.lr_scale_min.into(), self.lr_scale_max.into()],
        })
    }

    /// The bound on the KL divergence of an iteration, in nats; infinite if there is none.
    pub fn max_kl(&self) -> f64 {
        if self.max_kl > 0.0 {
            self.max_kl.into()
        } else {
            f64::INFINITY
        }
    }

    /// Adam's settings.
    pub fn adam(&self) -> AdamConfig {
        AdamConfig {
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay,
        }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            critic_learning_rate: 3e-4,
            final_lr_fraction: 1.0,
            target_kl: 0.0,
            max_kl: 0.0,
            lr_scale_min: 0.01,
            lr_scale_max: 10.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 0.0,
            epochs: 16,
            minibatches: 32,
            policy_every: 1,
        }
    }
}

/// What a learner needs to know about what it minimizes, and how often;
/// [`crate::config::Config::learner`] gathers it.
#[derive(Clone, Copy, Debug)]
pub struct LearnerSettings {
    /// Seed of the run.
    pub seed: u64,
    /// Samples N of an action.
    pub samples_per_action: usize,
    /// The loss ℓ of a sample.
    pub loss: SampleLoss,
    /// What the policy minimizes.
    pub objective: PolicyObjective,
    /// What keeps a flow within the bound on actions.
    pub pull: Option<BoundPull>,
    /// The entropy bonus.
    pub entropy: Option<EntropyBonus>,
    /// Noise on the means of a Gaussian while it learns.
    pub mean_noise: Option<MeanNoise>,
    /// How the policy follows the gradient of Q, where the critic judges actions.
    pub q: Option<QGradient>,
    /// The critic's loss.
    pub value: ValueLoss,
    /// Whether there is a critic to learn.
    pub critic: bool,
    /// The estimator of advantages, where they are computed per minibatch.
    pub gae: Option<Gae>,
    /// Steps of a sequence, where minibatches are of whole sequences.
    pub sequence: Option<usize>,
    /// Whether truncated steps have no value target.
    pub mask_truncated: bool,
    /// Over what advantages are normalized.
    pub normalize: AdvantageNormalization,
    /// What advantages become before the epochs, where the objective takes weights.
    pub weights: Option<SoftmaxWeights>,
    /// Whether advantages count as 0 while no reward tells one action from another.
    pub wait_for_reward: bool,
    /// Weight of an action's surprisal.
    pub bonus: f32,
    /// Bound on the norm of the gradient, over both networks (of each with qfm, reppo); 0 for none.
    pub max_grad_norm: f32,
    /// Passes over a batch.
    pub epochs: usize,
    /// Gradient steps of a pass.
    pub minibatches: usize,
    /// The policy improves in every n-th of an iteration's gradient steps.
    pub policy_every: usize,
    /// How far the policy may move in an iteration, in nats; infinity for any distance.
    pub max_kl: f64,
    /// How the gradients of several ranks are added up.
    pub reduction: GradientSum,
}

impl LearnerSettings {
    /// What a minibatch is drawn from: how many indices there are, and the transitions of each.
    /// They are sequences where advantages are computed per minibatch, transitions elsewhere.
    pub fn indices(&self, dims: &BatchDims) -> (usize, usize) {
        match self.sequence {
            Some(num_steps) => (dims.sequences, num_steps),
            None => (dims.transitions(), 1),
        }
    }

    /// What the gradient step `number` (from 0) of an iteration improves.
    pub fn improves(&self, number: usize) -> Networks {
        if number.is_multiple_of(self.policy_every) {
            Networks::Both
        } else {
            Networks::Critic
        }
    }

    /// Whether advantages count as 0 while learning from `batch`, since no reward of it tells one
    /// action from another.
    pub fn waits(&self, batch: &Batch) -> bool {
        self.wait_for_reward && batch.is_uniform()
    }
}
