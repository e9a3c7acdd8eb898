//! The kind: a number of a task that is taken without a look and fails later, elsewhere, under
//! another name. Every field of [`EnvSpec`] is checked once, when environments are made, and named;
//! for single environments, for batches, and for what the critic sees.

use fpo_env::{
    Adaptation, Env, EnvGroup, EnvSpec, Episodes, MakeError, Step, Task, VecEnv, VecEnvOptions,
    VecStep, check_task, make, make_vec,
};
use fpo_rng::{Philox, Stream};
use std::sync::Arc;

#[derive(Clone)]
struct Any {
    spec: EnvSpec,
    critic: Vec<(String, usize)>,
    /// What its environments say of themselves.
    made: EnvSpec,
    /// Whether it makes batches itself.
    batches: bool,
}

impl Task for Any {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.clone()))
    }

    fn critic_observation(&self) -> &[(String, usize)] {
        &self.critic
    }

    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        if !self.batches {
            return Ok(Box::new(EnvGroup::new(self, first, count, options)?));
        }
        Ok(Box::new(Batch {
            episodes: Episodes::new(&self.spec, first, count, options)?,
            observations: vec![0.0; count * self.spec.observation_dim()],
            count,
        }))
    }
}

impl Env for Any {
    fn spec(&self) -> &EnvSpec {
        let Self { made, .. } = self;
        made
    }

    fn reset(&mut self, _: &mut Philox, observation: &mut [f32]) {
        observation.fill(0.0);
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        observation.fill(action[0]);
        Step::running(action[0])
    }
}

struct Batch {
    episodes: Episodes,
    observations: Vec<f32>,
    count: usize,
}

