//! Text files that grow a line at a time and are cut back when a run goes on.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// No line that a run writes comes near this length, 1 MiB.
const LONGEST_LINE: u64 = 1 << 20;

/// Why a file was not cut back; then it is as it was.
#[derive(Debug)]
pub(crate) enum CutError {
    /// The file system refused.
    Io(io::Error),
    /// A line, counted from 1, cannot be read, and it is not a last one that a crash cut short.
    Damaged(usize, String),
}

impl From<io::Error> for CutError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Leaves in the file `path`, which need not be there, `head` and the lines that `keep` keeps, and opens it at its end. `keep`
/// sees each line with its line feed, and says why if it cannot read one. A last line that it cannot read, or that lacks
/// its line feed, is what a crash left: it goes.
///
/// The file changes at once or not at all. It is always a new one: what was there may be a link to a file of somebody else's.
pub(crate) fn cut_back(
    path: &Path,
    head: &str,
    keep: impl FnMut(&[u8]) -> Result<bool, String>,
) -> Result<File, CutError> {
    let partial = partial(path);
    let mut to = BufWriter::new(create_anew(&partial)?);
    let copied = to
        .write_all(head.as_bytes())
        .map_err(CutError::Io)
        .and_then(|()| copy(path, &mut to, keep))
        .and_then(|()| Ok(to.flush()?))
        .and_then(|()| Ok(to.get_ref().sync_all()?))
        .and_then(|()| Ok(fs::rename(&partial, path)?));
    if let Err(error) = copied {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    Ok(File::options().append(true).open(path)?)
}

fn copy(
    path: &Path,
    to: &mut impl Write,
    mut keep: impl FnMut(&[u8]) -> Result<bool, String>,
) -> Result<(), CutError> {
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        // A pipe would keep us waiting, and a device has no end.
        Ok(there) if !there.is_file() => {
            let error = io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
            return Err(error.into());
        }
        there => {
            there?;
        }
    }
    let mut from = BufReader::new(File::open(path)?);
    let (mut line, mut unreadable) = (Vec::new(), None);
    for number in 1.. {
        line.clear();
        let length = (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        let whole = line.ends_with(b"\n");
        if !whole && length as u64 == LONGEST_LINE {
            return Err(CutError::Damaged(number, "the line is longer than 1 MiB".into()));
        }
        if let Some((number, reason)) = unreadable.take()
            && length > 0
        {
            return Err(CutError::Damaged(number, reason));
        }
        if !whole {
            break;
        }
        match keep(&line) {
            Ok(true) => to.write_all(&line)?,
            Ok(false) => {}
            Err(reason) => unreadable = Some((number, reason)),
        }
    }
    Ok(())
}

/// What the name of something half written or half deleted begins with.
pub(crate) const PARTIAL: &str = ".partial-";

/// Where the next content of the file `path` is written before it takes its name.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{PARTIAL}{name}"))
}

/// What was read, or nothing if there was no such file.
pub(crate) fn if_there<T: Default>(read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(T::default()),
        read => read,
    }
}

/// Deletes what is at `path`, whatever it is, if anything. A link goes, not what it leads to.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// A new, empty file, in the place of what a crash may have left there. It follows no link.
pub(crate) fn create_anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => File::create_new(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(folder: &Path, content: &[u8]) -> Result<String, CutError> {
        let path = folder.join("x.txt");
        fs::write(&path, content).unwrap();
        let keep = |line: &[u8]| match line {
            b"bad\n" => Err("it is bad".to_owned()),
            line => Ok(line.starts_with(b"+")),
        };
        let mut file = cut_back(&path, "head\n", keep)?;
        file.write_all(b"more\n")?;
        assert_eq!(fs::read_dir(folder)?.count(), 1, "nothing else is left");
        Ok(fs::read_to_string(path)?)
    }

    #[test]
    fn kept_lines_stay_and_what_a_crash_left_goes() {
        let folder = tempfile::TempDir::new().unwrap();
        let cut = |content: &[u8]| cut(folder.path(), content);
        assert_eq!(cut(b"+a\n-b\n+c\n").unwrap(), "head\n+a\n+c\nmore\n");
        assert_eq!(cut(b"").unwrap(), "head\nmore\n");
        for last in ["+c", "bad\n", "bad", "\0\0\0"] {
            let content = format!("+a\n{last}");
            assert_eq!(cut(content.as_bytes()).unwrap(), "head\n+a\nmore\n", "{last:?}");
        }
    }

    #[test]
    fn damage_elsewhere_is_named_and_nothing_changes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x.txt");
        for (content, line, reason) in [
            (b"+a\nbad\n+c\n".to_vec(), 2, "it is bad"),
            (b"+a\nbad\n+c".to_vec(), 2, "it is bad"),
            (vec![b'+'; 2 << 20], 1, "longer than 1 MiB"),
        ] {
            let Err(CutError::Damaged(number, why)) = cut(folder.path(), &content) else {
                panic!("{} bytes are damaged", content.len());
            };
            assert!(number == line && why.contains(reason), "line {number}: {why}");
            assert!(fs::read(&path).unwrap() == content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link() {
        let (folder, elsewhere) = (
            tempfile::TempDir::new().unwrap(),
            tempfile::TempDir::new().unwrap(),
        );
        let precious = elsewhere.path().join("precious");
        fs::write(&precious, "+a\n").unwrap();
        for name in ["x.txt", ".partial-x.txt"] {
            std::os::unix::fs::symlink(&precious, folder.path().join(name)).unwrap();
        }
        let mut file = cut_back(&folder.path().join("x.txt"), "", |_| Ok(true)).unwrap();
        file.write_all(b"more\n").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "+a\n");
        assert_eq!(
            fs::read_to_string(folder.path().join("x.txt")).unwrap(),
            "+a\nmore\n"
        );
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::create_dir(folder.path().join("x.txt")).unwrap();
        let error = cut_back(&folder.path().join("x.txt"), "", |_| Ok(true)).unwrap_err();
        assert!(matches!(error, CutError::Io(_)), "{error:?}");
    }
}
