//! Stepping a batch allocates nothing once every name of a metric is known.

mod counting;

use counting::{allocations_in, count_this_thread};
use fpo_env::{
    Env, EnvGroup, EnvSpec, Extras, MakeError, Step, StepEnd, Task, VecEnv, VecEnvOptions, VecStep,
};
use fpo_rng::{Philox, Stream};

/// It has everything that an environment may have.
#[derive(Clone)]
struct Everything {
    spec: EnvSpec,
    critic: Vec<(String, usize)>,
    x: f32,
}

impl Task for Everything {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }
    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.clone()))
    }
    fn critic_observation(&self) -> &[(String, usize)] {
        &self.critic
    }
}

impl Env for Everything {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }
    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.x = rng.unit();
        observation.fill(self.x);
    }
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        self.x += action[0];
        observation.fill(self.x);
        Step {
            reward: self.x,
            end: StepEnd::Running,
        }
    }
    fn extras(&self, extras: &mut Extras) {
        extras.add("x", self.x);
        extras.add("reward/x", self.x);
    }
    fn critic_observation(&self, out: &mut [f32]) {
        out.fill(self.x);
    }
}

#[test]
fn a_step_allocates_nothing() {
    let spec = EnvSpec {
        name: "everything".into(),
        summary: String::new(),
        observation: vec![("x".into(), 2)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: Some(5),
    };
    let critic = vec![("x".into(), 3)];
    let options = VecEnvOptions {
        seed: 1,
        stream: Stream::Test,
        random_initial_length: true,
        group: 1,
    };
    let task = Everything {
        spec,
        critic,
        x: 0.0,
    };
    let mut envs = EnvGroup::new(&task, 0, 8, options).unwrap();
    let mut out = VecStep::new(&envs);
    envs.step(&[0.5; 8], &mut out);
    count_this_thread();
    let count = allocations_in(|| {
        for _ in 0..50 {
            envs.step(&[0.5; 8], &mut out);
            out.extras.clear();
        }
    });
    assert_eq!(count, 0);
}
