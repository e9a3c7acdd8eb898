//! The models of the DM Control suite, embedded when the crate is built (Apache-2.0; their licence lies beside them in
//! the build's `target/dm_control-1.0.50`).

/// File names, as the models include one another, and contents.
pub(crate) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));
