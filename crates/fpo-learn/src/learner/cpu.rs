//! The learner of this machine's processor: tiles of a minibatch through both networks, gradients
//! part by part, a sum in fixed order, Adam.

use super::awake::keep_awake;
use super::epochs::{GradientSteps, Networks, run_epochs};
use super::forward::PolicyRef;
use super::scorer::ScorerPool;
use super::tree::{CHUNK, add_up, cover};
use super::worker::{GradientWorker, PassContext};
use super::{ActorCritic, LearnPlan, LearnStats, Learner, LearnerSettings, MinibatchStats};
use crate::advantage::Normalization;
use crate::critic::Critic;
use crate::objective::{AnchorObjective, EntropyBonus, PolicyObjective};
use crate::reduce::{
    GradientSum, Part, Reader, Reduce, ReduceError, complete, put_f32s, share, share_of,
};
use crate::rollout::{Batch, BatchSlice};
use crate::trainer::TrainError;
use fpo_nn::{clip_to_norm, global_norm};
use fpo_policy::Model;
use fpo_rng::{Key, Stream};
use rayon::prelude::*;
use std::ops::Range;

/// Parts that a minibatch's gradient is computed in, at most; the number of threads changes nothing
/// about them.
const MAX_WORKERS: usize = 8;
/// A mean slope of Q from which on its gradient is followed; below, it is nothing but rounding.
const LEAST_SLOPE: f64 = 1e-12;
/// Transitions that a part has at least: below, its reduction costs more than its share of the work
/// is worth.
const MIN_WORKER_ROWS: usize = 128;

/// A learner on the threads of the pool that it is called on.
pub struct CpuLearner {
    settings: LearnerSettings,
    policy: Model,
    critic: Critic,
    networks: ActorCritic,
    workers: Vec<GradientWorker>,
    /// The reduced gradient, the policy's then the critic's.
    gradient: Vec<f32>,
    policy_parameters: usize,
    /// Sums that travel between ranks; none where there is one.
    nodes: Vec<Vec<f32>>,
    /// Of the current iteration ([`LearnPlan::q_slope`]), and at least that of each minibatch; none
    /// in one that holds nothing to learn for a policy that follows Q.
    q_slope: Option<f64>,
    scorers: ScorerPool,
}

impl CpuLearner {
    /// A learner of `networks`, with buffers for minibatches of `rows` transitions.
    pub fn new(
        settings: LearnerSettings,
        policy: Model,
        critic: Critic,
        networks: ActorCritic,
        rows: usize,
    ) -> Self {
        let workers = (rows / MIN_WORKER_ROWS).clamp(1, MAX_WORKERS);
        let (samples, sequence) = (settings.samples_per_action, settings.sequence);
        let policy_parameters = policy.network().parameter_count();
        let parameters = policy_parameters + critic.network.parameter_count();
        Self {
            workers: (0..workers)
                .map(|_| {
                    let with_q = settings.q.is_some();
                    GradientWorker::new(&policy, &critic, samples, sequence, with_q)
                })
                .collect(),
            gradient: vec![0.0; parameters],
            policy_parameters,
            nodes: Vec::new(),
            q_slope: None,
            scorers: ScorerPool::default(),
            settings,
            policy,
            critic,
            networks,
        }
    }

