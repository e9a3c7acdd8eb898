//! Writing and deleting without following links: in an untrusted folder a link may lead to one of
//! the user's files.

use crate::quote::quoted;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Prefix of the names of partially written or deleted files.
pub const PARTIAL: &str = ".partial-";
/// Prefix of the name of what is being replaced by another of its name.
pub const REPLACED: &str = ".replaced-";

/// The temporary path of the next content of the file `path`.
pub fn partial(path: &Path) -> PathBuf {
    beside(path, PARTIAL)
}

/// The path of a file with the same name after `prefix`.
fn beside(path: &Path, prefix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// Writes a whole file atomically; it is on disk when this returns. A link at `path` is replaced by
/// the file; its target is unchanged.
///
/// # Errors
/// If it cannot be written; then the previous file is unchanged, and nothing else is left. If
/// syncing the folder fails, the file is written, but a power failure may restore the previous one.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    let written = write_synced(&partial, bytes).and_then(|()| rename_over(&partial, path));
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
    sync(&file)
}

/// Waits until the content of `file` is on disk, as far as the file system can do that: where it
/// has no such call, the content is as safe as it can be there, and that is no error.
///
/// # Errors
/// If writing fails, for instance because the disk is full.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(possible)
}

/// Renames the file `from` to `to`, which it replaces. Where a file system cannot replace by
/// renaming, what is at `to` is renamed first and deleted last; after an interruption
/// [`restore`] brings it back.
///
/// # Errors
/// If it cannot be renamed; then what is at `to` is unchanged.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    let Err(error) = fs::rename(from, to) else {
        return Ok(());
    };
    // Servers of SFTP and SMB that refuse to replace give one of these.
    let refused = matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::PermissionDenied
            | ErrorKind::Unsupported
            | ErrorKind::ResourceBusy
    );
    let file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|there| !there.is_dir());
    if !(refused && file(from) && file(to)) {
        return Err(error);
    }
    let replaced = beside(to, REPLACED);
    remove(&replaced)?;
    fs::rename(to, &replaced).map_err(|_| error)?;
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::rename(&replaced, to);
    })?;
    // It is replaced; what is left of the old one does no harm.
    let _ = remove(&replaced);
    Ok(())
}

/// Completes an interrupted [`rename_over`] of the file `path`: what was moved away comes back if
/// nothing has taken its place, and is deleted otherwise.
///
/// # Errors
/// If it cannot be renamed or deleted.
pub fn restore(path: &Path) -> io::Result<()> {
    let replaced = beside(path, REPLACED);
    if fs::symlink_metadata(&replaced).is_err() {
        return Ok(());
    }
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => fs::rename(&replaced, path),
        _ => remove(&replaced),
    }
}

/// No error if `error` of a call that syncs says that the file system, or the kind of file, has no
/// such call. Others, such as a full disk or a broken one, stay errors.
fn possible(error: io::Error) -> io::Result<()> {
    /// `EBADF` and `ENOTTY`, for which there is no [`ErrorKind`]; the same on every Unix.
    const UNNAMED: [i32; 2] = [9, 25];
    let cannot = matches!(
        error.kind(),
        ErrorKind::InvalidInput
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::ReadOnlyFilesystem
    );
    let unnamed = error
        .raw_os_error()
        .is_some_and(|code| UNNAMED.contains(&code));
    if cannot || unnamed {
        Ok(())
    } else {
        Err(error)
    }
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
/// interrupted deletion leaves nothing that looks complete. What [stays] in its place is deleted
/// there. The target of a link is unchanged.
///
/// # Errors
/// If it cannot be deleted.
pub fn discard(path: &Path) -> io::Result<()> {
    let partial = partial(path);
    remove(&partial)?;
    match fs::rename(path, &partial) {
        Err(e) if stays(&e) => empty(path),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => remove(&partial),
    }
}

/// Whether `error` of a rename says that the folder cannot leave its place, although its content
/// may be deleted: it is of a lower layer of an overlay (`EXDEV`), or a mount point (`EBUSY`).
pub fn stays(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::CrossesDevices | ErrorKind::ResourceBusy
    )
}

/// Deletes what is in the folder `path`, and then the folder itself, unless it is a mount point,
/// which is left empty. Links in it are deleted, not followed.
///
/// # Errors
/// If something cannot be deleted.
pub fn empty(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return remove(path);
    }
    for entry in fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(path).or_else(|e| match e.kind() {
        ErrorKind::ResourceBusy => Ok(()),
        _ => Err(e),
    })
}

/// Syncs the names in a folder to disk, as far as the file system can do that (see [`sync`]): many
/// network file systems cannot, and a folder that may not be read cannot be opened for it. Only
/// Unix supports this; elsewhere it does nothing.
///
/// # Errors
/// If the folder is gone, or writing fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .or_else(possible)
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

/// Creates the folder `path` and its parents, where they are missing.
///
/// # Errors
/// A file system error. Where a file or a link to nowhere lies in the way, it is of the kind
/// [`ErrorKind::NotADirectory`], and its text names that.
pub fn create_folders(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path).map_err(|error| match in_the_way(path) {
        Some(what) => io::Error::new(ErrorKind::NotADirectory, what),
        None => error,
    })
}

/// The innermost part of `path` that exists and is no folder, and what it is.
fn in_the_way(path: &Path) -> Option<String> {
    let exists = |path: &&Path| fs::symlink_metadata(path).is_ok();
    let part = path.ancestors().find(exists)?;
    if part.is_dir() {
        return None;
    }
    let place = quoted(part);
    Some(match fs::read_link(part) {
        Ok(target) if fs::metadata(part).is_err() => format!(
            "{place} is a link to {}, which cannot be reached; choose another folder",
            quoted(&target)
        ),
        _ => format!("{place} is not a folder; choose another"),
    })
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

    /// Whole kinds of codes: what a file system cannot do, and what it failed to do.
    #[cfg(unix)]
    #[test]
    fn what_a_file_system_cannot_do_is_no_failure() {
        // EPERM, EBADF, EACCES, EISDIR, EINVAL, ENOTTY, EROFS, ENOSYS, EOPNOTSUPP on Linux.
        for code in [1, 9, 13, 21, 22, 25, 30, 38, 95] {
            assert!(
                possible(io::Error::from_raw_os_error(code)).is_ok(),
                "{code}"
            );
        }
        // ENOENT, EIO, ENOSPC, EDQUOT, ESTALE.
        for code in [2, 5, 28, 122, 116] {
            assert!(
                possible(io::Error::from_raw_os_error(code)).is_err(),
                "{code}"
            );
        }
        assert!(sync_folder(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn an_interrupted_replacement_is_completed() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, replaced) = (folder.path().join("x"), folder.path().join(".replaced-x"));
        restore(&path).unwrap();
        fs::write(&replaced, "old").unwrap();
        restore(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        fs::write(&replaced, "older").unwrap();
        restore(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
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
