//! The policy's loss and gradient on a part of a minibatch, tile by tile.

use super::MinibatchStats;
use super::forward::{SampleForward, Tile};
use super::worker::PassContext;
use crate::advantage::Normalization;
use crate::critic::Critic;
use crate::objective::QGradient;
use crate::rollout::Batch;
use fpo_nn::Scratch;
use fpo_policy::Model;
use fpo_rng::{Key, Stream, fill_normal};

/// The policy's gradient on a part of a minibatch.
pub(super) struct PolicyGradient {
    forward: SampleForward,
    backward: Backward,
}

/// From a tile's losses to the gradient at the parameters.
struct Backward {
    /// ∂loss/∂parameter, summed over tiles.
    gradient: Vec<f32>,
    /// ℓ_old and ∂loss/∂ℓ_θ of a tile's samples.
    old_losses: Vec<f32>,
    d_losses: Vec<f32>,
    /// Normalized advantages of a tile's transitions.
    advantages: Vec<f32>,
    /// Noise of a Gaussian's samples, for a tile's transitions.
    noise: Vec<f32>,
    /// A tile's predictions and losses where noise moves a Gaussian's means.
    moved: [Vec<f32>; 2],
    /// Where the policy follows the gradient of Q.
    q: Option<QBuffers>,
}

/// For the critic's pass on a tile's actions.
struct QBuffers {
    critic: Scratch,
    /// The actions that it judges.
    actions: Vec<f32>,
}

impl PolicyGradient {
    /// Buffers for actions with `samples` samples each; `critic` where its gradient is followed.
    pub fn new(policy: &Model, samples: usize, critic: Option<&Critic>) -> Self {
        let forward = SampleForward::new(policy, samples, true);
        let (tile, rows) = (forward.tile(), forward.tile() * samples);
        Self {
            forward,
            backward: Backward {
                gradient: vec![0.0; policy.network().parameter_count()],
                old_losses: vec![0.0; rows],
                d_losses: vec![0.0; rows],
                advantages: vec![0.0; tile],
                noise: vec![0.0; tile * policy.action_dim()],
                moved: Default::default(),
                q: critic.map(|Critic { network, .. }| QBuffers {
                    critic: network.scratch(rows.min(network.tile_rows()), true),
                    actions: vec![0.0; rows * policy.action_dim()],
                }),
            },
        }
    }

    /// What the latest pass found.
    pub fn gradient(&self) -> &[f32] {
        &self.backward.gradient
    }

    /// The same, to be cleared or overwritten with another rank's.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.backward.gradient
    }

    /// Adds the policy's loss on `indices` of `length` consecutive transitions each.
    pub fn pass(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        (indices, length): (&[u32], usize),
        normalization: Normalization,
        stats: &mut MinibatchStats,
    ) {
        let transition = |k: usize| indices[k / length] as usize * length + k % length;
        let count = indices.len() * length;
        let backward = &mut self.backward;
        self.forward
            .for_each_tile(pass.policy, &batch.samples(), count, transition, |tile| {
                backward.tile(pass, batch, transition, normalization, tile, stats);
            });
    }
}

