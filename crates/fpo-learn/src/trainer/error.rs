//! Errors that stop a training.

use crate::advantage::UnequalEpisode;
use crate::evaluate::EvaluateError;
use crate::reduce::ReduceError;
use crate::rollout::{NonFinite, Quantity};
use fpo_env::{MakeError, StepError};
use fpo_nn::{MlpError, PrecisionError};

/// Why training cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// An environment could not be created.
    #[error("{0}")]
    Make(#[from] MakeError),
    /// The environments could not be stepped; nothing was learned from the iteration.
    #[error("{0}")]
    Environment(StepError),
    /// A network of impossible sizes.
    #[error("{0}")]
    Network(#[from] MlpError),
    /// A precision this machine does not have.
    #[error(
        "train.precision = \"bf16\": {0}; use --precision f32, which is more accurate but gives \
         other results"
    )]
    Precision(#[from] PrecisionError),
    /// What it is to begin with does not fit, or is damaged.
    #[error("{0}")]
    Start(String),
    /// The thread pool could not be created.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
    /// A non-finite number appeared during the rollout; nothing was learned from it.
    #[error("{}", while_acting(.0))]
    Acting(NonFinite),
    /// The policy could not be evaluated.
    #[error(transparent)]
    Evaluating(#[from] EvaluateError),
    /// Group-relative advantages where there are no groups of comparable episodes.
    #[error("advantage.estimator = \"group\" {0}")]
    Groups(String),
    /// Episodes of a group that are not comparable.
    #[error(transparent)]
    UnequalEpisode(#[from] UnequalEpisode),
    // Messages count iterations, epochs and minibatches from 1, as metrics do.
    /// A parameter is non-finite after an iteration's gradient steps.
    #[error(
        "a parameter of the {network} became non-finite in iteration {}; the likely cause is a \
         learning rate that is too high: resume from the last checkpoint with --resume and a lower \
         optimizer.learning_rate or optimizer.critic_learning_rate", iteration + 1
    )]
    NonFiniteParameter {
        /// The network.
        network: &'static str,
        /// Iterations done before.
        iteration: u64,
    },
    /// A gradient or loss is non-finite; no parameter was changed by it.
    #[error(
        "a gradient became non-finite in iteration {}, epoch {}, minibatch {} (policy loss \
         {policy_loss:.3e}, value loss {value_loss:.3e}, largest ratio {ratio_max:.3e}); the \
         likely cause is {}",
        iteration + 1, epoch + 1, minibatch + 1, likely_cause(*policy_loss, *value_loss)
    )]
    NonFiniteGradient {
        /// Iterations done before.
        iteration: u64,
        /// Epoch of the iteration, from 0.
        epoch: u64,
        /// Minibatch of the epoch, from 0.
        minibatch: usize,
        /// Mean policy loss of the minibatch.
        policy_loss: f64,
        /// Mean value loss of the minibatch.
        value_loss: f64,
        /// Largest ratio of the minibatch.
        ratio_max: f32,
    },
    /// The stored losses do not match the current parameters.
    #[error(
        "ratios of iteration {} deviate from 1 by {deviation:.3e} before its first gradient step: \
         stored and recomputed losses of its actions disagree; if losses are huge the policy has \
         diverged (lower optimizer.learning_rate), otherwise please report this", iteration + 1
    )]
    FirstRatio {
        /// Iterations done before.
        iteration: u64,
        /// The largest deviation of a ratio from 1.
        deviation: f64,
    },
    /// A process of the run is gone.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// A saved state that does not fit.
    #[error("the saved training state cannot be restored: {0}")]
    State(String),
}

fn while_acting(fault: &NonFinite) -> String {
    let NonFinite { what, env, step } = fault;
    match what {
        Quantity::Action => format!(
            "the policy's action for environment {env} became non-finite at its step {step}; the \
             likely cause is a learning rate that is too high or, with a flow policy, a flow that \
             became unstable: resume from a checkpoint before the return fell, with --resume and a \
             lower optimizer.learning_rate or, for a flow, --set objective.ratio_form=linear \
             --set objective.loss_max=0 --set optimizer.max_kl=0.01"
        ),
        Quantity::Reward => format!(
            "environment {env} gave a non-finite reward at its step {step}: this is a bug in the \
             task"
        ),
        Quantity::Observation => {
            format!(
                "environment {env} gave a non-finite observation after its step {step}: this is a \
                 bug in the task"
            )
        }
    }
}

fn likely_cause(policy_loss: f64, value_loss: f64) -> &'static str {
    match (policy_loss.is_finite(), value_loss.is_finite()) {
        (_, false) => {
            "a critic that diverged: resume from the last checkpoint with a lower \
             optimizer.critic_learning_rate, or start a new run with \
             critic.value_scale = \"horizon\""
        }
        (false, true) => {
            "an exploding ratio: resume from the last checkpoint with a lower \
             optimizer.learning_rate or with objective.ratio_form = \"linear\", or start a new \
             run with objective.trust_region = \"aspo\""
        }
        (true, true) => {
            "an overflow in the backward pass: resume from the last checkpoint with lower learning \
             rates or optimizer.max_grad_norm = 1"
        }
    }
}
