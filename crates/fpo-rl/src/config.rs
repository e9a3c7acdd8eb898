//! Everything a run can be told.
//!
//! One struct tree is the single source of the TOML files, of `--set key=value`, of the key list that
//! `fpo train --help-config` prints and of the configuration a run folder records. A field's doc comment is its documentation.

mod layers;
mod objective;
mod policy;
mod validate;

pub use layers::{
    ConfigError, DEFAULT_PRESET, Difference, PRESETS, documentation, documented, read_text, reopen, resolve,
};
pub use objective::{Method, ObjectiveConfig, RatioForm, RatioKind, TimeKind, TrustRegion, WeightKind};
pub use policy::{PolicyConfig, Squash, StdKind};
pub use validate::validate;

use crate::advantage::{Gae, GroupAdvantage};
use crate::learner::AdaptiveRate;
use crate::objective::NeighbourEntropy;
use crate::trainer::TrainError;
use fpo_nn::{Activation, AdamConfig, Initialisation, Precision, PrecisionError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of a run. `Config::default()` is the `paper` preset without a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The task to learn; `fpo tasks` lists them.
    pub task: String,
    /// The preset the other values started from.
    pub preset: String,
    /// Seed of every random number of the run.
    pub seed: u64,
    /// Environments and rollout.
    pub env: EnvConfig,
    /// The policy: a flow, or a Gaussian with objective.method = "ppo".
    pub policy: PolicyConfig,
    /// The value network.
    pub critic: CriticConfig,
    /// What the policy maximises.
    pub objective: ObjectiveConfig,
    /// Advantages and value targets.
    pub advantage: AdvantageConfig,
    /// Optimiser, epochs and minibatches.
    pub optimizer: OptimizerConfig,
    /// Observation normaliser.
    pub normalizer: NormalizerConfig,
    /// Evaluation while training.
    pub eval: EvalConfig,
    /// Length of the run and checkpoints.
    pub train: TrainConfig,
}

/// Environments and rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvConfig {
    /// Environments that step in parallel.
    pub num_envs: usize,
    /// Steps of a sequence, over which advantages are estimated.
    pub unroll: usize,
    /// Sequences each environment makes in an iteration; num_envs × sequences × unroll transitions are learnt from at a time.
    pub sequences: usize,
    /// Factor on the reward before advantages and value targets.
    pub reward_scale: f32,
    /// Cut first episodes to random lengths, so that environments do not all end in the same
    /// iteration; of no effect on a task without a step limit.
    pub stagger: bool,
}

/// In what units the critic predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueScale {
    /// The (scaled) return itself, as published.
    None,
    /// The return times (1 − γ): the discounted average reward, of the size of one reward.
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
    /// Initialisation of the weights; biases start at zero.
    pub initialisation: Initialisation,
    /// Factor on the initial weights of the output layer.
    pub final_gain: f32,
    /// Units of the prediction.
    pub value_scale: ValueScale,
    /// Weight of the value loss.
    pub loss_coefficient: f32,
}

/// What an action is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageEstimator {
    /// Generalised advantage estimation, with a critic.
    Gae,
    /// Its episode's return among those of advantage.group_size episodes that began in the same state, without a critic. For episodes of
    /// equal length, above all of one step (bandits). Discount, λ and normalisation then have no say.
    Group,
}

/// When generalised advantages are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GaeSchedule {
    /// Once an iteration, with the critic the rollout began with.
    Once,
    /// Again for every minibatch, with the critic as it moves; minibatches are whole sequences. (The published code.)
    PerMinibatch,
}

/// The advantage a λ-return gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GaeForm {
    /// Σ (γλ)^k δ, as in the paper on GAE.
    Textbook,
    /// r + γ·(λ-return of the next step) − V, and nothing from truncated steps. (The published code, after Brax.)
    Brax,
}

/// Over what advantages are brought to mean 0 and standard deviation 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNormalisation {
    /// Over each minibatch.
    Minibatch,
    /// Over the iteration's whole batch.
    Batch,
    /// They are left as they are.
    None,
}

/// Advantages and value targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdvantageConfig {
    /// What an action is worth.
    pub estimator: AdvantageEstimator,
    /// Environments that begin their episodes in the same state and are compared with each other (group); divides env.num_envs.
    pub group_size: usize,
    /// Discount γ.
    pub gamma: f64,
    /// λ of GAE.
    pub lambda: f64,
    /// When they are computed (gae).
    pub gae: GaeSchedule,
    /// Their formula, and what a truncated step is worth (gae).
    pub form: GaeForm,
    /// Over what they are normalised (gae).
    pub normalize: AdvantageNormalisation,
    /// Whether the policy waits while no reward tells one action from another: in an iteration whose rewards are all alike and in which no episode
    /// ends early, advantages are the critic's errors, which normalisation makes as large as any; they count as 0 then (gae, "once").
    pub wait_for_reward: bool,
}

