//! A fixed group of environments that one thread steps, with auto-reset.

use crate::{Env, MakeError, NoState, StateError, StepEnd, Task};
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
    /// Whether it had the task's own step limit, not a staggered first one.
    pub whole: bool,
}

/// What one step of one environment gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The step's reward.
    pub reward: f32,
    /// The episode that this step ended. The shard's observation then is the first of the next
    /// episode, and the last of this one is in `final_observation`.
    pub ended: Option<Episode>,
}

/// Where the random numbers of a shard's environments come from, and how its first episodes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvGroupOptions {
    /// Seed of the run.
    pub seed: u64,
    /// The stream of the initial states.
    pub stream: Stream,
    /// Cut the first episode of each environment to a random length, so that they do not end
    /// together, and that which begins where a saved state could not be continued. Of no effect on
    /// a task without a step limit.
    pub random_initial_length: bool,
    /// Environments that begin alike: the first this many, the next, and so on, counted over all
    /// shards. 1 for none.
    pub group: u32,
}

struct Slot {
    env: Box<dyn Env>,
    /// Resets so far; the `step` of the next reset's key.
    resets: u64,
    /// Steps of the current episode, and how many it may have.
    length: u32,
    limit: Option<u32>,
    total_reward: f64,
}

/// Where the length of an environment's state is expected: it gives none. No state is this long.
const NO_STATE: u64 = u64::MAX;

/// A group of environments of one task that a thread steps together.
///
/// The initial state of an episode is a function of (seed, index of the environment's group, number
/// of the reset) alone, so the way environments are cut into shards changes nothing.
pub struct EnvGroup {
    slots: Vec<Slot>,
    /// Global index of the first environment.
    first: u32,
    options: EnvGroupOptions,
    observation_dim: usize,
    step_limit: Option<u32>,
    /// Episodes that the latest state taken over could not continue.
    restarted_episodes: usize,
    /// `[environments, observation_dim]`
    observations: Vec<f32>,
    /// `[observation_dim]`
    final_observation: Vec<f32>,
}

impl EnvGroup {
    /// Makes the environments `first..first + count` of `task` and resets them.
    ///
    /// # Errors
    /// If the task's environments cannot be made here, or their episodes may have no step.
    pub fn new(
        task: &dyn Task,
        first: u32,
        count: usize,
        options: EnvGroupOptions,
    ) -> Result<Self, MakeError> {
        let spec = task.spec();
        if spec.step_limit == Some(0) {
            let why = format!(
                "`{}` has a step limit of 0: an episode has at least one step",
                spec.name
            );
            return Err(MakeError(why));
        }
        let observation_dim = spec.observation_dim();
        let slots = (0..count)
            .map(|_| {
                Ok(Slot {
                    env: task.make()?,
                    resets: 0,
                    length: 0,
                    limit: None,
                    total_reward: 0.0,
                })
            })
            .collect::<Result<_, MakeError>>()?;
        let mut envs = Self {
            slots,
            first,
            options,
            observation_dim,
            step_limit: spec.step_limit,
            restarted_episodes: 0,
            observations: vec![0.0; count * observation_dim],
            final_observation: vec![0.0; observation_dim],
        };
        envs.reset_all();
        Ok(envs)
    }

