//! Health checks of a training: findings in plain words, from its metrics.
//!
//! The [`Detector`] receives a run's metrics row by row and reports when something begins to go
//! wrong; its state depends only on the rows so far. [`examine`] checks a whole run folder.
//! [`limits`] holds every threshold and its reason.

mod detector;
mod doctor;
mod finding;
pub mod limits;
mod record;
mod series;

pub use detector::Detector;
pub use doctor::examine;
pub use finding::{Finding, FindingKind, Severity};
pub(crate) use record::EVALUATED;
pub use record::{Metrics, NormalizerState, Recorded, Rows, RunRecord, each_row};
