//! The account of a batch's episodes: random numbers to begin with, step limits, lengths, returns.

use crate::{EnvSpec, MakeError, StateError, StepEnd, VecEnvOptions};
use fpo_rng::{Key, Philox, Stream};
use rand::RngExt;

/// A finished episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// Sum of its rewards.
    pub total_reward: f64,
    /// Steps it had.
    pub length: u32,
    /// How it ended; never [`StepEnd::Running`].
    pub end: StepEnd,
    /// Whether it had the task's own step limit, not a random one for a first episode.
    pub whole: bool,
}

/// What one step of one environment gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The step's reward.
    pub reward: f32,
    /// The episode that this step ended. The environment's observation then is the first of the
    /// next episode; the last of this one is in [`crate::VecStep::final_observations`].
    pub ended: Option<Episode>,
}

impl Outcome {
    /// Whether the episode continues, and if not, why.
    #[inline]
    pub fn end(&self) -> StepEnd {
        self.ended.map_or(StepEnd::Running, |episode| episode.end)
    }
}

/// An environment's current episode.
#[derive(Clone, Debug)]
struct Current {
    /// Resets so far; the `step` of the next reset's key.
    resets: u64,
    /// Steps so far, and how many it may have.
    length: u32,
    limit: Option<u32>,
    total_reward: f64,
    /// Whether the next episode may be cut to a random length.
    random_length: bool,
}

/// The episodes of a batch of environments: what every [`crate::VecEnv`] has to keep account of,
/// whatever it simulates.
///
/// A batch calls [`Episodes::begin`] where it resets an environment, for the generator of the
/// initial state, and [`Episodes::step`] after each step, which applies the step limit and sums up
/// the episode. The initial state of an episode then is a function of (seed, index of the
/// environment's group, number of the reset) alone.
#[derive(Clone, Debug)]
pub struct Episodes {
    current: Vec<Current>,
    /// Global index of the first environment.
    first: u32,
    step_limit: Option<u32>,
    options: VecEnvOptions,
}

impl Episodes {
    /// The account of environments `first..first + count` of the task with `spec`, before their
    /// first episodes.
    ///
    /// # Errors
    /// If the spec is not valid ([`EnvSpec::check`]), or groups have no environment.
    pub fn new(
        spec: &EnvSpec,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Self, MakeError> {
        spec.check()?;
        let refused = |why| Err(MakeError(format!("`{}` has {why}", spec.name)));
        if options.group == 0 {
            return refused("groups of 0 environments: a group has at least one");
        }
        let current = Current {
            resets: 0,
            length: 0,
            limit: None,
            total_reward: 0.0,
            random_length: options.random_initial_length,
        };
        Ok(Self {
            current: vec![current; count],
            first,
            step_limit: spec.step_limit,
            options,
        })
    }

    /// Begins the next episode of environment `i` and returns the generator of its initial state.
    pub fn begin(&mut self, i: usize) -> Philox {
        let current = &mut self.current[i];
        let key = Key::new(self.options.seed, self.options.stream)
            .index((self.first + i as u32) / self.options.group)
            .step(current.resets);
        current.limit = self.step_limit.map(|limit| {
            let key = Key {
                stream: Stream::Stagger,
                ..key
            };
            match current.random_length {
                true => Philox::new(key).random_range(1..=limit),
                false => limit,
            }
        });
        current.random_length = false;
        current.resets += 1;
        current.length = 0;
        current.total_reward = 0.0;
        Philox::new(key)
    }

    /// Counts a step of environment `i` that gave `reward` and ended as the environment says; at
    /// its step limit a running episode is truncated. After an end, [`Episodes::begin`] follows.
    pub fn step(&mut self, i: usize, reward: f32, end: StepEnd) -> Outcome {
        let current = &mut self.current[i];
        // An episode without a limit may be longer than can be counted.
        current.length = current.length.saturating_add(1);
        current.total_reward += f64::from(reward);
        let full = current.limit.is_some_and(|limit| current.length >= limit);
        let end = match end {
            StepEnd::Running if full => StepEnd::Truncated,
            end => end,
        };
        let ended = (end != StepEnd::Running).then_some(Episode {
            total_reward: current.total_reward,
            length: current.length,
            end,
            whole: current.limit == self.step_limit,
        });
        Outcome { reward, ended }
    }

    /// Lets the next episodes of all environments begin as first ones do, with random lengths if
    /// those are wanted, and with random numbers that no episode has had in `steps` steps.
    pub fn restart(&mut self, steps: u64) {
        for i in 0..self.current.len() {
            self.randomize_length(i);
            let resets = &mut self.current[i].resets;
            // No environment begins more episodes than it has steps, but for its first.
            *resets = (*resets).max(steps + 1);
        }
    }

    /// Lets the next episode of environment `i` have a random length, if first ones have.
    pub(crate) fn randomize_length(&mut self, i: usize) {
        self.current[i].random_length = self.options.random_initial_length;
    }

    /// Appends where environment `i` is in its episode to `out`.
    pub fn save_state(&self, i: usize, out: &mut Vec<u8>) {
        let current = &self.current[i];
        out.extend(current.resets.to_le_bytes());
        out.extend(current.length.to_le_bytes());
        // No limit is 0, which none is.
        out.extend(current.limit.unwrap_or(0).to_le_bytes());
        out.extend(current.total_reward.to_le_bytes());
    }

    /// Takes over what [`Episodes::save_state`] appended, from the front of `bytes`, and returns
    /// what follows it.
    ///
    /// # Errors
    /// If the bytes are no such account, or not one of this task's step limit.
    pub fn load_state<'a>(&mut self, i: usize, bytes: &'a [u8]) -> Result<&'a [u8], StateError> {
        let global = self.first as usize + i;
        let short = || StateError(format!("the state of environment {global} is cut short"));
        let (resets, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (limit, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (total_reward, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let limit = u32::from_le_bytes(*limit);
        let loaded = Current {
            resets: u64::from_le_bytes(*resets),
            length: u32::from_le_bytes(*length),
            limit: (limit > 0).then_some(limit),
            total_reward: f64::from_le_bytes(*total_reward),
            random_length: false,
        };
        let limits_hold = match (loaded.limit, self.step_limit) {
            (Some(limit), Some(most)) => limit <= most && loaded.length < limit,
            (None, None) => true,
            _ => false,
        };
        if !(loaded.resets < 1 << 56 && limits_hold && loaded.total_reward.is_finite()) {
            return Err(StateError(format!(
                "the episode of environment {global} is impossible"
            )));
        }
        self.current[i] = loaded;
        Ok(rest)
    }

    /// Step limits of the current episodes.
    #[cfg(test)]
    pub(crate) fn limits(&self) -> Vec<Option<u32>> {
        self.current.iter().map(|current| current.limit).collect()
    }

    /// Resets so far.
    #[cfg(test)]
    pub(crate) fn resets(&self) -> Vec<u64> {
        self.current.iter().map(|current| current.resets).collect()
    }
}
