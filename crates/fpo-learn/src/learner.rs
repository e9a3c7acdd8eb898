//! One gradient step: tiles of a minibatch through both networks, gradients per shard, a reduction
//! in fixed order, Adam.

mod adaptive_lr;
mod movement;
mod settings;
mod worker;

pub use adaptive_lr::AdaptiveLr;
pub use movement::Movement;
pub use settings::OptimizerConfig;
pub use worker::MinibatchStats;

use crate::advantage::{AdvantageNormalization, Gae, STD_FLOOR, mean_std};
use crate::critic::Critic;
use crate::objective::{BoundPull, EntropyBonus, PolicyObjective, SampleLoss, ValueLoss};
use crate::rollout::Batch;
use fpo_nn::{Adam, AdamConfig, Mlp, Weights, clip_to_norm, global_norm};
use fpo_policy::Model;
use fpo_rng::{Key, Stream};
use rayon::prelude::*;
use worker::{Advantages, GradientWorker, PassContext};

/// Gradient shards a minibatch is cut into, at most; the number of threads changes nothing about
/// them.
const MAX_WORKERS: usize = 8;
/// Transitions a gradient shard has at least: below, its reduction costs more than its share of the
/// work is worth.
const MIN_WORKER_ROWS: usize = 128;

/// Gradient steps on a policy and a critic.
pub struct Learner {
    workers: Vec<GradientWorker>,
    /// The reduced gradient, the policy's then the critic's.
    gradient: Vec<f32>,
    policy_parameters: usize,
    settings: LearnerSettings,
}

/// What a learner needs to know; [`crate::config::Config::learner`] gathers it.
#[derive(Clone, Copy, Debug)]
pub struct LearnerSettings {
    /// Seed of the run.
    pub seed: u64,
    /// Samples N of an action.
    pub samples_per_action: usize,
    /// The loss ℓ of a sample.
    pub loss: SampleLoss,
    /// What the policy minimizes.
    pub objective: PolicyObjective,
    /// What keeps a flow within the bound on actions.
    pub pull: Option<BoundPull>,
    /// The entropy bonus.
    pub entropy: Option<EntropyBonus>,
    /// The critic's loss.
    pub value: ValueLoss,
    /// Whether there is a critic to learn.
    pub critic: bool,
    /// The estimator of advantages, where they are computed per minibatch.
    pub gae: Option<Gae>,
    /// Steps of a sequence, where minibatches are of whole sequences.
    pub sequence: Option<usize>,
    /// Whether truncated steps have no value target.
    pub mask_truncated: bool,
    /// Over what advantages are normalized.
    pub normalize: AdvantageNormalization,
    /// Weight of an action's surprisal.
    pub bonus: f32,
    /// Bound on the norm of the gradient over both networks; 0 for none.
    pub max_grad_norm: f32,
}

/// A network's parameters while they are learnt.
#[derive(Clone)]
pub struct TrainState {
    /// The parameters.
    pub parameters: Vec<f32>,
    /// Their optimizer.
    pub adam: Adam,
    /// The parameters as the kernels read them.
    pub weights: Weights,
}

impl TrainState {
    /// `parameters` of `network` before the first step.
    pub fn new(network: &Mlp, parameters: Vec<f32>, adam: AdamConfig) -> Self {
        let mut weights = network.weights();
        network.pack(&parameters, &mut weights);
        Self {
            adam: Adam::new(adam, parameters.len()),
            parameters,
            weights,
        }
    }

    /// Whether every parameter and every moment is a number.
    pub fn is_finite(&self) -> bool {
        [&self.parameters, &self.adam.first, &self.adam.second]
            .iter()
            .all(|x| x.iter().all(|x| x.is_finite()))
    }

    /// Whether it can be what training left: finite, with non-negative second moments.
    pub fn is_valid(&self) -> bool {
        self.is_finite() && self.adam.second.iter().all(|x| *x >= 0.0)
    }

    fn step(&mut self, network: &Mlp, gradient: &[f32], lr: f32) {
        self.adam.step(&mut self.parameters, gradient, lr);
        network.pack(&self.parameters, &mut self.weights);
    }
}

/// What is learnt: a policy and a critic.
#[derive(Clone)]
pub struct ActorCritic {
    /// The policy's network.
    pub policy: TrainState,
    /// The critic's.
    pub critic: TrainState,
}

impl Learner {
    /// Buffers for minibatches of `rows` transitions.
    pub fn new(settings: LearnerSettings, policy: &Model, critic: &Critic, rows: usize) -> Self {
        let workers = (rows / MIN_WORKER_ROWS).clamp(1, MAX_WORKERS);
        let (samples, sequence) = (settings.samples_per_action, settings.sequence);
        Self {
            workers: (0..workers)
                .map(|_| GradientWorker::new(policy, critic, samples, sequence))
                .collect(),
            gradient: vec![
                0.0;
                policy.network().parameter_count() + critic.network.parameter_count()
            ],
            policy_parameters: policy.network().parameter_count(),
            settings,
        }
    }

