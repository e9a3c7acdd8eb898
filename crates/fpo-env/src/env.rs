//! The interface of an environment.

use crate::{EnvGroup, Extras, VecEnv, VecEnvOptions};
use fpo_rng::Philox;
use std::sync::Arc;

/// The constants of an environment: names, sizes and limits.
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
    /// Seconds of simulated time per step.
    pub control_timestep: f64,
    /// Steps after which the caller truncates an episode, at least 1. None if the environment
    /// itself ends all its episodes.
    ///
    /// Without a limit first episodes are not cut to random lengths
    /// ([`VecEnvOptions::random_initial_length`]), and group-relative advantages, which
    /// compare episodes of equal length, are refused.
    pub step_limit: Option<u32>,
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
    /// Whether the episode continues, and if not, why.
    pub end: StepEnd,
}

impl Step {
    /// A step after which the episode continues, with this reward.
    pub const fn running(reward: f32) -> Self {
        Self {
            reward,
            end: StepEnd::Running,
        }
    }
}

/// How a transition ends, which determines whether its last observation has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The episode continues.
    Running,
    /// It reached a terminal state, which has no value to bootstrap from.
    Terminated,
    /// It was truncated, by the environment or by [`crate::EnvGroup`] at [`EnvSpec::step_limit`].
    /// It could have continued, so the value of its final observation is used to bootstrap.
    Truncated,
    /// The simulation failed. The observation holds the last finite one, the reward is zero, and
    /// the environment must be reset before the next step. The episode counts as failed; estimators
    /// treat it as terminated.
    Diverged,
}

impl StepEnd {
    /// It in a word, as data for other programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Terminated => "terminated",
            Self::Truncated => "truncated",
            Self::Diverged => "diverged",
        }
    }
}

/// One environment: a state that can be reset and stepped.
///
/// It holds no random generator: the caller passes one to `reset`, so an episode is a pure function
/// of its key and of the actions.
pub trait Env: Send {
    /// The constants of this environment.
    fn spec(&self) -> &EnvSpec;

    /// Draws a new initial state and writes its observation (`[observation_dim]`).
    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]);

    /// Steps with `action` (`[action_dim]`, in the environment's units, within its bounds) and
    /// writes the observation that follows (`[observation_dim]`). Every observation and reward is
    /// finite. If the step ends the episode, the observation is its last, not the first of the
    /// next: the caller is responsible for the reset.
    ///
    /// The caller applies [`EnvSpec::step_limit`], but the environment may also truncate an episode
    /// by a rule of its own.
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step;

    /// Reports reward terms and metrics of the latest step by name, as in
    /// `extras.add("reward/forward", 0.3)`: their means over an iteration are among its metrics,
    /// under `env/`. Called once after every step; nothing is reported by default.
    fn extras(&self, extras: &mut Extras) {
        let _ = extras;
    }

    /// Writes what the critic sees of the current state, `[critic_observation_dim]`, all finite.
    /// Called after every reset and step, and only if the task names a
    /// [`Task::critic_observation`]: then it is to be written whole.
    fn critic_observation(&self, out: &mut [f32]) {
        let _ = out;
    }

    /// Appends the whole state to `out`, such that [`Env::load_state`] on another environment of
    /// the same task continues bit for bit.
    ///
    /// An environment that cannot save its state (a remote simulator, a game with hidden state)
    /// keeps the default of this method and of [`Env::load_state`]. A resumed training then begins
    /// a new episode in it.
    ///
    /// # Errors
    /// [`NoState`] if this environment cannot save its state, which is the default; bytes appended
    /// before are ignored.
    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        let _ = out;
        Err(NoState)
    }

    /// Restores a state written by [`Env::save_state`].
    ///
    /// # Errors
    /// If the bytes are not such a state: one clear sentence. The default always fails.
    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let _ = bytes;
        Err(StateError(format!(
            "`{}` cannot restore a state",
            self.spec().name
        )))
    }

    /// The names of the cameras that [`Env::render`] can look through, in order; an empty name is
    /// one without. None by default: pictures then have one view.
    fn cameras(&self) -> Vec<String> {
        Vec::new()
    }

    /// Lets [`Env::render`] look through camera number `camera` of [`Env::cameras`], instead of the
    /// one that it chooses itself.
    fn set_camera(&mut self, camera: usize) {
        let _ = camera;
    }

    /// A picture of the current state.
    ///
    /// # Errors
    /// If this environment has no picture or this machine cannot render one: one sentence that says
    /// what to do.
    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        let _ = (width, height);
        Err(RenderError::no_picture(&self.spec().name))
    }
}

