//! Flow matching.

mod embed;
pub mod loss;
pub mod path;
mod quantile;
mod real;
mod sampler;
mod time;

pub use embed::embed_time;
pub use loss::{CfmLoss, CfmTarget, Reduction};
pub use path::{Combination, Prediction, interpolate, velocity};
pub use real::Real;
pub use sampler::{Sampler, Scratch, VelocityField};
pub use time::{InvalidTime, TimeSampler, grid_time, stratum};
