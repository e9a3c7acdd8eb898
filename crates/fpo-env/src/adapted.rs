//! A task with another step limit, and with actions that are held for several steps.

use crate::check::check_task;
use crate::{
    Env, EnvSpec, Extras, MakeError, NoState, Picture, RenderError, SourceFile, StateError, Step,
    StepEnd, Task,
};
use std::sync::Arc;

/// What is changed about a task's episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// Steps of the policy after which an episode is truncated; 0: the task's own limit.
    pub step_limit: u32,
    /// Steps of the task for which an action is held, at least 1.
    pub action_repeat: u32,
}

impl Default for Adaptation {
    fn default() -> Self {
        Self {
            step_limit: 0,
            action_repeat: 1,
        }
    }
}

impl Adaptation {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// `task` with this change. Rewards of a held action are summed, and the task's own step limit
    /// counts its own steps: an episode of 1000 of them has 500 actions that are held for two. A
    /// step then is one of the policy's.
    ///
    /// Environments of the changed task are single ones, also where the task makes batches itself
    /// ([`Task::make_vec`]), unless it knows how to change those ([`Task::adapted`]).
    ///
    /// # Errors
    /// If the task is not valid ([`EnvSpec::check`]), becomes so, or refuses the change.
    pub fn apply(self, task: Arc<dyn Task>) -> Result<Arc<dyn Task>, MakeError> {
        if self.is_none() {
            return Ok(task);
        }
        check_task(task.as_ref())?;
        let (own, repeat) = (task.spec(), self.action_repeat.max(1));
        let spec = EnvSpec {
            control_timestep: own.control_timestep * f64::from(repeat),
            step_limit: match self.step_limit {
                0 => own.step_limit.map(|limit| limit.div_ceil(repeat)),
                limit => Some(limit),
            },
            ..own.clone()
        };
        spec.check()?;
        if let Some(adapted) = task.adapted(&spec, repeat) {
            return adapted;
        }
        Ok(Arc::new(AdaptedTask { spec, repeat, task }))
    }
}

struct AdaptedTask {
    spec: EnvSpec,
    repeat: u32,
    task: Arc<dyn Task>,
}

impl Task for AdaptedTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        let env = crate::check::make_checked(self.task.as_ref()).map_err(|MakeError(why)| {
            MakeError(format!(
                "{why} (`env.step_limit` and `env.action_repeat` change single environments: leave \
                 them out, or implement `Task::make` or `Task::adapted`)"
            ))
        })?;
        Ok(Box::new(Adapted {
            env,
            spec: self.spec.clone(),
            repeat: self.repeat,
            extras: Extras::default(),
        }))
    }

    fn critic_observation(&self) -> &[(String, usize)] {
        self.task.critic_observation()
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.task.versions()
    }

    fn files(&self) -> &[SourceFile] {
        self.task.files()
    }

    fn max_batches(&self) -> usize {
        self.task.max_batches()
    }

    fn can_evaluate(&self) -> bool {
        self.task.can_evaluate()
    }

    fn fault(&self) -> Option<String> {
        self.task.fault()
    }
}

struct Adapted {
    env: Box<dyn Env>,
    spec: EnvSpec,
    repeat: u32,
    /// What was reported during the latest step.
    extras: Extras,
}

impl Env for Adapted {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut fpo_rng::Philox, observation: &mut [f32]) {
        self.env.reset(rng, observation);
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        self.extras.clear();
        let mut reward = 0.0;
        for _ in 0..self.repeat {
            let step = self.env.step(action, observation);
            self.env.extras(&mut self.extras);
            match step.end {
                StepEnd::Running => reward += step.reward,
                StepEnd::Diverged => return step,
                end => {
                    let reward = reward + step.reward;
                    return Step { reward, end };
                }
            }
        }
        Step::running(reward)
    }

    fn extras(&self, extras: &mut Extras) {
        extras.merge(&self.extras);
    }

    fn critic_observation(&self, out: &mut [f32]) {
        self.env.critic_observation(out);
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        self.env.save_state(out)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.env.load_state(bytes)
    }

    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        self.env.render(width, height)
    }

    fn cameras(&self) -> Vec<String> {
        self.env.cameras()
    }

    fn set_camera(&mut self, camera: usize) {
        self.env.set_camera(camera);
    }
}
