//! The DM Control suite (Tassa et al., *DeepMind Control Suite*, 2018): physics, observations, rewards and
//! initial states of dm_control 1.0.50.
//!
//! An episode has 1000 steps and no terminal state; rewards lie in [0, 1]; actions lie in [−1, 1].

mod acrobot;
mod ball_in_cup;
mod cartpole;
mod cheetah;
mod domain;
mod env;
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
mod task;
mod walker;

#[cfg(test)]
mod tests;

pub use crate::assets::{MODEL_FILES, MODEL_LICENCE};

use std::sync::{Arc, LazyLock};
use task::SuiteTask;

static TASKS: LazyLock<Vec<Arc<SuiteTask>>> = LazyLock::new(|| {
    let domains: [&'static [domain::Definition]; 12] = [
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
        .map(|definition| Arc::new(SuiteTask::new(definition)))
        .collect()
});

/// All tasks, by name. Listing them compiles no model.
pub fn tasks() -> Vec<Arc<dyn fpo_env::Task>> {
    TASKS
        .iter()
        .map(|task| Arc::clone(task) as Arc<dyn fpo_env::Task>)
        .collect()
}

/// The task that dm_control calls `name`, as in `cheetah-run`.
pub fn task(name: &str) -> Option<Arc<dyn fpo_env::Task>> {
    tasks().into_iter().find(|task| task.spec().name == name)
}
