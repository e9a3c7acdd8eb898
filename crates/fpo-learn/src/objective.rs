//! Objectives: pure functions from predictions and stored data to a loss and its gradient at the
//! predictions.
//!
//! They know nothing of networks, threads or buffers, so each can be tested against published
//! numbers and finite differences. [`SampleLoss`] turns predictions into losses of samples;
//! [`PolicyObjective`] turns those losses into the objective.

mod anchor;
mod bound_pull;
mod gaussian;
mod knn_entropy;
mod mean_noise;
mod q_gradient;
mod ratio;
mod sample_loss;
mod settings;
mod step;
mod value;
mod weighted;

pub use anchor::AnchorObjective;
pub use bound_pull::{BoundPull, Pulled};
pub use gaussian::EntropyBonus;
pub use knn_entropy::KnnEntropy;
pub use mean_noise::MeanNoise;
pub use q_gradient::{ActionSource, QGradient, QStats};
pub use ratio::{LossPull, RatioObjective, RatioStats};
pub use sample_loss::SampleLoss;
pub use settings::{ObjectiveConfig, RatioForm, RatioKind, TimeKind, TrustRegion, WeightKind};
pub use step::StepLikelihood;
pub use value::ValueLoss;
pub use weighted::WeightedObjective;

/// The objective that a policy minimizes, given the losses of its actions' samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyObjective {
    /// A trust region around the ratios.
    Ratio(RatioObjective),
    /// The losses, weighted.
    Weighted(WeightedObjective),
    /// The losses, beside another objective.
    Anchor(AnchorObjective),
}

impl PolicyObjective {
    /// Whether what it asks for depends on advantages.
    pub fn uses_advantages(&self) -> bool {
        match self {
            Self::Ratio(_) | Self::Weighted(_) => true,
            Self::Anchor(o) => o.uses_advantages(),
        }
    }

    /// Whether samples whose loss exceeds a bound have zero gradient.
    pub fn bounds_losses(&self) -> bool {
        matches!(self, Self::Ratio(o) if o.loss_max.is_finite())
    }

    /// Loss and gradient of n actions with N samples each; see [`RatioObjective::evaluate`],
    /// [`WeightedObjective::evaluate`] and [`AnchorObjective::evaluate`].
    pub fn evaluate(
        &self,
        losses: &[f32],
        old_losses: &[f32],
        advantages: &[f32],
        lowest: f32,
        gradient: &mut [f32],
        stats: &mut RatioStats,
    ) {
        match self {
            Self::Ratio(o) => o.evaluate(losses, old_losses, advantages, gradient, stats),
            Self::Weighted(o) => {
                o.evaluate(losses, old_losses, advantages, lowest, gradient, stats)
            }
            Self::Anchor(o) => o.evaluate(losses, old_losses, advantages, gradient, stats),
        }
    }
}
