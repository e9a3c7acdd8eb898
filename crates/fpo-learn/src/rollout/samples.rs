//! The views of an action: what the policy's network is asked about it, before and after learning.
//!
//! An action has N views. Each has an input of the network besides the observation, and a loss ℓ of what the network answers
//! ([`crate::objective::ViewLoss`]); exp(ℓ_old − ℓ) is, or stands for, the ratio of its probabilities. Methods differ in their
//! views and losses, and share everything else.

use super::{Dims, PairSampler};

/// How the views of an action come about.
#[derive(Clone, Copy, Debug)]
pub enum Views {
    /// (t, ε) pairs: the network is asked for the velocity at x_t.
    Pairs(PairSampler),
    /// One, without further input: the network is asked for the action's distribution.
    Action,
    /// The steps of the sampler that made the action, from step `first` on: the network is asked for the velocity there. It is
    /// compared with the velocity that would have led from x_k to x_{k+1} without noise.
    Steps {
        /// The first step that is learnt from.
        first: usize,
    },
}

/// What the loss of a view is measured on.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The action.
    pub action: &'a [f32],
    /// What else the prediction is compared with: ε of a pair, the velocity of a step; nothing for an action's only view.
    pub target: &'a [f32],
    /// Its time t, if it has one.
    pub time: f32,
}

/// The stored views of a batch or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct StoredViews<'a> {
    pub dims: Dims,
    pub actions: &'a [f32],
    pub targets: &'a [f32],
    pub times: &'a [f32],
}

impl<'a> StoredViews<'a> {
    /// View `n` of `transition`.
    #[inline]
    pub fn get(&self, transition: usize, n: usize) -> View<'a> {
        let Dims {
            action,
            target,
            views,
            ..
        } = self.dims;
        let view = transition * views + n;
        View {
            action: &self.actions[transition * action..][..action],
            target: &self.targets[view * target..][..target],
            time: self.times[view],
        }
    }
}
