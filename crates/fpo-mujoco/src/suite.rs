//! The DM Control suite (Tassa et al., *DeepMind Control Suite*, 2018): physics, observations,
//! rewards and initial states of dm_control 1.0.50.
//!
//! An episode has 1000 steps and no terminal state; rewards are in [0, 1], actions in [−1, 1].

mod acrobot;
mod assets;
mod ball_in_cup;
mod cartpole;
mod cheetah;
mod domain;
mod finger;
mod fish;
mod geometry;
mod hopper;
mod humanoid;
mod pendulum;
mod point_mass;
mod randomize;
mod reacher;
pub mod rewards;
mod walker;

#[cfg(test)]
mod tests;

pub use assets::{MODEL_FILES, MODEL_LICENCE};
#[cfg(not(target_family = "wasm"))]
pub(crate) use randomize::rotation;

use crate::task::{Definition, ModelTask, Models};
use std::sync::{Arc, LazyLock};

static MODELS: Models = Models {
    package: ["dm_control", env!("DM_CONTROL_VERSION")],
    files: MODEL_FILES,
};

/// The tasks, domain by domain.
pub(crate) static TASKS: LazyLock<Vec<Arc<ModelTask>>> = LazyLock::new(|| {
    let domains: [&'static [Definition]; 12] = [
        acrobot::TASKS,
        ball_in_cup::TASKS,
        cartpole::TASKS,
        cheetah::TASKS,
        finger::TASKS,
        fish::TASKS,
        hopper::TASKS,
        humanoid::TASKS,
        pendulum::TASKS,
        point_mass::TASKS,
        reacher::TASKS,
        walker::TASKS,
    ];
    domains
        .into_iter()
        .flatten()
        .map(|definition| Arc::new(ModelTask::new(definition, &MODELS)))
        .collect()
});
