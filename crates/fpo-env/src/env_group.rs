//! A fixed group of single environments as a batch that one thread steps.

#[cfg(test)]
mod tests;

use crate::check::make_checked;
use crate::{
    Env, Episodes, MakeError, NoState, Outcome, Resumed, StateError, Task, VecEnv, VecEnvOptions,
    VecStep,
};

/// Where the length of an environment's state is expected: it gives none. No state is this long.
const NO_STATE: u64 = u64::MAX;

/// A group of environments of one task that a thread steps together.
///
/// The initial state of an episode is a function of (seed, index of the environment's group, number
/// of the reset) alone, so the way environments are cut into groups changes nothing.
pub struct EnvGroup {
    envs: Vec<Box<dyn Env>>,
    episodes: Episodes,
    /// Environments that are not stepped any longer.
    retired: Vec<bool>,
    /// Global index of the first environment.
    first: u32,
    observation_dim: usize,
    critic_observation_dim: usize,
    /// `[environments, observation_dim]`
    observations: Vec<f32>,
    /// `[environments, critic_observation_dim]`
    critic_observations: Vec<f32>,
}

impl EnvGroup {
    /// Makes the environments `first..first + count` of `task` and resets them.
    ///
    /// # Errors
    /// If the task's environments cannot be made here, or have another [`crate::EnvSpec`] than the
    /// task, or as [`Episodes::new`].
    pub fn new(
        task: &(impl Task + ?Sized),
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Self, MakeError> {
        let spec = task.spec();
        let episodes = Episodes::new(spec, first, count, options)?;
        let (observation_dim, critic_dim) = (spec.observation_dim(), task.critic_observation_dim());
        let mut group = Self {
            envs: (0..count)
                .map(|_| make_checked(task))
                .collect::<Result<_, _>>()?,
            episodes,
            retired: vec![false; count],
            first,
            observation_dim,
            critic_observation_dim: critic_dim,
            observations: vec![0.0; count * observation_dim],
            critic_observations: vec![0.0; count * critic_dim],
        };
        group.reset_all();
        Ok(group)
    }

    /// Starts a fresh episode in every environment.
    pub fn reset_all(&mut self) {
        (0..self.envs.len()).for_each(|i| self.reset(i));
    }

    /// Global index of the first environment.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Steps environment `i` of this group alone with `action` (`[action_dim]`, in the
    /// environment's units), fills its place in `out` and, when its episode ends, begins the next.
    pub fn step_env(&mut self, i: usize, action: &[f32], out: &mut VecStep) -> Outcome {
        let (d, c) = (self.observation_dim, self.critic_observation_dim);
        let observation = &mut self.observations[i * d..(i + 1) * d];
        let env = &mut self.envs[i];
        let step = env.step(action, observation);
        env.extras(&mut out.extras);
        let outcome = self.episodes.step(i, step.reward, step.end);
        out.outcomes[i] = outcome;
        if outcome.ended.is_some() {
            out.final_observations[i * d..(i + 1) * d].copy_from_slice(observation);
            if c > 0 {
                env.critic_observation(&mut out.final_critic_observations[i * c..(i + 1) * c]);
            }
            self.reset(i);
        } else {
            self.observe_for_critic(i);
        }
        outcome
    }

    /// Begins the next episode of environment `i`.
    fn reset(&mut self, i: usize) {
        let d = self.observation_dim;
        let mut rng = self.episodes.begin(i);
        self.envs[i].reset(&mut rng, &mut self.observations[i * d..(i + 1) * d]);
        self.observe_for_critic(i);
    }

    fn observe_for_critic(&mut self, i: usize) {
        let c = self.critic_observation_dim;
        if c > 0 {
            self.envs[i].critic_observation(&mut self.critic_observations[i * c..(i + 1) * c]);
        }
    }
}

impl VecEnv for EnvGroup {
    fn len(&self) -> usize {
        self.envs.len()
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn critic_observations(&self) -> &[f32] {
        &self.critic_observations
    }

    fn step(&mut self, actions: &[f32], out: &mut VecStep) {
        let width = actions.len() / self.envs.len().max(1);
        for (i, action) in actions.chunks_exact(width.max(1)).enumerate() {
            if !self.retired[i] {
                self.step_env(i, action, out);
            }
        }
    }

    fn retire(&mut self, i: usize) {
        self.retired[i] = true;
    }

    /// An environment that gives no state has its random numbers, and a mark, in the place of one.
    fn save_state(&self, i: usize, out: &mut Vec<u8>) -> Result<(), NoState> {
        self.episodes.save_state(i, out);
        let d = self.observation_dim;
        let observation = &self.observations[i * d..(i + 1) * d];
        out.extend(observation.iter().flat_map(|x| x.to_le_bytes()));
        let mut state = Vec::new();
        match self.envs[i].save_state(&mut state) {
            Ok(()) => {
                out.extend((state.len() as u64).to_le_bytes());
                out.extend(&state);
            }
            Err(NoState) => out.extend(NO_STATE.to_le_bytes()),
        }
        Ok(())
    }

    /// An environment that gave no state begins its next episode. On an error the environment may
    /// already have changed.
    fn load_state(&mut self, i: usize, bytes: &[u8]) -> Result<Resumed, StateError> {
        let global = self.first as usize + i;
        let short = || StateError(format!("the state of environment {global} is cut short"));
        let bytes = self.episodes.load_state(i, bytes)?;
        let d = self.observation_dim;
        let (observation, bytes) = bytes.split_at_checked(4 * d).ok_or_else(short)?;
        let numbers = observation.as_chunks().0.iter();
        let own = self.observations[i * d..(i + 1) * d].iter_mut();
        for (to, from) in own.zip(numbers) {
            *to = f32::from_le_bytes(*from);
            if !to.is_finite() {
                return Err(StateError(format!(
                    "an observation of environment {global} is not finite"
                )));
            }
        }
        let (length, state) = bytes.split_first_chunk().ok_or_else(short)?;
        let length = u64::from_le_bytes(*length);
        if length == NO_STATE && state.is_empty() {
            // They all begin now, as at first.
            self.episodes.randomize_length(i);
            self.reset(i);
            return Ok(Resumed::NewEpisode);
        }
        if length != state.len() as u64 {
            return Err(short());
        }
        self.envs[i]
            .load_state(state)
            .map_err(|e| StateError(format!("the state of environment {global}: {e}")))?;
        self.observe_for_critic(i);
        Ok(Resumed::Exactly)
    }

    fn restart(&mut self, steps: u64) {
        self.episodes.restart(steps);
        self.reset_all();
    }
}
