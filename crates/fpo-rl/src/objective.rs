//! Objectives: pure functions from predictions and stored data to a loss and its gradient at the predictions.
//!
//! They know no network, no thread and no buffer, so each can be held against published numbers and finite differences.
//! [`ViewLoss`] turns predictions into the losses of views, [`RatioObjective`] those into what is minimised.

mod gaussian;
mod ratio;
mod step;
mod value;
mod view_loss;

pub use gaussian::EntropyBonus;
pub use ratio::{RatioObjective, RatioStats};
pub use step::StepLikelihood;
pub use value::ValueLoss;
pub use view_loss::ViewLoss;
