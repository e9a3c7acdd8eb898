//! Reading whole files.

use crate::quote::quoted;
use crate::stand_in;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads a whole file of at most `cap` bytes. It must be a regular file: a device may be endless,
/// and a pipe may block.
///
/// # Errors
/// If it cannot be read, is not a regular file, is longer, or [stands for
/// another](crate::stand_in).
pub fn read_capped(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= cap {
        (&mut file).take(cap + 1).read_to_end(&mut bytes)?;
    } else {
        (&mut file).take(LONGEST_START).read_to_end(&mut bytes)?;
    }
    stand_in::refuse(&bytes)?;
    if length.max(bytes.len() as u64) > cap {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is longer than {cap} bytes"),
        ));
    }
    Ok(bytes)
}

/// Bytes by which a file is recognized as one that stands for another.
const LONGEST_START: u64 = 512;

/// The same for a file that must not be a link, such as one in an untrusted folder whose content is
/// published.
///
/// # Errors
/// As [`read_capped`], and if it is a link.
pub fn read_own(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is a link"));
    }
    read_capped(path, cap)
}

/// Opens a regular file. Checks before opening, because opening a pipe may block forever.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let about = fs::metadata(path).map_err(|error| match dangling(path) {
        Some(why) if error.kind() == ErrorKind::NotFound => io::Error::new(error.kind(), why),
        _ => error,
    })?;
    if !about.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
}

/// That `path` is a link to something that does not exist, and to what; none if it is not.
pub fn dangling(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let missing = fs::metadata(path).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    missing.then(|| format!("it is a link to {}, which does not exist", quoted(&target)))
}

/// Why there is nothing at `path` that can be used: the system's error, unless it is simply
/// missing, which is the text `missing`; none if there is something.
pub fn absence(path: &Path, missing: &str) -> Option<String> {
    let error = fs::metadata(path).err()?;
    Some(match (error.kind(), dangling(path)) {
        (_, Some(dangling)) => dangling,
        (ErrorKind::NotFound | ErrorKind::NotADirectory, None) => missing.to_owned(),
        _ => error.to_string(),
    })
}

/// What to do about `error` of reading, in words that follow it; empty if nothing is known. A file
/// that may not be read is not damaged.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "; make it readable",
        _ => "",
    }
}

/// The content that was read, or an empty one if the file does not exist.
///
/// # Errors
/// Those of `read` except [`ErrorKind::NotFound`].
pub fn if_there<T: Default>(read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(T::default()),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_maximum_size() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_capped(&path, 4).unwrap(), b"1234");
        let error = read_capped(&path, 3).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 3 bytes");
    }

    #[test]
    fn other_than_regular_files_are_not_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let error = read_capped(folder.path(), 9).unwrap_err();
        assert_eq!(error.to_string(), "it is not a regular file");
        assert_eq!(
            read_own(folder.path(), 9).unwrap_err().to_string(),
            error.to_string()
        );
        let missing = read_capped(&folder.path().join("x"), 9);
        assert_eq!(if_there(missing).unwrap(), b"");
    }

    #[test]
    fn what_stands_for_a_file_is_not_read_as_the_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
        fs::write(&path, pointer).unwrap();
        // Also where the file is shorter than the pointer.
        for cap in [9, 1000] {
            let error = read_capped(&path, cap).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            assert!(error.to_string().contains("Git LFS pointer"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_absent_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        assert_eq!(absence(&file, "none").unwrap(), "none");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let why = "it is a link to file, which does not exist";
        assert_eq!(absence(&link, "none").unwrap(), why);
        assert_eq!(read_capped(&link, 1).unwrap_err().to_string(), why);
        let long = folder.path().join("x".repeat(300));
        assert!(absence(&long, "none").unwrap().contains("too long"));
        fs::write(&file, "").unwrap();
        assert_eq!(
            (absence(&file, "none"), absence(&link, "none")),
            (None, None)
        );
        assert_eq!(absence(&file.join("in"), "none").unwrap(), "none");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes() {
        let folder = tempfile::TempDir::new().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_capped(&link, 1).unwrap(), b"x");
        assert_eq!(read_own(&link, 1).unwrap_err().to_string(), "it is a link");
        assert_eq!(read_own(&file, 1).unwrap(), b"x");
        // A pipe without a writer: opening it would block forever.
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        assert!(read_capped(&pipe, 1).is_err() && read_own(&pipe, 1).is_err());
        assert!(crate::each_line(&pipe, |_| Ok(())).is_err());
    }
}
