//! Environments: the interface, vectorized stepping, and small environments that need no physics.
//!
//! An [`Env`] is one environment that can be reset and stepped; a [`Task`] creates them; an
//! [`EnvGroup`] steps a fixed group of them on one thread, resets those whose episode has ended,
//! and provides their final observations.
//!
//! [`tasks`] lists the tasks that are defined here: [`gridworld`] and [`bandit`].

#![forbid(unsafe_code)]

pub mod bandit;
mod env;
mod env_group;
pub mod gridworld;

pub use env::{
    Env, EnvSpec, MakeError, NoState, Picture, RenderError, StateError, Step, StepEnd, Task,
};
pub use env_group::{EnvGroup, EnvGroupOptions, Episode, Outcome};

use std::sync::Arc;

/// All tasks of this crate, family by family.
pub fn tasks() -> Vec<Arc<dyn Task>> {
    gridworld::tasks().chain(bandit::tasks()).collect()
}

/// The task called `name`, as in `gridworld-two_walls`.
pub fn task(name: &str) -> Option<Arc<dyn Task>> {
    tasks().into_iter().find(|task| task.spec().name == name)
}