    /// Gradient of a minibatch, left in [`Learner::gradient`].
    ///
    /// `indices` are transitions of `batch`, or its sequences when advantages are computed per
    /// minibatch. Advantages and targets of the latter are written into the batch.
    pub fn differentiate(
        &mut self,
        policy: &Model,
        critic: &Critic,
        networks: &ActorCritic,
        batch: &mut Batch,
        indices: &[u32],
    ) -> MinibatchStats {
        let rows = indices.len()
            * if self.settings.gae.is_some() {
                batch.dims.num_steps
            } else {
                1
            };
        let share = indices.len().div_ceil(self.workers.len());
        let pass = PassContext {
            policy,
            policy_weights: &networks.policy.weights,
            critic,
            critic_weights: &networks.critic.weights,
            loss: self.settings.loss,
            objective: self.settings.objective,
            pull: self.settings.pull,
            entropy: self.settings.entropy,
            noise: Key::new(self.settings.seed, Stream::Entropy).step(networks.policy.adam.steps),
            value: self.settings.value,
            mask_truncated: self.settings.mask_truncated,
            scale: 1.0 / rows as f32,
        };
        match self.settings.gae {
            None => {
                let advantages = self.advantages(batch, indices);
                let critic = self.settings.critic;
                self.for_each_worker(indices, share, |worker, indices| {
                    worker.begin();
                    if critic {
                        worker.critic_pass(&pass, batch, indices, None);
                    }
                    worker.policy_pass(&pass, batch, indices, 1, advantages);
                });
            }
            gae => {
                // The policy's loss needs the advantages that the critic's pass estimates.
                self.for_each_worker(indices, share, |worker, indices| {
                    worker.begin();
                    worker.critic_pass(&pass, batch, indices, gae);
                });
                for (worker, indices) in self.workers.iter().zip(indices.chunks(share)) {
                    worker.hand_over_returns(batch, indices);
                }
                let (advantages, num_steps) =
                    (self.advantages(batch, indices), batch.dims.num_steps);
                self.for_each_worker(indices, share, |worker, indices| {
                    worker.policy_pass(&pass, batch, indices, num_steps, advantages);
                });
            }
        }
        self.reduce(indices.len().div_ceil(share));
        policy.freeze(&mut self.gradient[..self.policy_parameters]);
        let mut stats = MinibatchStats::default();
        self.workers[..indices.len().div_ceil(share)]
            .iter()
            .for_each(|s| stats.merge(&s.stats));
        stats.rows = rows as u64;
        stats.grad_norm = global_norm(&[&self.gradient]);
        stats
    }

    /// The gradient that [`Learner::differentiate`] found: the policy's, then the critic's, each
    /// laid out as its parameters.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Clips the gradient, whose norm is `norm`, and steps both optimizers with their learning
    /// rates: the policy's, the critic's. A critic that is not learnt stays as it is.
    pub fn step(
        &mut self,
        policy: &Model,
        critic: &Critic,
        networks: &mut ActorCritic,
        norm: f64,
        lrs: [f32; 2],
    ) {
        let limit = f64::from(self.settings.max_grad_norm);
        if limit > 0.0 {
            clip_to_norm(&mut self.gradient, norm, limit);
        }
        let (for_policy, for_critic) = self.gradient.split_at(self.policy_parameters);
        let ActorCritic {
            policy: of_policy,
            critic: of_critic,
        } = networks;
        if !self.settings.critic {
            return of_policy.step(policy.network(), for_policy, lrs[0]);
        }
        rayon::join(
            || of_policy.step(policy.network(), for_policy, lrs[0]),
            || of_critic.step(&critic.network, for_critic, lrs[1]),
        );
    }

    fn for_each_worker(
        &mut self,
        indices: &[u32],
        share: usize,
        work: impl Fn(&mut GradientWorker, &[u32]) + Sync + Send,
    ) {
        self.workers
            .par_iter_mut()
            .zip(indices.par_chunks(share))
            .for_each(|(s, u)| work(s, u));
    }

    /// How the minibatch's advantages are to be normalized.
    fn advantages(&self, batch: &Batch, indices: &[u32]) -> Advantages {
        match self.settings.gae {
            None => self.advantages_among(batch, indices.iter().map(|&i| i as usize)),
            Some(_) => {
                let num_steps = batch.dims.num_steps;
                let sequence = |&s: &u32| s as usize * num_steps..(s as usize + 1) * num_steps;
                self.advantages_among(batch, indices.iter().flat_map(sequence))
            }
        }
    }

    fn advantages_among(
        &self,
        batch: &Batch,
        all: impl Iterator<Item = usize> + Clone,
    ) -> Advantages {
        let (mean, inverse_std) = if self.settings.normalize == AdvantageNormalization::Minibatch {
            let (mean, std) = mean_std(all.clone().map(|i| batch.advantages[i]));
            (mean as f32, (1.0 / (std + STD_FLOOR)) as f32)
        } else {
            (0.0, 1.0)
        };
        let mut advantages = Advantages {
            mean,
            inverse_std,
            bonus: self.settings.bonus,
            lowest: f32::INFINITY,
        };
        let seen = all.map(|i| advantages.of(batch, i));
        advantages.lowest = seen.fold(f32::INFINITY, f32::min);
        advantages
    }

    /// Sums the first `count` shards' gradients, always in the same order.
    fn reduce(&mut self, count: usize) {
        const CHUNK: usize = 4096;
        let (policy, critic) = self.gradient.split_at_mut(self.policy_parameters);
        let workers = &self.workers[..count];
        for (total, part) in [(policy, 0), (critic, 1)] {
            total
                .par_chunks_mut(CHUNK)
                .enumerate()
                .for_each(|(i, total)| {
                    let at = i * CHUNK..i * CHUNK + total.len();
                    total.copy_from_slice(&workers[0].gradients()[part][at.clone()]);
                    for worker in &workers[1..] {
                        total
                            .iter_mut()
                            .zip(&worker.gradients()[part][at.clone()])
                            .for_each(|(t, g)| *t += g);
                    }
                });
        }
    }
}
