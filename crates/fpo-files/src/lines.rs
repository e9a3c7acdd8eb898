//! Text files that grow line by line, and are truncated when a run resumes from an earlier point.

use crate::one_line;
use crate::read::open_regular;
use crate::stand_in;
use crate::write::{create_anew, folder_of, partial, rename_over, sync, sync_folder};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Bound on the length of a line, 1 MiB, far above that of any real one.
const LONGEST_LINE: u64 = 1 << 20;

/// UTF-8's.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the lines of a file were not read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A file system error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An invalid line, counted from 1, other than a last one truncated by a crash.
    #[error("line {0}: {1}")]
    Damaged(usize, String),
}

/// Whether a last line may be what an interrupted write of a line left, judged by its beginning.
pub type IsTorn = fn(&[u8]) -> bool;

/// The lines of a file, one at a time, each at most 1 MiB long.
struct Lines<R> {
    from: R,
    number: usize,
}

/// A line of a file.
#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    /// Its number, counted from 1.
    number: usize,
    /// Whether it is the last one.
    last: bool,
    /// Whether it has a line feed.
    whole: bool,
}

impl<R: BufRead> Lines<R> {
    fn of(from: R) -> Self {
        Self { from, number: 0 }
    }

    fn line(&mut self) -> Result<Option<Line>, LineError> {
        let mut bytes = Vec::new();
        let length = (&mut self.from)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut bytes)?;
        self.number += 1;
        if !bytes.ends_with(b"\n") {
            if length as u64 == LONGEST_LINE {
                let reason = "the line is longer than 1 MiB".to_owned();
                return Err(LineError::Damaged(self.number, reason));
            }
            let tail = Line {
                bytes,
                number: self.number,
                last: true,
                whole: false,
            };
            return Ok(Some(tail).filter(|tail| !tail.bytes.is_empty()));
        }
        // Editors and spreadsheets may put a byte-order mark before the first line.
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        let last = self.from.fill_buf()?.is_empty();
        Ok(Some(Line {
            bytes,
            number: self.number,
            last,
            whole: true,
        }))
    }

    /// As [`each_line_or_torn`].
    fn each(
        mut self,
        is_torn: IsTorn,
        mut read: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), LineError> {
        // A crash damages the line that was being written; after a power failure there may be
        // zeros in the place of what did not reach the disk.
        let is_left = |line: &Line| {
            let mut text = &line.bytes[..];
            text = text.strip_suffix(b"\n").unwrap_or(text);
            while let Some(rest) = text.strip_suffix(b"\0") {
                text = rest;
            }
            text.is_empty() || is_torn(text)
        };
        while let Some(line) = self.line()? {
            let wrong = match line.whole {
                true => read(&line.bytes).err(),
                false if is_left(&line) => None,
                false => Some("it has no line break, and is not the beginning of a row".to_owned()),
            };
            let Some(reason) = wrong else { continue };
            // A whole file of one line that is invalid is something else, which must not be lost.
            let left = line.whole && line.last && line.number > 1 && is_left(&line);
            if !left {
                // The parser's message may quote the line.
                return Err(LineError::Damaged(line.number, one_line(&reason)));
            }
        }
        Ok(())
    }
}

/// Calls `read` with each line, including its line feed, of the file `path`, which may be missing
/// and may have any length. `read` returns the reason if a line is invalid; if it is the last one,
/// it was damaged by a crash and is ignored, unless it is the only one, and so is a last line
/// without line feed. Lines have at most 1 MiB. For reading alone: a file that is to be written
/// anew without such a last line needs [`each_line_or_torn`].
///
/// # Errors
/// On a file system error, or if a line is invalid.
pub fn each_line(
    path: &Path,
    read: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), LineError> {
    each_line_or_torn(path, |_| true, read)
}