/// An RGB picture, rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `[height, width, 3]` bytes.
    pub rgb: Vec<u8>,
}

/// The environment cannot save its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this environment cannot save its state")]
pub struct NoState;

/// Bytes that are not a state of this environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub String);

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

impl RenderError {
    /// What ends the text of [`RenderError::no_picture`].
    const NONE: &str = " has no picture";

    /// Environments of the task of this name have no picture, on any machine.
    pub fn no_picture(task: &str) -> Self {
        Self(format!("`{task}`{}", Self::NONE))
    }

    /// Whether there is no picture on any machine, rather than not on this one.
    pub fn is_of_the_task(&self) -> bool {
        self.0.ends_with(Self::NONE)
    }
}

/// An environment that could not be created (a missing library, a damaged model).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MakeError(pub String);

/// A file that a task was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path from the folder of the task file, without `..`.
    pub path: std::path::PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A named task, as listed by `fpo tasks`, on which a run trains.
pub trait Task: Send + Sync {
    /// The constants of its environments.
    fn spec(&self) -> &EnvSpec;

    /// Creates one environment. Environments of a task should share what they can, such as a
    /// compiled model.
    ///
    /// # Errors
    /// If it cannot be made here: one sentence that says what to do. A task whose environments come
    /// in batches only says so; it is trained and evaluated, but not played.
    fn make(&self) -> Result<Box<dyn Env>, MakeError>;

    /// The files that define the task, if it is read from files; none, as by default, if it is a
    /// part of the program. A run keeps a copy of them, with which it can be evaluated and resumed,
    /// and refuses to be resumed with others.
    fn files(&self) -> &[SourceFile] {
        &[]
    }

    /// What was wrong in the task when an observation or a reward was not a finite number, if the
    /// task knows: one sentence for the error message.
    fn fault(&self) -> Option<String> {
        None
    }

    /// The parts of the critic's own observation in order: name and number of entries. Empty, as by
    /// default, where the critic sees the policy's observation.
    ///
    /// The critic is needed in training alone, so it may see what a policy cannot: the true state,
    /// the terrain, a mass (an asymmetric actor-critic). It sees this *instead* of the policy's
    /// observation, which mostly is a part of it.
    fn critic_observation(&self) -> &[(String, usize)] {
        &[]
    }

    /// Entries of the critic's own observation, 0 where it has none.
    fn critic_observation_dim(&self) -> usize {
        self.critic_observation().iter().map(|(_, n)| n).sum()
    }

    /// Names and versions, or digests, of what decides how its environments behave: a simulator,
    /// models, data. A run records them, so that runs can be compared years later. Nothing by
    /// default.
    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Makes the environments `first..first + count` of a run or an evaluation as one batch; by
    /// default an [`EnvGroup`] of single ones. Environment `first` is the same whatever batch it is
    /// in: its episodes depend on its index and the options alone.
    ///
    /// # Errors
    /// As [`Task::make`].
    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        Ok(Box::new(EnvGroup::new(self, first, count, options)?))
    }

    /// This task with the constants `spec`, which have another step limit or other seconds a step,
    /// and with actions that are each held for `repeat` of its own steps; rewards of a held action
    /// are summed, and an end of the episode ends it. None, as by default, where
    /// [`crate::Adaptation`] is to do that with single environments; a task whose environments come
    /// in batches only does it here.
    ///
    /// # Errors
    /// If its environments cannot be changed so: one sentence that says what to do.
    fn adapted(&self, spec: &EnvSpec, repeat: u32) -> Option<Result<Arc<dyn Task>, MakeError>> {
        let _ = (spec, repeat);
        None
    }

    /// Into how many batches a run may cut its environments; 1 where all must be stepped in one
    /// call, which leaves acting in them to one thread. Without a limit by default.
    fn max_batches(&self) -> usize {
        usize::MAX
    }

    /// Whether a run is evaluated: not where there is one batch of environments that training
    /// steps, and no others can be made. True by default.
    fn can_evaluate(&self) -> bool {
        true
    }
}
