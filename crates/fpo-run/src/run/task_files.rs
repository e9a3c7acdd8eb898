//! The copy of a task's files that a run keeps, if its task was read from files.

use super::RunError;
use fpo_env::SourceFile;
use fpo_files::{discard, read_capped, sync_folder, write_synced};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The subfolder of a run's folder, in which the files have their places around the task file.
pub(super) const TASK: &str = "task";
/// The task file in it.
const TASK_FILE: &str = "task.toml";

/// The task file of which the run at `path` keeps a copy, if it does: `path` is the run's folder or
/// the folder of one of its checkpoints.
pub fn task_file(path: &Path) -> Option<PathBuf> {
    let of_checkpoint = path.join("../..");
    [path, &of_checkpoint]
        .map(|folder| folder.join(TASK).join(TASK_FILE))
        .into_iter()
        .find(|file| file.is_file())
}

/// Identifies the content of a task's files; none if it was not read from files.
pub fn digest(files: &[SourceFile]) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let path = file.path.to_string_lossy();
        for part in [path.as_bytes(), &file.bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// Whether the run in `folder` keeps these files of its task, or none.
pub(super) fn are_kept(folder: &Path, files: &[SourceFile]) -> bool {
    let root = folder.join(TASK);
    let same = |file: &SourceFile| {
        let kept = read_capped(&root.join(&file.path), file.bytes.len() as u64);
        kept.is_ok_and(|bytes| bytes == file.bytes)
    };
    !root.is_dir() || files.iter().all(same)
}

/// Writes the files of a task into the run's `folder`, in place of those of an earlier run.
pub(super) fn write(folder: &Path, files: &[SourceFile]) -> Result<(), RunError> {
    let root = folder.join(TASK);
    let failed = |path: &Path, source: io::Error| RunError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    discard(&root).map_err(|e| failed(&root, e))?;
    for file in files {
        let plain = |c: Component| matches!(c, Component::Normal(_));
        let path = root.join(&file.path);
        if !file.path.components().all(plain) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it leads out of the folder");
            return Err(failed(&path, error));
        }
        let parent = path.parent().unwrap_or(&root);
        fs::create_dir_all(parent)
            .and_then(|()| write_synced(&path, &file.bytes))
            .and_then(|()| sync_folder(parent))
            .map_err(|e| failed(&path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> SourceFile {
        SourceFile {
            path: path.into(),
            bytes: content.into(),
        }
    }

    #[test]
    fn a_digest_is_of_names_and_contents() {
        let of = |path, content| digest(&[file(path, content), file("z", "1")]);
        assert_eq!(digest(&[]), None);
        assert_eq!(of("a", "bc"), of("a", "bc"));
        assert_ne!(of("a", "bc"), of("ab", "c"));
        assert_ne!(of("a", "bc"), of("a", "bd"));
    }

    #[test]
    fn files_keep_their_places_and_stay_inside() {
        let folder = tempfile::TempDir::new().unwrap();
        let files = [file("robots/arm.xml", "<mujoco/>"), file("task.toml", "x")];
        write(folder.path(), &files).unwrap();
        let found = task_file(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(found).unwrap(), "x");
        assert!(folder.path().join("task/robots/arm.xml").is_file());
        // Those of an earlier run are gone.
        write(folder.path(), &files[1..]).unwrap();
        assert!(!folder.path().join("task/robots").exists());
        for escape in ["../x", "/tmp/x", "a/../../x"] {
            assert!(
                write(folder.path(), &[file(escape, "")]).is_err(),
                "{escape}"
            );
        }
    }
}
