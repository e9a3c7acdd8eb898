//! Tests of task files that need more than the public interface.

mod episodes;
mod equality;
mod hostile;
mod models;
mod mutations;
mod wrong_files;

use super::{FileTask, TaskFileError};
use std::path::{Path, PathBuf};

/// The example called `name`.
pub(super) fn example(name: &str) -> FileTask {
    let path = examples().join(format!("{name}.toml"));
    FileTask::load(&path).unwrap_or_else(|why| panic!("{why}"))
}

pub(super) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks")
}

/// A task file with `text`, beside files with these names and contents.
pub(super) fn load(text: &str, files: &[(&str, &str)]) -> Result<FileTask, TaskFileError> {
    let folder = tempfile::TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let path = folder.path().join("task.toml");
    std::fs::write(&path, text).unwrap();
    let folder = folder.path().display().to_string() + "/";
    FileTask::load(&path).map_err(|why| TaskFileError(why.0.replace(&folder, "")))
}
