//! Values and old losses for rollout threads.

use super::forward::{PolicyRef, SampleForward};
use crate::critic::Critic;
use crate::rollout::BatchSlice;
use fpo_nn::Scratch;
use fpo_policy::Model;
use std::sync::{Mutex, PoisonError};

/// The buffers of one thread that scores.
pub(super) struct Scorer {
    pub forward: SampleForward,
    pub critic: Scratch,
}

impl Scorer {
    fn new(policy: &Model, critic: &Critic, samples: usize) -> Self {
        let network = &critic.network;
        Self {
            forward: SampleForward::new(policy, samples, false),
            critic: network.scratch(network.tile_rows(), false),
        }
    }

    /// Writes the losses of `part`'s samples, and the velocities of a flow.
    pub fn score(&mut self, policy: PolicyRef, part: &mut BatchSlice) {
        let dims = part.dims;
        let (n, target) = (dims.samples, dims.target);
        let (samples, old_losses, old_velocities) = part.scored();
        let count = dims.transitions();
        self.forward.for_each_tile(
            policy,
            &samples,
            count,
            |k| k,
            |tile| {
                let at = tile.first * n;
                old_losses[at..][..tile.losses.len()].copy_from_slice(tile.losses);
                if target > 0 {
                    let velocities = &mut old_velocities[at * target..][..tile.predictions.len()];
                    velocities.copy_from_slice(tile.predictions);
                }
            },
        );
    }
}

/// Buffers for as many threads as score at the same time. They are made when first needed and kept,
/// and what a thread computes does not depend on which it gets.
#[derive(Default)]
pub(super) struct ScorerPool(Mutex<Vec<Scorer>>);

impl ScorerPool {
    /// Does `work` with a scorer that no other thread has meanwhile.
    pub fn with(
        &self,
        (policy, critic, samples): (&Model, &Critic, usize),
        work: impl FnOnce(&mut Scorer),
    ) {
        // Nothing panics while the list is locked.
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = idle().pop();
        let mut scorer = free.unwrap_or_else(|| Scorer::new(policy, critic, samples));
        work(&mut scorer);
        idle().push(scorer);
    }
}