    /// The gradient that [`GradientSteps::differentiate`] found: the policy's, then the critic's,
    /// each laid out as its parameters.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn policy_ref(&self) -> PolicyRef<'_> {
        PolicyRef {
            model: &self.policy,
            weights: &self.networks.policy.weights,
            loss: self.settings.loss,
        }
    }

    /// What scorers are made for.
    fn scored(&self) -> (&Model, &Critic, usize) {
        (&self.policy, &self.critic, self.settings.samples_per_action)
    }

    /// The sum of `node`'s gradients, in the order of the tree of `known` sums.
    fn add_up<'a>(
        (node, out): (Range<usize>, &mut [f32]),
        known: impl Fn(&Range<usize>, Range<usize>) -> Option<&'a [f32]> + Sync,
    ) {
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| {
            let at = i * CHUNK..i * CHUNK + out.len();
            add_up(node.clone(), &|node| known(node, at.clone()), out);
        });
    }

    /// The sum of the gradients of the parts of `node`, all of which this rank has.
    fn sum_own(workers: &[GradientWorker], node: &Range<usize>, out: &mut [f32], policy: usize) {
        let (for_policy, for_critic) = out.split_at_mut(policy);
        for (network, out) in [for_policy, for_critic].into_iter().enumerate() {
            Self::add_up((node.clone(), out), |node, at| {
                (node.len() == 1).then(|| &workers[node.start].gradients()[network][at])
            });
        }
    }

    /// Sums the gradients of all parts, on all ranks in the order of the same tree, and brings each
    /// part's statistics to every rank.
    fn sum_gradients(
        &mut self,
        partition: &Partition,
        reduce: &dyn Reduce,
    ) -> Result<(), ReduceError> {
        let (parts, policy) = (partition.parts, self.policy_parameters);
        let workers = &mut self.workers[..parts];
        let (ranks, rank) = (reduce.ranks(), reduce.rank());
        if self.settings.reduction == GradientSum::Fast {
            complete(reduce, workers.iter_mut().map(|worker| &mut worker.stats))?;
            match partition.own.is_empty() {
                true => self.gradient.fill(0.0),
                false => {
                    // As if there were no other parts.
                    let own = &workers[partition.own.clone()];
                    Self::sum_own(own, &(0..own.len()), &mut self.gradient, policy);
                }
            }
            return reduce.sum(&mut self.gradient);
        }
        if ranks == 1 {
            Self::sum_own(workers, &(0..parts), &mut self.gradient, policy);
            return Ok(());
        }
        // The nodes of each rank, one rank after another.
        let (mut nodes, mut bounds) = (Vec::new(), vec![0]);
        for rank in 0..ranks {
            cover(0..parts, &share_of(rank, ranks, parts), &mut nodes);
            bounds.push(nodes.len());
        }
        self.nodes.resize_with(nodes.len(), Vec::new);
        for sum in &mut self.nodes {
            sum.resize(self.gradient.len(), 0.0);
        }
        let mut mine = Vec::new();
        for worker in &mut workers[partition.own.clone()] {
            worker.stats.write(&mut mine);
        }
        for k in bounds[rank]..bounds[rank + 1] {
            Self::sum_own(workers, &nodes[k], &mut self.nodes[k], policy);
            put_f32s(&mut mine, &self.nodes[k]);
        }
        let all = reduce.all_gather(mine)?;
        for (other, bytes) in all.iter().enumerate().filter(|(other, _)| *other != rank) {
            let mut reader = Reader::new(bytes);
            for worker in &mut workers[share_of(other, ranks, parts)] {
                worker.stats.read(&mut reader)?;
            }
            for sum in &mut self.nodes[bounds[other]..bounds[other + 1]] {
                reader.f32s(sum)?;
            }
            reader.finish()?;
        }
        let sums = &self.nodes;
        Self::add_up((0..parts, &mut self.gradient), |node, at| {
            let k = nodes.iter().position(|other| other == node)?;
            Some(&sums[k][at])
        });
        Ok(())
    }
}