/// The same, but a last line that is invalid, or has no line feed, is ignored only if `is_torn`
/// says that an interrupted write may have left it, or if it is all zeros; any other is somebody's.
///
/// # Errors
/// As [`each_line`].
pub fn each_line_or_torn(
    path: &Path,
    is_torn: IsTorn,
    read: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), LineError> {
    let file = match open_regular(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut from = BufReader::new(file);
    stand_in::refuse(from.fill_buf()?)?;
    Lines::of(from).each(is_torn, read)
}

/// A prepared truncation of a file. Nothing changes before [`Cut::commit`], so that several files
/// are truncated only if all can be; if it is dropped before, nothing is left behind.
pub struct Cut {
    path: PathBuf,
    partial: PathBuf,
}

impl Cut {
    /// Prepares a truncation of the file `path`, which may be missing, to `head` and the lines that
    /// `keep` accepts. `keep` receives each line with its line feed, and returns the reason if it
    /// is invalid. A last line damaged by a crash is dropped, as in [`each_line_or_torn`].
    ///
    /// # Errors
    /// On a file system error, or if a line is invalid.
    pub fn prepare(
        path: &Path,
        head: &str,
        is_torn: IsTorn,
        keep: impl FnMut(&[u8]) -> Result<bool, String>,
    ) -> Result<Self, LineError> {
        let cut = Self {
            path: path.to_owned(),
            partial: partial(path),
        };
        let mut to = BufWriter::new(create_anew(&cut.partial)?);
        to.write_all(head.as_bytes())?;
        copy(path, &mut to, is_torn, keep)?;
        to.flush()?;
        sync(to.get_ref())?;
        Ok(cut)
    }

    /// Truncates the file atomically and opens it at its end. It is always a new file, because the
    /// old one may be a link to another file.
    ///
    /// # Errors
    /// On a file system error.
    pub fn commit(self) -> io::Result<File> {
        rename_over(&self.partial, &self.path)?;
        sync_folder(folder_of(&self.path))?;
        File::options().append(true).open(&self.path)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        // After a commit it no longer exists.
        let _ = fs::remove_file(&self.partial);
    }
}

fn copy(
    path: &Path,
    to: &mut impl Write,
    is_torn: IsTorn,
    mut keep: impl FnMut(&[u8]) -> Result<bool, String>,
) -> Result<(), LineError> {
    let mut written = Ok(());
    each_line_or_torn(path, is_torn, |line| {
        if keep(line)? && written.is_ok() {
            written = to.write_all(line);
        }
        Ok(())
    })?;
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n").unwrap();
        let mut lines = Vec::new();
        each_line(&path, |line| {
            lines.push(line.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, [&b"one\n"[..], b"\xef\xbb\xbftwo\n"]);
    }

    fn cut_back(
        path: &Path,
        head: &str,
        keep: impl FnMut(&[u8]) -> Result<bool, String>,
    ) -> Result<File, LineError> {
        let is_torn = |tail: &[u8]| tail.starts_with(b"+") || tail.starts_with(b"ba");
        Ok(Cut::prepare(path, head, is_torn, keep)?.commit()?)
    }

    fn cut(folder: &Path, content: &[u8]) -> Result<String, LineError> {
        let path = folder.join("x.txt");
        fs::write(&path, content).unwrap();
        let keep = |line: &[u8]| match line {
            b"bad\n" => Err("it is\nbad".to_owned()),
            line => Ok(line.starts_with(b"+")),
        };
        let mut file = cut_back(&path, "head\n", keep)?;
        file.write_all(b"more\n")?;
        assert_eq!(fs::read_dir(folder)?.count(), 1, "nothing else is left");
        Ok(fs::read_to_string(path)?)
    }

    #[test]
    fn kept_lines_stay_and_leftovers_of_a_crash_are_dropped() {
        let folder = tempfile::TempDir::new().unwrap();
        let cut = |content: &[u8]| cut(folder.path(), content);
        assert_eq!(cut(b"+a\n-b\n+c\n").unwrap(), "head\n+a\n+c\nmore\n");
        assert_eq!(cut(b"").unwrap(), "head\nmore\n");
        for last in ["+c", "bad\n", "bad", "\0\0\0", "+c\0\0", "\0\0\n"] {
            let content = format!("+a\n{last}");
            assert_eq!(
                cut(content.as_bytes()).unwrap(),
                "head\n+a\nmore\n",
                "{last:?}"
            );
        }
    }

    #[test]
    fn damage_elsewhere_is_an_error_and_nothing_changes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x.txt");
        for (content, line, reason) in [
            (b"+a\nbad\n+c\n".to_vec(), 2, "it is bad"),
            (b"+a\nbad\n+c".to_vec(), 2, "it is bad"),
            (b"bad\n".to_vec(), 1, "it is bad"),
            (b"mine".to_vec(), 1, "no line break"),
            (b"+a\nmine".to_vec(), 2, "no line break"),
            (vec![b'+'; 2 << 20], 1, "longer than 1 MiB"),
        ] {
            let Err(LineError::Damaged(number, why)) = cut(folder.path(), &content) else {
                panic!("{} bytes are damaged", content.len());
            };
            assert!(
                number == line && why.contains(reason),
                "line {number}: {why}"
            );
            assert!(fs::read(&path).unwrap() == content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn lines_are_read_except_leftovers_of_a_crash() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x.txt");
        let numbers = || {
            let mut numbers = Vec::new();
            each_line(&path, |line| {
                let text = str::from_utf8(line).map_err(|e| e.to_string())?;
                numbers.push(text.trim_end().parse::<u32>().map_err(|e| e.to_string())?);
                Ok(())
            })?;
            Ok::<_, LineError>(numbers)
        };
        assert_eq!(numbers().unwrap(), [], "no file, no lines");
        for last in ["", "3", "x", "x\n"] {
            fs::write(&path, format!("1\n2\n{last}")).unwrap();
            assert_eq!(numbers().unwrap(), [1, 2], "{last:?}");
        }
        fs::write(&path, "1\nx\n3").unwrap();
        let error = numbers().unwrap_err();
        assert!(matches!(error, LineError::Damaged(2, _)), "{error:?}");
        fs::write(&path, "version https://git-lfs.github.com/spec/v1\n").unwrap();
        let error = numbers().unwrap_err().to_string();
        assert!(error.contains("Git LFS pointer"), "{error}");
    }

    #[test]
    fn nothing_changes_before_the_commit() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x.txt");
        fs::write(&path, "1\n2\n").unwrap();
        drop(Cut::prepare(&path, "", |_| false, |_| Ok(false)).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
    fn other_than_regular_files_are_not_read() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::create_dir(folder.path().join("x.txt")).unwrap();
        let error = cut_back(&folder.path().join("x.txt"), "", |_| Ok(true)).unwrap_err();
        assert!(matches!(error, LineError::Io(_)), "{error:?}");
    }
}