/// Optimiser, epochs and minibatches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Adam's learning rate for the policy.
    pub learning_rate: f32,
    /// Adam's learning rate for the critic.
    pub critic_learning_rate: f32,
    /// Learning rates fall linearly to this fraction at the end of the run; 1 keeps them.
    pub final_fraction: f32,
    /// How far the policy is to move in an iteration, in nats: where the metric `kl` is more than twice this, the policy's learning rate falls
    /// by a third, where it is less than half of it, it rises by half; 0: the rate follows nothing.
    pub target_kl: f32,
    /// How far the policy may move in an iteration, in nats (the metric `kl`): its epochs end before the first minibatch in which it has moved
    /// further; 0: never. For a flow this is relative to its spread, so that steps become smaller as the policy sharpens.
    pub max_kl: f32,
    /// Lower bound on the factor that optimizer.target_kl makes of the learning rate.
    pub kl_factor_min: f32,
    /// Upper bound on it.
    pub kl_factor_max: f32,
    /// Adam's β₁.
    pub beta1: f32,
    /// Adam's β₂.
    pub beta2: f32,
    /// Adam's ε.
    pub eps: f32,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f32,
    /// Bound on the norm of the gradient over both networks; 0 for none.
    pub max_grad_norm: f32,
    /// Passes over an iteration's batch.
    pub epochs: usize,
    /// Gradient steps per pass.
    pub minibatches: usize,
}

/// Observation normaliser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizerConfig {
    /// Whether observations are normalised by their running mean and standard deviation.
    pub enabled: bool,
    /// Bound on a normalised observation's entries; 0 for none.
    pub clip: f32,
}

/// Evaluation while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Evaluate every this many environment steps, and at the end; 0: at the end only.
    pub every: u64,
    /// Episodes of an evaluation, for each of its two columns (zero noise, random noise).
    pub episodes: usize,
}

/// In which numbers networks are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearningPrecision {
    /// The fastest this machine has; a run records which.
    Auto,
    /// Single precision throughout.
    F32,
    /// The critic, and the policy's gradient but not its outputs, on products of bfloat16: needs a processor with AMX.
    Bf16,
}

impl LearningPrecision {
    /// The precision of the policy's network, whose outputs, on which ratios rest, are f32 either way.
    pub fn of_policy(self) -> Precision {
        match self.decided() {
            Self::Bf16 => Precision::Bf16Gradient,
            _ => Precision::F32,
        }
    }

    /// The precision of the critic.
    pub fn of_critic(self) -> Precision {
        match self.decided() {
            Self::Bf16 => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    fn decided(self) -> Self {
        match self {
            Self::Auto if Precision::Bf16.is_available() => Self::Bf16,
            Self::Auto => Self::F32,
            decided => decided,
        }
    }
}

/// Length of the run and checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Numbers that networks are learnt in.
    pub precision: LearningPrecision,
    /// Environment steps of the run, rounded up to whole iterations.
    pub steps: u64,
    /// Evaluate and export a moving average of the policy's parameters, of which each iteration keeps this share (FPO++: 0.95); 0: the
    /// policy as it is. It acts in training either way.
    pub ema_decay: f32,
    /// Iterations before the average begins (FPO++: 500).
    pub ema_after: u64,
    /// Save a checkpoint every this many iterations, and at the end; 0: at the end only.
    pub checkpoint_every: u64,
    /// Checkpoints kept besides the best; older ones are deleted.
    pub keep: usize,
    /// When the return has collapsed or a number is no longer finite, go back to the best checkpoint and go on with half the learning
    /// rates; three times at most. Needs eval.every.
    pub rollback: bool,
}

impl Config {
    /// Further actions sampled for each observation, of `action_dim` entries, and how rarity among them is told; none without a bonus.
    pub fn neighbour_entropy(&self, action_dim: usize) -> Option<(usize, NeighbourEntropy)> {
        let samples = self.objective.neighbour_samples;
        (self.objective.neighbour_entropy > 0.0).then(|| {
            let among = NeighbourEntropy::new(samples + 1, action_dim, self.objective.neighbour);
            (samples, among)
        })
    }

