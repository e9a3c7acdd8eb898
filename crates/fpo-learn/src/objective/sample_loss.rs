//! The loss ℓ of a sample, which depends on the method.

use super::StepLikelihood;
use super::gaussian::{negative_log_likelihood, negative_log_likelihood_gradient};
use crate::rollout::LossSample;
use fpo_flow::CfmLoss;

/// ℓ of a sample: a negative log-likelihood or its surrogate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleLoss {
    /// The flow-matching loss of a (t, ε) pair; the prediction is a velocity.
    FlowMatching(CfmLoss),
    /// −log π(action) of a Gaussian; the prediction is (μ, σ).
    Gaussian,
    /// −log p(x_{k+1} | x_k) of a step of a noisy sampler; the prediction is a velocity.
    Step(StepLikelihood),
}

impl SampleLoss {
    /// Writes the losses of some samples into `losses` `[rows]`.
    ///
    /// * `predictions` `[rows, width]`
    /// * `sample(row)`: the row's sample
    pub fn evaluate<'a>(
        &self,
        predictions: &[f32],
        sample: impl Fn(usize) -> LossSample<'a>,
        losses: &mut [f32],
    ) {
        let rows = predictions.chunks_exact(predictions.len() / losses.len().max(1));
        let rows = rows
            .zip(losses)
            .enumerate()
            .map(|(i, (p, l))| (p, l, sample(i)));
        // Dispatch once for all rows.
        match self {
            Self::FlowMatching(cfm) => {
                rows.for_each(|(p, l, v)| *l = cfm.loss(p, v.action, v.target, v.time));
            }
            Self::Gaussian => rows.for_each(|(p, l, v)| *l = negative_log_likelihood(p, v.action)),
            Self::Step(step) => rows.for_each(|(p, l, v)| *l = step.loss(p, v.target)),
        }
    }

    /// Σ over some samples of the squared distance between new and old velocities, weighted like
    /// the squared errors of the loss (without its constant and Huber's bound); 0 for a Gaussian.
    ///
    /// * `velocities` `[rows, d]`
    /// * `old(row)` `[d]`: the row's old velocity
    /// * `sample(row)`: the row's sample
    pub fn distance<'a, 'b>(
        &self,
        velocities: &[f32],
        old: impl Fn(usize) -> &'b [f32],
        sample: impl Fn(usize) -> LossSample<'a>,
    ) -> f64 {
        let weight = |t: f32, d: usize| match self {
            Self::FlowMatching(cfm) => cfm.weight(t, d),
            Self::Step(step) => step.weight(),
            Self::Gaussian => 0.0,
        };
        let d = sample(0).target.len();
        if d == 0 {
            return 0.0;
        }
        let rows = velocities.chunks_exact(d).enumerate().map(|(row, v)| {
            let squares: f32 = v.iter().zip(old(row)).map(|(v, o)| (v - o) * (v - o)).sum();
            f64::from(weight(sample(row).time, d) * squares)
        });
        rows.sum()
    }

    /// Writes the gradient at the predictions: `upstream`·∂ℓ/∂prediction into `gradient`
    /// `[rows, width]`.
    pub fn backward<'a>(
        &self,
        predictions: &[f32],
        sample: impl Fn(usize) -> LossSample<'a>,
        upstream: impl ExactSizeIterator<Item = f32>,
        gradient: &mut [f32],
    ) {
        let width = predictions.len() / upstream.len().max(1);
        let rows = predictions
            .chunks_exact(width)
            .zip(gradient.chunks_exact_mut(width));
        let rows = rows
            .zip(upstream)
            .enumerate()
            .map(|(i, ((p, g), u))| (p, g, u, sample(i)));
        match self {
            Self::FlowMatching(cfm) => {
                rows.for_each(|(p, g, u, v)| cfm.backward(p, v.action, v.target, v.time, u, g));
            }
            Self::Gaussian => {
                rows.for_each(|(p, g, u, v)| negative_log_likelihood_gradient(p, v.action, u, g));
            }
            Self::Step(step) => rows.for_each(|(p, g, u, v)| step.backward(p, v.target, u, g)),
        }
    }
}
