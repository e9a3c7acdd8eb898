//! MuJoCo in a page: the models and simulations of `@mujoco/mujoco`, MuJoCo's own build for
//! WebAssembly, behind the interface that tasks know. So a page's observations, rewards and initial
//! states are computed by the code that trains.
//!
//! The page gives this module functions (`site/js/robots/mujoco.js`) that look up, copy and call;
//! which, and in what order, is decided here. The two modules have memories of their own: arrays
//! are copied when they are read first after a step.

pub(crate) mod model;
mod object;
pub(crate) mod physics;
pub(crate) mod render;
