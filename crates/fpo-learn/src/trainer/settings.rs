//! Settings of a training: its length, its precision, evaluation and checkpoints.

use crate::reduce::GradientSum;
use fpo_nn::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Evaluation while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Evaluate every this many environment steps, and at the end; 0: at the end only.
    pub every: u64,
    /// Episodes of an evaluation, for each of its two columns (zero noise, random noise).
    pub episodes: usize,
}

/// In which numbers networks are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearningPrecision {
    /// The fastest that this machine supports; a run records which.
    Auto,
    /// Single precision throughout.
    F32,
    /// bfloat16 matrix products for the critic and the policy's gradient, but not for the policy's
    /// outputs; needs a processor with AMX.
    Bf16,
}

impl LearningPrecision {
    /// The precision of the policy's network. Its outputs are f32 either way, because ratios depend
    /// on them.
    pub fn of_policy(self) -> Precision {
        match self.resolved() {
            Self::Bf16 => Precision::Bf16Gradient,
            _ => Precision::F32,
        }
    }

    /// The precision of the critic.
    pub fn of_critic(self) -> Precision {
        match self.resolved() {
            Self::Bf16 => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    /// The precision on this machine, with `Auto` resolved.
    pub fn resolved(self) -> Self {
        match self {
            Self::Auto if Precision::Bf16.is_available() => Self::Bf16,
            Self::Auto => Self::F32,
            resolved => resolved,
        }
    }
}

/// What a run begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// A run's folder, a checkpoint's folder or a policy file with whose network and normalizer the
    /// run begins, and with the critic of a checkpoint if it has the same sizes. Optimizers begin
    /// anew. Empty: networks are random.
    pub from: String,
    /// BLAKE3 digest of what was taken from there, which a run records. Where it is given,
    /// something else is refused.
    pub digest: String,
}

/// Length of the run and checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Numbers that networks are learned in.
    pub precision: LearningPrecision,
    /// How several processes add up their gradients (MPI, docs/cluster.md).
    pub reduction: GradientSum,
    /// Environment steps of the run, rounded up to whole iterations.
    pub steps: u64,
    /// End the run after an evaluation whose mean return from zero noise is at least this; 0: never
    /// (for a return of 0 write a number next to it). Needs eval.every.
    pub stop_at: f64,
    /// Evaluate and export a moving average of the policy's parameters, of which each iteration
    /// keeps this share (FPO++: 0.95); 0: the policy itself, which acts in training either way.
    pub ema_decay: f32,
    /// Iterations before the average begins (FPO++: 500).
    pub ema_after: u64,
    /// Save a checkpoint every this many iterations, and at the end; 0: at the end only.
    pub checkpoint_every: u64,
    /// Checkpoints kept besides the best; older ones are deleted.
    pub keep: usize,
    /// When the return has collapsed or a number is no longer finite, go back to the best
    /// checkpoint and continue with half the learning rates; three times at most. Needs eval.every.
    pub rollback: bool,
}

impl TrainConfig {
    /// Whether a run ends after an evaluation with this mean return from zero noise.
    pub fn stops_at(&self, mean_return: f64) -> bool {
        self.stop_at != 0.0 && mean_return >= self.stop_at
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
            reduction: GradientSum::Exact,
            steps: 60_000_000,
            stop_at: 0.0,
            ema_decay: 0.0,
            ema_after: 0,
            checkpoint_every: 0,
            keep: 3,
            rollback: false,
        }
    }
}
