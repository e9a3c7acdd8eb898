//! Environments of another making than a group of single ones: states in arrays, all stepped at
//! once, without a state to save, with reward terms.

use fpo_env::{
    Env, EnvGroup, EnvSpec, Episodes, Extras, MakeError, Step, StepEnd, Task, VecEnv,
    VecEnvOptions, VecStep,
};
use fpo_learn::config::Config;
use fpo_learn::trainer::{Trainer, part_digests};
use fpo_rng::Philox;
use fpo_run::config::resolve;
use std::sync::Arc;

/// Steps until points truncate their episodes by themselves.
const LENGTH: u32 = 10;

/// A point on a line is to come to a target; the reward is nearness minus a cost of moving.
struct Points {
    spec: EnvSpec,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Single,
    Batched,
    /// Makes a batch of a wrong size.
    Wrong,
}

/// What a point is: position, target and steps of its episode.
#[derive(Clone, Copy, Default)]
struct Point {
    x: f32,
    target: f32,
    steps: u32,
}

impl Point {
    fn start(rng: &mut Philox) -> Self {
        let mut uniform = || 2.0 * rng.unit() - 1.0;
        Self {
            x: uniform(),
            target: uniform(),
            steps: 0,
        }
    }

    /// Returns nearness, cost, and how the step ends.
    fn step(&mut self, action: f32) -> ([f32; 2], StepEnd) {
        self.x += 0.5 * action;
        self.steps += 1;
        let near = (-(self.x - self.target).abs()).exp();
        let end = match self.steps {
            LENGTH => StepEnd::Truncated,
            _ => StepEnd::Running,
        };
        ([near, -0.1 * action * action], end)
    }

    fn observe(&self, out: &mut [f32]) {
        let time = self.steps as f32 / LENGTH as f32;
        out.copy_from_slice(&[self.x, self.target, time]);
    }
}

fn points(kind: Kind) -> Arc<Points> {
    let spec = EnvSpec {
        name: "points".into(),
        summary: "come to the target".into(),
        observation: vec![("x".into(), 1), ("target".into(), 1), ("time".into(), 1)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: None,
    };
    Arc::new(Points { spec, kind })
}

impl Task for Points {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        if self.kind != Kind::Single {
            return Err(MakeError("points come in batches only".into()));
        }
        Ok(Box::new(SinglePoint {
            spec: self.spec.clone(),
            point: Point::default(),
            terms: [0.0; 2],
        }))
    }

    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        Ok(match self.kind {
            Kind::Single => Box::new(EnvGroup::new(self, first, count, options)?),
            Kind::Batched => Box::new(PointBatch::new(&self.spec, first, count, options)?),
            Kind::Wrong => Box::new(PointBatch::new(&self.spec, first, count + 1, options)?),
        })
    }
}

/// A point as a single environment.
struct SinglePoint {
    spec: EnvSpec,
    point: Point,
    terms: [f32; 2],
}

impl Env for SinglePoint {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.point = Point::start(rng);
        self.point.observe(observation);
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        let (terms, end) = self.point.step(action[0]);
        self.point.observe(observation);
        self.terms = terms;
        let reward = terms.iter().sum();
        Step { reward, end }
    }

    fn extras(&self, extras: &mut Extras) {
        report(self.terms, self.point.steps, extras);
    }
}

/// The reward's terms, and at the end of an episode whether it ended well.
fn report([near, cost]: [f32; 2], steps: u32, extras: &mut Extras) {
    extras.add("reward/near", near);
    extras.add("reward/cost", cost);
    if steps == LENGTH {
        extras.add("success", f32::from(near > 0.9));
    }
}

/// Many points as arrays.
struct PointBatch {
    episodes: Episodes,
    x: Vec<f32>,
    target: Vec<f32>,
    steps: Vec<u32>,
    observations: Vec<f32>,
}

