//! A run that was interrupted before its first checkpoint begins again.

use super::task_files::are_kept;
use super::{RunError, RunFolder};
use crate::config::{Config, check_continues, load_recorded};
use crate::health::{Metrics, each_row};
use fpo_env::Task;

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
    // The row of an iteration is written before its checkpoint.
    if folder.was_saved() || last > first_checkpoint(&recorded) {
        return Err(RunError::CheckpointsGone {
            folder: folder.path().to_owned(),
            iteration: last,
        });
    }
    if !are_kept(folder.path(), task.files()) {
        return Err(RunError::OtherTask {
            folder: folder.path().to_owned(),
            task: config.task.clone(),
        });
    }
    Ok(last)
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