impl GradientSteps for CpuLearner {
    fn differentiate(
        &mut self,
        batch: &mut Batch,
        indices: &[u32],
        networks: Networks,
        reduce: &dyn Reduce,
    ) -> Result<MinibatchStats, ReduceError> {
        let settings = &self.settings;
        let partition = Partition::new(indices, self.workers.len(), reduce);
        let rows = indices.len() * settings.sequence.unwrap_or(1);
        // A policy that follows Q, in an iteration that holds nothing to learn for it.
        let waits = settings.q.is_some() && self.q_slope.is_none();
        let pass = PassContext {
            policy: PolicyRef {
                model: &self.policy,
                weights: &self.networks.policy.weights,
                loss: settings.loss,
            },
            critic: &self.critic,
            critic_weights: &self.networks.critic.weights,
            objective: match settings.objective {
                PolicyObjective::Anchor(anchor) if waits => {
                    PolicyObjective::Anchor(AnchorObjective {
                        weight: 0.0,
                        ..anchor
                    })
                }
                objective => objective,
            },
            pull: settings.pull,
            entropy: settings.entropy.map(|entropy| EntropyBonus {
                coefficient: if waits { 0.0 } else { entropy.coefficient },
                ..entropy
            }),
            mean_noise: settings.mean_noise,
            q: settings.q.filter(|_| !waits),
            q_weight: match self.q_slope {
                Some(slope) if slope > LEAST_SLOPE => (1.0 / slope) as f32,
                _ => 0.0,
            },
            noise: Key::new(settings.seed, Stream::Entropy).step(self.networks.policy.adam.steps),
            value: settings.value,
            mask_truncated: settings.mask_truncated,
            scale: 1.0 / rows as f32,
        };
        let workers = &mut self.workers[..partition.parts];
        let normalization = match settings.sequence {
            None => both_passes(workers, &pass, networks, settings, batch, &partition),
            Some(length) => passes_in_turn(
                workers,
                &pass,
                networks,
                settings,
                batch,
                &partition,
                (length, reduce),
            )?,
        };

        self.sum_gradients(&partition, reduce)?;
        self.policy
            .freeze(&mut self.gradient[..self.policy_parameters]);
        let mut stats = MinibatchStats::default();
        for worker in &self.workers[..partition.parts] {
            stats.merge(&worker.stats);
        }
        stats.rows = rows as u64;
        if networks == Networks::Both {
            stats.policy_rows = stats.rows;
            stats.advantage = normalization.sizes;
        }
        if let (Some(slope), Some(latest)) = (&mut self.q_slope, stats.q.mean_slope())
            && *slope > 0.0
        {
            // The mean of iterations lags behind where the critic's view changes at once.
            *slope = slope.max(latest);
        }
        stats.grad_norm = global_norm(&[&self.gradient]);
        Ok(stats)
    }

    fn step(&mut self, norm: f64, networks: Networks, [policy_lr, critic_lr]: [f32; 2]) {
        let limit = f64::from(self.settings.max_grad_norm);
        if limit > 0.0 && self.settings.q.is_some() {
            // A steep Q must not take the critic's gradient away.
            let (policy, critic) = self.gradient.split_at_mut(self.policy_parameters);
            for part in [policy, critic] {
                let norm = global_norm(&[part]);
                clip_to_norm(part, norm, limit);
            }
        } else if limit > 0.0 {
            clip_to_norm(&mut self.gradient, norm, limit);
        }
        let (for_policy, for_critic) = self.gradient.split_at(self.policy_parameters);
        let ActorCritic { policy, critic } = &mut self.networks;
        let (of_policy, of_critic) = (self.policy.network(), &self.critic.network);
        match (networks, self.settings.critic) {
            (Networks::Both, false) => policy.step(of_policy, for_policy, policy_lr),
            (Networks::Critic, _) => critic.step(of_critic, for_critic, critic_lr),
            (Networks::Both, true) => {
                rayon::join(
                    || policy.step(of_policy, for_policy, policy_lr),
                    || critic.step(of_critic, for_critic, critic_lr),
                );
            }
        }
    }
}

impl Learner for CpuLearner {
    fn values(&self, observations: &[f32], actions: &[f32], out: &mut [f32]) {
        self.scorers.with(self.scored(), |scorer| {
            let weights = &self.networks.critic.weights;
            self.critic
                .values(weights, observations, actions, &mut scorer.critic, out);
        });
    }

    fn score(&self, part: &mut BatchSlice) {
        self.scorers.with(self.scored(), |scorer| {
            scorer.score(self.policy_ref(), part);
        });
    }

    fn learn(
        &mut self,
        batch: &mut Batch,
        plan: &LearnPlan,
        reduce: &dyn Reduce,
    ) -> Result<LearnStats, TrainError> {
        let settings = self.settings;
        // A policy that follows Q rests where a batch holds nothing to learn for it.
        self.q_slope = (!settings.waits(batch)).then_some(plan.q_slope);
        // Threads that wait for other ranks had better sleep.
        match reduce.ranks() {
            1 => keep_awake(|| run_epochs(self, &settings, batch, plan, reduce)),
            _ => run_epochs(self, &settings, batch, plan, reduce),
        }
    }

