//! Reading whole files.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads a whole file of at most `cap` bytes. It must be a regular one: a device has no end, and a pipe perhaps no beginning.
///
/// # Errors
/// If it cannot be read, is no regular file, or is longer.
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

/// Opens a regular file. Looks before opening, since opening a pipe may wait for ever.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
}

/// What was read, or nothing if there was no such file.
///
/// # Errors
/// Those of `read` but [`ErrorKind::NotFound`].
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
    fn a_file_has_at_most_so_many_bytes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_capped(&path, 4).unwrap(), b"1234");
        let error = read_capped(&path, 3).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 3 bytes");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let error = read_capped(folder.path(), 9).unwrap_err();
        assert_eq!(error.to_string(), "it is not a regular file");
        let missing = read_capped(&folder.path().join("x"), 9);
        assert_eq!(if_there(missing).unwrap(), b"");
    }
}
