//! Environments: the interface, vectorised stepping and the small environments.

mod env;

pub use env::{Env, EnvSpec, MakeError, Picture, RenderError, StateError, Status, Step, Task};