impl VecEnv for Batch {
    fn len(&self) -> usize {
        self.count
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn step(&mut self, _: &[f32], _: &mut VecStep) {}

    fn restart(&mut self, steps: u64) {
        self.episodes.restart(steps);
    }
}

fn valid() -> Any {
    let spec = EnvSpec {
        name: "any".into(),
        summary: "of a test".into(),
        observation: vec![("position".into(), 2), ("velocity".into(), 1)],
        action_min: vec![-1.0, -2.0],
        action_max: vec![1.0, 2.0],
        control_timestep: 0.1,
        step_limit: Some(10),
    };
    Any {
        made: spec.clone(),
        spec,
        critic: Vec::new(),
        batches: false,
    }
}

const OPTIONS: VecEnvOptions = VecEnvOptions {
    seed: 0,
    stream: Stream::Test,
    random_initial_length: false,
    group: 1,
};

/// The answers of every way to make environments of `task`.
fn answers(task: &Any) -> Vec<String> {
    let batches = Any {
        batches: true,
        ..task.clone()
    };
    let adapted = Adaptation {
        step_limit: 5,
        action_repeat: 2,
    };
    let adapted = adapted.apply(Arc::new(task.clone()));
    [
        check_task(task).err(),
        make(task).err(),
        make_vec(task, 0, 2, OPTIONS).err(),
        make_vec(&batches, 0, 2, OPTIONS).err(),
        adapted.err(),
    ]
    .map(|error| error.map_or("it was made".to_owned(), |e| e.to_string()))
    .to_vec()
}

#[test]
fn a_valid_task_is_made() {
    let mut task = valid();
    task.critic = vec![("mass".into(), 1)];
    assert!(check_task(&task).is_ok() && make(&task).is_ok());
    assert!(make_vec(&valid(), 0, 2, OPTIONS).is_ok());
    task.spec.step_limit = None;
    task.spec.summary.clear();
    (task.spec.action_min[0], task.spec.action_max[0]) = (-1e38, -1e37);
    assert_eq!(task.spec.check(), Ok(()));
}

#[test]
fn every_field_is_checked_by_name_wherever_environments_are_made() {
    type Change = fn(&mut Any);
    let cases: [(Change, &str); 28] = [
        (|t| t.spec.name.clear(), "`name` may have"),
        (|t| t.spec.name = "a/b".into(), "`name` may have"),
        (|t| t.spec.name = "..".into(), "`name` may have"),
        (|t| t.spec.name = "a\nb".into(), "`name` may have"),
        (|t| t.spec.name = "x".repeat(300), "`name` may have"),
        (
            |t| t.spec.summary = "one\ntwo".into(),
            "`summary` holds a control character",
        ),
        (|t| t.spec.observation.clear(), "`observation` is empty"),
        (
            |t| t.spec.observation[1].1 = 0,
            "`observation[1]`, `velocity`, has 0 entries",
        ),
        (
            |t| t.spec.observation[0].0.clear(),
            "`observation[0]` must have a name",
        ),
        (
            |t| t.spec.observation[0].0 = "velocity".into(),
            "two parts called `velocity`",
        ),
        (
            |t| t.spec.observation[0].1 = usize::MAX,
            "`observation` has",
        ),
        (|t| t.spec.observation[0].1 = 1 << 40, "`observation` has"),
        (
            |t| t.spec.action_max.push(1.0),
            "`action_min` has 2 entries and `action_max` 3",
        ),
        (
            |t| (t.spec.action_min, t.spec.action_max) = (vec![], vec![]),
            "`action_min` is empty",
        ),
        (
            |t| t.spec.action_max[1] = f32::INFINITY,
            "`action_max[1]` is inf: it must be finite",
        ),
        (
            |t| t.spec.action_min[0] = f32::NEG_INFINITY,
            "`action_min[0]` is -inf",
        ),
        (
            |t| t.spec.action_min[1] = f32::NAN,
            "`action_min[1]` is NaN",
        ),
        (
            |t| t.spec.action_max[0] = f32::NAN,
            "`action_max[0]` is NaN",
        ),
        (
            |t| t.spec.action_max[0] = -1.0,
            "`action_min[0]` is -1.0: it must be below",
        ),
        (
            |t| t.spec.action_max[0] = -5.0,
            "`action_min[0]` is -1.0: it must be below",
        ),
        // Its middle or half of it is no number of single precision.
        (
            |t| (t.spec.action_min[0], t.spec.action_max[0]) = (f32::MIN, f32::MAX),
            "`action_min[0]` is -3.4028235e38",
        ),
        (
            |t| (t.spec.action_min[0], t.spec.action_max[0]) = (2e38, 3e38),
            "`action_min[0]` is 2e38",
        ),
        (
            |t| (t.spec.action_min[0], t.spec.action_max[0]) = (0.0, 1e-40),
            "`action_min[0]` is 0e0",
        ),
        (
            |t| t.spec.control_timestep = f64::NAN,
            "`control_timestep` is NaN",
        ),
        (
            |t| t.spec.control_timestep = f64::INFINITY,
            "`control_timestep` is inf",
        ),
        (
            |t| t.spec.control_timestep = -0.1,
            "`control_timestep` is -0.1",
        ),
        (|t| t.spec.control_timestep = 0.0, "`control_timestep` is 0"),
        (|t| t.spec.step_limit = Some(0), "`step_limit` is 0"),
    ];
    for (change, says) in cases {
        let mut task = valid();
        change(&mut task);
        for answer in answers(&task) {
            assert!(
                answer.contains(says) && !answer.contains('\n'),
                "{says}: {answer}"
            );
        }
    }
}

#[test]
fn what_the_critic_sees_is_checked() {
    for (parts, says) in [
        (
            vec![("mass".to_owned(), 0)],
            "`critic_observation[0]`, `mass`, has 0 entries",
        ),
        (
            vec![("a".to_owned(), 1), ("a".to_owned(), 1)],
            "`critic_observation` has two parts",
        ),
    ] {
        let mut task = valid();
        task.critic = parts;
        for answer in answers(&task) {
            assert!(answer.contains(says), "{answer}");
        }
    }
}

/// An environment that is not what its task says is no environment of it.
#[test]
fn environments_have_the_spec_of_their_task() {
    type Change = fn(&mut EnvSpec);
    let cases: [(Change, &str); 4] = [
        (|spec| spec.step_limit = Some(9), "`EnvSpec::step_limit`"),
        (
            |spec| spec.action_max[0] = f32::INFINITY,
            "`EnvSpec::action_max`",
        ),
        (
            |spec| spec.control_timestep = 0.2,
            "`EnvSpec::control_timestep`",
        ),
        (|spec| spec.observation[0].1 = 3, "`EnvSpec::observation`"),
    ];
    for (change, field) in cases {
        let mut task = valid();
        change(&mut task.made);
        let errors = [make(&task).err(), make_vec(&task, 0, 1, OPTIONS).err()];
        for error in errors {
            let error = error.expect("it is another").to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}

/// An action is held, rewards are summed, and the limit counts actions.
#[test]
fn adapted_tasks_hold_actions() {
    let spec = |step_limit, action_repeat| {
        let adaptation = Adaptation {
            step_limit,
            action_repeat,
        };
        let task = adaptation.apply(Arc::new(valid())).unwrap();
        let spec = task.spec();
        (spec.step_limit, spec.control_timestep)
    };
    assert_eq!(spec(0, 1), (Some(10), 0.1));
    assert_eq!(spec(0, 3), (Some(4), 3.0 * 0.1));
    assert_eq!(spec(7, 2), (Some(7), 0.2));
    let adaptation = Adaptation {
        step_limit: 2,
        action_repeat: 3,
    };
    let task = adaptation.apply(Arc::new(valid())).unwrap();
    let mut envs = make_vec(task.as_ref(), 0, 1, OPTIONS).unwrap();
    let mut stepped = VecStep::new(envs.as_ref());
    let mut step = |action: f32| {
        envs.step(&[action, 0.0], &mut stepped);
        stepped.outcomes[0]
    };
    assert_eq!((step(0.5).reward, step(1.0).reward), (1.5, 3.0));
    assert_eq!(step(1.0).ended, None);
    let episode = step(1.0).ended.expect("two actions");
    assert_eq!((episode.length, episode.total_reward), (2, 6.0));
}

/// A task without single environments.
struct BatchesOnly {
    spec: EnvSpec,
    /// What it was adapted with, if it knows how to.
    repeat: Option<u32>,
}

impl Task for BatchesOnly {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Err(MakeError("they come in batches only".into()))
    }

    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        Ok(Box::new(Batch {
            episodes: Episodes::new(&self.spec, first, count, options)?,
            observations: vec![0.0; count * self.spec.observation_dim()],
            count,
        }))
    }

    fn adapted(&self, spec: &EnvSpec, repeat: u32) -> Option<Result<Arc<dyn Task>, MakeError>> {
        self.repeat?;
        let (spec, repeat) = (spec.clone(), Some(repeat));
        Some(Ok(Arc::new(Self { spec, repeat })))
    }
}

/// Batches cannot be changed from outside: their task does it, or it is said what to do.
#[test]
fn batches_are_adapted_by_their_task_or_not_at_all() {
    let adaptation = Adaptation {
        step_limit: 5,
        action_repeat: 2,
    };
    let adapted = |repeat| {
        let spec = valid().spec;
        adaptation
            .apply(Arc::new(BatchesOnly { spec, repeat }))
            .unwrap()
    };
    let able = adapted(Some(1));
    assert_eq!(
        (able.spec().step_limit, able.spec().control_timestep),
        (Some(5), 0.2)
    );
    let made = make_vec(able.as_ref(), 0, 3, OPTIONS);
    assert_eq!(made.map(|envs| envs.len()).ok(), Some(3));
    let error = make_vec(adapted(None).as_ref(), 0, 3, OPTIONS).err();
    let error = error.expect("no single environments").to_string();
    assert!(
        error.contains("in batches only") && error.contains("`Task::adapted`"),
        "{error}"
    );
}
