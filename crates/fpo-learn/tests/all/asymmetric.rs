//! A critic that sees what the policy cannot.

use fpo_env::{Env, EnvSpec, Extras, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_learn::config::{Config, Recompute};
use fpo_learn::trainer::{Trainer, part_digests};
use fpo_policy::Policy;
use fpo_rng::Philox;
use fpo_run::config::resolve;
use std::sync::Arc;

/// Steps of an episode.
const LENGTH: u32 = 8;

/// Every reward of an episode is a secret number. The policy sees the time, the critic also the
/// number, unless it is kept from it.
#[derive(Clone)]
pub struct Secret {
    spec: EnvSpec,
    critic: Vec<(String, usize)>,
    end: StepEnd,
    number: f32,
    steps: u32,
}

pub fn task(critic_sees_it: bool, end: StepEnd) -> Arc<Secret> {
    let spec = EnvSpec {
        name: "secret".into(),
        summary: "rewards that cannot be foreseen".into(),
        observation: vec![("time".into(), 1)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: None,
    };
    let critic = vec![("time".into(), 1), ("number".into(), 1)];
    Arc::new(Secret {
        spec,
        critic: if critic_sees_it { critic } else { Vec::new() },
        end,
        number: 0.0,
        steps: 0,
    })
}

impl Secret {
    fn time(&self) -> f32 {
        self.steps as f32 / LENGTH as f32
    }
}

impl Task for Secret {
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

impl Env for Secret {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        (self.number, self.steps) = (2.0 * rng.unit() - 1.0, 0);
        observation[0] = self.time();
    }

    fn step(&mut self, _: &[f32], observation: &mut [f32]) -> Step {
        self.steps += 1;
        observation[0] = self.time();
        let end = match self.steps {
            LENGTH => self.end,
            _ => StepEnd::Running,
        };
        let reward = self.number;
        Step { reward, end }
    }

    fn extras(&self, extras: &mut Extras) {
        extras.add("reward/number", self.number);
    }

    fn critic_observation(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.time(), self.number]);
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend(self.number.to_le_bytes());
        out.extend(self.steps.to_le_bytes());
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let wrong = || StateError("not eight bytes".into());
        let (number, steps) = bytes.split_first_chunk().ok_or_else(wrong)?;
        self.number = f32::from_le_bytes(*number);
        self.steps = u32::from_le_bytes(steps.try_into().map_err(|_| wrong())?);
        Ok(())
    }
}

fn config(recompute: Recompute) -> Config {
    let sets = [
        "env.num_envs=32",
        "env.num_steps=8",
        "policy.hidden=[8]",
        "critic.hidden=[32,32]",
        "optimizer.minibatches=4",
        "optimizer.critic_learning_rate=3e-3",
        "train.precision=f32",
    ];
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    let mut config = resolve("secret", None, None, &sets, Some(1)).unwrap();
    config.advantage.recompute = recompute;
    config
}

fn explained_variance(config: &Config, critic_sees_it: bool) -> f64 {
    let task = task(critic_sees_it, StepEnd::Terminated);
    let mut trainer = Trainer::new(config, task, 2).unwrap();
    let mut last = f64::NAN;
    for _ in 0..30 {
        let row = trainer.iterate().unwrap().row;
        let metric = row.values.iter().find(|(n, _)| *n == "explained_variance");
        last = metric.unwrap().1;
    }
    last
}

#[test]
fn what_the_policy_cannot_see_explains_the_returns() {
    for recompute in [Recompute::PerIteration, Recompute::PerMinibatch] {
        let config = config(recompute);
        let [seen, unseen] = [true, false].map(|sees| explained_variance(&config, sees));
        assert!(
            seen > 0.9 && unseen < 0.5,
            "{recompute:?}: {seen} against {unseen}"
        );
    }
}

/// The value of a truncated episode's end is that of what the critic saw last in it.
#[test]
fn final_values_are_of_the_critics_last_observations() {
    let mut config = config(Recompute::PerIteration);
    // So that the critic afterwards is the one that estimated.
    config.optimizer.critic_learning_rate = 0.0;
    let mut trainer = Trainer::new(&config, task(true, StepEnd::Truncated), 1).unwrap();
    trainer.iterate().unwrap();
    let (batch, critic) = (trainer.batch(), trainer.critic());
    assert_eq!(critic.network.spec().input, 2);
    let mut scratch = critic.network.scratch(1, false);
    let mut value = |observation: [f32; 2]| {
        let mut out = [0.0];
        let weights = &trainer.networks().critic.weights;
        critic.values(weights, &observation, &[], &mut scratch, &mut out);
        out[0]
    };
    let mut truncated = 0;
    for (i, end) in batch.ends.iter().enumerate() {
        let row = batch.dims.row(i);
        // Nothing is normalized before the first update.
        let [time, number] = [0, 1].map(|k| batch.critic_observations[2 * row + k]);
        assert_eq!(batch.observations[row], time);
        assert_eq!(batch.values[row], value([time, number]));
        if *end == StepEnd::Truncated {
            assert_eq!(batch.final_values[i], value([1.0, number]));
            truncated += 1;
        }
    }
    assert!(truncated > 0);
}

#[test]
fn training_is_resumed_exactly_and_the_policy_knows_nothing_of_it() {
    let config = config(Recompute::PerIteration);
    let new = || task(true, StepEnd::Truncated);
    let mut straight = Trainer::new(&config, new(), 2).unwrap();
    straight.iterate().unwrap();
    straight.iterate().unwrap();
    let state = straight.state().unwrap();
    let parts = part_digests(&state).unwrap();
    assert!(parts.contains_key("critic_normalizer.mean") && parts.contains_key("normalizer.mean"));
    let mut resumed = Trainer::restore(&config, new(), 1, &state).unwrap();
    assert!(resumed.state().unwrap() == state);
    straight.iterate().unwrap();
    resumed.iterate().unwrap();
    assert!(straight.state().unwrap() == resumed.state().unwrap());

    let policy = straight.policy().save().unwrap();
    let loaded = Policy::load(&policy).unwrap();
    assert_eq!(loaded.observation_dim(), 1);
    assert!(!String::from_utf8_lossy(&policy).contains("critic"));
    // A state of a run whose critic sees as much as the policy is not one of this run.
    let other = Trainer::new(&config, task(false, StepEnd::Truncated), 1).unwrap();
    assert!(Trainer::restore(&config, new(), 1, &other.state().unwrap()).is_err());
}
