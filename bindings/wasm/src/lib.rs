//! What the pages of `site/` compute: the flows, networks, policies and the trainer of this
//! project, compiled to WebAssembly. JavaScript draws and listens; every formula is here or in the
//! crates below.
//!
//! There are three modules. `site/flow.wasm` holds a [`Page`] with a marginal flow, for the first
//! figure, and is small; `site/fpo.wasm` holds [`Trainings`] as well, and `site/robots.wasm`
//! [`Robot`]s, whose simulation is the page's. Numbers go in and out through
//! two buffers of f32, and errors as a line of text; [`exports`] are the functions that JavaScript
//! calls.
//!
//! Nothing here depends on the browser: the tests call it natively and compare the numbers
//! with those of the modules.

#![deny(unsafe_code)]

pub mod exports;
mod marginal;
mod page;

#[cfg(feature = "training")]
mod grid;
#[cfg(feature = "training")]
mod reward;
#[cfg(feature = "robots")]
mod robot;
#[cfg(feature = "training")]
mod settings;
#[cfg(feature = "training")]
mod training;
#[cfg(feature = "training")]
mod trainings;

pub use marginal::{Correction, MarginalFlow, Walk};
pub use page::{Answer, Page};

#[cfg(feature = "robots")]
pub use robot::Robot;

#[cfg(feature = "training")]
pub use {
    grid::{MOVES, cell_codes},
    reward::DrawnReward,
    settings::{Approach, bandit, gridworld},
    training::{Shown, Training},
    trainings::{METRICS, Trainings},
};
