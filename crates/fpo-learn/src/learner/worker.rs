//! One gradient shard: its part of a minibatch, tile by tile, into its own gradient.

use crate::advantage::Gae;
use crate::critic::Critic;
use crate::objective::{
    BoundPull, EntropyBonus, PolicyObjective, RatioStats, SampleLoss, ValueLoss,
};
use crate::rollout::{Batch, gather_inputs};
use fpo_env::StepEnd;
use fpo_nn::{Scratch, Weights};
use fpo_policy::Model;
use fpo_rng::{Key, fill_normal};

/// What all shards share during a minibatch.
pub(super) struct PassContext<'a> {
    pub policy: &'a Model,
    pub policy_weights: &'a Weights,
    pub critic: &'a Critic,
    pub critic_weights: &'a Weights,
    pub loss: SampleLoss,
    pub objective: PolicyObjective,
    pub pull: Option<BoundPull>,
    pub entropy: Option<EntropyBonus>,
    /// Of the entropy's samples; the index is the transition's.
    pub noise: Key,
    pub value: ValueLoss,
    /// Whether truncated steps have no value target.
    pub mask_truncated: bool,
    /// 1 / transitions of the minibatch.
    pub scale: f32,
}

/// (A − mean)·inverse_std, and a bonus, is what the objective sees.
#[derive(Clone, Copy)]
pub(super) struct Advantages {
    pub mean: f32,
    pub inverse_std: f32,
    /// Weight of an action's surprisal, which is added.
    pub bonus: f32,
    /// The lowest that the objective sees in the minibatch.
    pub lowest: f32,
}

impl Advantages {
    /// What the objective sees of transition `i`.
    #[inline]
    pub fn of(&self, batch: &Batch, i: usize) -> f32 {
        let normalized = (batch.advantages[i] - self.mean) * self.inverse_std;
        if self.bonus > 0.0 {
            normalized + self.bonus * batch.surprisals[i]
        } else {
            normalized
        }
    }
}

/// Sums over a minibatch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MinibatchStats {
    /// Transitions.
    pub rows: u64,
    /// The policy's: Σ −ψ and the ratios.
    pub ratio: RatioStats,
    /// The samples of their actions.
    pub samples: u64,
    /// Σ over the samples of the [`SampleLoss::distance`] of a flow's velocities from those of the
    /// policy that acted.
    pub moved: f64,
    /// Σ over the actions of the mean penalty of their samples for being outside of the bound on
    /// actions.
    pub pull_loss: f64,
    /// Entries of the samples' one-step predictions that are outside of it.
    pub outside: u64,
    /// Σ of the value loss.
    pub value_loss: f64,
    /// Σ of the policy's entropy, where it is known.
    pub entropy: f64,
    /// Σ of its standard deviations' means over the action, where it has any.
    pub std: f64,
    /// Σ of the gradient norms of the minibatches, before clipping.
    pub grad_norm: f64,
}

impl MinibatchStats {
    /// Adds another shard's, or another minibatch's.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.ratio.merge(&other.ratio);
        self.samples += other.samples;
        self.moved += other.moved;
        self.pull_loss += other.pull_loss;
        self.outside += other.outside;
        self.value_loss += other.value_loss;
        self.entropy += other.entropy;
        self.std += other.std;
        self.grad_norm += other.grad_norm;
    }

    /// Whether losses and gradients are numbers.
    pub fn is_finite(&self) -> bool {
        [
            self.ratio.loss,
            self.pull_loss,
            self.value_loss,
            self.grad_norm,
        ]
        .iter()
        .all(|x| x.is_finite())
    }
}

/// Scratch and gradient of one shard.
pub(super) struct GradientWorker {
    actor: Scratch,
    critic: Scratch,
    /// Transitions of an actor tile; sequences or transitions of a critic tile.
    actor_tile: usize,
    critic_tile: usize,
    policy_gradient: Vec<f32>,
    critic_gradient: Vec<f32>,
    /// ℓ_θ, ℓ_old and ∂loss/∂ℓ_θ of a tile's samples; predictions for them.
    losses: Vec<f32>,
    old_losses: Vec<f32>,
    d_losses: Vec<f32>,
    predictions: Vec<f32>,
    /// Noise of the entropy's samples, for a tile's transitions.
    noise: Vec<f32>,
    /// Normalized advantages of a tile's transitions.
    tile_advantages: Vec<f32>,
    /// Values and value targets of a tile, in the critic's units.
    values: Vec<f32>,
    tile_returns: Vec<f32>,
    /// Advantages and targets of the shard's sequences, when they are computed per minibatch.
    advantages: Vec<f32>,
    returns: Vec<f32>,
    pub stats: MinibatchStats,
}

