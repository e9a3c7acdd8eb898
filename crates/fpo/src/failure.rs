//! An error that ends the program: one line and an exit code.

use crate::output::Shown;
use fpo_files::one_line;
use fpo_policy::PolicyError;
use fpo_run::config::ConfigError;
use fpo_run::run::RunError;
use std::fmt;

/// How a command ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All that was asked for is done: exit code 0.
    Finished,
    /// It was stopped on request and has saved everything, or made no film; the same command, or
    /// the printed one, does the rest: exit code 75, EX_TEMPFAIL of sysexits.h, which invites to
    /// try again.
    Stopped,
}

impl Done {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::Stopped => 75,
        }
    }
}

/// An error for the user.
#[derive(Debug)]
pub enum Failure {
    /// The input is wrong: exit code 2.
    Input(String),
    /// An error while running: exit code 1.
    Runtime(String),
}

impl Failure {
    /// A failure of the input.
    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::Input(message.to_string())
    }

    /// A failure while running.
    pub(crate) fn runtime(message: impl fmt::Display) -> Self {
        Self::Runtime(message.to_string())
    }

    /// The same failure, of what `name` names.
    pub(crate) fn before(self, name: &str) -> Self {
        match self {
            Self::Input(message) => Self::Input(format!("{name}: {message}")),
            Self::Runtime(message) => Self::Runtime(format!("{name}: {message}")),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Runtime(_) => 1,
        }
    }
}

/// Always one line. Control characters, which names from files may contain, are escaped.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(message) | Self::Runtime(message)) = self;
        Shown(&one_line(message)).fmt(f)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::input(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        if error.is_input() {
            Self::input(error)
        } else {
            Self::runtime(error)
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::input(error)
    }
}

/// An error and its causes in one line. Some say their cause themselves; it is not said twice.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line += &format!(": {cause}");
        }
    }
    line
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::runtime(causes(&error))
    }
}
