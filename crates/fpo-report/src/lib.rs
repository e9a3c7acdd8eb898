//! Reports of runs and benchmarks: statistics, tables, plots and pages.
//!
//! This crate knows nothing of training. It reads run folders ([`record`]) and descriptions of
//! benchmarks ([`suite`]), combines them ([`results`]), and reports them: statistics ([`stats`]),
//! Markdown and CSV ([`tables`]), SVG pictures ([`plot`]) and an HTML page ([`page`]).

#![forbid(unsafe_code)]

pub mod files;
pub mod gather;
pub mod machine;
pub mod number;
pub mod page;
pub mod plot;
pub mod record;
pub mod results;
pub mod stats;
pub mod suite;
pub mod tables;
pub mod thin;
