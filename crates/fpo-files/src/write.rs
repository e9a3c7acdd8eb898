//! Writing and deleting without following links: in an untrusted folder a link may lead to one of
//! the user's files.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Prefix of the names of partially written or deleted files.
pub const PARTIAL: &str = ".partial-";

/// The temporary path of the next content of the file `path`.
pub fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{PARTIAL}{name}"))
}

/// Writes a whole file atomically; it is on disk when this returns. A link at `path` is replaced by
/// the file; its target is unchanged.
///
/// # Errors
/// If it cannot be written; then the previous file is unchanged, and nothing else is left. If
/// syncing the folder fails, the file is written, but a power failure may restore the previous one.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    let written = write_synced(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    sync_folder(folder_of(path))
}

/// Writes a new file that replaces whatever was there; its content is on disk when this returns,
/// its name after a call of [`sync_folder`].
///
/// # Errors
/// If it cannot be written.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_anew(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a new, empty file that replaces whatever was there, which is deleted as by [`remove`].
///
/// # Errors
/// If it cannot be created.
pub fn create_anew(path: &Path) -> io::Result<File> {
    remove(path)?;
    File::create_new(path)
}

/// Deletes the file, folder or link at `path`, if there is one. The target of a link is unchanged.
///
/// # Errors
/// If it cannot be deleted.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Renames and then deletes the file, folder or link at `path`, if there is one, so that an
/// interrupted deletion leaves nothing that looks complete. The target of a link is unchanged.
///
/// # Errors
/// If it cannot be deleted.
pub fn discard(path: &Path) -> io::Result<()> {
    let partial = partial(path);
    remove(&partial)?;
    match fs::rename(path, &partial) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => remove(&partial),
    }
}

/// Syncs the names in a folder to disk. Only Unix supports this; elsewhere it does nothing.
///
/// # Errors
/// If the system reports an error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// The folder that contains `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        for content in ["long and old", "new"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(replace(&path, b"new").is_err());
        assert!(path.join("inside").is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced() {
        let folder = tempfile::TempDir::new().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        let link = |name: &str| {
            let at = folder.path().join(name);
            std::os::unix::fs::symlink(&precious, &at).unwrap();
            at
        };
        link(".partial-x");
        let path = link("x");
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        drop(create_anew(&link("y")).unwrap());
        fs::create_dir_all(folder.path().join(".partial-x/in")).unwrap();
        replace(&path, b"newer").unwrap();
        remove(&link("z")).unwrap();
        discard(&link("z")).unwrap();
        discard(&folder.path().join("z")).unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
