//! A run that was interrupted before its first checkpoint begins again.

use super::task_files::are_kept;
use super::{RunError, RunFolder, was_saved};
use crate::config::{Config, check_continues, load_recorded};
use crate::health::{Metrics, each_row};
use fpo_env::Task;
use std::path::Path;

/// Checks that the run in `folder`, which has no checkpoint, has none because it did not get that
/// far: its checkpoints may have been moved or deleted, and then its records must stay. `config`
/// is the recorded configuration with changes. Returns the iterations that it has recorded.
///
/// # Errors
/// If it had a checkpoint, its metrics go further or cannot be read, `config` has changes that a
/// resumed run cannot make, or `task` is not of the files that the run keeps.
pub(super) fn check(folder: &RunFolder, config: &Config, task: &dyn Task) -> Result<u64, RunError> {
    let recorded = load_recorded(&folder.config(), &[])?;
    check_continues(config, &recorded)?;
    let mut last = 0;
    each_row(folder.path(), |row| last = last.max(row.iteration()))?;
    if let Some(gone) = checkpoints_gone(folder.path(), &recorded, last) {
        return Err(gone);
    }
    if !are_kept(folder.path(), task.files()) {
        return Err(RunError::OtherTask {
            folder: folder.path().to_owned(),
            task: config.task.clone(),
        });
    }
    Ok(last)
}

/// That the run in `folder`, which has no checkpoint, had one; none if it did not get that far.
/// `recorded` are its settings, `last` is the last iteration in its metrics.
pub(crate) fn checkpoints_gone(folder: &Path, recorded: &Config, last: u64) -> Option<RunError> {
    // The row of an iteration is written before its checkpoint.
    let had_some = was_saved(folder) || last > first_checkpoint(recorded);
    had_some.then(|| RunError::CheckpointsGone {
        folder: folder.to_owned(),
        iteration: last,
    })
}

/// The iteration after which a run saves its first checkpoint, unless it is stopped earlier: the
/// first that is due, the first evaluation, which is the best so far, or the last iteration.
fn first_checkpoint(config: &Config) -> u64 {
    let per_iteration = config.env.transitions() as u64;
    let due = [
        config.train.steps.div_ceil(per_iteration),
        config.train.checkpoint_every,
        config.eval.every.div_ceil(per_iteration),
    ];
    let due = due.into_iter().filter(|iterations| *iterations > 0);
    due.min().unwrap_or(u64::MAX)
}