impl GradientWorker {
    /// `sequence` is the unroll if advantages are computed per minibatch.
    pub fn new(policy: &Model, critic: &Critic, samples: usize, sequence: Option<usize>) -> Self {
        let actor_tile = (policy.network().tile_rows() / samples).max(1);
        let rows_per_unit = sequence.map_or(1, |num_steps| num_steps + 1);
        let critic_tile = (critic.network.tile_rows() / rows_per_unit).max(1);
        let (actor_rows, critic_rows) = (actor_tile * samples, critic_tile * rows_per_unit);
        Self {
            actor: policy.network().scratch(actor_rows, true),
            critic: critic.network.scratch(critic_rows, true),
            actor_tile,
            critic_tile,
            policy_gradient: vec![0.0; policy.network().parameter_count()],
            critic_gradient: vec![0.0; critic.network.parameter_count()],
            losses: vec![0.0; actor_rows],
            old_losses: vec![0.0; actor_rows],
            d_losses: vec![0.0; actor_rows],
            predictions: vec![0.0; actor_rows * policy.network().spec().output],
            noise: vec![0.0; actor_tile * policy.action_dim()],
            tile_advantages: vec![0.0; actor_tile],
            values: vec![0.0; critic_rows],
            tile_returns: vec![0.0; critic_rows],
            advantages: Vec::new(),
            returns: Vec::new(),
            stats: MinibatchStats::default(),
        }
    }

    /// The policy's gradient and the critic's.
    pub fn gradients(&self) -> [&[f32]; 2] {
        [&self.policy_gradient, &self.critic_gradient]
    }

    /// Forgets the minibatch before.
    pub fn begin(&mut self) {
        self.stats = MinibatchStats::default();
    }

    /// Value loss of `indices`: transitions, or with `gae` sequences, whose advantages and targets
    /// the pass computes.
    pub fn critic_pass(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        indices: &[u32],
        gae: Option<Gae>,
    ) {
        self.critic_gradient.fill(0.0);
        self.advantages.clear();
        self.returns.clear();
        for tile in indices.chunks(self.critic_tile) {
            match gae {
                None => self.critic_tile_of_transitions(pass, batch, tile),
                Some(gae) => self.critic_tile_of_sequences(pass, batch, tile, gae),
            }
        }
    }

    fn critic_tile_of_transitions(&mut self, pass: &PassContext, batch: &Batch, tile: &[u32]) {
        let (observations, od) = (batch.critic_input(), batch.dims.critic_input());
        let input = self.critic.input_mut(tile.len());
        for (row, &i) in input.chunks_exact_mut(od).zip(tile) {
            row.copy_from_slice(&observations[batch.dims.row(i as usize) * od..][..od]);
        }
        let network = &pass.critic.network;
        network.forward(pass.critic_weights, &mut self.critic, tile.len());
        let (values, gradient) = self.critic.output_and_gradient_mut(tile.len());
        let returns = &mut self.tile_returns[..tile.len()];
        for ((target, &value), &i) in returns.iter_mut().zip(values).zip(tile) {
            *target = batch.returns[i as usize] / pass.critic.unit;
            // Brax's form has no target for a truncated step.
            if pass.mask_truncated && batch.ends[i as usize] == StepEnd::Truncated {
                *target = value;
            }
        }
        self.stats.value_loss += pass.value.evaluate(values, returns, pass.scale, gradient);
        network.backward(
            pass.critic_weights,
            &mut self.critic,
            tile.len(),
            &mut self.critic_gradient,
        );
    }

    fn critic_tile_of_sequences(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        tile: &[u32],
        gae: Gae,
    ) {
        let (od, num_steps) = (batch.dims.critic_input(), batch.dims.num_steps);
        let (length, rows) = (num_steps + 1, tile.len() * (num_steps + 1));
        let input = self.critic.input_mut(rows);
        for (sequence, &s) in input.chunks_exact_mut(length * od).zip(tile) {
            sequence
                .copy_from_slice(&batch.critic_input()[s as usize * length * od..][..length * od]);
        }
        let network = &pass.critic.network;
        network.forward(pass.critic_weights, &mut self.critic, rows);
        let (outputs, gradient) = self.critic.output_and_gradient_mut(rows);
        let values = &mut self.values[..rows];
        values
            .iter_mut()
            .zip(outputs)
            .for_each(|(v, y)| *v = pass.critic.unit * y);
        for (k, &s) in tile.iter().enumerate() {
            let steps = s as usize * num_steps..(s as usize + 1) * num_steps;
            let (first, at) = (k * length, self.advantages.len());
            self.advantages.resize(at + num_steps, 0.0);
            self.returns.resize(at + num_steps, 0.0);
            // A truncated step's final observation keeps the value it had at the end of the
            // rollout.
            let final_values = &batch.final_values[steps.clone()];
            gae.estimate(
                &batch.rewards[steps.clone()],
                &values[first..][..length],
                &batch.ends[steps],
                |t| final_values[t],
                &mut self.advantages[at..],
                &mut self.returns[at..],
            );
            let returns = &mut self.tile_returns[..num_steps];
            returns
                .iter_mut()
                .zip(&self.returns[at..])
                .for_each(|(t, v)| *t = v / pass.critic.unit);
            let (gradient, last) = gradient[first..][..length].split_at_mut(num_steps);
            let outputs = &outputs[first..][..num_steps];
            self.stats.value_loss += pass.value.evaluate(outputs, returns, pass.scale, gradient);
            // The value after the last step is bootstrapped from, not learnt.
            last[0] = 0.0;
        }
        network.backward(
            pass.critic_weights,
            &mut self.critic,
            rows,
            &mut self.critic_gradient,
        );
    }

