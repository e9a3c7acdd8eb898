//! Objectives: pure functions from predictions and stored data to a loss and its gradient at the predictions.
//!
//! They know no network, no thread and no buffer, so each can be held against published numbers and finite differences.

mod fpo;
mod value;

pub use fpo::{Fpo, RatioStats};
pub use value::ValueLoss;
