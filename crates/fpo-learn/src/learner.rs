//! What is learned, and how a batch improves it.
//!
//! [`Learner`] is the seam: the trainer acts with its weights, has stored samples scored by it, and
//! hands it a batch an iteration. [`CpuLearner`] is the one that trains here; a learner on another
//! device is another file beside `cpu.rs`, given to
//! [`Trainer::with_learner`](crate::trainer::Trainer::with_learner). [`run_epochs`] is the loop
//! over epochs and minibatches that implementations may share.

mod adaptive_lr;
mod awake;
mod cpu;
mod epochs;
mod forward;
mod movement;
mod policy_gradient;
mod scorer;
mod settings;
mod stats;
mod train_state;
mod tree;
mod worker;

pub use adaptive_lr::AdaptiveLr;
pub use cpu::CpuLearner;
pub use epochs::{GradientSteps, Networks, run_epochs, shuffle};
pub use movement::Movement;
pub(crate) use settings::linear_fraction;
pub use settings::{LearnerSettings, OptimizerConfig};
pub use stats::{LearnStats, MinibatchStats};
pub use train_state::{ActorCritic, TrainState};

use crate::reduce::Reduce;
use crate::rollout::{Batch, BatchSlice};
use crate::trainer::TrainError;
use fpo_nn::Weights;

/// Owns a policy, a critic and their optimizers, and learns from one batch after another.
///
/// What the policy's samples lost when they were stored, ℓ_old, and what they lose in the first
/// minibatch, ℓ_θ, come from the same learner, which is to compute both with the same arithmetic:
/// then the first ratio is exactly 1, as the trainer expects.
pub trait Learner: Send + Sync {
    /// Values of normalized `observations` `[rows, critic_input]` into `out` `[rows]`: the critic's
    /// own observations or the policy's ([`crate::rollout::BatchDims::critic_input`]). A critic
    /// that judges actions ([`MethodParts::q`](crate::method::MethodParts::q)) is given unbounded
    /// `actions` `[rows, action]`, otherwise they are empty. Rollout threads call it at the same
    /// time.
    fn values(&self, observations: &[f32], actions: &[f32], out: &mut [f32]);

    /// Scores the stored samples of `part` under the policy as it is: writes their losses, and the
    /// velocities of a flow, into `old_losses` and `old_velocities`. Rollout threads call it at the
    /// same time, each for its own part.
    fn score(&self, part: &mut BatchSlice);

    /// A whole iteration: all epochs over `batch`. Advantages, and returns where they are estimated
    /// per minibatch, are written into the batch as they are used.
    ///
    /// All ranks have the same batch, and are to be left with the same networks; `reduce` is how
    /// they share the work. It is called on a thread of the trainer's pool.
    ///
    /// # Errors
    /// If a loss or a gradient is not a number, a ratio is not 1 before the first step, or a rank
    /// is gone. Some minibatches may then have been learned from.
    fn learn(
        &mut self,
        batch: &mut Batch,
        plan: &LearnPlan,
        reduce: &dyn Reduce,
    ) -> Result<LearnStats, TrainError>;

    /// The policy's weights, to act with.
    fn actor_weights(&self) -> &Weights {
        &self.state().policy.weights
    }

    /// Everything that is learned: the parameters of both networks and their optimizers. A learner
    /// on another device has brought it here by the end of [`Learner::learn`].
    fn state(&self) -> &ActorCritic;

    /// Takes over what is learned, as [`Learner::state`] gave it, weights and all.
    fn load_state(&mut self, state: ActorCritic);
}

/// What an iteration is learned with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnPlan {
    /// Iterations done before; the order of minibatches depends on it.
    pub iteration: u64,
    /// Learning rate of the policy.
    pub policy_lr: f32,
    /// Learning rate of the critic.
    pub critic_lr: f32,
    /// Mean |∂Q/∂a| of an action's entry so far, by which the gradient of Q is divided where the
    /// policy follows it; 0 while it is unknown: then it is only measured.
    pub q_slope: f64,
}
