//! What runs and benchmarks show: statistics, tables, plots and pages.
//!
//! This crate knows nothing of training. It reads what run folders hold ([`record`]) and how a grid
//! of them was described ([`suite`]), brings the two together ([`results`]), and says what they
//! amount to: in [`stats`], as Markdown and CSV ([`tables`]), as SVG pictures ([`plot`]) and as one
//! HTML page ([`page`]).

#![forbid(unsafe_code)]

pub mod files;
pub mod machine;
pub mod number;
pub mod page;
pub mod plot;
pub mod record;
pub mod results;
pub mod stats;
pub mod suite;
pub mod tables;
