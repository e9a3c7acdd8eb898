//! The folder of a run.

use super::error::CREATE;
use super::start::START;
use super::{
    CONFIG, EVALUATIONS, EVENTS, RunError, failure, folder_of_runs, is_checkpoint, task_files,
};
use crate::metrics::METRICS;
use fpo_files::{
    PARTIAL, REPLACED, absence, empty, is_at, now_at, partial, remove, replace, restore, stays,
    sync_folder,
};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
/// An empty file that says that the run has, or had, a checkpoint: without one it has lost them.
const SAVED: &str = ".saved";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The files of a run in its folder, besides TensorBoard's event files; `--force` deletes these and
/// nothing else.
pub(super) const OURS: [&str; 17] = [
    CONFIG,
    SAVED,
    START,
    METRICS,
    EVALUATIONS,
    EVENTS,
    CHECKPOINTS,
    "machine.toml",
    failure::FAILURE,
    task_files::TASK,
    "failed.txt",
    // From here on, what is made of a run ([`MADE`]).
    "report.html",
    "video.mp4",
    "video.gif",
    "gridworld.svg",
    "gridworld.png",
    "policy.onnx",
];

/// The last of [`OURS`], which can be made again.
const MADE: usize = 6;

/// Those of [`OURS`] that are folders; the others are files.
const FOLDERS: [&str; 3] = [CHECKPOINTS, failure::FAILURE, task_files::TASK];

/// Before anything changes: a folder in the place of a file that a run writes, or a file in that of
/// a folder, is somebody's, and would end the run half begun. Links are replaced, not followed.
fn check_places(folder: &Path) -> Result<(), RunError> {
    for name in &OURS[..OURS.len() - MADE] {
        let path = folder.join(name);
        let Ok(there) = fs::symlink_metadata(&path) else {
            continue;
        };
        let why = match (FOLDERS.contains(name), there.file_type()) {
            (false, kind) if kind.is_dir() => "it is a folder, where a run has a file",
            (true, kind) if kind.is_file() => "it is a file, where a run has a folder",
            _ => continue,
        };
        let why = format!("{why}; move it away");
        let error = io::Error::new(io::ErrorKind::InvalidInput, why);
        return Err(io_error("write", &path)(error));
    }
    Ok(())
}

/// What lies in `folder`, which holds no run, under a name that a new run would take: it is not the
/// program's, and would be lost. What an interrupted start or deletion left is none of that.
fn in_the_way(folder: &Path) -> Option<PathBuf> {
    let there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if there(&partial(&folder.join(CHECKPOINTS))) {
        return None;
    }
    OURS.iter()
        .map(|name| folder.join(name))
        .find(|path| there(path))
}

/// Whether `path` leads to a file that a run or a checkpoint records and needs. Films, pages and
/// pictures of a run are made of it, and can be replaced.
pub fn is_record(path: &Path) -> bool {
    // As far as it exists, since a link may lead into a run.
    let real = path.ancestors().find_map(|part| {
        let part_of = if part.as_os_str().is_empty() {
            Path::new(".")
        } else {
            part
        };
        let real = part_of.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(part).ok()?))
    });
    let Some(full) = real else {
        return false;
    };
    full.ancestors().skip(1).any(|folder| {
        if is_checkpoint(folder) {
            return true;
        }
        let inside = full.strip_prefix(folder).ok();
        let first = inside.and_then(|inside| inside.components().next());
        let Some(first) = first.and_then(|first| first.as_os_str().to_str()) else {
            return false;
        };
        let recorded = first == LOCK || OURS[..OURS.len() - MADE].contains(&first);
        (recorded || first.starts_with("events.out.tfevents.")) && folder.join(CONFIG).is_file()
    })
}

/// The folder of a run, locked against other processes until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The system releases the lock when this is closed, however the process ends.
    lock: File,
    /// Why it is not locked, where the file system cannot lock.
    unlocked: Option<String>,
    /// Whether what was made of an earlier run is to be deleted, too.
    force: bool,
}

