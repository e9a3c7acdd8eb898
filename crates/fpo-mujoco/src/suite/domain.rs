//! What distinguishes one task of the suite from another.

use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use fpo_env::MakeError;
use fpo_rng::Philox;

/// The rules of a task on a compiled model. It holds names resolved to numbers, and no state: the state of an episode is
/// all in its [`Physics`].
pub(super) trait Domain: Send + Sync {
    /// Draws an initial state. The simulation is at its reference pose; what follows from the state is derived after.
    ///
    /// # Errors
    /// If the state drawn cannot be simulated; the caller draws again.
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError>;

    /// Writes the observation, in the order of [`Definition::observation`].
    fn observe(&self, physics: &Physics, out: &mut Observation);

    /// The reward of the current state and control.
    fn reward(&self, physics: &Physics) -> f64;
}

/// A task as its domain's file lists it.
pub(super) struct Definition {
    /// As dm_control spells it.
    pub(super) name: &'static str,
    /// One line for the task list.
    pub(super) summary: &'static str,
    /// The file of the model.
    pub(super) model: &'static str,
    /// The parts of an observation: name and number of entries.
    pub(super) observation: &'static [(&'static str, usize)],
    /// Entries of an action.
    pub(super) actions: usize,
    /// Seconds a step takes.
    pub(super) control_timestep: f64,
    /// Whether an initial state includes positions of geoms or sites.
    pub(super) moves_targets: bool,
    /// Sets the constants of the task in its model, and resolves the names.
    pub(super) build: fn(&mut Model) -> Result<Box<dyn Domain>, MakeError>,
}

/// An observation in the making. It grows to its size once and keeps its memory.
#[derive(Default)]
pub(super) struct Observation(Vec<f64>);

impl Observation {
    /// Starts anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends one entry.
    #[inline]
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Appends several entries.
    #[inline]
    pub(super) fn extend(&mut self, values: &[f64]) {
        self.0.extend_from_slice(values);
    }

    /// What was written.
    pub(super) fn values(&self) -> &[f64] {
        &self.0
    }
}
