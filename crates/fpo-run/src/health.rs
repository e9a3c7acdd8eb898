//! Whether a training is well: findings in plain words, from the figures that it records.
//!
//! The [`Detector`] follows a run row by row and says when something begins to go wrong; it is
//! pure, so its state after any row follows from the rows so far. [`examine`] looks at a whole run
//! folder. Every threshold and its reason stands in [`limits`].

mod detector;
mod doctor;
mod finding;
pub mod limits;
mod record;
mod series;

pub use detector::Detector;
pub use doctor::examine;
pub use finding::{Finding, FindingKind, Severity};
pub use record::{Metrics, NormalizerState, Recorded, RunRecord};
