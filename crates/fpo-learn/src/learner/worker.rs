//! One part of a minibatch's gradient: tile by tile, through both networks.

use super::MinibatchStats;
use super::forward::PolicyRef;
use super::policy_gradient::PolicyGradient;
use crate::advantage::{Gae, Normalization};
use crate::critic::Critic;
use crate::objective::{BoundPull, EntropyBonus, MeanNoise, PolicyObjective, QGradient, ValueLoss};
use crate::reduce::{Part, Reader, ReduceError};
use crate::rollout::Batch;
use fpo_env::StepEnd;
use fpo_nn::{Scratch, Weights};
use fpo_policy::Model;
use fpo_rng::Key;

/// What all parts share during a minibatch.
pub(super) struct PassContext<'a> {
    pub policy: PolicyRef<'a>,
    pub critic: &'a Critic,
    pub critic_weights: &'a Weights,
    pub objective: PolicyObjective,
    pub pull: Option<BoundPull>,
    pub entropy: Option<EntropyBonus>,
    pub mean_noise: Option<MeanNoise>,
    pub q: Option<QGradient>,
    /// Factor on the gradient of Q.
    pub q_weight: f32,
    /// Of a Gaussian's samples; the index is the transition's.
    pub noise: Key,
    pub value: ValueLoss,
    /// Whether truncated steps have no value target.
    pub mask_truncated: bool,
    /// 1 / transitions of the minibatch.
    pub scale: f32,
}

/// Buffers and gradients of one part.
pub(super) struct GradientWorker {
    policy: PolicyGradient,
    critic: Scratch,
    /// Sequences or transitions of a critic tile.
    critic_tile: usize,
    critic_gradient: Vec<f32>,
    /// Values and value targets of a tile, in the critic's units.
    values: Vec<f32>,
    tile_returns: Vec<f32>,
    pub estimates: Estimates,
    pub stats: MinibatchStats,
}

/// Advantages and returns of a part's sequences, when they are computed per minibatch.
#[derive(Default)]
pub(super) struct Estimates {
    advantages: Vec<f32>,
    returns: Vec<f32>,
}

impl GradientWorker {
    /// `sequence` is the number of steps of a sequence if advantages are computed per minibatch;
    /// `with_q` says that the policy follows the gradient of the critic.
    pub fn new(
        policy: &Model,
        critic: &Critic,
        samples: usize,
        sequence: Option<usize>,
        with_q: bool,
    ) -> Self {
        let rows_per_unit = sequence.map_or(1, |num_steps| num_steps + 1);
        let critic_tile = (critic.network.tile_rows() / rows_per_unit).max(1);
        let critic_rows = critic_tile * rows_per_unit;
        Self {
            policy: PolicyGradient::new(policy, samples, with_q.then_some(critic)),
            critic: critic.network.scratch(critic_rows, true),
            critic_tile,
            critic_gradient: vec![0.0; critic.network.parameter_count()],
            values: vec![0.0; critic_rows],
            tile_returns: vec![0.0; critic_rows],
            estimates: Estimates::default(),
            stats: MinibatchStats::default(),
        }
    }

    /// The policy's gradient and the critic's.
    pub fn gradients(&self) -> [&[f32]; 2] {
        [self.policy.gradient(), &self.critic_gradient]
    }

    /// Forgets the minibatch before.
    pub fn begin(&mut self) {
        self.stats = MinibatchStats::default();
        self.policy.gradient_mut().fill(0.0);
    }

    /// The policy's loss on `indices` of `length` consecutive transitions each.
    pub fn policy_pass(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        indices: (&[u32], usize),
        normalization: Normalization,
    ) {
        self.policy
            .pass(pass, batch, indices, normalization, &mut self.stats);
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
        self.estimates.advantages.clear();
        self.estimates.returns.clear();
        for tile in indices.chunks(self.critic_tile) {
            match gae {
                None => self.critic_tile_of_transitions(pass, batch, tile),
                Some(gae) => self.critic_tile_of_sequences(pass, batch, tile, gae),
            }
        }
    }

