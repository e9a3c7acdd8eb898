//! The files that a failed training leaves, from which the failure can be reproduced.

use super::folder::io_error;
use super::ranks::Lead;
use super::{CONFIG, RunError, RunFolder, STATE, Snapshot, advance};
use crate::checkpoint::LARGEST_FILE;
use crate::config::{Config, load_recorded};
use fpo_env::Task;
use fpo_files::{absence, dangling, discard, one_line, read_capped, write_synced};
use fpo_learn::trainer::{TrainError, Trainer};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The subfolder of a run's folder; it holds the last valid state, the settings, the minibatch if
/// the failure is in one, and a report.
pub(super) const FAILURE: &str = "failure";
const BATCH: &str = "minibatch.safetensors";
const REPORT: &str = "failure.json";

/// Bound on the size of a report, 1 MiB, far above that of any real one.
const LARGEST_REPORT: u64 = 1 << 20;

/// Whether `path` is such a folder, and not that of a run.
pub(super) fn is_one(path: &Path) -> bool {
    path.join(REPORT).is_file() && path.join(STATE).is_file()
}

/// The report of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureReport {
    /// Iterations completed before the failed one.
    iteration: u64,
    /// The error message.
    error: String,
}

/// A failure, and the outcome of reproducing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reproduction {
    /// Iterations completed before the failed one.
    pub iteration: u64,
    /// The error with which the run ended.
    pub recorded: String,
    /// The error of the repeated iteration; none if it succeeded.
    pub again: Option<String>,
    /// The minibatch in which it failed.
    pub minibatch: Option<PathBuf>,
}

/// Records that `trainer` failed in the iteration after `before`.
/// Files of an earlier failure are replaced.
pub(super) fn write(
    folder: &RunFolder,
    config: &str,
    before: &Snapshot,
    trainer: &Trainer,
    error: &TrainError,
) -> Result<(), RunError> {
    folder.held()?;
    let path = folder.path().join(FAILURE);
    discard(&path).map_err(io_error("delete", &path))?;
    fs::create_dir(&path).map_err(io_error("create the folder", &path))?;
    let report = FailureReport {
        iteration: before.iteration,
        error: error.to_string(),
    };
    let report = serde_json::to_vec_pretty(&report).expect("a number and a text are JSON");
    let minibatch = trainer.offending_minibatch(error)?;
    // The report is written last: if it exists, the other files do, too.
    let files = [
        (STATE, Some(&before.state[..])),
        (CONFIG, Some(config.as_bytes())),
        (BATCH, minibatch.as_deref()),
        (REPORT, Some(&report[..])),
    ];
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            let path = path.join(name);
            write_synced(&path, bytes).map_err(io_error("write", &path))?;
        }
    }
    Ok(())
}

/// Re-runs the iteration in which the run in `folder` failed, from the last valid state, on
/// `threads` threads. Nothing is written.
///
/// # Errors
/// If the run has left no failure, its files are damaged, or `task` finds no task of its name.
pub fn reproduce<E: From<RunError>>(
    folder: &Path,
    threads: usize,
    task: impl FnOnce(&str) -> Result<Arc<dyn Task>, E>,
) -> Result<Reproduction, E> {
    // A copy of that folder alone will do.
    let path = match is_one(folder) {
        true => folder.to_owned(),
        false => folder.join(FAILURE),
    };
    let read = |name: &str, cap: u64| {
        let path = path.join(name);
        read_capped(&path, cap).map_err(io_error("read", &path))
    };
    if let Some(reason) = absence(folder, "there is no such folder") {
        return Err(RunError::NotARun {
            folder: folder.to_owned(),
            reason,
        }
        .into());
    }
    // A link that leads nowhere, a closed folder and the like are no lack of a failure.
    let missing = |path: &Path| {
        let absent = fs::metadata(path).is_err_and(|e| e.kind() == ErrorKind::NotFound);
        absent && dangling(path).is_none()
    };
    if let Some(why) = dangling(&path) {
        return Err(io_error("read", &path)(io::Error::new(ErrorKind::NotFound, why)).into());
    }
    if missing(&path.join(REPORT)) {
        return Err(RunError::NoFailure {
            folder: folder.to_owned(),
        }
        .into());
    }
    let damaged = |reason: String| RunError::FailureDamaged {
        path: path.join(REPORT),
        reason,
    };
    let report: FailureReport = serde_json::from_slice(&read(REPORT, LARGEST_REPORT)?)
        .map_err(|e| damaged(one_line(&e.to_string())))?;
    let config: Config = load_recorded(&path.join(CONFIG), &[]).map_err(RunError::from)?;
    let task = task(&config.task)?;
    let trainer = Trainer::restore(&config, task, threads, &read(STATE, LARGEST_FILE)?)
        .map_err(RunError::from)?;
    let mut trainer = Lead::alone(trainer);
    if trainer.iteration() != report.iteration {
        let reason = format!(
            "it records {} iterations, {STATE} {}",
            report.iteration,
            trainer.iteration()
        );
        return Err(damaged(reason).into());
    }
    let never = AtomicBool::new(false);
    let again = advance(&mut trainer, &never, &mut ())
        .err()
        .map(|error| error.to_string());
    let minibatch = path.join(BATCH);
    Ok(Reproduction {
        iteration: report.iteration,
        recorded: report.error,
        again,
        minibatch: minibatch.is_file().then_some(minibatch),
    })
}
