//! Errors of a run.

use super::{CONFIG, task_file};
use crate::checkpoint::CheckpointError;
use crate::config::ConfigError;
use crate::metrics::MetricsError;
use fpo_files::{LineError, count, number, quoted, remedy};
use fpo_learn::trainer::TrainError;
use fpo_policy::PolicyError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a run cannot be started, resumed or used; one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A new run in a folder that already holds one.
    #[error("{}", occupied(folder, *resumable))]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// Whether it has the settings from which the run can be resumed.
        resumable: bool,
    },
    /// There is no run to resume or use.
    #[error("{} is not a run: {reason}", quoted(folder))]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The files of the task are not those with which the run was trained.
    #[error(
        "{} was trained with other files of the task {task}: undo the change to resume, or \
        start a new run with another --name",
        quoted(folder)
    )]
    OtherTask {
        /// The folder.
        folder: PathBuf,
        /// The task's name.
        task: String,
    },
    /// The run is one of another task than the caller names.
    #[error("{} is a run of {task}, not of {named}", quoted(folder))]
    RunOfOtherTask {
        /// The folder.
        folder: PathBuf,
        /// The run's task.
        task: String,
        /// The one that the caller names.
        named: String,
    },
    /// Another process is training in the folder.
    #[error("{} is in use by another process", quoted(folder))]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder that the run had locked is not at its path any longer.
    #[error("{}", moved(folder, now.as_deref()))]
    Moved {
        /// Where it was.
        folder: PathBuf,
        /// Where it is now, if that is known.
        now: Option<PathBuf>,
    },
    /// The run has no checkpoint yet.
    #[error(
        "{0} has no checkpoint yet; a run that trains saves its first soon, and \
        `fpo train --resume {0}` continues one that was interrupted",
        quoted(folder)
    )]
    NoCheckpoint {
        /// The folder.
        folder: PathBuf,
    },
    /// The run failed before its first checkpoint, and would fail again.
    #[error(
        "{0} failed before its first checkpoint, and would fail again; `fpo doctor {0}` says why, \
        and `{1}` begins another run with other settings",
        quoted(folder),
        another("fpo", folder, task)
    )]
    FailedEarly {
        /// The folder.
        folder: PathBuf,
        /// The task's name.
        task: String,
    },
    /// A new run would take the place of a file that is no run's.
    #[error(
        "{} is in the way of a new run, which has its own of that name; move it away, or begin it \
        in another folder with --name or --out",
        quoted(there)
    )]
    InTheWay {
        /// The file or folder.
        there: PathBuf,
    },
    /// A new run in a folder that another run, or a checkpoint, keeps for itself.
    #[error(
        "{} is where another run keeps its own files; choose another folder with --name or --out",
        quoted(folder)
    )]
    Inside {
        /// The folder.
        folder: PathBuf,
    },
    /// The run has no checkpoint after so many steps.
    #[error(
        "{} has no checkpoint after {} environment steps; {}",
        quoted(folder),
        count(*step),
        listed(there)
    )]
    NoSuchCheckpoint {
        /// The run's folder, or that of its checkpoints.
        folder: PathBuf,
        /// The steps.
        step: u64,
        /// Those of the checkpoints that it has.
        there: Vec<u64>,
    },
    /// The run had a checkpoint, or has trained further than to its first, but has none.
    #[error(
        "{} has no checkpoint, but had some, and metrics up to iteration {iteration}: its \
        checkpoints were moved or deleted; put them back, or begin another run with --name or \
        --out",
        quoted(folder)
    )]
    CheckpointsGone {
        /// The folder.
        folder: PathBuf,
        /// The last iteration in its metrics.
        iteration: u64,
    },
    /// The run has left no failure to reproduce.
    #[error(
        "{} has no failure/failure.json: it has not failed, or a newer run replaced \
        it",
        quoted(folder)
    )]
    NoFailure {
        /// The folder.
        folder: PathBuf,
    },
    /// The files of a failure are damaged.
    #[error("{} is damaged: {reason}", quoted(path))]
    FailureDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run cannot begin with what `init.from` (`--init-from`) names.
    #[error("cannot begin from {}: {reason}", quoted(path))]
    Start {
        /// What it names.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file with what the run began with is damaged.
    #[error("{} is damaged: {reason}", quoted(path))]
    StartDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The newest checkpoint cannot be used, and there is no other that can.
    #[error(
        "{source}; there is no earlier one that is valid: put back a copy of it, or begin another \
        run with --name or --out"
    )]
    OnlyDamaged {
        /// The error of the newest.
        source: CheckpointError,
    },
    /// The newest checkpoint cannot be used, but an earlier one can.
    #[error(
        "{source}; {} is valid: to resume from there, move {} out of its \
        folder",
        quoted(older),
        quoted(newest)
    )]
    NewestDamaged {
        /// The error of the newest.
        source: CheckpointError,
        /// The newest checkpoint.
        newest: PathBuf,
        /// The newest valid one.
        older: PathBuf,
    },
    /// The run is complete.
    #[error(
        "{} is complete ({} environment steps); extend it with --set train.steps=N",
        quoted(folder),
        count(*steps)
    )]
    Complete {
        /// The folder.
        folder: PathBuf,
        /// Its steps.
        steps: u64,
    },
    /// The run is to end before the point that it has reached, and is not complete.
    #[error(
        "train.steps = {} is not above the {} environment steps that {} has already made of {}: \
        set it higher, or leave it out",
        count(*asked),
        count(*steps),
        quoted(folder),
        count(*planned)
    )]
    Shortened {
        /// The folder.
        folder: PathBuf,
        /// The steps after which it is to end.
        asked: u64,
        /// Its steps.
        steps: u64,
        /// The steps after which it was to end.
        planned: u64,
    },
    /// The run has ended at the return that it was to reach.
    #[error(
        "{} has reached a return of {reached:.2} after {} environment steps, and \
        train.stop_at is {}; continue it with --set train.stop_at=0, or a higher return",
        quoted(folder),
        count(*steps),
        number(*stop_at)
    )]
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
    #[error(
        "{} is damaged in line {line}: {reason}; move the file away to resume without its \
        records",
        quoted(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file system error.
    #[error(
        "cannot {action} {}: {source}{}",
        quoted(path),
        if *action == "read" { remedy(source) } else { "" }
    )]
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
         help; start a new run with another --name and the stabilizing settings of the preset \
         `fast` (`fpo doctor` lists them)"
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

