//! What a group does with its environments and their episodes.

use super::*;
use crate::{EnvSpec, Extras, Step, StepEnd};
use fpo_rng::{Philox, Stream};
use std::ops::{Deref, DerefMut};

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
    fn extras(&self, extras: &mut Extras) {
        extras.add("x", self.x);
    }
    fn critic_observation(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.x, -self.x]);
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

struct WalkTask(EnvSpec, Vec<(String, usize)>);

impl Task for WalkTask {
    fn spec(&self) -> &EnvSpec {
        &self.0
    }
    fn critic_observation(&self) -> &[(String, usize)] {
        &self.1
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
    let spec = EnvSpec {
        name: name.into(),
        summary: String::new(),
        observation: vec![("x".into(), 1)],
        action_min: vec![-9.0],
        action_max: vec![9.0],
        control_timestep: 1.0,
        step_limit,
    };
    WalkTask(spec, vec![("x and its mirror image".into(), 2)])
}

/// A group and what its latest steps gave.
struct Walks {
    group: EnvGroup,
    out: VecStep,
}

impl Walks {
    fn new(task: &WalkTask, first: u32, count: usize, options: VecEnvOptions) -> Self {
        let group = EnvGroup::new(task, first, count, options).unwrap();
        let out = VecStep::new(&group);
        Self { group, out }
    }

    fn step(&mut self, i: usize, action: &[f32]) -> Outcome {
        self.group.step_env(i, action, &mut self.out)
    }

    /// The state of each environment.
    fn saved(&self) -> Vec<Vec<u8>> {
        let state = |i| {
            let mut bytes = Vec::new();
            self.save_state(i, &mut bytes).unwrap();
            bytes
        };
        (0..self.len()).map(state).collect()
    }

    /// Returns the number of environments that began anew.
    fn load(&mut self, states: &[Vec<u8>]) -> Result<usize, StateError> {
        let mut anew = 0;
        for (i, state) in states.iter().enumerate() {
            anew += usize::from(self.load_state(i, state)? == Resumed::NewEpisode);
        }
        Ok(anew)
    }