impl PointBatch {
    fn new(
        spec: &EnvSpec,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Self, MakeError> {
        let mut batch = Self {
            episodes: Episodes::new(spec, first, count, options)?,
            x: vec![0.0; count],
            target: vec![0.0; count],
            steps: vec![0; count],
            observations: vec![0.0; 3 * count],
        };
        (0..count).for_each(|i| batch.reset(i));
        Ok(batch)
    }

    fn reset(&mut self, i: usize) {
        let point = Point::start(&mut self.episodes.begin(i));
        self.put(i, point);
    }

    fn get(&self, i: usize) -> Point {
        Point {
            x: self.x[i],
            target: self.target[i],
            steps: self.steps[i],
        }
    }

    fn put(&mut self, i: usize, point: Point) {
        (self.x[i], self.target[i], self.steps[i]) = (point.x, point.target, point.steps);
        point.observe(&mut self.observations[3 * i..][..3]);
    }
}

impl VecEnv for PointBatch {
    fn len(&self) -> usize {
        self.x.len()
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn step(&mut self, actions: &[f32], out: &mut VecStep) {
        for (i, &action) in actions.iter().enumerate() {
            let mut point = self.get(i);
            let (terms, end) = point.step(action);
            report(terms, point.steps, &mut out.extras);
            self.put(i, point);
            out.outcomes[i] = self.episodes.step(i, terms.iter().sum(), end);
            if out.end(i) != StepEnd::Running {
                let row = 3 * i..3 * (i + 1);
                out.final_observations[row.clone()].copy_from_slice(&self.observations[row]);
                self.reset(i);
            }
        }
    }

    fn restart(&mut self, steps: u64) {
        self.episodes.restart(steps);
        (0..self.len()).for_each(|i| self.reset(i));
    }
}

fn config() -> Config {
    let sets = [
        "env.num_envs=32",
        "env.num_steps=16",
        "policy.hidden=[32,32]",
        "critic.hidden=[32,32]",
        "optimizer.minibatches=8",
        "eval.episodes=20",
        "train.precision=f32",
    ];
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    resolve("points", None, None, &sets, Some(1)).unwrap()
}

fn trainer(kind: Kind, threads: usize) -> Trainer {
    Trainer::new(&config(), points(kind), threads).unwrap()
}

/// Metrics as text, since some are not numbers.
fn metrics(trainer: &mut Trainer) -> String {
    let row = trainer.iterate().unwrap().row;
    format!("{:?} {:?}", row.values, row.extras)
}

/// To the bit: rewards, ends, final observations, episodes and reward terms are the same.
#[test]
fn arrays_of_states_learn_as_single_environments_do() {
    let (mut single, mut batched) = (trainer(Kind::Single, 1), trainer(Kind::Batched, 3));
    for _ in 0..4 {
        assert_eq!(metrics(&mut single), metrics(&mut batched));
    }
    let (a, b) = (single.batch(), batched.batch());
    assert!(a.ends.contains(&StepEnd::Truncated));
    assert_eq!((&a.ends, &a.final_values), (&b.ends, &b.final_values));
    assert_eq!(a.observations, b.observations);
    let parameters = |trainer: &Trainer| trainer.networks().policy.parameters.clone();
    assert_eq!(parameters(&single), parameters(&batched));
    // A task that has only batches is evaluated, too.
    assert_eq!(single.evaluate().unwrap(), batched.evaluate().unwrap());
}

#[test]
fn reward_terms_add_up_to_the_reward() {
    let mut trainer = trainer(Kind::Batched, 2);
    let row = trainer.iterate().unwrap().row;
    let names: Vec<&str> = row.extras.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["reward/cost", "reward/near", "success"]);
    let reward = row.values.iter().find(|(name, _)| *name == "reward");
    let terms = row.extras[0].1 + row.extras[1].1;
    assert!((terms - reward.unwrap().1).abs() < 1e-6, "{row:?}");
    // Of the episodes that ended, not of all steps.
    assert!((0.0..=1.0).contains(&row.extras[2].1));
    let line = serde_json::to_value(&row).unwrap();
    assert_eq!(line["env/reward/near"], row.extras[1].1);
}

/// What is shown of the target in the first observation of each environment.
fn first_targets(trainer: &Trainer) -> Vec<f32> {
    let (batch, dims) = (trainer.batch(), trainer.batch().dims);
    let rows = dims.steps() + dims.sequences_per_env;
    let of_env = batch.observations.chunks(3 * rows);
    of_env.map(|rows| rows[1]).collect()
}

/// Episodes begin anew, always alike and not like those of the run's beginning; all else is exact.
#[test]
fn without_a_state_a_batch_begins_anew() {
    let mut config = config();
    // So that observations can be compared.
    config.normalizer.enabled = false;
    let mut straight = Trainer::new(&config, points(Kind::Batched), 2).unwrap();
    straight.iterate().unwrap();
    let beginning = first_targets(&straight);
    straight.iterate().unwrap();
    assert_eq!(straight.restarted_episodes(), 0);
    let state = straight.state().unwrap();
    let restore =
        |threads| Trainer::restore(&config, points(Kind::Batched), threads, &state).unwrap();
    let [mut a, mut b] = [1, 3].map(restore);
    assert_eq!((a.restarted_episodes(), b.restarted_episodes()), (32, 32));
    assert!(a.state().unwrap() == state && b.state().unwrap() == state);
    let parts = part_digests(&state).unwrap();
    assert!(!parts.keys().any(|name| name.starts_with("environment")));
    assert_eq!(metrics(&mut a), metrics(&mut b));
    assert!(a.state().unwrap() == b.state().unwrap());
    let anew = first_targets(&a);
    assert!(anew.iter().zip(&beginning).all(|(a, b)| a != b));
}

/// States of the other kind of environments are refused.
#[test]
fn a_batch_without_a_state_takes_none() {
    let state = trainer(Kind::Single, 1).state().unwrap();
    // Those that cannot save theirs begin anew, and say so in their place.
    let error = Trainer::restore(&config(), points(Kind::Batched), 1, &state);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("environment 0 takes no state"), "{error}");
}

#[test]
fn a_batch_of_another_size_is_refused() {
    let refused = Trainer::new(&config(), points(Kind::Wrong), 1)
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "`points` made a batch with 3 environments, where 2 are expected"
    );
}