/// The [`RunError::Io::action`] of making a run's folder.
pub(super) const CREATE: &str = "create the folder";

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

    /// Whether a folder could not be locked because nothing can be written there.
    pub fn is_unwritable(&self) -> bool {
        matches!(self, Self::Io { action: "open", source, .. } if matches!(
            source.kind(),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
        ))
    }

    /// Whether the error is in the user's input rather than from running.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Occupied { .. }
            | Self::NoFailure { .. }
            | Self::NotARun { .. }
            | Self::OtherTask { .. }
            | Self::RunOfOtherTask { .. }
            | Self::InUse { .. }
            | Self::NoCheckpoint { .. }
            | Self::FailedEarly { .. }
            | Self::InTheWay { .. }
            | Self::Inside { .. }
            | Self::NoSuchCheckpoint { .. }
            | Self::CheckpointsGone { .. }
            | Self::Complete { .. }
            | Self::Shortened { .. }
            | Self::Reached { .. }
            | Self::Start { .. }
            | Self::StartDamaged { .. }
            | Self::Damaged { .. }
            | Self::FailureDamaged { .. }
            | Self::NewestDamaged { .. }
            | Self::OnlyDamaged { .. }
            | Self::Config(_) => true,
            Self::Checkpoint(error) => !matches!(error, CheckpointError::Save { .. }),
            Self::Metrics(MetricsError::Damaged { .. }) => true,
            Self::Metrics(MetricsError::Io { source, .. }) => {
                matches!(
                    source.kind(),
                    ErrorKind::InvalidInput | ErrorKind::InvalidData
                )
            }
            Self::Train(
                TrainError::State(_)
                | TrainError::Start(_)
                | TrainError::Precision(_)
                | TrainError::Groups(_)
                | TrainError::UnequalEpisode(_),
            )
            | Self::Policy(_) => true,
            // Invalid folder names, and files that are too long or stand for another.
            Self::Io { action, source, .. } => match source.kind() {
                ErrorKind::NotADirectory
                | ErrorKind::InvalidFilename
                | ErrorKind::InvalidInput
                | ErrorKind::InvalidData => true,
                ErrorKind::FileTooLarge => *action == "read",
                // A place in which there can be no run, such as /proc.
                ErrorKind::NotFound | ErrorKind::PermissionDenied => *action == CREATE,
                _ => false,
            },
            Self::Train(_)
            | Self::Moved { .. }
            | Self::Collapsed { .. }
            | Self::NotRecorded { .. } => false,
        }
    }
}

/// The command of `program` that begins another run of `task` with the settings of the run in
/// `folder`, except those that are changed.
pub fn another(program: &str, folder: &Path, task: &str) -> String {
    // A task that was read from files has a copy of them in the run's folder.
    let task = task_file(folder).map_or_else(|| quoted(Path::new(task)), |file| quoted(&file));
    let config = quoted(&folder.join(CONFIG));
    format!("{program} train {task} --config {config} --name NAME --set KEY=VALUE")
}

/// The checkpoints that there are, in words.
fn listed(there: &[u64]) -> String {
    const MOST: usize = 8;
    let steps = |some: &[u64]| -> String {
        let some: Vec<String> = some.iter().map(u64::to_string).collect();
        some.join(", ")
    };
    match there {
        [] => "it has none".to_owned(),
        [one] => format!("the only one is after {one}"),
        all if all.len() <= MOST => format!("there are {}", steps(all)),
        all => format!(
            "there are {} … {}",
            steps(&all[..MOST / 2]),
            steps(&all[all.len() - MOST / 2..])
        ),
    }
}

/// That the folder of a run is not in its place any longer, and what to do.
fn moved(folder: &Path, now: Option<&Path>) -> String {
    let folder = quoted(folder);
    match now.map(quoted) {
        Some(now) => format!(
            "{folder} is not this run's folder any longer, which was moved to {now} while the run \
             was in progress; nothing more was written, and `fpo train --resume {now}` continues \
             it from its last checkpoint"
        ),
        None => format!(
            "{folder} is not this run's folder any longer, which was deleted or replaced, or its \
             .lock was, while the run was in progress; nothing more was written: resume a copy of \
             it, or begin the run again in another folder with --name or --out"
        ),
    }
}

/// That a folder holds a run, and what to do: nothing that deletes it.
fn occupied(folder: &Path, resumable: bool) -> String {
    let folder = quoted(folder);
    if resumable {
        format!(
            "{folder} already holds a run; continue it with `fpo train --resume {folder}`, or \
             choose another folder with --name or --out"
        )
    } else {
        format!(
            "{folder} holds files of a run, but no config.toml to continue it; choose another \
             folder with --name or --out"
        )
    }
}