    fn critic_tile_of_transitions(&mut self, pass: &PassContext, batch: &Batch, tile: &[u32]) {
        // Gather.
        let (observations, od) = (batch.critic_input(), batch.dims.critic_input());
        let (network, ad) = (&pass.critic.network, batch.dims.action);
        let width = network.spec().input;
        let input = self.critic.input_mut(tile.len());
        for (row, &i) in input.chunks_exact_mut(width).zip(tile) {
            let observation = &observations[batch.dims.row(i as usize) * od..][..od];
            let action = || &batch.actions[i as usize * ad..][..ad];
            pass.critic.gather(observation, action, row);
        }

        // Forward.
        network.forward(pass.critic_weights, &mut self.critic, tile.len());
        let (outputs, gradient) = self.critic.output_and_gradient_mut(tile.len());

        // Loss, in the critic's units.
        let returns = &mut self.tile_returns[..tile.len()];
        for (k, (target, &i)) in returns.iter_mut().zip(tile).enumerate() {
            *target = batch.returns[i as usize] / pass.critic.unit;
            // Brax's form has no target for a truncated step; validation leaves it scalar critics.
            if pass.mask_truncated && batch.ends[i as usize] == StepEnd::Truncated {
                *target = outputs[k];
            }
        }
        let value_loss = pass
            .critic
            .loss(&pass.value, outputs, returns, pass.scale, gradient);
        self.stats.value_loss += value_loss;

        // Backward.
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

        // Gather whole sequences, the observation after the last step with them.
        let input = self.critic.input_mut(rows);
        for (sequence, &s) in input.chunks_exact_mut(length * od).zip(tile) {
            sequence
                .copy_from_slice(&batch.critic_input()[s as usize * length * od..][..length * od]);
        }

        // Forward.
        let network = &pass.critic.network;
        network.forward(pass.critic_weights, &mut self.critic, rows);
        let (outputs, gradient) = self.critic.output_and_gradient_mut(rows);
        let values = &mut self.values[..rows];
        let width = network.spec().output;
        for (value, output) in values.iter_mut().zip(outputs.chunks_exact(width)) {
            *value = pass.critic.unit * pass.critic.prediction(output);
        }

        // Advantages and returns, and the loss that follows from them, sequence by sequence.
        for (k, &s) in tile.iter().enumerate() {
            let steps = s as usize * num_steps..(s as usize + 1) * num_steps;
            let (first, at) = (k * length, self.estimates.advantages.len());
            self.estimates.advantages.resize(at + num_steps, 0.0);
            self.estimates.returns.resize(at + num_steps, 0.0);
            // A truncated step's final observation keeps the value it had at the end of the
            // rollout.
            let final_values = &batch.final_values[steps.clone()];
            gae.estimate(
                &batch.rewards[steps.clone()],
                &values[first..][..length],
                &batch.ends[steps],
                |t| final_values[t],
                &mut self.estimates.advantages[at..],
                &mut self.estimates.returns[at..],
            );
            let returns = &mut self.tile_returns[..num_steps];
            returns
                .iter_mut()
                .zip(&self.estimates.returns[at..])
                .for_each(|(t, v)| *t = v / pass.critic.unit);
            let gradient = &mut gradient[first * width..][..length * width];
            let (gradient, last) = gradient.split_at_mut(num_steps * width);
            let outputs = &outputs[first * width..][..num_steps * width];
            let value_loss = pass
                .critic
                .loss(&pass.value, outputs, returns, pass.scale, gradient);
            self.stats.value_loss += value_loss;
            // The value after the last step is bootstrapped from, not learned.
            last.fill(0.0);
        }

        // Backward.
        network.backward(
            pass.critic_weights,
            &mut self.critic,
            rows,
            &mut self.critic_gradient,
        );
    }

    /// Whether the estimates are of `count` transitions, as another rank's ought to be.
    pub fn has_estimates_of(&self, count: usize) -> bool {
        let Estimates {
            advantages,
            returns,
        } = &self.estimates;
        advantages.len() == count && returns.len() == count
    }

    /// Writes the advantages and returns that the critic pass computed for its sequences `indices`
    /// into the batch.
    pub fn hand_over_estimates(&self, batch: &mut Batch, indices: &[u32]) {
        let num_steps = batch.dims.num_steps;
        for (k, &s) in indices.iter().enumerate() {
            let (from, to) = (k * num_steps..(k + 1) * num_steps, s as usize * num_steps);
            batch.advantages[to..to + num_steps]
                .copy_from_slice(&self.estimates.advantages[from.clone()]);
            batch.returns[to..to + num_steps].copy_from_slice(&self.estimates.returns[from]);
        }
    }
}

/// The gradients and the sums.
impl Part for Estimates {
    fn write(&mut self, out: &mut Vec<u8>) {
        self.advantages.write(out);
        self.returns.write(out);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        self.advantages.read(bytes)?;
        self.returns.read(bytes)
    }
}
