//! MuJoCo physics, the DM Control suite and rendering.
//!
//! [`tasks`] lists the tasks, [`task`] finds one by name; both are cheap, since a model is compiled when the first of its
//! environments is made. The environments of a task share that model; each has a simulation of its own.
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

mod assets;
mod ffi;
mod model;
mod physics;
mod render;
pub mod suite;

pub use suite::{task, tasks};