    /// Loads less and more than each of `states`.
    fn refuses_damaged(&mut self, states: &[Vec<u8>]) {
        for (i, state) in states.iter().enumerate() {
            for cut in 0..state.len() {
                assert!(self.load_state(i, &state[..cut]).is_err());
            }
            assert!(self.load_state(i, &[state, &[0][..]].concat()).is_err());
        }
    }
}

impl Deref for Walks {
    type Target = EnvGroup;
    fn deref(&self) -> &EnvGroup {
        &self.group
    }
}

impl DerefMut for Walks {
    fn deref_mut(&mut self) -> &mut EnvGroup {
        &mut self.group
    }
}

fn envs(first: u32, count: usize, random_initial_length: bool) -> Walks {
    grouped(first, count, random_initial_length, 1)
}

fn grouped(first: u32, count: usize, random_initial_length: bool, group: u32) -> Walks {
    Walks::new(&task(), first, count, options(random_initial_length, group))
}

fn options(random_initial_length: bool, group: u32) -> VecEnvOptions {
    VecEnvOptions {
        seed: 5,
        stream: Stream::Reset,
        random_initial_length,
        group,
    }
}

#[test]
fn episodes_end_in_every_way_and_hand_over_the_final_observation() {
    let mut s = envs(0, 3, false);
    let start = s.observations().to_vec();
    let mut ends = Vec::new();
    for _ in 0..20 {
        for (i, action) in [9.0, -9.0, 0.0].into_iter().enumerate() {
            if let Some(episode) = s.step(i, &[action]).ended {
                ends.push((
                    i,
                    episode.end,
                    episode.length,
                    s.out.final_observation(i)[0],
                ));
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
    assert_eq!(s.out.final_observation(0), [start[0] + 7.0 + 1.0]);
    assert!(s.observations()[0] < 1.0 && s.observations()[0] != start[0]);
    assert_eq!(s.observations()[1], start[1], "the other continues");
    // A step that is terminal and the last of its time is terminal.
    for _ in 0..19 {
        assert_eq!(s.step(1, &[0.0]).ended, None);
    }
    let terminal = s.envs[1].step(&[9.0], &mut [0.0]);
    assert_eq!(terminal.end, StepEnd::Running);
    let last = s.step(1, &[9.0]).ended.unwrap();
    assert_eq!((last.end, last.length), (StepEnd::Terminated, 20));
}

#[test]
fn without_a_step_limit_only_the_environment_ends_its_episodes() {
    let endless = task_of("walk", None);
    let new = || Walks::new(&endless, 0, 3, options(true, 1));
    let mut s = new();
    for _ in 0..10_000 {
        (0..3).for_each(|i| assert_eq!(s.step(i, &[0.0]).ended, None));
    }
    let states = s.saved();
    let mut copy = new();
    assert_eq!(copy.load(&states), Ok(0));
    assert_eq!(copy.saved(), states);
    for s in [&mut s, &mut copy] {
        s.step(2, &[9.0]);
        let episode = s.step(2, &[9.0]).ended.unwrap();
        let expected = (StepEnd::Terminated, 10_002, true);
        assert_eq!((episode.end, episode.length, episode.whole), expected);
    }
    // Neither is a state of the other task.
    assert!(envs(0, 3, false).load(&states).is_err());
    assert!(new().load(&envs(0, 3, false).saved()).is_err());
}

#[test]
fn episodes_without_a_step_and_groups_without_an_environment_are_refused() {
    for (step_limit, group, why) in [
        (
            0,
            1,
            "the task `walk` cannot be used: its `step_limit` is 0: it must be at least 1, or None",
        ),
        (
            20,
            0,
            "`walk` has groups of 0 environments: a group has at least one",
        ),
    ] {
        let (task, options) = (task_of("walk", Some(step_limit)), options(true, group));
        let alone = EnvGroup::new(&task, 0, 1, options).err().unwrap();
        let checked = crate::make_vec(&task, 0, 1, options).err().unwrap();
        assert_eq!([alone.0, checked.0], [why; 2]);
    }
}

#[test]
fn an_environment_without_a_state_begins_a_new_episode() {
    let secretive = task_of(SECRETIVE, Some(20));
    let new = || Walks::new(&secretive, 4, 3, options(false, 1));
    let mut a = new();
    for k in 0..30 {
        for i in 0..3 {
            a.step(i, &[(k % 3) as f32 - 1.0]);
        }
    }
    let states = a.saved();
    let resets = a.episodes.resets();
    let restored = || {
        let mut envs = new();
        assert_eq!(envs.load(&states), Ok(3));
        envs
    };
    let (mut b, mut c) = (restored(), restored());
    assert_eq!(b.saved(), c.saved(), "twice the same");
    // What the environment would have begun next, whole and from its start.
    let next: Vec<_> = resets.iter().map(|n| n + 1).collect();
    assert_eq!(b.episodes.resets(), next);
    assert_eq!(b.episodes.limits(), [Some(20); 3]);
    a.reset_all();
    for _ in 0..40 {
        for i in 0..3 {
            let outcome = a.step(i, &[0.5]);
            assert_eq!((outcome, outcome), (b.step(i, &[0.5]), c.step(i, &[0.5])));
        }
        assert_eq!(a.observations(), b.observations());
    }
    // An environment that has learnt to save its state continues from the mark, too; the other
    // way round there is no way.
    assert_eq!(envs(4, 3, true).load(&states), Ok(3));
    let error = new().load(&envs(4, 3, true).saved()).unwrap_err();
    assert_eq!(error.0, "the state of environment 4: it takes none");
    b.refuses_damaged(&states);
}

#[test]
fn episodes_that_begin_anew_together_do_not_end_together() {
    let secretive = task_of(SECRETIVE, Some(20));
    let mut s = Walks::new(&secretive, 0, 64, options(true, 1));
    let first = s.episodes.limits();
    let states = s.saved();
    s.load(&states).unwrap();
    let limits: Vec<_> = s.episodes.limits().into_iter().flatten().collect();
    let mean = limits.iter().sum::<u32>() as f32 / 64.0;
    assert!(
        (mean - 10.5).abs() < 3.0,
        "limits uniform on 1..=20, mean {mean}"
    );
    assert_ne!(s.episodes.limits(), first);
}

#[test]
fn dividing_into_groups_changes_nothing() {
    let (whole, left, right) = (envs(0, 6, true), envs(0, 2, true), envs(2, 4, true));
    assert_eq!(
        whole.observations(),
        [left.observations(), right.observations()].concat()
    );
    let limits = |s: &EnvGroup| s.episodes.limits();
    assert_eq!(limits(&whole), [limits(&left), limits(&right)].concat());
}

/// Each episode anew, however the environments are divided into groups, and after a state was taken
/// over.
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
        let states = whole.saved();
        whole = grouped(0, 6, false, 3);
        whole.load(&states).unwrap();
        whole.reset_all();
        parts.iter_mut().for_each(|part| part.reset_all());
    }
}

#[test]
fn first_episodes_are_staggered_and_later_ones_are_not() {
    let mut s = envs(0, 64, true);
    let limits: Vec<_> = s.episodes.limits().into_iter().flatten().collect();
    let mean = limits.iter().sum::<u32>() as f32 / 64.0;
    assert!(
        (mean - 10.5).abs() < 3.0,
        "limits uniform on 1..=20, mean {mean}"
    );
    s.reset_all();
    assert_eq!(s.episodes.limits(), [Some(20); 64]);
}

#[test]
fn a_saved_state_continues_alike_and_damage_is_refused() {
    let mut a = envs(0, 3, true);
    for k in 0..30 {
        for i in 0..3 {
            a.step(i, &[(k % 5) as f32 - 2.0]);
        }
    }
    let states = a.saved();
    let mut b = envs(0, 3, true);
    assert_eq!(b.load(&states), Ok(0));
    for _ in 0..40 {
        (0..3).for_each(|i| assert_eq!(a.step(i, &[1.5]), b.step(i, &[1.5])));
        assert_eq!(a.observations(), b.observations());
    }
    b.refuses_damaged(&states);
}

/// Stepped at once, they do what they do one by one; what is retired stands still.
#[test]
fn a_batch_is_stepped_at_once() {
    let (mut all, mut single) = (envs(0, 3, false), envs(0, 3, false));
    let actions = [9.0, -9.0, 0.5];
    for step in 0..6 {
        let Walks { group, out } = &mut all;
        group.step(&actions, out);
        for (i, action) in actions.iter().enumerate() {
            let outcome = single.step(i, &[*action]);
            assert_eq!(
                (all.out.outcomes[i], all.out.end(i)),
                (outcome, outcome.end())
            );
            if outcome.ended.is_some() {
                let last = all.out.final_observation(i)[0];
                assert_eq!(single.out.final_observation(i), [last]);
                assert_eq!(all.out.final_critic_observation(i), [last, -last]);
                assert!(last.abs() > 10.0, "the last of its episode, at step {step}");
            }
            let x = all.observations()[i];
            assert_eq!(all.critic_observations()[2 * i..][..2], [x, -x]);
        }
        assert_eq!(all.observations(), single.observations());
    }
    assert_eq!(all.out.extras.means(), single.out.extras.means());
    assert_eq!(all.out.extras.means()[0].0, "x");
    all.retire(1);
    let before = all.observations().to_vec();
    let Walks { group, out } = &mut all;
    group.step(&[0.25; 3], out);
    assert_eq!(all.observations()[1], before[1]);
    assert_ne!(all.observations()[0], before[0]);
}

/// As after an interruption that no state survived: not the first episodes once more.
#[test]
fn a_restart_begins_new_episodes() {
    let new = || envs(0, 8, true);
    let (mut a, mut b, first) = (new(), new(), new());
    a.step(0, &[0.5]);
    a.restart(100);
    b.restart(100);
    assert_eq!(a.saved(), b.saved());
    for (now, then) in a.observations().iter().zip(first.observations()) {
        assert_ne!(now, then);
    }
    assert!(a.episodes.limits().iter().any(|limit| *limit < Some(20)));
    b.restart(101);
    assert_ne!(a.saved(), b.saved());
}
