//! The folder of a run, and how to find a policy in it.

use super::start::START;
use super::{CONFIG, EVALUATIONS, EVENTS, POLICY, RunError, failure, task_files};
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::metrics::METRICS;
use fpo_files::{PARTIAL, discard, partial, read_capped, remove, replace, sync_folder};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// Bound on the size of a policy file, 1 GiB: the largest networks have a fifth of it.
pub(crate) const LARGEST_POLICY: u64 = 1 << 30;

/// The files of a run in its folder, besides TensorBoard's event files; `--force` deletes these and
/// nothing else.
const OURS: [&str; 16] = [
    CONFIG,
    START,
    METRICS,
    EVALUATIONS,
    EVENTS,
    CHECKPOINTS,
    "machine.toml",
    failure::FAILURE,
    task_files::TASK,
    "failed.txt",
    "report.html",
    "video.mp4",
    "video.gif",
    "gridworld.svg",
    "gridworld.png",
    "policy.onnx",
];

/// The folder of a run, locked against other processes until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The system releases the lock when this is closed, however the process ends.
    _lock: File,
}

impl RunFolder {
    /// Creates the folder of a new run, and its parents. With `force` it may already hold a run,
    /// which [`super::Session::begin`] deletes later, without touching other files in the folder.
    ///
    /// # Errors
    /// If it holds a run and `force` is false, another process uses it, or it cannot be created.
    pub fn create(path: &Path, force: bool) -> Result<Self, RunError> {
        if !force && holds_a_run(path) {
            return Err(RunError::Occupied {
                folder: path.to_owned(),
            });
        }
        fs::create_dir_all(path).map_err(io_error("create the folder", path))?;
        let folder = Self::lock(path)?;
        // Check again under the lock: two processes may get here at the same time.
        if !force && holds_a_run(path) {
            return Err(RunError::Occupied {
                folder: path.to_owned(),
            });
        }
        Ok(folder)
    }

    /// Opens the folder of a run to resume it.
    ///
    /// # Errors
    /// If it does not hold a run or another process uses it.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        if !path.join(CONFIG).is_file() {
            let reason = if path.is_dir() {
                "it has no config.toml"
            } else {
                "there is no such folder"
            };
            return Err(RunError::NotARun {
                folder: path.to_owned(),
                reason: reason.into(),
            });
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, RunError> {
        let file = path.join(LOCK);
        if fs::symlink_metadata(&file).is_ok_and(|there| !there.is_file()) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(io_error("open", &file)(error));
        }
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(io_error("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(RunError::InUse {
                folder: path.to_owned(),
            }),
            // Some network file systems have no locks; runs are allowed there nevertheless.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::Error(e)) => Err(io_error("lock", &file)(e)),
        }
    }

    /// Deletes partially written files of an interrupted process.
    pub(super) fn sweep(&self) -> Result<(), RunError> {
        for name in OURS {
            let partial = partial(&self.path.join(name));
            remove(&partial).map_err(io_error("delete", &partial))?;
        }
        Ok(())
    }

    /// Deletes the files of an earlier run. Its checkpoints are first renamed, all at once: after
    /// an interrupted deletion the folder must not look like a run that can be resumed.
    pub(super) fn clear(&self) -> Result<(), RunError> {
        let checkpoints = self.checkpoints();
        discard(&checkpoints).map_err(io_error("delete", &checkpoints))?;
        let entries = fs::read_dir(&self.path).map_err(io_error("read", &self.path))?;
        for entry in entries {
            let entry = entry.map_err(io_error("read", &self.path))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = OURS.contains(&name.trim_start_matches(PARTIAL));
            // Temporary files of films.
            let film = name.starts_with(".film-") && name.ends_with(".tmp");
            if ours || film || name.starts_with("events.out.tfevents.") {
                let path = entry.path();
                remove(&path).map_err(io_error("delete", &path))?;
            }
        }
        Ok(())
    }

    /// Syncs its directory entries.
    pub(super) fn flush(&self) -> Result<(), RunError> {
        sync_folder(&self.path).map_err(io_error("save", &self.path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's complete configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The folder of its checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Writes a whole file atomically. Returns its path.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, RunError> {
        let path = self.path.join(name);
        replace(&path, bytes).map_err(io_error("write", &path))?;
        Ok(path)
    }
}

fn holds_a_run(path: &Path) -> bool {
    [CONFIG, CHECKPOINTS, METRICS]
        .iter()
        .any(|name| path.join(name).exists())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError + use<> {
    let path = path.to_owned();
    move |source| RunError::Io {
        action,
        path,
        source,
    }
}

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

/// The policy at `path`: a run's folder, a checkpoint's, or a policy file. Returns its bytes and
/// their file.
///
/// # Errors
/// If there is no policy, or its checkpoint is damaged.
pub fn find_policy(path: &Path, pick: Pick) -> Result<(Vec<u8>, PathBuf), RunError> {
    if path.is_file() {
        let bytes = read_capped(path, LARGEST_POLICY).map_err(io_error("read", path))?;
        return Ok((bytes, path.to_owned()));
    }
    let not_a_run = |reason: &str| RunError::NotARun {
        folder: path.to_owned(),
        reason: reason.into(),
    };
    if !path.is_dir() {
        return Err(not_a_run(if path.exists() {
            "it is neither a regular file nor a folder"
        } else {
            "there is no such file or folder"
        }));
    }
    let folder = path.join(CHECKPOINTS);
    let checkpoint = if !folder.is_dir() {
        if holds_a_run(path) && !path.join("manifest.json").exists() {
            return Err(RunError::NoCheckpoint {
                folder: path.to_owned(),
            });
        }
        Checkpoint::open(path)?
    } else {
        let best = if pick == Pick::Best {
            Checkpoints::best(&folder)?
        } else {
            None
        };
        match (best, pick, Checkpoints::list(&folder)?.pop()) {
            (Some(best), ..) => best,
            (None, Pick::Step(step), _) => Checkpoint::open(&Checkpoints::path(&folder, step))?,
            (None, _, Some(latest)) => Checkpoint::open(&latest)?,
            (None, _, None) => {
                return Err(RunError::NoCheckpoint {
                    folder: path.to_owned(),
                });
            }
        }
    };
    Ok((
        checkpoint.read_capped(POLICY, LARGEST_POLICY)?,
        checkpoint.path().to_owned(),
    ))
}
