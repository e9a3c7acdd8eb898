//! Checkpoints on disk: each is a folder of files that either is complete or does not exist.
//!
//! `step-N/` (N: environment steps in 12 digits, so that names sort) holds the files and
//! `manifest.json`, which records their names, lengths and BLAKE3 hashes. A checkpoint is written
//! under a temporary name, synced and renamed, so that neither a crash nor a full disk can leave a
//! partial one or damage an earlier one.

mod store;

pub use store::Checkpoints;

use fpo_files::{CONVERTED, is_crlf, one_line, quoted, read_capped, remedy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The format version that this program writes.
const FORMAT: u32 = 2;
const KIND: &str = "fpo checkpoint";
pub(crate) const MANIFEST: &str = "manifest.json";
const LARGEST_MANIFEST: u64 = 1 << 20;
/// Bound on the size of a checkpoint's file, 8 GiB, far above that of any real one; a manifest with
/// a larger size is rejected.
pub(crate) const LARGEST_FILE: u64 = 8 << 30;

/// Metadata of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// The task's name.
    pub task: String,
    /// Iterations done.
    pub iteration: u64,
    /// Environment steps done.
    pub env_steps: u64,
    /// Mean zero-noise return of the policy in this checkpoint, if it was evaluated.
    pub evaluation: Option<f64>,
    /// Whether the run was unhealthy at that time, so that a rollback must not use this checkpoint.
    /// Always false in runs without rollback.
    #[serde(default, skip_serializing_if = "is_false")]
    pub warned: bool,
    /// Identifies the files of a task that was read from files ([`crate::run::digest`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_digest: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    kind: String,
    format: u32,
    /// Version of the program that wrote it.
    program: String,
    #[serde(flatten)]
    about: CheckpointInfo,
    files: Vec<FileRecord>,
}

impl Manifest {
    /// Entries that no save would write: a name with a path in it, a duplicate name, an impossible
    /// size.
    fn files_trouble(&self) -> Option<String> {
        let mut names = BTreeSet::new();
        self.files
            .iter()
            .find_map(|FileRecord { name, bytes, .. }| {
                let plain = matches!(
                    Path::new(name).components().collect::<Vec<_>>()[..],
                    [Component::Normal(only)] if only == name.as_str()
                );
                if !plain {
                    Some(format!(
                        "{MANIFEST} lists {name:?}, which is not a plain file name"
                    ))
                } else if !names.insert(name) {
                    Some(format!("{MANIFEST} lists {name} twice"))
                } else if *bytes > LARGEST_FILE {
                    Some(format!("{MANIFEST} gives {name} {bytes} bytes"))
                } else {
                    None
                }
            })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FileRecord {
    name: String,
    bytes: u64,
    blake3: String,
}

/// A checkpoint that cannot be saved or read; one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Writing failed, for instance because the disk is full. Earlier checkpoints are unchanged.
    #[error(
        "cannot save checkpoint {}: {source}; earlier checkpoints are intact",
        quoted(path)
    )]
    Save {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Reading failed.
    #[error("cannot read checkpoint {}: {source}{}", quoted(path), remedy(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder without a manifest of this program.
    #[error("{} is not a checkpoint: {reason}", quoted(path))]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Another format version.
    #[error("{} was made by version {program} of the program (format {format}); this is version \
        {}, which reads format {FORMAT}",
        quoted(path), env!("CARGO_PKG_VERSION"))]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version that wrote it.
        program: String,
        /// Its format.
        format: u32,
    },
    /// Files that differ from what was written.
    #[error("checkpoint {} is damaged: {reason}", quoted(path))]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

impl CheckpointError {
    /// Whether the checkpoint may be whole, although this user, or this version of the program,
    /// cannot read it.
    pub(crate) fn may_be_whole(&self) -> bool {
        match self {
            Self::Version { .. } => true,
            Self::Read { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// A checkpoint whose manifest is valid. Its files are checked when they are read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
}

impl Checkpoint {
    /// Opens the checkpoint folder `path`.
    ///
    /// # Errors
    /// If it is not a checkpoint, or one of another version.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let foreign = |reason: String| CheckpointError::Foreign {
            path: path.to_owned(),
            reason,
        };
        let file = path.join(MANIFEST);
        let text = match read_capped(&file, LARGEST_MANIFEST) {
            Ok(text) => text,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(foreign(format!("it has no {MANIFEST}")));
            }
            Err(source) => return Err(CheckpointError::Read { path: file, source }),
        };
        // Read the head first: the rest of another version's manifest may differ.
        let head: Head = serde_json::from_slice(&text)
            .map_err(|e| foreign(format!("{MANIFEST}: {}", one_line(&e.to_string()))))?;
        if head.kind != KIND {
            return Err(foreign(format!("{MANIFEST} belongs to something else")));
        }
        if head.format != FORMAT {
            let Head {
                program, format, ..
            } = head;
            return Err(CheckpointError::Version {
                path: path.to_owned(),
                program,
                format,
            });
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| CheckpointError::Damaged {
                path: path.to_owned(),
                reason: format!("{MANIFEST}: {}", one_line(&e.to_string())),
            })?;
        if let Some(reason) = manifest.files_trouble() {
            return Err(CheckpointError::Damaged {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            manifest,
        })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its metadata.
    pub fn about(&self) -> &CheckpointInfo {
        &self.manifest.about
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    /// If there is no such file, or its length or hash is not the recorded one.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        self.read_capped(name, LARGEST_FILE)
    }

    /// The bytes of one of its files, which are at most `cap`.
    ///
    /// # Errors
    /// As [`Checkpoint::read`], and if it is longer.
    pub fn read_capped(&self, name: &str, cap: u64) -> Result<Vec<u8>, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged {
            path: self.path.clone(),
            reason,
        };
        let record = self
            .manifest
            .files
            .iter()
            .find(|record| record.name == name);
        let record = record.ok_or_else(|| damaged(format!("{MANIFEST} lists no {name}")))?;
        if record.bytes > cap {
            return Err(damaged(format!("{name} is longer than {cap} bytes")));
        }
        let path = self.path.join(name);
        let bytes = match read_capped(&path, record.bytes) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(format!("{name} is missing")));
            }
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                // A conversion adds a byte a line.
                let longer = read_capped(&path, record.bytes.saturating_mul(2));
                return Err(damaged(if longer.is_ok_and(|bytes| is_crlf(&bytes)) {
                    format!("{name}: {CONVERTED}")
                } else {
                    format!("{name} is longer than the {} bytes recorded", record.bytes)
                }));
            }
            Err(source) => return Err(CheckpointError::Read { path, source }),
        };
        if bytes.len() as u64 != record.bytes {
            return Err(damaged(format!(
                "{name} has {} of {} bytes",
                bytes.len(),
                record.bytes
            )));
        }
        if blake3::hash(&bytes).to_hex().as_str() != record.blake3 {
            return Err(damaged(format!("the hash of {name} differs")));
        }
        Ok(bytes)
    }
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    format: u32,
    program: String,
}

#[cfg(test)]
mod tests;
