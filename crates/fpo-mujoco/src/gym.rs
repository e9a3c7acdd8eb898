//! Gymnasium's runners (Towers et al., *Gymnasium: A Standard Interface for Reinforcement Learning
//! Environments*, 2024): physics, observations, rewards, initial states and terminal states of
//! version 5 of these tasks in Gymnasium 1.4.0, with its default settings.
//!
//! They are for comparison: Stable-Baselines3, EnvPool and many papers report returns on them. An
//! episode has 1000 steps, or ends when a hopper or walker falls; rewards are unbounded; actions
//! are in [−1, 1].

mod assets;
mod runner;
mod tasks;

#[cfg(test)]
mod tests;

pub use assets::{MODEL_FILES, MODEL_LICENCE};

use crate::task::{ModelTask, Models};
use std::sync::{Arc, LazyLock};

static MODELS: Models = Models {
    package: ["gymnasium", env!("GYMNASIUM_VERSION")],
    files: MODEL_FILES,
};

/// The tasks, by name.
pub(crate) static TASKS: LazyLock<Vec<Arc<ModelTask>>> = LazyLock::new(|| {
    let tasks = tasks::TASKS.iter();
    tasks
        .map(|definition| Arc::new(ModelTask::new(definition, &MODELS)))
        .collect()
});
