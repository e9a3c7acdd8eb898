//! Environments: the interface, vectorized stepping, and small environments that need no physics.
//!
//! An [`Env`] is one world with a beginning and a step; a [`Task`] makes them. A [`VecEnv`] is a
//! batch of them that is stepped at once, begins anew what has ended and hands over final
//! observations; [`EnvGroup`] makes one of single environments.
//!
//! [`tasks`] lists the tasks that are defined here: [`gridworld`] and [`bandit`].

#![forbid(unsafe_code)]

mod adapted;
pub mod bandit;
mod check;
mod env;
mod env_group;
mod episodes;
mod extras;
pub mod gridworld;
mod vec_env;

pub use adapted::Adaptation;
pub use check::{check_task, make};
pub use env::{
    Env, EnvSpec, MakeError, NoState, Picture, RenderError, SourceFile, StateError, Step, StepEnd,
    Task,
};
pub use env_group::EnvGroup;
pub use episodes::{Episode, Episodes, Outcome};
pub use extras::Extras;
pub use vec_env::{Resumed, StepError, VecEnv, VecEnvOptions, VecStep, make_vec};

use std::sync::Arc;

/// All tasks of this crate, family by family.
pub fn tasks() -> Vec<Arc<dyn Task>> {
    gridworld::tasks().chain(bandit::tasks()).collect()
}

/// The task called `name`, as in `gridworld-two_walls`.
pub fn task(name: &str) -> Option<Arc<dyn Task>> {
    tasks().into_iter().find(|task| task.spec().name == name)
}
