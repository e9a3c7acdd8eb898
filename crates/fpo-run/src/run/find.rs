//! Finds a policy, or the run that something belongs to, from any path that leads to it.

use super::failure::{self, FAILURE};
use super::folder::{CHECKPOINTS, OURS};
use super::task_files::TASK;
use super::{CONFIG, POLICY, RunError, RunFolder, checkpoints_gone, not_a_run, was_saved};
use crate::checkpoint::{Checkpoint, Checkpoints, MANIFEST};
use crate::config::load_recorded;
use crate::health::{Metrics, each_row};
use fpo_files::{absence, quoted, read_capped};
use std::fs;
use std::path::{Path, PathBuf};

/// Bound on the size of a policy file, 1 GiB: the largest networks have a fifth of it.
pub(crate) const LARGEST_POLICY: u64 = 1 << 30;

/// Selects a checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The newest.
    Latest,
    /// The one with the highest zero-noise evaluation; the newest if none was evaluated.
    Best,
    /// The one after this many environment steps.
    Step(u64),
}

/// The policy at `path`: a run's folder, its folder of checkpoints, a checkpoint's folder, or a
/// policy file; each of them may be a link. Returns its bytes and their file or checkpoint.
///
/// # Errors
/// If there is no policy, or its checkpoint is damaged.
pub fn find_policy(path: &Path, pick: Pick) -> Result<(Vec<u8>, PathBuf), RunError> {
    if path.is_file() {
        return Ok((read(path)?, path.to_owned()));
    }
    let refused = |reason: String| RunError::NotARun {
        folder: path.to_owned(),
        reason,
    };
    if let Some(why) = absence(path, "there is no such file or folder") {
        return Err(refused(why));
    }
    if !path.is_dir() {
        return Err(refused("it is neither a regular file nor a folder".into()));
    }
    let Some(folder) = checkpoints_of(path)? else {
        if failure::is_one(path) {
            return Err(refused(match run_containing(path) {
                Some(run) => format!("it is what the failure of {} left", quoted(&run)),
                None => "it is what the failure of a run left".to_owned(),
            }));
        }
        // A copy of a checkpoint may hold the policy without its manifest.
        let alone = path.join(POLICY);
        if !is_checkpoint(path) && alone.is_file() {
            return Ok((read(&alone)?, alone));
        }
        if RunFolder::holds_a_run(path) && !is_checkpoint(path) {
            return Err(no_checkpoint(path));
        }
        if let Some(why) = folder_of_runs(path) {
            return Err(refused(why));
        }
        return policy_of(Checkpoint::open(path)?);
    };
    let best = if pick == Pick::Best {
        Checkpoints::best(&folder)?
    } else {
        None
    };
    let checkpoint = match (best, pick, Checkpoints::list(&folder)?.pop()) {
        (Some(best), ..) => best,
        (None, Pick::Step(step), _) => Checkpoint::open(&of_step(path, &folder, step)?)?,
        (None, _, Some(latest)) => Checkpoint::open(&latest)?,
        (None, _, None) => {
            return Err(no_checkpoint(&run_of(path)));
        }
    };
    policy_of(checkpoint)
}

