//! The checkpoints of one run.

use super::{
    Checkpoint, CheckpointError, CheckpointInfo, FORMAT, FileRecord, KIND, MANIFEST, Manifest,
};
use fpo_files::{PARTIAL, REPLACED, discard, remove, sync_folder, write_synced};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "step-";
/// Digits of the steps in a name, so that names sort like steps; `train.steps` has no more.
const DIGITS: usize = 12;

/// The folder of a run's checkpoints, and how many are kept.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Opens the folder for writing, creates it if necessary and removes leftovers of an
    /// interrupted save. Kept are the newest `keep` checkpoints, the best, and the best healthy
    /// one.
    ///
    /// # Errors
    /// If the folder cannot be created or read.
    pub fn open(folder: &Path, keep: usize) -> Result<Self, CheckpointError> {
        let store = Self {
            folder: folder.to_owned(),
            keep: keep.max(1),
        };
        let unreadable = |source| CheckpointError::Read {
            path: folder.to_owned(),
            source,
        };
        Self::refuse_link(folder)?;
        fs::create_dir_all(folder).map_err(unreadable)?;
        store.sweep().map_err(unreadable)?;
        Ok(store)
    }

    /// Fails if the folder of checkpoints is a link.
    ///
    /// # Errors
    /// That it is one.
    pub(crate) fn refuse_link(folder: &Path) -> Result<(), CheckpointError> {
        if !fs::symlink_metadata(folder).is_ok_and(|there| there.is_symlink()) {
            return Ok(());
        }
        let why = "it is a link, and a run writes and deletes in its own folder only; link the \
            run's whole folder instead";
        Err(CheckpointError::Read {
            path: folder.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, why),
        })
    }

    /// The checkpoints of `folder` from oldest to newest, without changing anything; none if the
    /// folder does not exist. Links to folders count, as a hub's cache makes them: what is deleted
    /// later is the link.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
        let unreadable = |source| CheckpointError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            let step = Self::step(&path).filter(|_| path.is_dir());
            found.extend(step.map(|step| (step, path)));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// The environment steps in the name of the checkpoint at `path`, if it is such a name.
    pub fn step(path: &Path) -> Option<u64> {
        let digits = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
        digits.parse().ok()
    }

    /// Where the checkpoint after `env_steps` is in `folder`, if there is one.
    pub fn path(folder: &Path, env_steps: u64) -> PathBuf {
        folder.join(name(env_steps))
    }

    /// The checkpoint with the highest evaluation, the earliest if equal; none if none was
    /// evaluated.
    ///
    /// # Errors
    /// If the folder cannot be read. Checkpoints that cannot be read are ignored.
    pub fn best(folder: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        Self::best_of(folder, |_| true)
    }

    /// The best among checkpoints of a healthy run, that is without a warning.
    ///
    /// # Errors
    /// As [`Checkpoints::best`].
    pub fn best_healthy(folder: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        Self::best_of(folder, |about| !about.warned)
    }

    fn best_of(
        folder: &Path,
        is: impl Fn(&CheckpointInfo) -> bool,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let opened = Self::list(folder)?
            .into_iter()
            .rev()
            .filter_map(|path| Checkpoint::open(&path).ok())
            .filter(|checkpoint| is(checkpoint.about()));
        let evaluated = opened.filter_map(|c| Some((c.about().evaluation?, c)));
        Ok(evaluated
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, checkpoint)| checkpoint))
    }

    /// Saves a checkpoint of `files` (name and content) and deletes those that are no longer to be
    /// kept. Returns its folder. Saving the same files again for the same step writes nothing.
    ///
    /// # Errors
    /// If it cannot be written; then nothing of it is left, and earlier ones are unchanged.
    pub fn save(
        &self,
        about: &CheckpointInfo,
        files: &[(&str, &[u8])],
    ) -> Result<PathBuf, CheckpointError> {
        let name = name(about.env_steps);
        let path = self.folder.join(&name);
        let about = CheckpointInfo {
            evaluation: about.evaluation.filter(|e| e.is_finite()),
            ..about.clone()
        };
        let records = files.iter().map(|(name, bytes)| FileRecord {
            name: (*name).to_owned(),
            bytes: bytes.len() as u64,
            blake3: blake3::hash(bytes).to_hex().to_string(),
        });
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let manifest = Manifest {
            kind: KIND.to_owned(),
            format: FORMAT,
            program,
            about,
            files: records.collect(),
        };
        if Checkpoint::open(&path).is_ok_and(|there| there.manifest == manifest) {
            return Ok(path);
        }
        let partial = self.folder.join(format!("{PARTIAL}{name}"));
        let saved = write(&partial, &manifest, files).and_then(|()| self.put(&partial, &name));
        saved.map_err(|source| {
            let _ = fs::remove_dir_all(&partial);
            CheckpointError::Save {
                path: path.clone(),
                source,
            }
        })?;
        self.prune()?;
        Ok(path)
    }

    /// Renames the complete `partial` to its final name.
    fn put(&self, partial: &Path, name: &str) -> io::Result<()> {
        let (path, replaced) = (
            self.folder.join(name),
            self.folder.join(format!("{REPLACED}{name}")),
        );
        // Anything of this name counts, even a dangling link.
        let occupied = fs::symlink_metadata(&path).is_ok();
        if occupied {
            fs::rename(&path, &replaced)?;
        }
        fs::rename(partial, &path).inspect_err(|_| {
            if occupied {
                let _ = fs::rename(&replaced, &path);
            }
        })?;
        sync_folder(&self.folder)?;
        // It is saved; what is left of the old one is removed at the next start.
        let _ = remove(&replaced);
        Ok(())
    }

    /// Deletes all but the newest and the best ones. Failures to delete are ignored: extra
    /// checkpoints do no harm.
    fn prune(&self) -> Result<(), CheckpointError> {
        let all = Self::list(&self.folder)?;
        let best = [Self::best(&self.folder)?, Self::best_healthy(&self.folder)?];
        let is_best = |path: &PathBuf| best.iter().flatten().any(|best| best.path() == path);
        for path in &all[..all.len().saturating_sub(self.keep)] {
            if !is_best(path) {
                // An interrupted deletion must not leave a damaged checkpoint.
                let _ = discard(path);
            }
        }
        Ok(())
    }

    /// Removes leftovers of an interrupted save or deletion, and restores a checkpoint that was
    /// about to be replaced.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(step) = name.strip_prefix(REPLACED)
                && !self.folder.join(step).exists()
            {
                fs::rename(entry.path(), self.folder.join(step))?;
            } else if name.starts_with(PARTIAL) || name.starts_with(REPLACED) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The name of the checkpoint after `env_steps`.
fn name(env_steps: u64) -> String {
    format!("{PREFIX}{env_steps:0DIGITS$}")
}

fn write(folder: &Path, manifest: &Manifest, files: &[(&str, &[u8])]) -> io::Result<()> {
    remove(folder)?;
    fs::create_dir(folder)?;
    for (name, bytes) in files {
        write_synced(&folder.join(name), bytes)?;
    }
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    write_synced(&folder.join(MANIFEST), &text)?;
    sync_folder(folder)
}
