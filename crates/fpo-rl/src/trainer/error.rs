//! What can stop a training.

use fpo_env::MakeError;
use fpo_nn::MlpError;

/// Why training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// An environment could not be made.
    #[error("{0}")]
    Make(#[from] MakeError),
    /// A network of impossible sizes.
    #[error("{0}")]
    Network(#[from] MlpError),
    /// The thread pool could not be made.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
    /// The policy put out something that is not a number.
    #[error(
        "the policy's action for environment {env} became non-finite at its step {step}; the likely cause is a learning rate that is \
         too high or an output_scale that makes the flow unstable: lower optimizer.learning_rate and resume from the last checkpoint"
    )]
    NonFiniteAction {
        /// The environment.
        env: u32,
        /// Steps it had made.
        step: u64,
    },
    /// A gradient or loss is not a number; the parameters were not changed by it.
    #[error(
        "a gradient became non-finite in iteration {iteration}, epoch {epoch}, minibatch {minibatch} (policy loss {policy_loss:e}, \
         value loss {value_loss:e}, largest ratio {ratio_max:e}); the likely cause is {}", likely_cause(*policy_loss, *value_loss)
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
    /// The stored losses do not belong to the parameters that are to be improved.
    #[error(
        "ratios of iteration {iteration} are off 1 by {off:e} before its first gradient step: stored and recomputed flow-matching \
         losses disagree; if losses are huge the policy has diverged (lower optimizer.learning_rate), otherwise please report this"
    )]
    FirstRatio {
        /// Iterations done before.
        iteration: u64,
        /// The largest deviation.
        off: f64,
    },
    /// A saved state that does not fit.
    #[error("the saved training state cannot be restored: {0}")]
    State(String),
}

fn likely_cause(policy_loss: f64, value_loss: f64) -> &'static str {
    match (policy_loss.is_finite(), value_loss.is_finite()) {
        (_, false) => {
            "a critic that diverged: lower optimizer.critic_learning_rate or env.reward_scale, or set critic.value_scale = \"horizon\""
        }
        (false, true) => {
            "an exploding ratio: set objective.log_ratio_clamp, or lower optimizer.learning_rate"
        }
        (true, true) => {
            "an overflow in the backward pass: lower the learning rates or set optimizer.max_grad_norm"
        }
    }
}