    fn state(&self) -> &ActorCritic {
        &self.networks
    }

    fn load_state(&mut self, state: ActorCritic) {
        self.networks = state;
    }
}

/// The parts of a minibatch: of equal size, but for the last.
struct Partition<'a> {
    indices: &'a [u32],
    /// Indices of a part.
    size: usize,
    /// Their number; a small minibatch may have fewer than there are workers.
    parts: usize,
    /// Those that this rank computes.
    own: Range<usize>,
}

impl<'a> Partition<'a> {
    fn new(indices: &'a [u32], workers: usize, reduce: &dyn Reduce) -> Self {
        let size = indices.len().div_ceil(workers);
        let parts = indices.len().div_ceil(size);
        Self {
            indices,
            size,
            parts,
            own: share(reduce, parts),
        }
    }

    /// Does `work` for this rank's parts: the worker of each, and its indices.
    fn for_each(
        &self,
        workers: &mut [GradientWorker],
        work: impl Fn(&mut GradientWorker, &[u32]) + Sync + Send,
    ) {
        let end = (self.own.end * self.size).min(self.indices.len());
        let indices = &self.indices[self.own.start * self.size..end];
        workers[self.own.clone()]
            .par_iter_mut()
            .zip(indices.par_chunks(self.size))
            .for_each(|(worker, indices)| work(worker, indices));
    }
}

/// Both networks' gradients on this rank's parts of a minibatch of transitions. Returns how its
/// advantages were normalized.
fn both_passes(
    workers: &mut [GradientWorker],
    pass: &PassContext,
    networks: Networks,
    settings: &LearnerSettings,
    batch: &Batch,
    partition: &Partition,
) -> Normalization {
    let normalization = normalization(settings, batch, partition.indices);
    partition.for_each(workers, |worker, indices| {
        worker.begin();
        if settings.critic {
            worker.critic_pass(pass, batch, indices, None);
        }
        if networks == Networks::Both {
            worker.policy_pass(pass, batch, (indices, 1), normalization);
        }
    });
    normalization
}

/// The critic's gradient and then the policy's, on this rank's parts of a minibatch of sequences of
/// `length` steps: the policy's loss needs the advantages that all parts of the critic's pass
/// estimate. Returns how these were normalized.
fn passes_in_turn(
    workers: &mut [GradientWorker],
    pass: &PassContext,
    networks: Networks,
    settings: &LearnerSettings,
    batch: &mut Batch,
    partition: &Partition,
    (length, reduce): (usize, &dyn Reduce),
) -> Result<Normalization, ReduceError> {
    partition.for_each(workers, |worker, indices| {
        worker.begin();
        worker.critic_pass(pass, batch, indices, settings.gae);
    });
    complete(reduce, workers.iter_mut().map(|w| &mut w.estimates))?;
    for (worker, indices) in workers.iter().zip(partition.indices.chunks(partition.size)) {
        if !worker.has_estimates_of(length * indices.len()) {
            return Err(ReduceError("estimates of another minibatch".into()));
        }
        worker.hand_over_estimates(batch, indices);
    }
    if networks == Networks::Critic {
        return Ok(Normalization::NONE);
    }
    // As before the epochs where advantages are estimated once.
    if settings.waits(batch) {
        for &s in partition.indices {
            batch.advantages[s as usize * length..][..length].fill(0.0);
        }
    }
    let batch = &*batch;
    let normalization = normalization(settings, batch, partition.indices);
    partition.for_each(workers, |worker, indices| {
        worker.policy_pass(pass, batch, (indices, length), normalization);
    });
    Ok(normalization)
}

/// How the minibatch's advantages are to be normalized.
fn normalization(settings: &LearnerSettings, batch: &Batch, indices: &[u32]) -> Normalization {
    let length = settings.sequence.unwrap_or(1);
    let of_index = |&i: &u32| i as usize * length..(i as usize + 1) * length;
    let all = indices.iter().flat_map(of_index);
    Normalization::new(settings.normalize, settings.bonus, batch, all)
}
