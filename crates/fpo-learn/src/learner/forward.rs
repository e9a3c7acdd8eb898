//! The policy's losses on stored samples, a tile at a time.
//!
//! This is the only loop that computes them. Scoring leaves what it finds as ℓ_old, learning
//! compares it with ℓ_θ: since both come from here, ratios are 1 until the first step.

use crate::objective::SampleLoss;
use crate::rollout::StoredSamples;
use fpo_nn::{Scratch, Weights};
use fpo_policy::Model;

/// The policy as it is during a pass.
#[derive(Clone, Copy)]
pub(super) struct PolicyRef<'a> {
    pub model: &'a Model,
    pub weights: &'a Weights,
    pub loss: SampleLoss,
}

/// The buffers of a tile.
pub(super) struct SampleForward {
    scratch: Scratch,
    /// Transitions of a tile.
    tile: usize,
    predictions: Vec<f32>,
    losses: Vec<f32>,
}

/// What a tile's samples gave.
pub(super) struct Tile<'a> {
    /// The tile's transitions: `first..first + transitions` of those asked for.
    pub first: usize,
    pub transitions: usize,
    /// `[transitions · N, output]`.
    pub predictions: &'a [f32],
    /// `[transitions · N]`.
    pub losses: &'a [f32],
    /// The network's buffers after the pass, for one back.
    pub scratch: &'a mut Scratch,
}

impl SampleForward {
    /// Buffers for tiles of actions with `samples` samples each; with `training` such that a
    /// backward pass can follow.
    pub fn new(policy: &Model, samples: usize, training: bool) -> Self {
        let network = policy.network();
        let tile = (network.tile_rows() / samples).max(1);
        let rows = tile * samples;
        Self {
            scratch: network.scratch(rows, training),
            tile,
            predictions: vec![0.0; rows * network.spec().output],
            losses: vec![0.0; rows],
        }
    }

    /// Transitions of a tile, at most.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Losses of all samples of `count` transitions, `transition(k)` being the number of the k-th
    /// in `samples`. `visit` sees one tile after another.
    pub fn for_each_tile(
        &mut self,
        policy: PolicyRef,
        samples: &StoredSamples,
        count: usize,
        transition: impl Fn(usize) -> usize,
        mut visit: impl FnMut(Tile),
    ) {
        let (network, n) = (policy.model.network(), samples.dims.samples);
        for first in (0..count).step_by(self.tile) {
            let transitions = self.tile.min(count - first);
            let rows = transitions * n;

            // Gather: one row an observation and a sample's own input.
            let input = self.scratch.input_mut(rows);
            let width = input.len() / transitions;
            for (k, input) in input.chunks_exact_mut(width).enumerate() {
                samples.gather(transition(first + k), input);
            }

            // Forward: what kind of pass it is changes no output.
            let outputs = if self.scratch.is_training() {
                network.forward(policy.weights, &mut self.scratch, rows)
            } else {
                network.infer(policy.weights, &mut self.scratch, rows)
            };
            let predictions = &mut self.predictions[..outputs.len()];
            policy.model.predict(outputs, predictions);

            // Loss ℓ of each sample.
            let sample = |j: usize| samples.get(transition(first + j / n), j % n);
            let losses = &mut self.losses[..rows];
            policy.loss.evaluate(predictions, sample, losses);

            visit(Tile {
                first,
                transitions,
                predictions,
                losses,
                scratch: &mut self.scratch,
            });
        }
    }
}