impl RunFolder {
    /// Creates the folder of a new run, and its parents. With `force` it may already hold a run,
    /// which [`super::Session::begin`] deletes later, without touching other files in the folder.
    ///
    /// # Errors
    /// If it holds a run and `force` is false, another process uses it, or it cannot be created.
    pub fn create(path: &Path, force: bool) -> Result<Self, RunError> {
        let occupied = || {
            Err(RunError::Occupied {
                folder: path.to_owned(),
                resumable: path.join(CONFIG).is_file(),
            })
        };
        if is_checkpoint(path) {
            return Err(RunError::NotARun {
                folder: path.to_owned(),
                reason: "it is a single checkpoint".to_owned(),
            });
        }
        if is_record(path) {
            return Err(RunError::Inside {
                folder: path.to_owned(),
            });
        }
        let check = || {
            if !force && Self::holds_a_run(path) {
                return occupied();
            }
            match in_the_way(path).filter(|_| !Self::holds_a_run(path)) {
                Some(there) => Err(RunError::InTheWay { there }),
                None => check_places(path),
            }
        };
        check()?;
        fpo_files::create_folders(path).map_err(io_error(CREATE, path))?;
        let folder = Self::lock(path)?;
        // Check again under the lock: two processes may get here at the same time.
        check()?;
        Ok(Self { force, ..folder })
    }

    /// Whether there is a run in the folder `path`, or something of one. A run whose deletion was
    /// interrupted does not count.
    pub fn holds_a_run(path: &Path) -> bool {
        // Anything of these names counts, even a dangling link.
        let there = |path: PathBuf| fs::symlink_metadata(path).is_ok();
        if failure::is_one(path) {
            return false;
        }
        let checkpoints = path.join(CHECKPOINTS);
        // Some folders stay in their place until they are empty.
        let gone = !there(path.join(CONFIG)) || !there(checkpoints.clone());
        if there(partial(&checkpoints)) && gone {
            return false;
        }
        [CONFIG, CHECKPOINTS, METRICS]
            .iter()
            .any(|name| there(path.join(name)))
    }

