//! Training policies from rewards.
//!
//! One iteration: a [`rollout`] steps policy and environments and stores a batch of actions and
//! their samples; [`advantage`] computes which actions were better than expected; an [`objective`]
//! turns network outputs into a loss and its gradient at those outputs; the [`learner`]
//! backpropagates that gradient through the networks and steps the optimizers. The [`trainer`]
//! repeats this. [`config`] holds the settings, [`mod@method`] maps each method to its parts, and
//! [`evaluate`] measures a policy's returns.
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
pub mod rollout;
pub mod trainer;
