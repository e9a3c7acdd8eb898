//! Flow matching: the path from noise to action, the quantities that a network can predict on it,
//! the loss, samplers, and exactly known flows for testing.
//!
//! The crate knows nothing of networks, environments or threads and has no heavy dependencies, so
//! it also runs in a browser.
//!
//! # Conventions
//!
//! | | |
//! |---|---|
//! | flow time | t = 1 is noise, t = 0 is the action |
//! | path | `x_t = t·ε + (1−t)·a`, with ε ~ N(0, I) |
//! | velocity | `v = dx_t/dt = ε − a` |
//! | sampling | from t = 1 down to 0: `x ← x + (t_next − t)·v̂(x, t)` |
//! | from v̂ | `â = x_t − t·v̂`, `ε̂ = x_t + (1−t)·v̂` |
//! | score | `∇ ln p_t(x) = −ε̂/t` |
//! | grid | `t_k = 1 − k/K` for k = 0..K ([`grid_time`]) |
//! | batches | row-major `[rows, dim]`, one common t |
//!
//! In the text of the paper (McAllister et al., *Flow Matching Policy Gradients*, arXiv 2507.21053)
//! time runs the other way; its code, and this crate, have noise at t = 1.
//!
//! # Modules
//! - [`path`]: the linear path, and conversions between predictions of v, ε and a.
//! - [`embed_time`]: the embedding of t as input of a network.
//! - [`loss`]: the conditional flow-matching loss of one (t, ε) pair, [`CfmLoss`], and its
//!   gradient; [`Penalty`]: squared errors or Huber's loss.
//! - [`TimeSampler`]: the distribution of t in the loss.
//! - [`Sampler`]: Euler, midpoint, Heun and Runge–Kutta for the flow's ODE.
//! - [`sde`]: stochastic sampling, [`SdeSampler`].
//! - [`marginal`]: the exact flows of Gaussian mixtures and of finite data sets.
//!
//! Settings ([`Prediction`], [`CfmLoss`], [`TimeSampler`], [`Sampler`], [`SdeSampler`]) are read
//! and written with `serde`, in lower-case words. Random numbers always come from the caller:
//! uniform numbers, noise, or a generator.
//!
//! # Example
//! A flow from noise to two modes, three quarters of it to the right one:
//! ```
//! use fpo_flow::marginal::{Component, GaussianMixture};
//! use fpo_flow::{Sampler, Scratch};
//!
//! let left = Component::isotropic(1.0, vec![-1.0], 0.1);
//! let right = Component::isotropic(3.0, vec![1.0], 0.1);
//! let mut flow = GaussianMixture::new(vec![left, right])?;
//!
//! // The flow keeps the order of points on a line: noise below its first quartile, −0.674,
//! // goes left.
//! let mut x = [-2.0, -0.7, -0.65, 0.0, 1.5];
//! let mut scratch = Scratch::new();
//! Sampler::Heun.integrate(&mut flow, &mut x, 100, &mut scratch);
//! assert!(x[..2].iter().all(|x| (x + 1.0).abs() < 0.4));
//! assert!(x[2..].iter().all(|x| (x - 1.0).abs() < 0.4));
//! # Ok::<(), fpo_flow::marginal::InvalidMixture>(())
//! ```
//! The loss of one pair, and the gradient a network would be given:
//! ```
//! use fpo_flow::{CfmLoss, CfmTarget, Prediction, Reduction, interpolate};
//!
//! let (action, noise, t) = ([0.5f32, -0.5], [1.5f32, 0.5], 0.5);
//! let mut x = [0.0; 2];
//! interpolate(&action, &noise, t, &mut x);
//! assert_eq!(x, [1.0, 0.0]);
//!
//! // The true velocity is [1, 1]; this network says otherwise.
//! let output = [0.0, 1.0];
//! let (prediction, target) = (Prediction::Velocity, CfmTarget::Epsilon);
//! let cfm = CfmLoss { prediction, target, reduction: Reduction::Mean, ..CfmLoss::default() };
//! // ε̂ = x + (1−t)·v̂ = [1, 0.5] against [1.5, 0.5].
//! assert_eq!(cfm.loss(&output, &action, &noise, t), 0.125);
//! let mut gradient = [0.0; 2];
//! cfm.backward(&output, &action, &noise, t, 1.0, &mut gradient);
//! assert_eq!(gradient, [-0.25, 0.0]);
//! ```

#![forbid(unsafe_code)]

mod embed;
pub mod loss;
pub mod marginal;
pub mod path;
mod penalty;
mod quantile;
mod real;
mod sampler;
pub mod sde;
mod time;

pub use embed::embed_time;
pub use loss::{CfmLoss, CfmTarget, Reduction};
pub use path::{Combination, Prediction, interpolate, velocity};
pub use penalty::Penalty;
pub use real::Real;
pub use sampler::{Sampler, Scratch, VelocityField};
pub use sde::{InvalidSigma, NoiseSchedule, SdeSampler, SdeScheme, Transition};
pub use time::{InvalidTime, TimeSampler, grid_time, stratum};
