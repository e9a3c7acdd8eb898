//! Training policies from rewards.
//!
//! One iteration: a [`rollout`] walks policy and environments and stores a batch of actions and
//! their samples; [`advantage`] says which were better than expected; an [`objective`] turns
//! network outputs into a loss and its gradient at those outputs; the [`learner`] carries that
//! through the networks and steps the optimizers; the [`trainer`] repeats it. [`config`] says how,
//! [`mod@method`] which parts a method is made of, and [`evaluate`] how well it went. With
//! [`mod@reduce`], several processes do this together.
//!
//! This crate neither reads nor writes files; `fpo-run` does.

#![forbid(unsafe_code)]

pub mod advantage;
pub mod config;
pub mod critic;
pub mod evaluate;
pub mod learner;
pub mod method;
pub mod objective;
pub mod reduce;
pub mod rollout;
mod stopwatch;
pub mod trainer;
