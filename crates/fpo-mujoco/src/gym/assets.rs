//! The models of Gymnasium's tasks, embedded when the crate is built.

/// File names and contents. They are Gymnasium's work, under [`MODEL_LICENCE`].
pub const MODEL_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/gymnasium.rs"));

/// The licence of [`MODEL_FILES`]: the MIT License.
pub const MODEL_LICENCE: &str = include_str!(concat!(env!("OUT_DIR"), "/gymnasium.LICENCE"));
