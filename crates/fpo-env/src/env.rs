//! The interface every environment implements.

use fpo_rng::Philox;

/// What is fixed about an environment: names, sizes and limits.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvSpec {
    /// The task's name, as users type it: `cheetah-run`.
    pub name: String,
    /// One line for the task list.
    pub summary: String,
    /// The parts of an observation in order: name and number of entries.
    pub observation: Vec<(String, usize)>,
    /// Lower bound of each action entry, in the units of the environment.
    pub action_min: Vec<f32>,
    /// Upper bound of each action entry, in the units of the environment.
    pub action_max: Vec<f32>,
    /// Seconds of simulated time a step takes.
    pub control_timestep: f64,
    /// Steps until an episode is truncated.
    pub step_limit: u32,
}

impl EnvSpec {
    /// Entries of an observation.
    pub fn observation_dim(&self) -> usize {
        self.observation.iter().map(|(_, n)| n).sum()
    }

    /// Entries of an action.
    pub fn action_dim(&self) -> usize {
        self.action_min.len()
    }
}

/// How one step ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The step's reward; always finite.
    pub reward: f32,
    /// Whether the episode goes on.
    pub status: Status,
}

/// Whether an episode goes on after a step. Time limits are not the environment's business: see `Shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Running,
    /// It reached a terminal state: nothing follows, there is no value to bootstrap from.
    Terminated,
    /// The simulation diverged. The observation holds the last finite one, the reward is zero, and the
    /// episode counts as failed; the environment must be reset before the next step.
    Diverged,
}

/// One environment: a state, a way to begin, a way to go on.
///
/// It holds no generator: whoever resets it hands over the random numbers, so an episode is a pure function of
/// their key and of the actions.
pub trait Env: Send {
    /// What is fixed about this environment.
    fn spec(&self) -> &EnvSpec;

    /// Draws a fresh initial state and writes its observation (`[observation_dim]`).
    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]);

    /// Steps with `action` (`[action_dim]`, in the environment's units, within its bounds) and writes the observation that
    /// follows (`[observation_dim]`). Every observation and reward is finite.
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step;

    /// Appends the whole state to `out`, such that [`Env::load_state`] on another environment of the same task
    /// continues bit for bit.
    fn save_state(&self, out: &mut Vec<u8>);

    /// Takes over a state written by [`Env::save_state`].
    ///
    /// # Errors
    /// If the bytes are not such a state: one clear sentence.
    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError>;

    /// A picture of the current state.
    ///
    /// # Errors
    /// If this environment has no picture or this machine cannot draw one: one sentence that says what to do.
    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        let _ = (width, height);
        Err(RenderError(format!("`{}` has no picture", self.spec().name)))
    }
}

/// An RGB picture, rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width, 3]` bytes.
    pub rgb: Vec<u8>,
}

/// Bytes that are not a state of the environment they were given to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub String);

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

/// An environment that could not be made (a missing library, a damaged model).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MakeError(pub String);

/// A task by name: what `fpo tasks` lists and what a run trains on.
pub trait Task: Send + Sync {
    /// What is fixed about its environments.
    fn spec(&self) -> &EnvSpec;

    /// Makes one environment. What its environments can share (a compiled model) they share.
    ///
    /// # Errors
    /// If it cannot be made here: one sentence that says what to do.
    fn make(&self) -> Result<Box<dyn Env>, MakeError>;
}
