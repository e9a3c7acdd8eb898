//! The rules of a task, by which tasks differ.

use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use fpo_env::MakeError;
use fpo_rng::Philox;

/// The rules of a task on a compiled model. They hold resolved indices of names, but no state: the
/// state of an episode is entirely in its [`Physics`].
pub(crate) trait Rules: Send + Sync {
    /// Draws an initial state. The simulation has just been reset by [`Physics::reset`]; derived
    /// quantities are computed afterwards.
    ///
    /// # Errors
    /// If the drawn state cannot be simulated; the caller draws again.
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError>;

    /// Takes a step of `sub_steps` physics steps with the current control.
    ///
    /// # Errors
    /// If the simulation diverges.
    fn step(&self, physics: &mut Physics, sub_steps: u32) -> Result<Transition, PhysicsError>;

    /// Writes the observation, in the order of [`Definition::observation`].
    fn observe(&self, physics: &Physics, out: &mut Observation);
}

/// The outcome of a step, besides the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) reward: f64,
    /// Whether the episode ends here.
    pub(crate) terminal: bool,
}

/// The definition of a task.
pub(crate) struct Definition {
    /// The name given by the family's authors.
    pub(crate) name: &'static str,
    /// One line for the task list.
    pub(crate) summary: &'static str,
    /// The file of the model.
    pub(crate) model: &'static str,
    /// The parts of an observation: name and number of entries.
    pub(crate) observation: &'static [(&'static str, usize)],
    /// Entries of an action.
    pub(crate) actions: usize,
    /// Seconds per step.
    pub(crate) control_timestep: f64,
    /// Whether an initial state includes positions of geoms or sites.
    pub(crate) moves_targets: bool,
    /// Sets the constants of the task in its model, and resolves the names.
    pub(crate) build: fn(&mut Model) -> Result<Box<dyn Rules>, MakeError>,
}

/// A buffer for an observation. It grows to its size once and keeps its memory.
#[derive(Default)]
pub(crate) struct Observation(Vec<f64>);

impl Observation {
    /// Clears it.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends one entry.
    #[inline]
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Appends several entries.
    #[inline]
    pub(crate) fn extend(&mut self, values: &[f64]) {
        self.0.extend_from_slice(values);
    }

    /// The entries.
    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }
}
