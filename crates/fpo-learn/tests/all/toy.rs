//! A task small enough to be fully understood: hit the target in the observation.

use fpo_env::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;

/// Observes (target, elapsed fraction of the episode); the reward is 1 − (action − target)², but at
/// least 0.
#[derive(Clone)]
pub struct Toy {
    spec: EnvSpec,
    /// Steps of an episode.
    length: u32,
    /// No reward before this step.
    silent: u32,
    /// How the environment itself ends an episode.
    end: StepEnd,
    /// Whether it cannot save its state.
    stateless: bool,
    /// Whether a reset shows nothing finite.
    blind: bool,
}

impl Toy {
    /// A task whose episodes have `step_limit` steps.
    pub fn new(step_limit: u32) -> Self {
        Self::silent(step_limit, 0)
    }

    /// The same with rewards from step number `silent` on.
    pub fn silent(step_limit: u32, silent: u32) -> Self {
        let spec = EnvSpec {
            name: "toy".into(),
            summary: "hit the target".into(),
            observation: vec![("target".into(), 1), ("time".into(), 1)],
            action_min: vec![-2.0],
            action_max: vec![2.0],
            control_timestep: 0.1,
            step_limit: Some(step_limit),
        };
        Self {
            spec,
            length: step_limit,
            silent,
            end: StepEnd::Running,
            stateless: false,
            blind: false,
        }
    }

    /// A task without a step limit, whose environments end their episodes with `end` after `length`
    /// steps.
    pub fn ending(length: u32, end: StepEnd) -> Self {
        let mut toy = Self::new(length);
        toy.spec.step_limit = None;
        Self { end, ..toy }
    }

    /// A task whose resets show nothing finite.
    pub fn blind(step_limit: u32) -> Self {
        Self {
            blind: true,
            ..Self::new(step_limit)
        }
    }

    /// A task whose environments cannot save their state.
    pub fn stateless(step_limit: u32) -> Self {
        Self {
            stateless: true,
            ..Self::new(step_limit)
        }
    }
}

impl Task for Toy {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(ToyEnv {
            spec: self.spec.clone(),
            length: self.length,
            silent: self.silent,
            end: self.end,
            stateless: self.stateless,
            blind: self.blind,
            target: 0.0,
            steps: 0,
        }))
    }
}

struct ToyEnv {
    spec: EnvSpec,
    length: u32,
    silent: u32,
    end: StepEnd,
    stateless: bool,
    blind: bool,
    target: f32,
    steps: u32,
}

impl ToyEnv {
    fn show(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&[self.target, self.steps as f32 / self.length as f32]);
    }
}

impl Env for ToyEnv {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.target = 2.0 * rng.unit() - 1.0;
        self.steps = 0;
        self.show(observation);
        if self.blind {
            observation[0] = f32::NAN;
        }
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        self.steps += 1;
        self.show(observation);
        let near = (1.0 - (action[0] - self.target).powi(2)).max(0.0);
        Step {
            reward: if self.steps > self.silent { near } else { 0.0 },
            end: if self.steps == self.length {
                self.end
            } else {
                StepEnd::Running
            },
        }
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        if self.stateless {
            return Err(NoState);
        }
        out.extend(self.target.to_le_bytes());
        out.extend(self.steps.to_le_bytes());
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let wrong = || StateError("not eight bytes".into());
        let (target, steps) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        self.target = f32::from_le_bytes(*target);
        self.steps = u32::from_le_bytes(steps.try_into().map_err(|_| wrong())?);
        Ok(())
    }
}
