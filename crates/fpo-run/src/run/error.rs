//! What can go wrong with a run.

use crate::checkpoint::CheckpointError;
use crate::config::ConfigError;
use crate::metrics::MetricsError;
use fpo_files::LineError;
use fpo_learn::trainer::TrainError;
use fpo_policy::PolicyError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a run cannot begin, go on or be used; one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A new run was to begin where one is already.
    #[error("{0} already holds a run; continue it with `fpo train --resume {0}`, replace it with \
        --force, or choose another folder with --out or --name", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no run where one was to be continued or used.
    #[error("{} is not a run: {reason}", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Another process is training in the folder.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The run saved nothing to go on from.
    #[error("{} has no checkpoint to go on from; begin anew with --force", folder.display())]
    NoCheckpoint {
        /// The folder.
        folder: PathBuf,
    },
    /// The run has left no failure to see again.
    #[error("{} has no failure/failure.json: it has not failed, or a newer run replaced \
        it", folder.display())]
    NoFailure {
        /// The folder.
        folder: PathBuf,
    },
    /// What a failed run left is not that.
    #[error("{} is damaged: {reason}", path.display())]
    FailureDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The newest checkpoint cannot be used, but an earlier one can.
    #[error("{source}; {} is good: delete {} to go on from \
        there", older.display(), newest.display())]
    NewestDamaged {
        /// What is wrong with the newest.
        source: CheckpointError,
        /// The newest checkpoint.
        newest: PathBuf,
        /// The newest of the good ones.
        older: PathBuf,
    },
    /// The run has made all its steps.
    #[error("{} is complete ({steps} environment steps); extend it with --set \
        train.steps=N", folder.display())]
    Complete {
        /// The folder.
        folder: PathBuf,
        /// Steps made.
        steps: u64,
    },
    /// A line of a file that grows with the run, other than a last one that a crash cut short.
    #[error("{} is damaged in line {line}: {reason}; move the file away to go on without what it \
        records", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The stored configuration is not one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint cannot be saved or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Training collapsed once more than it may go back.
    #[error(
        "training has collapsed again after {rollbacks} rollbacks: lower learning rates did not \
        help; begin a new run with more protection, \
         as the preset `fast` has it (`fpo doctor` says more)"
    )]
    Collapsed {
        /// Rollbacks before.
        rollbacks: u32,
    },
    /// Metrics cannot be written or taken up again.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Training failed, and that could not be written down.
    #[error("{error}; nor could that be written down: {why}")]
    NotWrittenDown {
        /// Why training failed.
        error: TrainError,
        /// Why nothing was written.
        why: Box<RunError>,
    },
    /// A policy cannot be written or read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl RunError {
    /// Of a file of lines that could not be read or cut back, which is what `action` says.
    pub(crate) fn of_lines(action: &'static str, path: &Path, error: LineError) -> Self {
        let path = path.to_owned();
        match error {
            LineError::Io(source) => Self::Io {
                action,
                path,
                source,
            },
            LineError::Damaged(line, reason) => Self::Damaged { path, line, reason },
        }
    }

    /// Whether what the user gave is at fault, rather than what happened while running.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Occupied { .. }
            | Self::NoFailure { .. }
            | Self::NotARun { .. }
            | Self::InUse { .. }
            | Self::NoCheckpoint { .. } => true,
            Self::Complete { .. }
            | Self::Damaged { .. }
            | Self::FailureDamaged { .. }
            | Self::NewestDamaged { .. }
            | Self::Config(_) => true,
            Self::Checkpoint(error) => !matches!(error, CheckpointError::Save { .. }),
            Self::Metrics(MetricsError::Damaged { .. }) => true,
            Self::Metrics(MetricsError::Io { source, .. }) => {
                source.kind() == ErrorKind::InvalidInput
            }
            Self::Train(
                TrainError::State(_)
                | TrainError::Precision(_)
                | TrainError::Groups(_)
                | TrainError::UnequalEpisode(_),
            )
            | Self::Policy(_) => true,
            // Names that can be no folder's, and files too long to be read.
            Self::Io { action, source, .. } => match source.kind() {
                ErrorKind::NotADirectory | ErrorKind::InvalidFilename | ErrorKind::InvalidInput => {
                    true
                }
                ErrorKind::FileTooLarge => *action == "read",
                _ => false,
            },
            Self::Train(_) | Self::Collapsed { .. } | Self::NotWrittenDown { .. } => false,
        }
    }
}