    /// Starts a fresh episode in every environment.
    pub fn reset_all(&mut self) {
        for i in 0..self.len() {
            let first = self.slots[i].resets == 0;
            self.reset(i, first);
        }
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no environment.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Global index of the first environment.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The observations that the next actions answer, `[environments, observation_dim]`.
    pub fn observations(&self) -> &[f32] {
        &self.observations
    }

    /// The last observation of the episode that the latest [`EnvGroup::step`] ended,
    /// `[observation_dim]`.
    pub fn final_observation(&self) -> &[f32] {
        &self.final_observation
    }

    /// Environments whose episode began anew when the latest state was taken over, since it held
    /// none of theirs.
    pub fn restarted_episodes(&self) -> usize {
        self.restarted_episodes
    }

    /// Steps environment `i` of this shard with `action` (`[action_dim]`, in the environment's
    /// units) and, when that ends its episode, begins the next.
    pub fn step(&mut self, i: usize, action: &[f32]) -> Outcome {
        let d = self.observation_dim;
        let observation = &mut self.observations[i * d..(i + 1) * d];
        let slot = &mut self.slots[i];
        let step = slot.env.step(action, observation);
        // An episode without a limit may be longer than can be counted.
        slot.length = slot.length.saturating_add(1);
        slot.total_reward += f64::from(step.reward);
        let full = slot.limit.is_some_and(|limit| slot.length >= limit);
        let end = match step.end {
            StepEnd::Running if full => StepEnd::Truncated,
            end => end,
        };
        if end == StepEnd::Running {
            return Outcome {
                reward: step.reward,
                ended: None,
            };
        }
        let episode = Episode {
            total_reward: slot.total_reward,
            length: slot.length,
            end,
            whole: slot.limit == self.step_limit,
        };
        self.final_observation.copy_from_slice(observation);
        self.reset(i, false);
        Outcome {
            reward: step.reward,
            ended: Some(episode),
        }
    }

    /// Begins the next episode of environment `i`, with a random length if it is the `first` and
    /// those are to be staggered.
    fn reset(&mut self, i: usize, first: bool) {
        let d = self.observation_dim;
        let slot = &mut self.slots[i];
        let key = Key::new(self.options.seed, self.options.stream)
            .index((self.first + i as u32) / self.options.group)
            .step(slot.resets);
        let random_initial_length = self.options.random_initial_length && first;
        slot.limit = self.step_limit.map(|limit| {
            let key = Key {
                stream: Stream::Stagger,
                ..key
            };
            match random_initial_length {
                true => Philox::new(key).random_range(1..=limit),
                false => limit,
            }
        });
        slot.env.reset(
            &mut Philox::new(key),
            &mut self.observations[i * d..(i + 1) * d],
        );
        slot.resets += 1;
        slot.length = 0;
        slot.total_reward = 0.0;
    }

    /// Appends the state of all environments and episodes to `out`; of an environment that gives
    /// none, where its random numbers are, and a mark.
    pub fn save_state(&self, out: &mut Vec<u8>) {
        let mut state = Vec::new();
        for (slot, observation) in self
            .slots
            .iter()
            .zip(self.observations.chunks(self.observation_dim))
        {
            out.extend(slot.resets.to_le_bytes());
            out.extend(slot.length.to_le_bytes());
            // No limit is 0, which none is.
            out.extend(slot.limit.unwrap_or(0).to_le_bytes());
            out.extend(slot.total_reward.to_le_bytes());
            out.extend(observation.iter().flat_map(|x| x.to_le_bytes()));
            state.clear();
            match slot.env.save_state(&mut state) {
                Ok(()) => {
                    out.extend((state.len() as u64).to_le_bytes());
                    out.extend(&state);
                }
                Err(NoState) => out.extend(NO_STATE.to_le_bytes()),
            }
        }
    }

    /// Cuts what [`EnvGroup::save_state`] appended into the states of single environments, for
    /// observations of this size.
    ///
    /// # Errors
    /// If the bytes are not such states.
    pub fn states(mut bytes: &[u8], observation_dim: usize) -> Result<Vec<&[u8]>, StateError> {
        // Counters, limit and reward, the observation; then the length of what the environment
        // itself keeps.
        const EPISODE: usize = 8 + 4 + 4 + 8;
        let mut states = Vec::new();
        while !bytes.is_empty() {
            let own = EPISODE + 4 * observation_dim;
            let length = bytes
                .get(own..own + 8)
                .map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
            let kept = length.map(|n| if n == NO_STATE { 0 } else { n });
            let end = kept.and_then(|n| usize::try_from(n).ok()?.checked_add(own + 8));
            let cut = end.and_then(|end| bytes.split_at_checked(end));
            let (state, rest) = cut.ok_or_else(|| {
                StateError(format!(
                    "the state of environment {} is cut short",
                    states.len()
                ))
            })?;
            states.push(state);
            bytes = rest;
        }
        Ok(states)
    }

    /// Takes over the state that [`EnvGroup::save_state`] of an equal shard appended, from the
    /// front of `bytes`, and returns what follows it. On an error some environments may already
    /// have changed.
    ///
    /// An environment that gave no state begins its next episode: [`EnvGroup::restarted_episodes`]
    /// counts them. The same bytes always begin the same episode.
    ///
    /// # Errors
    /// If the bytes are not such a state.
    pub fn load_state<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], StateError> {
        self.restarted_episodes = 0;
        for i in 0..self.len() {
            let global = self.first as usize + i;
            let short = || StateError(format!("the state of environment {global} is cut short"));
            let mut take = |n: usize| -> Result<&'a [u8], StateError> {
                let (head, tail) = bytes.split_at_checked(n).ok_or_else(short)?;
                bytes = tail;
                Ok(head)
            };
            let word = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("eight bytes"));
            let half = |b: &[u8]| u32::from_le_bytes(b.try_into().expect("four bytes"));
            let slot = &mut self.slots[i];
            slot.resets = word(take(8)?);
            slot.length = half(take(4)?);
            let limit = half(take(4)?);
            slot.limit = (limit > 0).then_some(limit);
            slot.total_reward = f64::from_bits(word(take(8)?));
            let limits_hold = match (slot.limit, self.step_limit) {
                (Some(limit), Some(most)) => limit <= most && slot.length < limit,
                (None, None) => true,
                _ => false,
            };
            let possible = slot.resets < 1 << 56 && limits_hold && slot.total_reward.is_finite();
            if !possible {
                return Err(StateError(format!(
                    "the episode of environment {global} is impossible"
                )));
            }
            let d = self.observation_dim;
            let observation = take(4 * d)?.chunks_exact(4);
            for (to, from) in self.observations[i * d..(i + 1) * d]
                .iter_mut()
                .zip(observation)
            {
                *to = f32::from_bits(half(from));
                if !to.is_finite() {
                    return Err(StateError(format!(
                        "an observation of environment {global} is not finite"
                    )));
                }
            }
            let length = word(take(8)?);
            if length == NO_STATE {
                self.restarted_episodes += 1;
                // They all begin now, as at first.
                self.reset(i, true);
                continue;
            }
            let length = usize::try_from(length).map_err(|_| short())?;
            slot.env
                .load_state(take(length)?)
                .map_err(|e| StateError(format!("the state of environment {global}: {e}")))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnvSpec, Step};

    /// The name of walks that give no state.
    const SECRETIVE: &str = "secretive";

    /// Walks by its action from a random start; terminal above 10, diverges below −10, cut by
    /// itself from 8 to 9.
    struct Walk {
        spec: EnvSpec,
        x: f32,
    }

    impl Env for Walk {
        fn spec(&self) -> &EnvSpec {
            &self.spec
        }
        fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
            self.x = rng.unit();
            observation[0] = self.x;
        }
        fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
            self.x += action[0];
            observation[0] = self.x;
            let end = match self.x {
                x if x > 10.0 => StepEnd::Terminated,
                x if x < -10.0 => StepEnd::Diverged,
                x if (8.0..9.0).contains(&x) => StepEnd::Truncated,
                _ => StepEnd::Running,
            };
            Step { reward: 1.0, end }
        }
        fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
            // What is written before the refusal is to be ignored.
            out.extend(self.x.to_le_bytes());
            if self.spec.name == SECRETIVE {
                Err(NoState)
            } else {
                Ok(())
            }
        }
        fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
            if self.spec.name == SECRETIVE {
                return Err(StateError("it takes none".into()));
            }
            self.x = f32::from_le_bytes(
                bytes
                    .try_into()
                    .map_err(|_| StateError("not four bytes".into()))?,
            );
            Ok(())
        }
    }

    struct WalkTask(EnvSpec);

    impl Task for WalkTask {
        fn spec(&self) -> &EnvSpec {
            &self.0
        }
        fn make(&self) -> Result<Box<dyn Env>, MakeError> {
            Ok(Box::new(Walk {
                spec: self.0.clone(),
                x: 0.0,
            }))
        }
    }

    fn task() -> WalkTask {
        task_of("walk", Some(20))
    }

    fn task_of(name: &str, step_limit: Option<u32>) -> WalkTask {
        WalkTask(EnvSpec {
            name: name.into(),
            summary: String::new(),
            observation: vec![("x".into(), 1)],
            action_min: vec![-9.0],
            action_max: vec![9.0],
            control_timestep: 1.0,
            step_limit,
        })
    }

    fn envs(first: u32, count: usize, random_initial_length: bool) -> EnvGroup {
        grouped(first, count, random_initial_length, 1)
    }

    fn grouped(first: u32, count: usize, random_initial_length: bool, group: u32) -> EnvGroup {
        EnvGroup::new(&task(), first, count, options(random_initial_length, group)).unwrap()
    }

    fn options(random_initial_length: bool, group: u32) -> EnvGroupOptions {
        EnvGroupOptions {
            seed: 5,
            stream: Stream::Reset,
            random_initial_length,
            group,
        }
    }

    fn saved(envs: &EnvGroup) -> Vec<u8> {
        let mut bytes = Vec::new();
        envs.save_state(&mut bytes);
        bytes
    }

    #[test]
    fn episodes_end_in_every_way_and_hand_over_the_final_observation() {
        let mut s = envs(0, 3, false);
        let start = s.observations().to_vec();
        let mut ends = Vec::new();
        for _ in 0..20 {
            for (i, action) in [9.0, -9.0, 0.0].into_iter().enumerate() {
                if let Some(episode) = s.step(i, &[action]).ended {
                    ends.push((i, episode.end, episode.length, s.final_observation()[0]));
                    assert_eq!(episode.total_reward, f64::from(episode.length));
                    assert!(episode.whole);
                    assert!((0.0..1.0).contains(&s.observations()[i]), "a fresh start");
                    assert_ne!(
                        s.observations()[i],
                        start[i],
                        "another start than the first"
                    );
                }
            }
        }
        assert!(ends.contains(&(0, StepEnd::Terminated, 2, start[0] + 9.0 + 9.0)));
        assert!(ends.contains(&(1, StepEnd::Diverged, 2, start[1] - 9.0 - 9.0)));
        assert!(ends.contains(&(2, StepEnd::Truncated, 20, start[2])));
    }

    #[test]
    fn an_environment_may_cut_its_episode_itself() {
        let mut s = envs(0, 2, false);
        let start = s.observations().to_vec();
        assert_eq!(s.step(0, &[7.0]).ended, None);
        let first = s.step(0, &[1.0]).ended.unwrap();
        assert_eq!(
            (first.end, first.length, first.whole),
            (StepEnd::Truncated, 2, true)
        );
        // The observation that it was cut at, and not the one that the next episode begins with.
        assert_eq!(s.final_observation(), [start[0] + 7.0 + 1.0]);
        assert!(s.observations()[0] < 1.0 && s.observations()[0] != start[0]);
        assert_eq!(s.observations()[1], start[1], "the other goes on");
        // A step that is terminal and the last of its time is terminal.
        for _ in 0..19 {
            assert_eq!(s.step(1, &[0.0]).ended, None);
        }
        let terminal = s.slots[1].env.step(&[9.0], &mut [0.0]);
        assert_eq!(terminal.end, StepEnd::Running);
        let last = s.step(1, &[9.0]).ended.unwrap();
        assert_eq!((last.end, last.length), (StepEnd::Terminated, 20));
    }

    #[test]
    fn without_a_step_limit_only_the_environment_ends_its_episodes() {
        let endless = task_of("walk", None);
        let new = || EnvGroup::new(&endless, 0, 3, options(true, 1)).unwrap();
        let mut s = new();
        for _ in 0..10_000 {
            (0..3).for_each(|i| assert_eq!(s.step(i, &[0.0]).ended, None));
        }
        let bytes = saved(&s);
        let mut copy = new();
        assert!(copy.load_state(&bytes).unwrap().is_empty());
        assert_eq!(
            (saved(&copy), copy.restarted_episodes()),
            (bytes.clone(), 0)
        );
        for s in [&mut s, &mut copy] {
            s.step(2, &[9.0]);
            let episode = s.step(2, &[9.0]).ended.unwrap();
            let expected = (StepEnd::Terminated, 10_002, true);
            assert_eq!((episode.end, episode.length, episode.whole), expected);
        }
        // Neither is a state of the other task.
        assert!(envs(0, 3, false).load_state(&bytes).is_err());
        assert!(new().load_state(&saved(&envs(0, 3, false))).is_err());

        let none = EnvGroup::new(&task_of("walk", Some(0)), 0, 1, options(true, 1));
        assert!(none.err().unwrap().0.contains("at least one step"));
    }

    #[test]
    fn an_environment_without_a_state_begins_a_new_episode() {
        let secretive = task_of(SECRETIVE, Some(20));
        let new = || EnvGroup::new(&secretive, 4, 3, options(false, 1)).unwrap();
        let mut a = new();
        for k in 0..30 {
            for i in 0..3 {
                a.step(i, &[(k % 3) as f32 - 1.0]);
            }
        }
        let bytes = saved(&a);
        assert_eq!(EnvGroup::states(&bytes, 1).unwrap().concat(), bytes);
        let resets: Vec<_> = a.slots.iter().map(|s| s.resets).collect();
        let restored = || {
            let mut envs = new();
            assert!(envs.load_state(&bytes).unwrap().is_empty());
            assert_eq!(envs.restarted_episodes(), 3);
            envs
        };
        let (mut b, mut c) = (restored(), restored());
        assert_eq!(saved(&b), saved(&c), "twice the same");
        // What the environment would have begun next, whole and from its start.
        for (i, slot) in b.slots.iter().enumerate() {
            assert_eq!(
                (slot.resets, slot.length, slot.limit),
                (resets[i] + 1, 0, Some(20))
            );
        }
        a.reset_all();
        for _ in 0..40 {
            for i in 0..3 {
                let outcome = a.step(i, &[0.5]);
                assert_eq!((outcome, outcome), (b.step(i, &[0.5]), c.step(i, &[0.5])));
            }
            assert_eq!(a.observations(), b.observations());
        }
        // An environment that has learnt to save its state goes on from the mark, too; the other
        // way round there is no way.
        assert!(envs(4, 3, true).load_state(&bytes).is_ok());
        let error = new().load_state(&saved(&envs(4, 3, true))).unwrap_err();
        assert_eq!(error.0, "the state of environment 4: it takes none");
        for cut in 0..bytes.len() {
            assert!(b.load_state(&bytes[..cut]).is_err());
            let whole = cut.is_multiple_of(bytes.len() / 3);
            assert_eq!(EnvGroup::states(&bytes[..cut], 1).is_ok(), whole);
        }
    }

    #[test]
    fn episodes_that_begin_anew_together_do_not_end_together() {
        let secretive = task_of(SECRETIVE, Some(20));
        let mut s = EnvGroup::new(&secretive, 0, 64, options(true, 1)).unwrap();
        let first: Vec<_> = s.slots.iter().map(|s| s.limit).collect();
        s.load_state(&saved(&s)).unwrap();
        let limits: Vec<_> = s.slots.iter().filter_map(|s| s.limit).collect();
        let mean = limits.iter().sum::<u32>() as f32 / 64.0;
        assert!(
            (mean - 10.5).abs() < 3.0,
            "limits uniform on 1..=20, mean {mean}"
        );
        assert_ne!(s.slots.iter().map(|s| s.limit).collect::<Vec<_>>(), first);
    }

    #[test]
    fn cutting_into_shards_changes_nothing() {
        let (whole, left, right) = (envs(0, 6, true), envs(0, 2, true), envs(2, 4, true));
        assert_eq!(
            whole.observations(),
            [left.observations(), right.observations()].concat()
        );
        let limits = |s: &EnvGroup| s.slots.iter().map(|s| s.limit).collect::<Vec<_>>();
        assert_eq!(limits(&whole), [limits(&left), limits(&right)].concat());
    }

    #[test]
    fn states_are_cut_where_environments_begin() {
        let (mut a, mut b) = (envs(0, 3, true), envs(0, 3, true));
        a.step(1, &[0.5]);
        b.step(1, &[0.25]);
        let [a, b] = [a, b].map(|envs| {
            let mut bytes = Vec::new();
            envs.save_state(&mut bytes);
            bytes
        });
        let [of_a, of_b] = [&a, &b].map(|bytes| EnvGroup::states(bytes, 1).unwrap());
        assert_eq!((of_a.len(), of_a.concat()), (3, a.clone()));
        let same: Vec<_> = of_a.iter().zip(&of_b).map(|(a, b)| a == b).collect();
        assert_eq!(same, [true, false, true]);
        assert!(EnvGroup::states(&a[..a.len() - 1], 1).is_err());
    }

    /// Each episode anew, wherever the shards are cut, and after a state was taken over.
    #[test]
    fn environments_of_a_group_begin_alike() {
        let mut whole = grouped(0, 6, false, 3);
        let mut parts = [grouped(0, 2, false, 3), grouped(2, 4, false, 3)];
        let mut starts = Vec::new();
        for _ in 0..3 {
            let o = whole.observations();
            assert!(
                o[0] == o[1] && o[1] == o[2] && o[3] == o[4] && o[4] == o[5],
                "{o:?}"
            );
            assert!(o[0] != o[3], "{o:?}");
            assert_eq!(
                o,
                [parts[0].observations(), parts[1].observations()].concat()
            );
            assert!(!starts.contains(&o[0]), "a fresh start");
            starts.push(o[0]);
            let mut state = Vec::new();
            whole.save_state(&mut state);
            whole = grouped(0, 6, false, 3);
            whole.load_state(&state).unwrap();
            whole.reset_all();
            parts.iter_mut().for_each(EnvGroup::reset_all);
        }
    }

    #[test]
    fn first_episodes_are_staggered_and_later_ones_are_not() {
        let mut s = envs(0, 64, true);
        let limits: Vec<_> = s.slots.iter().filter_map(|s| s.limit).collect();
        let mean = limits.iter().sum::<u32>() as f32 / 64.0;
        assert!(
            (mean - 10.5).abs() < 3.0,
            "limits uniform on 1..=20, mean {mean}"
        );
        s.reset_all();
        assert!(s.slots.iter().all(|s| s.limit == Some(20)));
    }

    #[test]
    fn a_saved_state_continues_alike_and_damage_is_refused() {
        let mut a = envs(0, 3, true);
        for k in 0..30 {
            for i in 0..3 {
                a.step(i, &[(k % 5) as f32 - 2.0]);
            }
        }
        let mut bytes = Vec::new();
        a.save_state(&mut bytes);
        let mut b = envs(0, 3, true);
        assert!(b.load_state(&bytes).unwrap().is_empty());
        for _ in 0..40 {
            (0..3).for_each(|i| assert_eq!(a.step(i, &[1.5]), b.step(i, &[1.5])));
            assert_eq!(a.observations(), b.observations());
        }
        for cut in 0..bytes.len() {
            assert!(b.load_state(&bytes[..cut]).is_err());
        }
    }
}
