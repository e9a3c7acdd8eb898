//! Errors in a configuration.

use super::keys::nearest;
use super::{brief, shown};

/// An error in a configuration; one line that names the key and its valid values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No setting has this name.
    #[error("{origin}: unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The valid key nearest to it.
        nearest: String,
        /// The layer that holds it.
        origin: String,
    },
    /// A value of another type than the key's.
    #[error("{origin}: `{key}` = {value} is not {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// The value as TOML.
        value: String,
        /// The valid values.
        expected: String,
        /// The layer that holds it.
        origin: String,
    },
    /// A value that is none of the key's choices.
    #[error(
        "{origin}: `{key}` = \"{value}\" is none of its choices ({allowed}); did you \
        mean \"{nearest}\"?"
    )]
    UnknownChoice {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// All choices.
        allowed: String,
        /// The choice nearest to the value.
        nearest: String,
        /// The layer that holds it.
        origin: String,
    },
    /// A value outside its range.
    #[error("`{key}` = {value} is out of range: {allowed}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The range, in words.
        allowed: String,
    },
    /// Values that are each in range but conflict.
    #[error("{0}")]
    Conflict(String),
    /// No preset has this name.
    #[error("unknown preset `{preset}`; there are: {known}")]
    UnknownPreset {
        /// The name as written.
        preset: String,
        /// The existing presets.
        known: String,
    },
    /// A `--set` without a value.
    #[error("--set {set}: write it as key=value")]
    NoValue {
        /// What was given.
        set: String,
    },
    /// A key that has its own place on the command line.
    #[error(
        "--set {key}: `{key}` is not a setting; name it on the command line (fpo train TASK \
        --preset NAME)"
    )]
    NotASetting {
        /// The key.
        key: String,
    },
    /// A key that a resumed run cannot change.
    #[error(
        "`{key}` = {value}, but the run was trained with {trained}; a resumed run can change \
        {changeable} only: start a new run with another --name"
    )]
    Fixed {
        /// The key.
        key: String,
        /// Its value now, as TOML.
        value: String,
        /// Its value so far.
        trained: String,
        /// The keys that can change.
        changeable: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {file}: {message}")]
    Read {
        /// The file.
        file: String,
        /// The system's reason.
        message: String,
    },
    /// A file that is not TOML.
    #[error("{file}: {message}")]
    Toml {
        /// The file, and the line.
        file: String,
        /// The parser's reason.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn unknown_key(key: &str, origin: &str) -> Self {
        Self::UnknownKey {
            key: brief(key),
            nearest: nearest(key),
            origin: origin.to_owned(),
        }
    }

    pub(super) fn wrong_type(key: &str, value: &toml::Value, expected: &str, origin: &str) -> Self {
        Self::WrongType {
            key: key.to_owned(),
            value: shown(value),
            expected: expected.to_owned(),
            origin: origin.to_owned(),
        }
    }
}
