//! The common rules of the suite's tasks.

use crate::physics::{Physics, PhysicsError};
use crate::task::{Observation, Rules, Transition};
use fpo_rng::Philox;

/// The rules of a task of the suite: the reward depends on the state after a step and the control
/// of the step, and no state is terminal.
pub(super) trait Domain: Send + Sync {
    /// Draws an initial state. The simulation is at its reference pose; derived quantities are
    /// computed afterwards.
    ///
    /// # Errors
    /// If the drawn state cannot be simulated; the caller draws again.
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError>;

    /// Writes the observation, in the order of the task's definition.
    fn observe(&self, physics: &Physics, out: &mut Observation);

    /// The reward of the current state and control.
    fn reward(&self, physics: &Physics) -> f64;
}

impl<D: Domain> Rules for D {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        physics.forward()?;
        Domain::reset(self, physics, rng)
    }

    fn step(&self, physics: &mut Physics, sub_steps: u32) -> Result<Transition, PhysicsError> {
        physics.step(sub_steps)?;
        Ok(Transition {
            reward: self.reward(physics),
            terminal: false,
        })
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        Domain::observe(self, physics, out);
    }
}
