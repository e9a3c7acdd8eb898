//! fpo-nn