/// The runs in a folder that is none itself, by name.
pub fn runs_in(folder: &Path) -> Vec<PathBuf> {
    if is_run(folder) {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    runs.retain(|path| is_run(path));
    runs.sort();
    runs
}

/// That `folder` holds runs and is none, if it does, and what to name instead.
pub fn folder_of_runs(folder: &Path) -> Option<String> {
    let run = runs_in(folder).into_iter().next()?;
    let run = quoted(&run);
    Some(format!(
        "it is a folder of runs; name one of them, such as {run}"
    ))
}

/// The run in `folder` has no checkpoint: because it failed, or not yet.
fn no_checkpoint(folder: &Path) -> RunError {
    let folder = folder.to_owned();
    let config = match load_recorded(&folder.join(CONFIG), &[]) {
        Ok(config) => config,
        Err(error) => {
            return match not_a_run(&folder) {
                Some(reason) => RunError::NotARun { folder, reason },
                None => error.into(),
            };
        }
    };
    if failure::is_one(&folder.join(FAILURE)) && !was_saved(&folder) {
        let task = config.task;
        return RunError::FailedEarly { folder, task };
    }
    let mut last = 0;
    let read = each_row(&folder, |row| last = last.max(row.iteration()));
    let gone = checkpoints_gone(&folder, &config, last);
    gone.or(read.err())
        .unwrap_or(RunError::NoCheckpoint { folder })
}

fn read(file: &Path) -> Result<Vec<u8>, RunError> {
    read_capped(file, LARGEST_POLICY).map_err(|source| RunError::Io {
        action: "read",
        path: file.to_owned(),
        source,
    })
}

fn policy_of(checkpoint: Checkpoint) -> Result<(Vec<u8>, PathBuf), RunError> {
    let bytes = checkpoint.read_capped(POLICY, LARGEST_POLICY)?;
    Ok((bytes, checkpoint.path().to_owned()))
}

/// Whether `path` is the folder of a single checkpoint.
pub fn is_checkpoint(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// Whether `path` is the folder of a run: not that of a checkpoint or of a failure, each of which
/// has a copy of its settings.
pub fn is_run(path: &Path) -> bool {
    path.join(CONFIG).is_file() && !is_checkpoint(path) && !failure::is_one(path)
}

/// The folder of checkpoints at `path`, which is a run's folder or that folder itself.
fn checkpoints_of(path: &Path) -> Result<Option<PathBuf>, RunError> {
    let inside = path.join(CHECKPOINTS);
    if inside.is_dir() {
        return Ok(Some(inside));
    }
    let is_it = !is_checkpoint(path) && !Checkpoints::list(path)?.is_empty();
    Ok(is_it.then(|| path.to_owned()))
}

/// The checkpoint after `step` environment steps, whatever zeros its name begins with, in the
/// `folder` of checkpoints that the user called `path`.
fn of_step(path: &Path, folder: &Path, step: u64) -> Result<PathBuf, RunError> {
    let all = Checkpoints::list(folder)?;
    let there: Vec<u64> = all
        .iter()
        .filter_map(|path| Checkpoints::step(path))
        .collect();
    let mut of_it = all.into_iter();
    of_it
        .find(|path| Checkpoints::step(path) == Some(step))
        .ok_or_else(|| RunError::NoSuchCheckpoint {
            folder: path.to_owned(),
            step,
            there,
        })
}

/// Identifies the files of the task with which the policy at `source`, a checkpoint's folder or a
/// file in it, was trained ([`super::digest`]); none if that is not known, or the task was not read
/// from files.
pub fn trained_on(source: &Path) -> Option<String> {
    let folder = [Some(source), source.parent()].into_iter().flatten();
    let folder = folder.into_iter().find(|folder| is_checkpoint(folder))?;
    Checkpoint::open(folder).ok()?.about().task_digest.clone()
}

/// The folder of the run that `path` belongs to: a run's folder, its folder of checkpoints, one of
/// its checkpoints, or a file in one of them. `path` itself if it belongs to none.
pub fn run_of(path: &Path) -> PathBuf {
    run_containing(path).unwrap_or_else(|| path.to_owned())
}

/// The same; none if `path` belongs to no run.
pub fn run_containing(path: &Path) -> Option<PathBuf> {
    if is_run(path) {
        return Some(path.to_owned());
    }
    // First as it is written, since a link may lead elsewhere; then in full, for `.` and `..`.
    let full = std::path::absolute(path).ok();
    let real = path.canonicalize().ok();
    [Some(path.to_owned()), full, real]
        .into_iter()
        .flatten()
        .find_map(|path| {
            // A file of a run, its folder of checkpoints, a checkpoint, a file of a checkpoint; the
            // task's files may lie deeper.
            let above = path.ancestors().skip(1).take(DEEPEST);
            let mut above = above.filter(|above| !above.as_os_str().is_empty());
            let run = above.find(|run| is_run(run))?;
            let inside = path.strip_prefix(run).ok()?;
            let file = OURS.iter().any(|name| inside == Path::new(name)) && path.is_file();
            let within = [CHECKPOINTS, TASK, FAILURE]
                .iter()
                .any(|name| inside.starts_with(name));
            (file || within).then(|| run.to_owned())
        })
}

/// Folders above a path among which its run is looked for.
const DEEPEST: usize = 8;
