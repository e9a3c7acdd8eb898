//! Runs: a training in a folder, from settings as text to checkpoints from which it resumes.
//!
//! [`config`] builds the settings from presets, files and the command line; a [`run`] trains with
//! them and records everything on disk: [`metrics`], [`checkpoint`]s, events and evaluations.
//! [`health`] checks whether a run is healthy. The training itself is in `fpo-learn`.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod config;
pub mod health;
pub mod metrics;
pub mod run;
