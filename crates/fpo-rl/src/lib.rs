//! fpo-rl

pub mod metrics;
