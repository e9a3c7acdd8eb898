//! Whether an open file is still the one at its path: another program may have moved or replaced
//! it, and what is written to it then is lost, or in somebody else's folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Whether the open `file` is what `path` leads to. Elsewhere than on Unix, where a file that is
/// open stays in its place, it always is.
///
/// # Errors
/// If the system does not say.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(same(&file.metadata()?, &there)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Fails if the open `file` is not what `path` leads to, before something is written to it.
///
/// # Errors
/// That another program has taken it away, or the system's error.
pub fn still_at(file: &File, path: &Path) -> io::Result<()> {
    match is_at(file, path)? {
        true => Ok(()),
        false => Err(io::Error::other(
            "another program has replaced or deleted the file in the meantime, so what was to be \
             written next would be lost; resume the run to go on with what is there now",
        )),
    }
}

/// Where the open `file` is now, if it has a name and the system says which.
pub fn now_at(file: &File) -> Option<PathBuf> {
    let path = named(file)?;
    is_at(file, &path).ok()?.then_some(path)
}

#[cfg(unix)]
fn same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(target_os = "linux")]
fn named(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn named(_: &File) -> Option<PathBuf> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_replaced_or_deleted_is_noticed() {
        let folder = tempfile::TempDir::new().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let [path, away] = ["x", "away"].map(|name| real.join(name));
        let file = File::create_new(&path).unwrap();
        let now = || (is_at(&file, &path).unwrap(), now_at(&file));
        assert_eq!(now(), (true, Some(path.clone())));
        still_at(&file, &path).unwrap();
        fs::rename(&path, &away).unwrap();
        assert_eq!(now(), (false, Some(away.clone())));
        fs::write(&path, "").unwrap();
        assert_eq!(now(), (false, Some(away.clone())));
        assert!(still_at(&file, &path).is_err());
        // A link to where it was moved leads to it.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&away, &path).unwrap();
        assert!(now().0);
        fs::remove_file(&away).unwrap();
        assert_eq!(now(), (false, None));
        assert!(!is_at(&file, &real.join("none/x")).unwrap());
    }
}