    /// The same settings with what they leave to the machine decided, as a run records them.
    pub fn decided(mut self) -> Self {
        self.train.precision = self.train.precision.decided();
        self
    }

    /// Checks that this machine can compute in the numbers the settings ask for.
    ///
    /// # Errors
    /// [`TrainError::Precision`] if not.
    pub fn check_machine(&self) -> Result<(), TrainError> {
        if self.train.precision.of_critic().is_available() {
            Ok(())
        } else {
            Err(PrecisionError.into())
        }
    }
}

impl EnvConfig {
    /// Transitions of an iteration.
    pub fn transitions(&self) -> usize {
        self.num_envs * self.sequences * self.unroll
    }
}

impl AdvantageConfig {
    /// Whether there is a critic; group-relative advantages need none.
    pub fn has_critic(&self) -> bool {
        self.estimator == AdvantageEstimator::Gae
    }

    /// The estimator of generalised advantages, where there is a critic.
    pub fn gae(&self) -> Option<Gae> {
        (self.estimator == AdvantageEstimator::Gae).then_some(Gae {
            gamma: self.gamma,
            lambda: self.lambda,
            form: self.form,
        })
    }

    /// The estimator of group-relative advantages of episodes of `length` steps, where there is none.
    pub fn group(&self, length: usize) -> Option<GroupAdvantage> {
        (self.estimator == AdvantageEstimator::Group).then_some(GroupAdvantage {
            size: self.group_size,
            length,
        })
    }

    /// Environments that begin their episodes alike.
    pub fn envs_alike(&self) -> usize {
        match self.estimator {
            AdvantageEstimator::Gae => 1,
            AdvantageEstimator::Group => self.group_size,
        }
    }

    /// When advantages are computed; those of groups are, once the rollout is over.
    pub fn schedule(&self) -> GaeSchedule {
        match self.estimator {
            AdvantageEstimator::Gae => self.gae,
            AdvantageEstimator::Group => GaeSchedule::Once,
        }
    }

    /// Over what advantages are normalised; those of groups are, in their group.
    pub fn normalisation(&self) -> AdvantageNormalisation {
        match self.estimator {
            AdvantageEstimator::Gae => self.normalize,
            AdvantageEstimator::Group => AdvantageNormalisation::None,
        }
    }
}

impl OptimizerConfig {
    /// The fraction of the learning rates that `iteration` of `iterations` learns with.
    pub fn rate_fraction(&self, iteration: u64, iterations: u64) -> f64 {
        let progress = iteration as f64 / iterations.max(1) as f64;
        1.0 - (1.0 - f64::from(self.final_fraction)) * progress.min(1.0)
    }

    /// What the policy's learning rate follows, if anything.
    pub fn adaptive_rate(&self) -> Option<AdaptiveRate> {
        (self.target_kl > 0.0).then(|| AdaptiveRate {
            target: self.target_kl.into(),
            bounds: [self.kl_factor_min.into(), self.kl_factor_max.into()],
        })
    }

    /// How far the policy may move in an iteration, in nats.
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

impl Default for EnvConfig {
    fn default() -> Self {
        Self {
            num_envs: 2048,
            unroll: 30,
            sequences: 16,
            reward_scale: 10.0,
            stagger: true,
        }
    }
}

impl Default for CriticConfig {
    fn default() -> Self {
        Self {
            hidden: vec![256; 5],
            activation: Activation::Silu,
            initialisation: Initialisation::LecunUniform,
            final_gain: 1.0,
            value_scale: ValueScale::None,
            loss_coefficient: 0.25,
        }
    }
}

impl Default for AdvantageConfig {
    fn default() -> Self {
        Self {
            estimator: AdvantageEstimator::Gae,
            group_size: 16,
            gamma: 0.995,
            lambda: 0.95,
            gae: GaeSchedule::PerMinibatch,
            form: GaeForm::Brax,
            normalize: AdvantageNormalisation::Minibatch,
            wait_for_reward: false,
        }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            critic_learning_rate: 3e-4,
            final_fraction: 1.0,
            target_kl: 0.0,
            max_kl: 0.0,
            kl_factor_min: 0.01,
            kl_factor_max: 10.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 0.0,
            epochs: 16,
            minibatches: 32,
        }
    }
}

impl Default for NormalizerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            clip: 10.0,
        }
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            every: 0,
            episodes: 64,
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            precision: LearningPrecision::Auto,
            steps: 60_000_000,
            ema_decay: 0.0,
            ema_after: 0,
            checkpoint_every: 0,
            keep: 3,
            rollback: false,
        }
    }
}