    /// Opens the folder of a run to resume it.
    ///
    /// # Errors
    /// If it does not hold a run or another process uses it.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let config = path.join(CONFIG);
        restore(&config).map_err(io_error("restore", &config))?;
        if let Some(reason) = not_a_run(path) {
            return Err(RunError::NotARun {
                folder: path.to_owned(),
                reason,
            });
        }
        check_places(path)?;
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, RunError> {
        let file = path.join(LOCK);
        match fs::symlink_metadata(&file) {
            // A copy of the run by a hub's cache: the lock is this folder's own.
            Ok(there) if there.is_symlink() => {
                remove(&file).map_err(io_error("delete", &file))?;
            }
            Ok(there) if !there.is_file() => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
                return Err(io_error("open", &file)(error));
            }
            _ => {}
        }
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(io_error("open", &file))?;
        let unlocked = match lock.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::InUse {
                    folder: path.to_owned(),
                });
            }
            // Some network file systems have no locks, or nobody who keeps them: ENOLCK, ENOSYS,
            // EOPNOTSUPP, EINVAL and others. The lock only guards against a second process.
            Err(TryLockError::Error(e)) => Some(e.to_string()),
        };
        let folder = Self {
            path: path.to_owned(),
            lock,
            unlocked,
            force: false,
        };
        // Another process may have deleted it before it was locked.
        folder.held()?;
        Ok(folder)
    }

    /// Fails unless its path still leads to the folder that was locked, which another program may
    /// have moved or deleted: another run may be in its place. To be asked before every change.
    ///
    /// # Errors
    /// [`RunError::Moved`], or one of the file system.
    pub fn held(&self) -> Result<(), RunError> {
        let file = self.path.join(LOCK);
        match is_at(&self.lock, &file).map_err(io_error("read", &file))? {
            true => Ok(()),
            false => Err(RunError::Moved {
                folder: self.path.clone(),
                now: now_at(&self.lock).and_then(|file| Some(file.parent()?.to_owned())),
            }),
        }
    }

    /// Why nothing guards the folder against a second process; none if a lock does.
    pub fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    /// Deletes partially written files of an interrupted process, and brings back those that it
    /// was about to replace.
    pub(super) fn sweep(&self) -> Result<(), RunError> {
        self.held()?;
        for name in OURS {
            let path = self.path.join(name);
            restore(&path).map_err(io_error("restore", &path))?;
            let partial = partial(&path);
            remove(&partial).map_err(io_error("delete", &partial))?;
        }
        Ok(())
    }

    /// Deletes the files of an earlier run. Its checkpoints are renamed first and deleted last:
    /// while they have that name, an interrupted deletion is known as one, and neither looks like a
    /// run that can be resumed, nor like one whose checkpoints were lost. [`RunFolder::cleared`]
    /// ends it, once the new run has its settings.
    pub(super) fn clear(&self) -> Result<(), RunError> {
        self.held()?;
        let (checkpoints, deleting) = (self.checkpoints(), partial(&self.checkpoints()));
        remove(&deleting).map_err(io_error("delete", &deleting))?;
        let mut in_place = false;
        match fs::rename(&checkpoints, &deleting) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir(&deleting),
            Err(e) if stays(&e) => {
                in_place = true;
                fs::create_dir(&deleting)
            }
            renamed => renamed,
        }
        .map_err(io_error("delete", &checkpoints))?;
        // Without its settings it cannot be resumed, whatever else is left of it.
        let config = self.config();
        remove(&config).map_err(io_error("delete", &config))?;
        if in_place {
            empty(&checkpoints).map_err(|e| {
                let advice = "begin the run in another folder with --name or --out";
                let error = io::Error::new(e.kind(), format!("{e}; {advice}"));
                io_error("delete what is in", &checkpoints)(error)
            })?;
        }
        let entries = fs::read_dir(&self.path).map_err(io_error("read", &self.path))?;
        for entry in entries {
            let entry = entry.map_err(io_error("read", &self.path))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let plain = name.strip_prefix(PARTIAL).or(name.strip_prefix(REPLACED));
            // A run that begins again by itself leaves pictures and pages alone: nobody asked it to
            // delete them, and they may not be the program's.
            let ours = &OURS[..OURS.len() - if self.force { 0 } else { MADE }];
            let ours = ours.contains(&plain.unwrap_or(&name));
            // Temporary files of films.
            let film = name.starts_with(".film-") && name.ends_with(".tmp");
            let events = name.starts_with("events.out.tfevents.");
            if (ours || film || events) && entry.path() != deleting {
                let path = entry.path();
                empty(&path).map_err(io_error("delete", &path))?;
            }
        }
        Ok(())
    }

    /// The folder holds a new run from now on: before, an interruption left the files of a start,
    /// which the next one takes for its own.
    pub(super) fn cleared(&self) -> Result<(), RunError> {
        let deleting = partial(&self.checkpoints());
        remove(&deleting).map_err(io_error("delete", &deleting))
    }

    /// Notes that the run has a checkpoint.
    pub(super) fn note_saved(&self) -> Result<(), RunError> {
        match was_saved(&self.path) {
            true => Ok(()),
            false => self.write(SAVED, b"").map(drop),
        }
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
        self.held()?;
        let path = self.path.join(name);
        replace(&path, bytes).map_err(io_error("write", &path))?;
        Ok(path)
    }
}

/// Whether the run in `folder` has, or had, a checkpoint.
pub(super) fn was_saved(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(SAVED)).is_ok()
}

/// Why `path` is not the folder of a run; none if it is.
pub fn not_a_run(path: &Path) -> Option<String> {
    if let Some(why) = absence(path, "there is no such folder") {
        return Some(why);
    }
    let config = path.join(CONFIG);
    if is_checkpoint(path) {
        return Some("it is a single checkpoint".to_owned());
    }
    if failure::is_one(path) {
        return Some("it is what the failure of a run left".to_owned());
    }
    if config.is_file() {
        return None;
    }
    Some(if !path.is_dir() {
        "it is not a folder".to_owned()
    } else if let Some(why) = absence(&config, "").filter(|why| !why.is_empty()) {
        format!("{CONFIG}: {why}")
    } else if path.join(CHECKPOINTS).is_dir() {
        format!("it has no {CONFIG}, of which each of its checkpoints has a copy")
    } else if let Some(why) = folder_of_runs(path) {
        why
    } else {
        format!("it has no {CONFIG}")
    })
}

pub(super) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> RunError + use<> {
    let path = path.to_owned();
    move |source| RunError::Io {
        action,
        path,
        source,
    }
}
