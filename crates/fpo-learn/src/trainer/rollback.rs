//! Going back to an earlier state after a collapse, and continuing with lower learning rates.

use super::{TrainError, Trainer, make, own_bounds};
use crate::evaluate::EvaluateError;
use crate::rollout::Quantity;

/// What a rollback does to both learning rates, for the rest of the run.
pub const ROLLBACK_LR_SCALE: f32 = 0.5;

impl Trainer {
    /// Times that training went back.
    pub fn rollbacks(&self) -> u32 {
        self.rollbacks
    }

    /// What is left of the learning rates after the rollbacks so far.
    pub(super) fn rollback_lr_scale(&self) -> f32 {
        // Exact, since the factor is a power of two.
        ROLLBACK_LR_SCALE.powi(self.rollbacks as i32)
    }

    /// Takes everything that is learned, and the environments, from a [`Trainer::state`] of this
    /// run, or from its beginning if there is none, and continues after `done` iterations with
    /// learning rates lowered by [`ROLLBACK_LR_SCALE`].
    ///
    /// Iterations are counted on. Random numbers of acting, of samples and of shuffling have the
    /// iteration in their address, so what comes now is drawn anew, and does not repeat what led
    /// here.
    ///
    /// # Errors
    /// If `state` is damaged or of another run; the trainer then is not to be used.
    pub fn roll_back(&mut self, state: Option<&[u8]>, done: u64) -> Result<(), TrainError> {
        let rollbacks = self.rollbacks + 1;
        match state {
            Some(state) => self.load_parameters(state)?,
            None => self.restart()?,
        }
        (self.iteration, self.rollbacks) = (done, rollbacks);
        Ok(())
    }

    /// Everything that is learned, and the environments, as they were at first.
    fn restart(&mut self) -> Result<(), TrainError> {
        let config = &self.config;
        let initial = make::initial_networks(config, &self.policy, &self.critic);
        let (task, policy) = (self.task.as_ref(), &self.policy);
        let bounds = &self.bounds[own_bounds(self.reduce.as_ref(), &self.bounds)];
        let make = || make::rollout_workers(config, task, policy, bounds);
        self.workers = self.threads.install(make)?;
        self.normalizer = make::normalizer(config, self.normalizer.dim());
        if let Some(normalizer) = &mut self.critic_normalizer {
            *normalizer = make::normalizer(config, normalizer.dim());
        }
        self.restarted_episodes = 0;
        self.average = make::average(config, &initial.policy);
        self.learner.load_state(initial);
        self.apply_start();
        self.lr_scale = 1.0;
        self.q_slope = 0.0;
        Ok(())
    }
}

impl TrainError {
    /// Whether what was learned has diverged, so that going back may help.
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
