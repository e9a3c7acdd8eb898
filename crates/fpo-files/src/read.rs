//! Reading whole files.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads a whole file of at most `cap` bytes. It must be a regular file: a device may be endless,
/// and a pipe may block.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is longer.
pub fn read_capped(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= cap {
        (&mut file).take(cap + 1).read_to_end(&mut bytes)?;
    }
    if length.max(bytes.len() as u64) > cap {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is longer than {cap} bytes"),
        ));
    }
    Ok(bytes)
}

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
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
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
