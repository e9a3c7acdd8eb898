//! Errors of a run.

use crate::checkpoint::CheckpointError;
use crate::config::ConfigError;
use crate::metrics::MetricsError;
use fpo_files::LineError;
use fpo_learn::trainer::TrainError;
use fpo_policy::PolicyError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a run cannot be started, resumed or used; one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A new run in a folder that already holds one.
    #[error("{0} already holds a run; continue it with `fpo train --resume {0}`, replace it with \
        --force, or choose another folder with --out or --name", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no run to resume or use.
    #[error("{} is not a run: {reason}", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The files of the task are not those with which the run was trained.
    #[error("{} was trained with other files of the task {task}: undo the change to resume, or \
        start a new run", folder.display())]
    OtherTask {
        /// The folder.
        folder: PathBuf,
        /// The task's name.
        task: String,
    },
    /// Another process is training in the folder.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The run has no checkpoint to resume from.
    #[error("{} has no checkpoint to resume from; start over with --force", folder.display())]
    NoCheckpoint {
        /// The folder.
        folder: PathBuf,
    },
    /// The run has left no failure to reproduce.
    #[error("{} has no failure/failure.json: it has not failed, or a newer run replaced \
        it", folder.display())]
    NoFailure {
        /// The folder.
        folder: PathBuf,
    },
    /// The files of a failure are damaged.
    #[error("{} is damaged: {reason}", path.display())]
    FailureDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run cannot begin with what `init.from` (`--init-from`) names.
    #[error("cannot begin from {}: {reason}", path.display())]
    Start {
        /// What it names.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file with what the run began with is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    StartDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The newest checkpoint cannot be used, but an earlier one can.
    #[error("{source}; {} is valid: delete {} to resume from \
        there", older.display(), newest.display())]
    NewestDamaged {
        /// The error of the newest.
        source: CheckpointError,
        /// The newest checkpoint.
        newest: PathBuf,
        /// The newest valid one.
        older: PathBuf,
    },
    /// The run is complete.
    #[error("{} is complete ({steps} environment steps); extend it with --set \
        train.steps=N", folder.display())]
    Complete {
        /// The folder.
        folder: PathBuf,
        /// Its steps.
        steps: u64,
    },
    /// The run has ended at the return that it was to reach.
    #[error("{} has reached a return of {reached:.2} after {steps} environment steps, and \
        train.stop_at is {stop_at}; continue it with --set train.stop_at=0, or a higher \
        return", folder.display())]
    Reached {
        /// The folder.
        folder: PathBuf,
        /// Its last evaluation.
        reached: f64,
        /// The return to reach.
        stop_at: f64,
        /// Its steps.
        steps: u64,
    },
    /// A damaged line of a file that grows with the run, other than a last one truncated by a
    /// crash.
    #[error("{} is damaged in line {line}: {reason}; move the file away to resume without its \
        records", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file system error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The stored configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint cannot be saved or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Training has collapsed again after the largest allowed number of rollbacks.
    #[error(
        "training has collapsed again after {rollbacks} rollbacks: lower learning rates did not \
         help; start a new run with the stabilizing settings of the preset `fast` (`fpo doctor` \
         lists them)"
    )]
    Collapsed {
        /// Rollbacks so far.
        rollbacks: u32,
    },
    /// Metrics cannot be written or resumed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Training failed, and the failure could not be recorded.
    #[error("{error}; this could not be recorded: {why}")]
    NotRecorded {
        /// Why training failed.
        error: TrainError,
        /// Why it could not be recorded.
        why: Box<RunError>,
    },
    /// A policy cannot be written or read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl RunError {
    /// An error of a file of lines; `action` is the attempted one.
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

    /// Whether the error is in the user's input rather than from running.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Occupied { .. }
            | Self::NoFailure { .. }
            | Self::NotARun { .. }
            | Self::OtherTask { .. }
            | Self::InUse { .. }
            | Self::NoCheckpoint { .. } => true,
            Self::Complete { .. }
            | Self::Reached { .. }
            | Self::Start { .. }
            | Self::StartDamaged { .. }
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
                | TrainError::Start(_)
                | TrainError::Precision(_)
                | TrainError::Groups(_)
                | TrainError::UnequalEpisode(_),
            )
            | Self::Policy(_) => true,
            // Invalid folder names, and files that are too long.
            Self::Io { action, source, .. } => match source.kind() {
                ErrorKind::NotADirectory | ErrorKind::InvalidFilename | ErrorKind::InvalidInput => {
                    true
                }
                ErrorKind::FileTooLarge => *action == "read",
                _ => false,
            },
            Self::Train(_) | Self::Collapsed { .. } | Self::NotRecorded { .. } => false,
        }
    }
}
