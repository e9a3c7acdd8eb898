//! The samples of an action, at which the policy's network is evaluated before and after learning.
//!
//! An action has N samples. Each has a network input besides the observation, and a loss ℓ of the
//! network's output ([`crate::objective::SampleLoss`]); exp(ℓ_old − ℓ) is, or stands in for, the
//! ratio of its probabilities. Methods differ in their samples and losses, and share everything
//! else.

use super::{BatchDims, PairSampler};

/// Where the samples of an action come from.
#[derive(Clone, Copy, Debug)]
pub enum SampleSource {
    /// (t, ε) pairs: the network predicts the velocity at x_t.
    Pairs(PairSampler),
    /// One sample without further input: the network predicts the action's distribution.
    Action,
    /// The steps of the sampler that produced the action, from step `first` on: the network
    /// predicts the velocity there. Its target is the velocity that would have led from x_k to
    /// x_{k+1} without noise.
    Steps {
        /// The first step used for learning.
        first: usize,
    },
}

/// A stored sample, as its loss needs it.
#[derive(Clone, Copy, Debug)]
pub struct LossSample<'a> {
    /// The action.
    pub action: &'a [f32],
    /// The regression target: ε of a pair, the velocity of a step; empty for a Gaussian's sample.
    pub target: &'a [f32],
    /// Its time t, if it has one.
    pub time: f32,
}

/// The stored samples of a batch or of a slice of one.
#[derive(Clone, Copy)]
pub(crate) struct StoredSamples<'a> {
    pub dims: BatchDims,
    pub observations: &'a [f32],
    pub inputs: &'a [f32],
    pub actions: &'a [f32],
    pub targets: &'a [f32],
    pub times: &'a [f32],
}

impl<'a> StoredSamples<'a> {
    /// Sample `n` of `transition`.
    #[inline]
    pub fn get(&self, transition: usize, n: usize) -> LossSample<'a> {
        let BatchDims {
            action,
            target,
            samples,
            ..
        } = self.dims;
        let sample = transition * samples + n;
        LossSample {
            action: &self.actions[transition * action..][..action],
            target: &self.targets[sample * target..][..target],
            time: self.times[sample],
        }
    }

    /// Writes the N network inputs of one transition's samples: `rows`
    /// `[N, observation + sample_input]`.
    pub fn gather(&self, transition: usize, rows: &mut [f32]) {
        let (od, width) = (self.dims.observation, self.dims.sample_input);
        let observation = &self.observations[self.dims.row(transition) * od..][..od];
        let mut inputs = &self.inputs[transition * self.dims.samples * width..];
        for row in rows.chunks_exact_mut(od + width) {
            let (head, rest) = row.split_at_mut(od);
            let (first, others) = inputs.split_at(width);
            head.copy_from_slice(observation);
            rest.copy_from_slice(first);
            inputs = others;
        }
    }
}
