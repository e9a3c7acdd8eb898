//! Training policies from rewards.
//!
//! One iteration: [`rollout`] walks policy and environments and stores a [`batch`] of actions and their [`views`]; [`advantage`]
//! judges it; an [`objective`] turns network outputs into a loss and its gradient at those outputs; the [`learner`] carries that
//! through the networks and steps the optimisers; the [`trainer`] repeats it. Around it, [`config`] says how, [`evaluate`] how well,
//! [`metrics`], [`checkpoint`] and [`run`] keep it on disk, and [`health`] says whether it is well.

#![forbid(unsafe_code)]

pub mod advantage;
mod awake;
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod critic;
pub mod evaluate;
pub mod health;
pub mod learner;
pub mod metrics;
mod moments;
pub mod objective;
pub mod pairs;
pub mod policy;
pub mod rollout;
pub mod run;
pub mod trainer;
pub mod views;
