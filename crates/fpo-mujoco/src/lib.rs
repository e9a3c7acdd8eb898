//! MuJoCo physics, the DM Control suite, Gymnasium's runners and rendering.
//!
//! [`tasks`] lists the tasks, [`task`] finds one by name; both are cheap, because a model is
//! compiled when the first of its environments is created. The environments of a task share that
//! model; each has its own simulation.
//!
//! ```
//! use fpo_rng::{Key, Philox, Stream};
//!
//! let task = fpo_mujoco::task("cheetah-run").expect("it is a task of the suite");
//! let mut env = task.make()?;
//! let mut observation = vec![0.0; task.spec().observation_dim()];
//! env.reset(&mut Philox::new(Key::new(0, Stream::Reset)), &mut observation);
//! let step = env.step(&vec![0.5; task.spec().action_dim()], &mut observation);
//! assert!((0.0..=1.0).contains(&step.reward));
//! # Ok::<(), fpo_env::MakeError>(())
//! ```

#![deny(unsafe_code)]

mod backend;
#[cfg(not(target_family = "wasm"))]
mod ffi;
#[cfg(not(target_family = "wasm"))]
pub mod gym;
#[cfg(not(target_family = "wasm"))]
mod model;
#[cfg(not(target_family = "wasm"))]
mod physics;
mod random;
#[cfg(not(target_family = "wasm"))]
mod render;
pub mod suite;
mod task;
#[cfg(not(target_family = "wasm"))]
pub mod task_file;

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
use browser::{model, physics, render};

use fpo_env::Task;
use std::sync::Arc;

/// The tasks of all families.
fn all() -> impl Iterator<Item = &'static Arc<task::ModelTask>> {
    let tasks = suite::TASKS.iter();
    #[cfg(not(target_family = "wasm"))]
    let tasks = tasks.chain(gym::TASKS.iter());
    tasks
}

/// All tasks, family by family. Listing them compiles no model.
pub fn tasks() -> Vec<Arc<dyn Task>> {
    all()
        .map(|task| Arc::clone(task) as Arc<dyn Task>)
        .collect()
}

/// The task called `name` in its family, such as `cheetah-run` and `HalfCheetah-v5`.
pub fn task(name: &str) -> Option<Arc<dyn Task>> {
    tasks().into_iter().find(|task| task.spec().name == name)
}
