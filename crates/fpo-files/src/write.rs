//! Writing and deleting, never through a link: a name in a stranger's folder may lead to a file of
//! yours.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What the name of something half written or half deleted begins with.
pub const PARTIAL: &str = ".partial-";

/// Where the next content of the file `path` is written before it takes its name.
pub fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{PARTIAL}{name}"))
}

/// Writes a whole file, which appears or changes at once or not at all, and is on the disk when
/// this returns. A link at `path` gives way to the file; what it leads to stays as it is.
///
/// # Errors
/// If it cannot be written; then what was there is as it was, and nothing else is left. If the
/// system refuses to make the name last, it is written, but a loss of power may bring back what was
/// there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    let written = write_synced(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    sync_folder(folder_of(path))
}

/// Writes a new file in the place of whatever was there; its content is on the disk when this
/// returns, its name once [`sync_folder`] has been called.
///
/// # Errors
/// If it cannot be written.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_anew(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A new, empty file, in the place of whatever was there, which goes as with [`remove`].
///
/// # Errors
/// If it cannot be made.
pub fn create_anew(path: &Path) -> io::Result<File> {
    remove(path)?;
    File::create_new(path)
}

/// Deletes what is at `path`, whatever it is, if anything. A link goes, not what it leads to.
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

/// Deletes what is at `path`, if anything, under another name: a deletion cut short leaves nothing
/// that looks whole. A link goes, not what it leads to.
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

/// Makes the names in a folder last; only Unix knows how, and elsewhere a rename is as durable as
/// it gets.
///
/// # Errors
/// If the system refuses.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// The folder that `path` is in.
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
    fn a_file_changes_whole() {
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
    fn links_give_way() {
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