    /// Writes the advantages and targets that the critic pass computed for its sequences `indices`
    /// into the batch.
    pub fn hand_over_returns(&self, batch: &mut Batch, indices: &[u32]) {
        let num_steps = batch.dims.num_steps;
        for (k, &s) in indices.iter().enumerate() {
            let (from, to) = (k * num_steps..(k + 1) * num_steps, s as usize * num_steps);
            batch.advantages[to..to + num_steps].copy_from_slice(&self.advantages[from.clone()]);
            batch.returns[to..to + num_steps].copy_from_slice(&self.returns[from]);
        }
    }

    /// The policy's loss on `indices` of `length` consecutive transitions each.
    pub fn policy_pass(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        indices: &[u32],
        length: usize,
        normalize: Advantages,
    ) {
        self.policy_gradient.fill(0.0);
        let dims = &batch.dims;
        let (samples, n) = (batch.samples(), dims.samples);
        let count = indices.len() * length;
        let transition = |k: usize| indices[k / length] as usize * length + k % length;
        for first in (0..count).step_by(self.actor_tile) {
            let tile = self.actor_tile.min(count - first);
            let rows = tile * n;
            let input = self.actor.input_mut(rows);
            let width = input.len() / tile;
            for (k, input) in input.chunks_exact_mut(width).enumerate() {
                let i = transition(first + k);
                gather_inputs(dims, &batch.observations, &batch.sample_inputs, i, input);
                self.tile_advantages[k] = normalize.of(batch, i);
                self.old_losses[k * n..][..n].copy_from_slice(&batch.old_losses[i * n..][..n]);
            }
            let network = pass.policy.network();
            network.forward(pass.policy_weights, &mut self.actor, rows);
            let (outputs, gradient) = self.actor.output_and_gradient_mut(rows);
            let predictions = &mut self.predictions[..outputs.len()];
            pass.policy.predict(outputs, predictions);
            let sample = |j: usize| samples.get(transition(first + j / n), j % n);
            pass.loss
                .evaluate(predictions, sample, &mut self.losses[..rows]);
            pass.objective.evaluate(
                &self.losses[..rows],
                &self.old_losses[..rows],
                &self.tile_advantages[..tile],
                normalize.lowest,
                &mut self.d_losses[..rows],
                &mut self.stats.ratio,
            );
            let gain = pass.policy.gain();
            let upstream = self.d_losses[..rows].iter().map(|d| d * pass.scale * gain);
            pass.loss.backward(predictions, sample, upstream, gradient);
            let old = |j: usize| batch.old_velocity(transition(first + j / n), j % n);
            self.stats.samples += rows as u64;
            self.stats.moved += pass.loss.distance(predictions, old, sample);
            if let Some(pull) = &pass.pull {
                let pulled =
                    pull.evaluate(predictions, sample, pass.scale * gain / n as f32, gradient);
                self.stats.pull_loss += pulled.loss / n as f64;
                self.stats.outside += pulled.outside;
            }
            if let Some(entropy) = &pass.entropy {
                let d = dims.action;
                for (k, noise) in self.noise.chunks_exact_mut(d).take(tile).enumerate() {
                    fill_normal(pass.noise.index(transition(first + k) as u32), noise);
                }
                let noise = &self.noise[..tile * d];
                self.stats.entropy += entropy.evaluate(predictions, noise, d, pass.scale, gradient);
                self.stats.std += mean_std(predictions, d);
            }
            pass.policy.chain(predictions, gradient);
            network.backward(
                pass.policy_weights,
                &mut self.actor,
                rows,
                &mut self.policy_gradient,
            );
        }
    }
}

/// Σ over the rows (μ, σ) of the mean of σ.
fn mean_std(predictions: &[f32], d: usize) -> f64 {
    let rows = predictions.chunks_exact(2 * d);
    rows.map(|row| f64::from(row[d..].iter().sum::<f32>() / d as f32))
        .sum()
}
