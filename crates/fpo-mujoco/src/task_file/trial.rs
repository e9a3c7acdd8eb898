//! Trying out a task file: episodes of random actions.

use super::env::{FileEnv, random_action};
use super::fault::{Fault, TaskFileError};
use super::{FileTask, expression::Value};
use fpo_env::{Env, StepEnd, Task};
use fpo_rng::{Key, Philox, Stream};

/// Steps of a task file when it is loaded.
const FIRST_STEPS: u64 = 20;

/// What random actions did.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Steps.
    pub steps: u64,
    /// Episodes that ended, by how.
    pub terminated: u64,
    /// Episodes that reached the step limit.
    pub truncated: u64,
    /// Episodes whose simulation broke.
    pub diverged: u64,
    /// Sum of all rewards.
    pub total_reward: f64,
    /// The terms in the order of the file.
    pub terms: Vec<TrialTerm>,
}

/// A term of a task file and its values.
#[derive(Clone, Debug)]
pub struct TrialTerm {
    /// Its dotted name, as `reward.run`.
    pub name: String,
    /// Its numbers.
    pub len: usize,
    /// Weight of a reward.
    pub weight: Option<f64>,
    /// Over all its numbers and all steps.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Steps a task a little: an error if it cannot begin, or if a term is not finite.
pub(super) fn begin(task: &FileTask) -> Result<(), TaskFileError> {
    let fault = |fault: Fault| fault.in_file(&task.name, &task.text);
    let broken = |why: String| fault(Fault::new(0, "", why));
    let mut env = task.make_env().map_err(|e| broken(e.0))?;
    let spec = task.spec();
    let mut action = vec![0.0; spec.action_dim()];
    let mut observation = vec![0.0; spec.observation_dim()];
    for episode in 0..2 {
        let mut rng = Philox::new(Key::new(0, Stream::Test).step(episode));
        env.draw(&mut rng)
            .map_err(|why| broken(format!("an episode cannot begin: {why}")))?;
        env.reset(&mut rng, &mut observation);
        for _ in 0..FIRST_STEPS {
            if let Some(found) = env.find_fault() {
                return Err(fault(found));
            }
            random_action(&mut rng, spec, &mut action);
            if env.step(&action, &mut observation).end != StepEnd::Running {
                break;
            }
        }
        if let Some(found) = env.find_fault() {
            return Err(fault(found));
        }
    }
    Ok(())
}

impl FileTask {
    /// Makes `steps` steps with random actions in one environment.
    ///
    /// # Errors
    /// If a term is not finite.
    pub fn try_out(&self, seed: u64, steps: u64) -> Result<Trial, TaskFileError> {
        let fault = |fault: Fault| fault.in_file(&self.name, &self.text);
        let made = self.make_env();
        let mut env = made.map_err(|e| fault(Fault::new(0, "", e.0)))?;
        let spec = self.spec();
        let mut action = vec![0.0; spec.action_dim()];
        let mut observation = vec![0.0; spec.observation_dim()];
        let mut trial = Trial {
            steps,
            terms: self.terms(),
            ..Trial::default()
        };
        let values: Vec<Value> = self.plan.terms.iter().map(|e| e.value).collect();
        let mut rng = Philox::new(Key::new(seed, Stream::Test));
        let limit = u64::from(spec.step_limit.unwrap_or(u32::MAX));
        let mut length = 0;
        env.reset(&mut rng, &mut observation);
        for _ in 0..steps {
            random_action(&mut rng, spec, &mut action);
            let step = env.step(&action, &mut observation);
            length += 1;
            trial.total_reward += f64::from(step.reward);
            if let Some(found) = env.find_fault() {
                return Err(fault(found));
            }
            trial.count(&env, &values);
            let counter = match step.end {
                StepEnd::Terminated => Some(&mut trial.terminated),
                StepEnd::Diverged => Some(&mut trial.diverged),
                _ if length >= limit => Some(&mut trial.truncated),
                _ => None,
            };
            if let Some(counter) = counter {
                *counter += 1;
                length = 0;
                env.reset(&mut rng, &mut observation);
            }
        }
        for (term, value) in trial.terms.iter_mut().zip(&values) {
            term.mean /= (trial.steps * u64::from(value.len)) as f64;
        }
        Ok(trial)
    }

    /// The terms before their first step.
    fn terms(&self) -> Vec<TrialTerm> {
        let terms = self.plan.terms.iter().enumerate();
        let terms = terms.map(|(i, explained)| {
            let mut rewards = self.plan.rewards.iter();
            TrialTerm {
                name: explained.term.path.clone(),
                len: explained.value.len as usize,
                weight: rewards.find(|reward| reward.term == i).map(|r| r.weight),
                mean: 0.0,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
            }
        });
        terms.collect()
    }
}

impl Trial {
    fn count(&mut self, env: &FileEnv, values: &[Value]) {
        for (term, value) in self.terms.iter_mut().zip(values) {
            for &x in &env.registers[value.range()] {
                term.mean += x;
                term.min = term.min.min(x);
                term.max = term.max.max(x);
            }
        }
    }
}
