//! The policy's loss and gradient on a part of a minibatch, tile by tile.

use super::MinibatchStats;
use super::forward::{SampleForward, Tile};
use super::worker::PassContext;
use crate::advantage::Normalization;
use crate::rollout::Batch;
use fpo_policy::Model;
use fpo_rng::fill_normal;

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
    /// Noise of the entropy's samples, for a tile's transitions.
    noise: Vec<f32>,
}

impl PolicyGradient {
    /// Buffers for actions with `samples` samples each.
    pub fn new(policy: &Model, samples: usize) -> Self {
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
            },
        }
    }

    /// What the latest pass found.
    pub fn gradient(&self) -> &[f32] {
        &self.backward.gradient
    }

    /// The same, to be overwritten with another rank's.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.backward.gradient
    }

    /// The policy's loss on `indices` of `length` consecutive transitions each.
    pub fn pass(
        &mut self,
        pass: &PassContext,
        batch: &Batch,
        (indices, length): (&[u32], usize),
        normalization: Normalization,
        stats: &mut MinibatchStats,
    ) {
        self.backward.gradient.fill(0.0);
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

        // Objective: from losses to the gradient at them.
        pass.objective.evaluate(
            tile.losses,
            &self.old_losses[..rows],
            &self.advantages[..tile.transitions],
            normalization.lowest,
            &mut self.d_losses[..rows],
            &mut stats.ratio,
        );

        // Loss ℓ: from there to the gradient at the predictions.
        let (_, gradient) = tile.scratch.output_and_gradient_mut(rows);
        let sample = |j: usize| samples.get(transition(tile.first + j / n), j % n);
        let gain = policy.gain();
        let upstream = self.d_losses[..rows].iter().map(|d| d * pass.scale * gain);
        let loss = pass.policy.loss;
        loss.backward(tile.predictions, sample, upstream, gradient);
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
        if let Some(entropy) = &pass.entropy {
            let d = batch.dims.action;
            let of_tile = self.noise.chunks_exact_mut(d).take(tile.transitions);
            for (k, noise) in of_tile.enumerate() {
                fill_normal(pass.noise.index(transition(tile.first + k) as u32), noise);
            }
            let noise = &self.noise[..tile.transitions * d];
            stats.entropy += entropy.evaluate(tile.predictions, noise, d, pass.scale, gradient);
            stats.std += mean_std(tile.predictions, d);
        }

        // Backward: through what follows the network, then through the network.
        policy.chain(tile.predictions, gradient);
        policy
            .network()
            .backward(pass.policy.weights, tile.scratch, rows, &mut self.gradient);
    }
}

/// Σ over the rows (μ, σ) of the mean of σ.
fn mean_std(predictions: &[f32], d: usize) -> f64 {
    let rows = predictions.chunks_exact(2 * d);
    rows.map(|row| f64::from(row[d..].iter().sum::<f32>() / d as f32))
        .sum()
}
