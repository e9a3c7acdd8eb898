//! Runs: a training in a folder, from settings as text to checkpoints that it resumes from.
//!
//! [`config`] makes the settings of presets, files and the command line; a [`run`] trains with them
//! and keeps everything on disk: [`metrics`], [`checkpoint`]s, events and evaluations. [`health`]
//! says whether it is well. Learning itself is `fpo-learn`'s.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod config;
pub mod health;
pub mod metrics;
pub mod run;
