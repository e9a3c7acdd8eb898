//! The models of the DM Control suite, embedded when the crate is built.

/// File names, as the models include one another, and contents. They are DM Control's work, under
/// [`MODEL_LICENCE`].
pub const MODEL_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dm_control.rs"));

/// The licence of [`MODEL_FILES`]: the Apache License 2.0.
pub const MODEL_LICENCE: &str = include_str!(concat!(env!("OUT_DIR"), "/dm_control.LICENCE"));
