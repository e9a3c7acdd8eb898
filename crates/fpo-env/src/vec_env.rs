//! A batch of environments that are stepped at once.

use crate::{Extras, MakeError, NoState, Outcome, StateError, StepEnd, Task};
use fpo_rng::Stream;

/// Where the random numbers of a batch's environments come from, and how its first episodes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VecEnvOptions {
    /// Seed of the run.
    pub seed: u64,
    /// The stream of the initial states.
    pub stream: Stream,
    /// Cut the first episode of each environment to a random length, so that they do not end
    /// together, and that which begins where a saved state could not be continued. Of no effect on
    /// a task without a step limit.
    pub random_initial_length: bool,
    /// Environments that begin alike: the first this many, the next, and so on, counted over all
    /// batches. 1 for none.
    pub group: u32,
}

/// A batch of environments of one task that are stepped at once, and that begin their next episode
/// by themselves.
///
/// [`crate::EnvGroup`] is one, made of single [`crate::Env`]s. A simulator that steps many
/// environments in one call (arrays of states, a GPU, another process) is another: its task
/// implements [`Task::make_vec`]. A run cuts its environments into several batches, one for each
/// thread and more; that must not change what an environment does.
///
/// [`crate::Episodes`] keeps the account of episodes that every implementation needs.
pub trait VecEnv: Send {
    /// Number of environments N; it never changes.
    fn len(&self) -> usize;

    /// Whether there is no environment.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The observations that the next actions answer, `[N, observation_dim]`.
    fn observations(&self) -> &[f32];

    /// What the critic sees instead, `[N, critic_observation_dim]`; empty if the task names no
    /// [`Task::critic_observation`].
    fn critic_observations(&self) -> &[f32] {
        &[]
    }

    /// Steps every environment with its action (`actions` `[N, action_dim]`, in the environment's
    /// units, within its bounds) and fills `out`. Where an episode ends, its true last observations
    /// go to `out`, and the next begins: [`VecEnv::observations`] then shows its first.
    ///
    /// Step limits are the implementation's business: [`crate::Episodes`] applies them. Every
    /// observation and reward is finite. Where the environments cannot be stepped any longer,
    /// [`VecStep::failed`] says why.
    fn step(&mut self, actions: &[f32], out: &mut VecStep);

    /// Environment `i` is not needed any longer: its outcomes and observations will not be read,
    /// and it need not be stepped. Nothing happens by default.
    fn retire(&mut self, i: usize) {
        let _ = i;
    }

    /// Appends the whole state of environment `i`, its episode and its observations to `out`, such
    /// that [`VecEnv::load_state`] of an equal batch continues bit for bit.
    ///
    /// # Errors
    /// [`NoState`] if this batch gives no states, as by default. Training that is resumed then
    /// calls [`VecEnv::restart`].
    fn save_state(&self, i: usize, out: &mut Vec<u8>) -> Result<(), NoState> {
        let _ = (i, out);
        Err(NoState)
    }

    /// Takes over what [`VecEnv::save_state`] appended for environment `i`.
    ///
    /// # Errors
    /// If the bytes are not such a state: one clear sentence. By default always, since there is
    /// none.
    fn load_state(&mut self, i: usize, bytes: &[u8]) -> Result<Resumed, StateError> {
        let _ = bytes;
        Err(StateError(format!("environment {i} takes no state")))
    }

    /// Begins a new episode in every environment, as at first but with other random numbers:
    /// training is resumed after `steps` steps of each environment, and there is no state to
    /// continue from. The same `steps` always begin the same episodes
    /// ([`crate::Episodes::restart`]).
    fn restart(&mut self, steps: u64);
}

/// How an environment continues from a saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Where it was.
    Exactly,
    /// With a new episode, since the state holds none of its own.
    NewEpisode,
}

/// What a step of N environments gave; the buffers are reused.
#[derive(Clone, Debug)]
pub struct VecStep {
    /// Rewards and ends `[N]`.
    pub outcomes: Vec<Outcome>,
    /// The last observations of the episodes that this step ended, `[N, observation_dim]`; anything
    /// for environments whose episode continues.
    pub final_observations: Vec<f32>,
    /// The same for the critic, `[N, critic_observation_dim]`; empty if the task has none.
    pub final_critic_observations: Vec<f32>,
    /// Reward terms and metrics, added to what earlier steps reported.
    pub extras: Extras,
    /// Why the environments could not be stepped: code of a user that failed, a simulator that is
    /// gone. The rest of this step then counts for nothing, and training or the evaluation ends.
    pub failed: Option<StepError>,
}

/// Environments that cannot be stepped any longer; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepError(pub String);

impl VecStep {
    /// Buffers for the environments of `envs`.
    pub fn new(envs: &(impl VecEnv + ?Sized)) -> Self {
        let running = Outcome {
            reward: 0.0,
            ended: None,
        };
        Self {
            outcomes: vec![running; envs.len()],
            final_observations: vec![0.0; envs.observations().len()],
            final_critic_observations: vec![0.0; envs.critic_observations().len()],
            extras: Extras::default(),
            failed: None,
        }
    }

    /// The last observation of the episode of environment `i` that this step ended,
    /// `[observation_dim]`.
    pub fn final_observation(&self, i: usize) -> &[f32] {
        &self.final_observations[self.row(i, self.final_observations.len())]
    }

    /// The same for the critic, `[critic_observation_dim]`.
    pub fn final_critic_observation(&self, i: usize) -> &[f32] {
        &self.final_critic_observations[self.row(i, self.final_critic_observations.len())]
    }

    /// How the step of environment `i` ended.
    #[inline]
    pub fn end(&self, i: usize) -> StepEnd {
        self.outcomes[i].end()
    }

    /// Entries of environment `i` in a buffer of `total`.
    fn row(&self, i: usize, total: usize) -> std::ops::Range<usize> {
        let width = total / self.outcomes.len();
        i * width..(i + 1) * width
    }
}

/// Makes environments `first..first + count` of `task` and checks that their sizes are the task's.
///
/// # Errors
/// If the task is not valid ([`crate::check_task`]), they cannot be made, or a batch of another
/// size was made: one clear sentence.
pub fn make_vec(
    task: &dyn Task,
    first: u32,
    count: usize,
    options: VecEnvOptions,
) -> Result<Box<dyn VecEnv>, MakeError> {
    crate::check_task(task)?;
    let spec = task.spec();
    let envs = task.make_vec(first, count, options)?;
    let sizes = [
        ("environments", envs.len(), count),
        (
            "entries of observations",
            envs.observations().len(),
            count * spec.observation_dim(),
        ),
        (
            "entries of the critic's observations",
            envs.critic_observations().len(),
            count * task.critic_observation_dim(),
        ),
    ];
    match sizes.iter().find(|(_, made, expected)| made != expected) {
        None => Ok(envs),
        Some((what, made, expected)) => Err(MakeError(format!(
            "`{}` made a batch with {made} {what}, where {expected} are expected",
            spec.name
        ))),
    }
}
