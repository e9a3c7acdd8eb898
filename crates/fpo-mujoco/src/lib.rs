//! MuJoCo physics, the DM Control suite and rendering.

mod assets;
mod ffi;
mod model;
mod physics;
