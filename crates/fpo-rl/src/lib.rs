//! fpo-rl
