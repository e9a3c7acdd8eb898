//! Rollback to an earlier state after a collapse, with lower learning rates afterwards.

use super::{TrainError, Trainer};
use crate::evaluate::EvaluateError;
use crate::rollout::Quantity;

/// The factor that a rollback applies to both learning rates, for the rest of the run.
pub const ROLLBACK_LR_SCALE: f32 = 0.5;

impl Trainer {
    /// Number of rollbacks so far.
    pub fn rollbacks(&self) -> u32 {
        self.rollbacks
    }

    /// The factor of the learning rates after the rollbacks so far.
    pub(super) fn rollback_lr_scale(&self) -> f32 {
        // Exact, since the factor is a power of two.
        ROLLBACK_LR_SCALE.powi(self.rollbacks as i32)
    }

    /// Restores everything learned, and the environments, from a [`Trainer::state`] of this run, or
    /// from its beginning if there is none, and continues after `done` iterations with learning
    /// rates multiplied by [`ROLLBACK_LR_SCALE`].
    ///
    /// The iteration counter keeps counting. Random numbers of actions, samples and shuffling are
    /// addressed by the iteration, so they differ from those that led to the collapse.
    ///
    /// # Errors
    /// If `state` is damaged or of another run; the trainer must not be used afterwards.
    pub fn roll_back(&mut self, state: Option<&[u8]>, done: u64) -> Result<(), TrainError> {
        let rollbacks = self.rollbacks + 1;
        match state {
            Some(state) => self.load_parameters(state)?,
            None => {
                *self = Self::new(
                    &self.config,
                    self.task.clone(),
                    self.pool.current_num_threads(),
                )?
            }
        }
        (self.iteration, self.rollbacks) = (done, rollbacks);
        Ok(())
    }
}

impl TrainError {
    /// Whether training has diverged, so that a rollback may help.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Acting(fault) | Self::Evaluating(EvaluateError::Acting(fault)) => {
                fault.what == Quantity::Action
            }
            Self::NonFiniteParameter { .. } | Self::NonFiniteGradient { .. } => true,
            _ => false,
        }
    }
}
