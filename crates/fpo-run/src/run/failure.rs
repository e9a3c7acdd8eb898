//! What a training that cannot go on leaves behind: enough to see the failure again, as often as it
//! takes to understand it.

use super::{CONFIG, RunError, RunFolder, STATE, advance};
use crate::checkpoint::LARGEST_FILE;
use crate::config::{Config, load_recorded};
use fpo_env::Task;
use fpo_files::{discard, one_line, read_capped, write_synced};
use fpo_learn::trainer::{TrainError, Trainer};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder in a run's folder; it holds the last good state, the settings, the minibatch if one
/// is to blame, and what happened.
pub(super) const FAILURE: &str = "failure";
const BATCH: &str = "minibatch.safetensors";
const REPORT: &str = "failure.json";

/// No report comes near this size, 1 MiB.
const LARGEST_REPORT: u64 = 1 << 20;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureReport {
    /// Iterations done before the one that failed.
    iteration: u64,
    /// The error, as it was told.
    error: String,
}

/// A failure, and what became of the attempt to see it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reproduction {
    /// Iterations done before the one that failed.
    pub iteration: u64,
    /// The error that the run ended with.
    pub recorded: String,
    /// The error of the iteration when it was made again; none if it succeeded.
    pub again: Option<String>,
    /// The minibatch that was to blame.
    pub minibatch: Option<PathBuf>,
}

/// Writes down that `trainer`, whose state after `done` iterations was `before`, failed in the
/// next. An earlier failure's files are replaced.
pub(super) fn write(
    folder: &RunFolder,
    config: &str,
    before: &[u8],
    done: u64,
    trainer: &Trainer,
    error: &TrainError,
) -> Result<(), RunError> {
    let path = folder.path().join(FAILURE);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Io {
            action,
            path,
            source,
        }
    };
    discard(&path).map_err(io("delete", &path))?;
    fs::create_dir(&path).map_err(io("make the folder", &path))?;
    let report = FailureReport {
        iteration: done,
        error: error.to_string(),
    };
    let report = serde_json::to_vec_pretty(&report).expect("a number and a text are JSON");
    let minibatch = trainer.offending_minibatch(error)?;
    // The report last: where it is, the rest is.
    let files = [
        (STATE, Some(before)),
        (CONFIG, Some(config.as_bytes())),
        (BATCH, minibatch.as_deref()),
        (REPORT, Some(&report[..])),
    ];
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            let path = path.join(name);
            write_synced(&path, bytes).map_err(io("write", &path))?;
        }
    }
    Ok(())
}

/// Makes the iteration that the run in `folder` failed in again, from the last good state, on
/// `threads` threads. Nothing is written.
///
/// # Errors
/// If the run has left no failure, or its files are damaged, or `task` finds no task of its name.
pub fn reproduce<E: From<RunError>>(
    folder: &Path,
    threads: usize,
    task: impl FnOnce(&str) -> Result<Arc<dyn Task>, E>,
) -> Result<Reproduction, E> {
    let path = folder.join(FAILURE);
    let read = |name: &str, cap: u64| {
        let path = path.join(name);
        read_capped(&path, cap).map_err(|source| RunError::Io {
            action: "read",
            path,
            source,
        })
    };
    if !path.join(REPORT).exists() {
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
    let mut trainer = Trainer::restore(&config, task, threads, &read(STATE, LARGEST_FILE)?)
        .map_err(RunError::from)?;
    if trainer.iteration() != report.iteration {
        let reason = format!(
            "it speaks of {} iterations, {STATE} of {}",
            report.iteration,
            trainer.iteration()
        );
        return Err(damaged(reason).into());
    }
    let again = advance(&mut trainer, &mut ())
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
