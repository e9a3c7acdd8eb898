//! Settings of environments, rollout and observations.

use fpo_env::Adaptation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Environments and rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvConfig {
    /// Environments that step in parallel.
    pub num_envs: usize,
    /// Steps of a sequence, over which advantages are estimated.
    pub num_steps: usize,
    /// Sequences each environment makes in an iteration; num_envs × sequences × num_steps
    /// transitions are learned from at a time.
    pub sequences: usize,
    /// Factor on the reward before advantages and returns are computed.
    pub reward_scale: f32,
    /// Truncate first episodes at random lengths, so that environments do not all end in the same
    /// iteration; without effect on a task without a step limit.
    pub random_initial_length: bool,
    /// Steps of the policy after which an episode is truncated; 0: the task's own limit.
    pub step_limit: usize,
    /// Steps of the task for which each action is held, their rewards summed. The task's own step
    /// limit counts its own steps; everything else here counts actions.
    pub action_repeat: usize,
}

/// Observation normalizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizerConfig {
    /// Whether observations are normalized by their running mean and standard deviation.
    pub enabled: bool,
    /// Bound on a normalized observation's entries; 0 for none.
    pub clip: f32,
}

impl EnvConfig {
    /// Transitions of an iteration.
    pub fn transitions(&self) -> usize {
        self.num_envs * self.sequences * self.num_steps
    }

    /// What is changed about the task's episodes.
    pub fn adaptation(&self) -> Adaptation {
        let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Adaptation {
            step_limit: whole(self.step_limit),
            action_repeat: whole(self.action_repeat),
        }
    }
}

impl Default for EnvConfig {
    fn default() -> Self {
        Self {
            num_envs: 2048,
            num_steps: 30,
            sequences: 16,
            reward_scale: 10.0,
            random_initial_length: true,
            step_limit: 0,
            action_repeat: 1,
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
