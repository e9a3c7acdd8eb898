//! fpo-flow