impl Backward {
    /// Adds the gradient of `tile`.
    fn tile(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        transition: impl Fn(usize) -> usize,
        normalization: Normalization,
        tile: Tile,
        stats: &mut MinibatchStats,
    ) {
        let samples = batch.samples();
        let (n, rows) = (batch.dims.samples, tile.losses.len());
        let policy = pass.policy.model;

        // Gather what the samples are compared with: ℓ_old and advantages.
        for k in 0..tile.transitions {
            let i = transition(tile.first + k);
            self.advantages[k] = normalization.of(batch, i);
            self.old_losses[k * n..][..n].copy_from_slice(&batch.old_losses[i * n..][..n]);
        }

        // Likelihoods are those of means with noise, where the method has it.
        let sample = |j: usize| samples.get(transition(tile.first + j / n), j % n);
        let loss = pass.policy.loss;
        let (predictions, losses) = match &pass.mean_noise {
            None => (tile.predictions, tile.losses),
            Some(noise) => {
                let [predictions, losses] = &mut self.moved;
                predictions.resize(tile.predictions.len(), 0.0);
                losses.resize(rows, 0.0);
                let of_noise = Key {
                    stream: Stream::MeanNoise,
                    ..pass.noise
                };
                let key = |j: usize| of_noise.index(transition(tile.first + j) as u32);
                noise.add(tile.predictions, batch.dims.action, key, predictions);
                loss.evaluate(predictions, sample, losses);
                (&predictions[..], &losses[..])
            }
        };

        // Objective: from losses to the gradient at them.
        pass.objective.evaluate(
            losses,
            &self.old_losses[..rows],
            &self.advantages[..tile.transitions],
            normalization.lowest,
            &mut self.d_losses[..rows],
            &mut stats.ratio,
        );

        // Loss ℓ: from there to the gradient at the predictions.
        let (_, gradient) = tile.scratch.output_and_gradient_mut(rows);
        let gain = policy.gain();
        let upstream = self.d_losses[..rows].iter().map(|d| d * pass.scale * gain);
        loss.backward(predictions, sample, upstream, gradient);
        let old = |j: usize| batch.old_velocity(transition(tile.first + j / n), j % n);
        stats.samples += rows as u64;
        stats.moved += loss.distance(tile.predictions, old, sample);

        // Pull of a flow towards its bound, and the entropy bonus of a Gaussian: more gradient at
        // the predictions.
        if let Some(pull) = &pass.pull {
            let scale = pass.scale * gain / n as f32;
            let pulled = pull.evaluate(tile.predictions, sample, scale, gradient);
            stats.pull_loss += pulled.loss / n as f64;
            stats.outside += pulled.outside;
        }
        let d = batch.dims.action;
        if pass.entropy.is_some() || pass.q.is_some_and(|q| q.needs_noise()) {
            let of_tile = self.noise.chunks_exact_mut(d).take(tile.transitions);
            for (k, noise) in of_tile.enumerate() {
                fill_normal(pass.noise.index(transition(tile.first + k) as u32), noise);
            }
        }
        let noise = &self.noise[..tile.transitions * d];
        if let Some(entropy) = &pass.entropy {
            stats.entropy += entropy.evaluate(tile.predictions, noise, d, pass.scale, gradient);
            stats.std += mean_std(tile.predictions, d);
        }

        // Gradient of Q at the policy's actions: more gradient at the predictions.
        if let (Some(q), Some(buffers)) = (&pass.q, &mut self.q) {
            let predictions = (tile.first, tile.predictions, &mut *gradient);
            buffers.follow(q, pass, batch, &transition, predictions, noise, stats);
        }

        // Backward: through what follows the network, then through the network.
        policy.chain(tile.predictions, gradient);
        policy
            .network()
            .backward(pass.policy.weights, tile.scratch, rows, &mut self.gradient);
    }
}

impl QBuffers {
    /// Adds the gradient of −Q of a tile's actions at the predictions: given are the tile's first
    /// transition, the predictions and the gradient at them.
    #[expect(clippy::too_many_arguments, reason = "what a tile consists of")]
    fn follow(
        &mut self,
        q: &QGradient,
        pass: &PassContext,
        batch: &Batch,
        transition: impl Fn(usize) -> usize,
        (first_transition, predictions, gradient): (usize, &[f32], &mut [f32]),
        noise: &[f32],
        stats: &mut MinibatchStats,
    ) {
        let samples = batch.samples();
        let (n, d, od) = (
            batch.dims.samples,
            batch.dims.action,
            batch.dims.critic_input(),
        );
        let width = pass.policy.model.network().spec().output;
        let rows = predictions.len() / width;
        let network = &pass.critic.network;
        let inputs = network.spec().input;
        let sample = |j: usize| samples.get(transition(first_transition + j / n), j % n);
        // A sample's share of its action, an entry's of its action, and the unit of the gradient.
        let gain = pass.policy.model.gain();
        let upstream = pass.scale * gain * pass.q_weight / (n * d) as f32;

        // The actions to judge. A Gaussian has one sample, with noise of its own.
        let actions = &mut self.actions[..rows * d];
        q.actions(predictions, sample, noise, actions, d);

        // In pieces that fit the second-level cache with the critic's activations.
        let piece = self.critic.capacity();
        for first in (0..rows).step_by(piece) {
            let count = piece.min(rows - first);

            // Gather: observations and actions.
            let input = self.critic.input_mut(count).chunks_exact_mut(inputs);
            for (k, row) in input.enumerate() {
                let i = transition(first_transition + (first + k) / n);
                let observation = &batch.critic_input()[batch.dims.row(i) * od..][..od];
                let action = || &self.actions[(first + k) * d..][..d];
                pass.critic.gather(observation, action, row);
            }

            // Forward, and back to the actions.
            network.forward(pass.critic_weights, &mut self.critic, count);
            let (outputs, d_outputs) = self.critic.output_and_gradient_mut(count);
            pass.critic.prediction_gradient(outputs, d_outputs);
            let d_inputs = network.backward_to_inputs(pass.critic_weights, &mut self.critic, count);

            // On to the predictions.
            let of_piece = |x: usize| first * x..(first + count) * x;
            let noise = if q.needs_noise() {
                &noise[of_piece(d)]
            } else {
                &[]
            };
            q.backward(
                &predictions[of_piece(width)],
                |j| sample(first + j),
                noise,
                &self.actions[of_piece(d)],
                |j| &d_inputs[j * inputs + od..][..d],
                upstream,
                &mut gradient[of_piece(width)],
                d,
                &mut stats.q,
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
