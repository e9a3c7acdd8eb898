//! The settings of a run: those of all parts, in one struct tree.
//!
//! It is the single source of the TOML files, of `--set key=value`, of the key list that `fpo train
//! --help-config` prints and of the configuration that a run folder records. A field's doc comment
//! is its documentation. Settings are defined next to the code that they configure; this module
//! combines them and builds the parts of a training ([`crate::trainer::Trainer`]) from them.

pub use crate::advantage::{
    AdvantageConfig, AdvantageEstimator, AdvantageNormalization, GaeForm, Recompute,
};
pub use crate::critic::{CriticConfig, ValueHead, ValueScale};
pub use crate::learner::OptimizerConfig;
pub use crate::method::Method;
pub use crate::objective::{
    ObjectiveConfig, RatioForm, RatioKind, TimeKind, TrustRegion, WeightKind,
};
pub use crate::rollout::{EnvConfig, NormalizerConfig};
pub use crate::trainer::{EvalConfig, InitConfig, LearningPrecision, TrainConfig};
pub use fpo_policy::{PolicyConfig, Squash, StdKind};

use crate::learner::LearnerSettings;
use crate::method::MethodParts;
use crate::objective::ValueLoss;
use crate::rollout::BatchDims;
use fpo_nn::{MlpError, PrecisionError};
use fpo_policy::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of a run. `Config::default()` is the `paper` preset without a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The task to learn; `fpo tasks` lists them.
    pub task: String,
    /// The preset that the other values are based on.
    pub preset: String,
    /// Seed of every random number of the run.
    pub seed: u64,
    /// Environments and rollout.
    pub env: EnvConfig,
    /// The policy: a flow, or a Gaussian with objective.method = "ppo" or "reppo".
    pub policy: PolicyConfig,
    /// The value network.
    pub critic: CriticConfig,
    /// What the policy maximizes.
    pub objective: ObjectiveConfig,
    /// Advantages and returns.
    pub advantage: AdvantageConfig,
    /// Optimizer, epochs and minibatches.
    pub optimizer: OptimizerConfig,
    /// Observation normalizer.
    pub normalizer: NormalizerConfig,
    /// Evaluation while training.
    pub eval: EvalConfig,
    /// Length of the run and checkpoints.
    pub train: TrainConfig,
    /// What the run begins with.
    pub init: InitConfig,
}

impl Config {
    /// The parts of the method.
    pub fn parts(&self) -> MethodParts {
        self.objective.method.parts(&self.policy, &self.objective)
    }

    /// The policy, without its parameters, for observations and actions of these sizes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn model(&self, observation: usize, action: usize) -> Result<Model, MlpError> {
        Model::new(self.parts().policy, &self.policy, observation, action)
    }

    /// The sizes of an iteration's batch, for observations and actions of these sizes and a critic
    /// that sees the policy's observations.
    pub fn dims(&self, observation: usize, action: usize) -> BatchDims {
        let parts = self.parts();
        BatchDims {
            sequences: self.env.num_envs * self.env.sequences,
            sequences_per_env: self.env.sequences,
            num_steps: self.env.num_steps,
            observation,
            critic_observation: 0,
            action,
            samples: parts.samples_per_action,
            sample_input: parts.policy.sample_input_dim(&self.policy, action),
            target: parts.policy.target_dim(action),
        }
    }

    /// The settings of the learner.
    pub fn learner(&self) -> LearnerSettings {
        let (parts, advantage) = (self.parts(), &self.advantage);
        let per_minibatch = advantage.schedule() == Recompute::PerMinibatch;
        let weights = self.objective.softmax_weights();
        LearnerSettings {
            seed: self.seed,
            samples_per_action: parts.samples_per_action,
            loss: parts.loss,
            objective: parts.objective,
            pull: parts.pull,
            entropy: parts.entropy,
            mean_noise: parts.mean_noise,
            q: parts.q,
            value: ValueLoss {
                coefficient: self.critic.loss_coefficient,
            },
            critic: advantage.has_critic(),
            gae: advantage.gae().filter(|_| per_minibatch),
            sequence: per_minibatch.then_some(self.env.num_steps),
            mask_truncated: advantage.form == GaeForm::Brax,
            // Weights take no unit of advantages.
            normalize: match weights {
                Some(_) => AdvantageNormalization::None,
                None => advantage.normalization(),
            },
            weights,
            wait_for_reward: advantage.wait_for_reward,
            bonus: self.objective.knn_entropy,
            max_grad_norm: self.optimizer.max_grad_norm,
            epochs: self.optimizer.epochs,
            minibatches: self.optimizer.minibatches,
            policy_every: self.optimizer.policy_every,
            max_kl: self.optimizer.max_kl(),
            reduction: self.train.reduction,
        }
    }

    /// The same settings with machine-dependent choices resolved, as a run records them.
    pub fn resolved(mut self) -> Self {
        self.train.precision = self.train.precision.resolved();
        self
    }

    /// Checks that this machine supports the precision of the settings.
    ///
    /// # Errors
    /// If not.
    pub fn check_machine(&self) -> Result<(), PrecisionError> {
        if self.train.precision.of_critic().is_available() {
            Ok(())
        } else {
            Err(PrecisionError)
        }
    }
}
