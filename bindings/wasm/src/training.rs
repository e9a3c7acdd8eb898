//! A training that a page watches: the trainer itself, and what it shows of its latest iteration.

use fpo_env::{StepEnd, Task};
use fpo_learn::advantage::GroupAdvantage;
use fpo_learn::config::{Config, WeightKind};
use fpo_learn::learner::{ActorCritic, CpuLearner, Learner};
use fpo_learn::objective::PolicyObjective;
use fpo_learn::trainer::{Row, Trainer, cpu_learner};
use fpo_policy::Model;
use fpo_rng::{Key, Stream, fill_normal};
use std::sync::Arc;

/// A trainer on a task.
pub struct Training {
    trainer: Trainer,
    /// Scores the latest batch again after learning.
    scorer: CpuLearner,
    /// The policy before the latest iteration.
    before: ActorCritic,
    row: Row,
}

/// Actions for the constant noise of a seed, on their way.
pub struct Shown {
    /// States from the noise to the unbounded action, which is within the bound, `[steps + 1,
    /// actions, dim]`.
    pub states: Vec<f32>,
    /// `[actions]`
    pub rewards: Vec<f32>,
    /// `[actions]`, relative to each other.
    pub advantages: Vec<f32>,
}

/// States of a Gaussian's action, which has no flow: the straight line from z to μ + σz.
const GAUSSIAN_STEPS: usize = 10;

impl Training {
    /// A training before its first iteration.
    ///
    /// # Errors
    /// If the trainer cannot be made.
    pub fn new(config: &Config, task: Arc<dyn Task>) -> Result<Self, String> {
        let scorer = cpu_learner(config, task.as_ref()).map_err(|e| e.to_string())?;
        let trainer = Trainer::new(config, task, 1).map_err(|e| e.to_string())?;
        Ok(Self {
            before: trainer.networks().clone(),
            row: Row::default(),
            scorer,
            trainer,
        })
    }

    /// Collects a batch and learns from it.
    ///
    /// # Errors
    /// As [`Trainer::iterate`].
    pub fn iterate(&mut self) -> Result<(), String> {
        self.before.clone_from(self.trainer.networks());
        self.row = self.trainer.iterate().map_err(|e| e.to_string())?.row;
        Ok(())
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// A metric of the latest iteration; not a number if there is none of that name.
    pub fn metric(&self, name: &str) -> f64 {
        let found = self.row.values.iter().find(|(known, _)| *known == name);
        found.map_or(f64::NAN, |(_, value)| *value)
    }

    /// exp(ℓ_old − ℓ) of every sample of the latest batch, with ℓ of the policy after learning.
    pub fn ratios(&mut self) -> Vec<f32> {
        self.scorer.load_state(self.trainer.networks().clone());
        let mut batch = self.trainer.batch().clone();
        let envs = batch.dims.envs();
        let scorer = &self.scorer;
        let mut parts = batch.parts([envs]);
        parts.iter_mut().for_each(|part| scorer.score(part));
        drop(parts);
        let old = &self.trainer.batch().old_losses;
        let differences = old
            .iter()
            .zip(&batch.old_losses)
            .map(|(old, new)| old - new);
        differences.map(libm::expf).collect()
    }

    /// The weights of the latest batch's actions, where the method has weights.
    pub fn weights(&self) -> Vec<f32> {
        let batch = self.trainer.batch();
        match self.trainer.config().parts().objective {
            PolicyObjective::Weighted(objective) if objective.weight != WeightKind::Softmax => {
                let advantages = batch.advantages.iter();
                let lowest = advantages.clone().copied().fold(f32::INFINITY, f32::min);
                advantages.map(|&a| objective.weight(a, lowest)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The way of `count` actions of a bandit from noise that is the same in every iteration, by
    /// the policy as it is now or, with `before`, as it was before the latest iteration.
    ///
    /// # Errors
    /// If rewards cannot be compared.
    pub fn show(
        &self,
        count: usize,
        seed: u64,
        before: bool,
        reward: impl Fn(&[f32]) -> f32,
    ) -> Result<Shown, String> {
        let networks = match before {
            true => &self.before,
            false => self.trainer.networks(),
        };
        let (model, weights) = (self.trainer.model(), &networks.policy.weights);
        let dim = model.action_dim();
        let mut noise = vec![0.0; count * model.noise_dim()];
        fill_normal(Key::new(seed, Stream::Particles), &mut noise);
        // A bandit's constant, which no normalizer changes.
        let observations = vec![1.0; count * model.observation_dim()];
        let (mut x, mut states) = (vec![0.0; count * dim], Vec::new());
        let mut scratch = model.scratch(count);
        match model {
            Model::Flow(flow) => {
                let observe = |_: usize, _: f32, x: &[f32]| states.extend_from_slice(x);
                flow.sample(
                    weights,
                    &observations,
                    &noise,
                    &mut x,
                    &mut scratch,
                    observe,
                );
            }
            Model::Gaussian(_) => {
                model.sample(weights, &observations, &noise, &mut x, &mut scratch);
                for k in 0..=GAUSSIAN_STEPS {
                    let share = k as f32 / GAUSSIAN_STEPS as f32;
                    let between = noise.iter().zip(&x).map(|(z, a)| z + (a - z) * share);
                    states.extend(between);
                }
            }
        }
        let last = states.len() - x.len();
        let bound = self.trainer.config().policy.action_bound;
        states[last..]
            .iter_mut()
            .for_each(|u| *u = u.clamp(-bound, bound));
        let rewards: Vec<f32> = x.chunks_exact(dim).map(reward).collect();
        let mut advantages = vec![0.0; count];
        let (group, ends) = (
            GroupAdvantage {
                size: count,
                length: 1,
            },
            vec![StepEnd::Terminated; count],
        );
        group
            .estimate(1, &rewards, &ends, &mut advantages)
            .map_err(|e| e.to_string())?;
        Ok(Shown {
            states,
            rewards,
            advantages,
        })
    }
}
