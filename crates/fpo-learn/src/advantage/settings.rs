//! Settings of advantages and returns.

use super::{Gae, GroupAdvantage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How advantages are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageEstimator {
    /// Generalized advantage estimation, with a critic.
    Gae,
    /// Its episode's return among those of advantage.group_size episodes that began in the same
    /// state, without a critic. For episodes of equal length, above all of one step (bandits).
    /// Discount, λ and normalization then have no effect.
    Group,
}

/// When generalized advantages are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Once per iteration, with the critic at the start of the rollout.
    PerIteration,
    /// For every minibatch, with the current critic; minibatches are whole sequences. (The
    /// published code.)
    PerMinibatch,
}

/// How an advantage follows from the λ-return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GaeForm {
    /// Σ (γλ)^k δ, as in the paper on GAE.
    Textbook,
    /// r + γ·(λ-return of the next step) − V, and 0 at truncated steps. (The published code, after
    /// Brax.)
    Brax,
}

/// The set over which advantages are normalized to mean 0 and standard deviation 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNormalization {
    /// Over each minibatch.
    Minibatch,
    /// Over the iteration's whole batch.
    Batch,
    /// No normalization.
    None,
}

/// Advantages and returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdvantageConfig {
    /// How advantages are estimated.
    pub estimator: AdvantageEstimator,
    /// Environments whose episodes begin in the same state and are compared with each other
    /// (group); must divide env.num_envs.
    pub group_size: usize,
    /// Discount γ.
    pub gamma: f64,
    /// λ of GAE.
    pub lambda: f64,
    /// When advantages are computed (gae).
    pub recompute: Recompute,
    /// Formula of advantages, and what a truncated step is worth (gae).
    pub form: GaeForm,
    /// Over which transitions advantages are normalized (gae).
    pub normalize: AdvantageNormalization,
    /// Set advantages to 0 in an iteration whose rewards are all equal and in which no episode ends
    /// early (gae). Such advantages are only the critic's errors, which normalization would make as
    /// large as any others.
    pub wait_for_reward: bool,
}

impl AdvantageConfig {
    /// Whether there is a critic; group-relative advantages need none.
    pub fn has_critic(&self) -> bool {
        self.estimator == AdvantageEstimator::Gae
    }

    /// The estimator of generalized advantages, where there is a critic.
    pub fn gae(&self) -> Option<Gae> {
        (self.estimator == AdvantageEstimator::Gae).then_some(Gae {
            gamma: self.gamma,
            lambda: self.lambda,
            form: self.form,
        })
    }

    /// The estimator of group-relative advantages of episodes of `length` steps, where there is
    /// none.
    pub fn group(&self, length: usize) -> Option<GroupAdvantage> {
        (self.estimator == AdvantageEstimator::Group).then_some(GroupAdvantage {
            size: self.group_size,
            length,
        })
    }

    /// Environments whose episodes begin in the same state.
    pub fn envs_alike(&self) -> usize {
        match self.estimator {
            AdvantageEstimator::Gae => 1,
            AdvantageEstimator::Group => self.group_size,
        }
    }

    /// When advantages are computed; group-relative ones once, after the rollout.
    pub fn schedule(&self) -> Recompute {
        match self.estimator {
            AdvantageEstimator::Gae => self.recompute,
            AdvantageEstimator::Group => Recompute::PerIteration,
        }
    }

    /// The set over which advantages are normalized; group-relative ones already are, within their
    /// group.
    pub fn normalization(&self) -> AdvantageNormalization {
        match self.estimator {
            AdvantageEstimator::Gae => self.normalize,
            AdvantageEstimator::Group => AdvantageNormalization::None,
        }
    }

    /// Numbers that are normalized together where an iteration of `transitions` has `minibatches`;
    /// none without normalization.
    pub fn normalized_together(&self, transitions: usize, minibatches: usize) -> Option<usize> {
        match self.normalization() {
            AdvantageNormalization::Minibatch => Some(transitions / minibatches.max(1)),
            AdvantageNormalization::Batch => Some(transitions),
            AdvantageNormalization::None => None,
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
            recompute: Recompute::PerMinibatch,
            form: GaeForm::Brax,
            normalize: AdvantageNormalization::Minibatch,
            wait_for_reward: false,
        }
    }
}
