//! A policy that acts in its task.

use fpo_env::{Env, StepEnd, Task};
use fpo_policy::{ActBuffers, Policy};
use fpo_rng::{Key, Philox, Stream, fill_normal};
use std::sync::Arc;

/// The most actions that are sampled at once for one observation.
const SAMPLES_MAX: usize = 4096;

/// A policy, and an environment of the task that it was trained on. An episode begins and goes as
/// the episode of that number in `fpo eval`, if nobody pushes the robot.
pub struct Robot {
    task: Arc<dyn Task>,
    env: Box<dyn Env>,
    policy: Policy,
    buffers: ActBuffers,
    seed: u64,
    episode: u32,
    /// Steps of the episode.
    step: u64,
    observation: Vec<f32>,
    action: Vec<f32>,
    noise: Vec<f32>,
}

impl Robot {
    /// The policy in these bytes, at the beginning of episode 0.
    ///
    /// # Errors
    /// If they are no policy, or one of a task that is not here.
    pub fn new(bytes: &[u8], seed: u64) -> Result<Self, String> {
        let policy = Policy::load(bytes).map_err(|e| e.to_string())?;
        let name = policy.task();
        let task = fpo_mujoco::task(name).ok_or_else(|| {
            format!(
                "this policy was trained on `{}`; the robots here are those of the DM Control \
                 suite",
                name.escape_debug()
            )
        })?;
        let task = policy.adaptation().apply(task).map_err(|e| e.to_string())?;
        if !policy.fits(task.spec()) {
            return Err(format!(
                "this policy was trained on another version of `{name}`: it has {} numbers of \
                 observation and {} of action, and the task here {} and {}, or their meaning or \
                 range differs",
                policy.observation_dim(),
                policy.action_dim(),
                task.spec().observation_dim(),
                task.spec().action_dim(),
            ));
        }
        let env = task.make().map_err(|e| e.to_string())?;
        let mut robot = Self {
            buffers: policy.buffers(1),
            observation: vec![0.0; policy.observation_dim()],
            action: vec![0.0; policy.action_dim()],
            noise: Vec::new(),
            episode: 0,
            step: 0,
            env,
            task,
            policy,
            seed,
        };
        robot.reset(0);
        Ok(robot)
    }

    /// The task.
    pub fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The current observation.
    pub fn observation(&self) -> &[f32] {
        &self.observation
    }

    /// The latest action.
    pub fn action(&self) -> &[f32] {
        &self.action
    }

    /// Begins an episode of this number.
    pub fn reset(&mut self, episode: u32) {
        let key = Key::new(self.seed, Stream::EvalReset).index(episode);
        self.env.reset(&mut Philox::new(key), &mut self.observation);
        (self.episode, self.step) = (episode, 0);
        self.action.fill(0.0);
    }

    /// Lets the flow walk in this number of steps from now on; nothing changes for a Gaussian.
    ///
    /// # Errors
    /// If it is not between 1 and 1000.
    pub fn set_flow_steps(&mut self, steps: usize) -> Result<(), String> {
        if !(1..=1000).contains(&steps) {
            return Err("a flow walks in 1 to 1000 steps".into());
        }
        if self.policy.flow_steps().is_some_and(|now| now != steps) {
            self.policy = self.policy.clone().with_flow_steps(steps);
        }
        Ok(())
    }

    /// Takes the policy's action from `noise` times standard normal numbers (1 as in training, 0
    /// for the deterministic action), and steps; the reward.
    ///
    /// # Errors
    /// As [`Self::step`], or if the action is not finite.
    pub fn act(&mut self, noise: f32) -> Result<f32, String> {
        let key = Key::new(self.seed, Stream::EvalAction)
            .index(self.episode)
            .step(self.step);
        self.noise.resize(self.policy.noise_dim(), 0.0);
        fill_normal(key, &mut self.noise);
        self.noise.iter_mut().for_each(|x| *x *= noise);
        self.policy
            .act(
                &mut self.buffers,
                &self.observation,
                &self.noise,
                &mut self.action,
            )
            .map_err(|e| e.to_string())?;
        let action = std::mem::take(&mut self.action);
        let result = self.step(&action);
        self.action = action;
        result
    }

    /// Steps with a given action; the reward.
    ///
    /// # Errors
    /// If it has another length, or the simulation diverges; [`Self::reset`] it then.
    pub fn step(&mut self, action: &[f32]) -> Result<f32, String> {
        if action.len() != self.policy.action_dim() {
            return Err(format!(
                "an action of `{}` has {} numbers",
                self.task.spec().name,
                self.policy.action_dim()
            ));
        }
        let step = self.env.step(action, &mut self.observation);
        self.step += 1;
        match step.end {
            StepEnd::Diverged => Err("the simulation diverged".into()),
            _ => Ok(step.reward),
        }
    }

    /// Samples of the policy's actions for the current observation, `[count, action]`, from noise
    /// that is always the same under a seed.
    ///
    /// # Errors
    /// If there are too many, or an action is not finite.
    pub fn cloud(&self, count: usize, noise: f32, seed: u64) -> Result<Vec<f32>, String> {
        if !(1..=SAMPLES_MAX).contains(&count) {
            return Err(format!("1 to {SAMPLES_MAX} actions can be sampled"));
        }
        let mut noises = vec![0.0; count * self.policy.noise_dim()];
        fill_normal(Key::new(seed, Stream::Particles), &mut noises);
        noises.iter_mut().for_each(|x| *x *= noise);
        let mut actions = vec![0.0; count * self.policy.action_dim()];
        let observations = self.observation.repeat(count);
        self.policy
            .actor(count)
            .act(&observations, &noises, &mut actions)
            .map_err(|e| e.to_string())?;
        Ok(actions)
    }
}
