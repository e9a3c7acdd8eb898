//! Writing to the terminal and to files. A closed pipe (`fpo tasks | head -1`) must not end a
//! training, so errors of writing a line are not reported at once.

use crate::failure::Failure;
use fpo_files::{PARTIAL, is_hidden, quoted, rename_over, sync, sync_folder};
use fpo_run::run::is_record;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempPath;

/// The first error of writing a result to standard output, for [`check_written`].
static WRITE_ERROR: OnceLock<String> = OnceLock::new();

/// Prints a line of the result to standard output.
pub(crate) fn print(line: &str) {
    match writeln!(stdout(), "{}", Shown(line)) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = WRITE_ERROR.set(error.to_string());
        }
        _ => {}
    }
}

/// Prints a result as JSON, in which characters that a terminal must not get are escaped as JSON
/// does it.
pub(crate) fn print_json(value: &serde_json::Value) {
    let mut text = String::new();
    for c in format!("{value:#}").chars() {
        if is_hidden(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    print(&text);
}

/// Fails if a result could not be written, for example to a full disk. A closed pipe is not an
/// error.
pub(crate) fn check_written() -> Result<(), Failure> {
    match WRITE_ERROR.get() {
        Some(why) => Err(Failure::runtime(format!(
            "cannot write to standard output: {why}"
        ))),
        None => Ok(()),
    }
}

/// Prints a line about the progress to standard error.
pub(crate) fn log(line: &str) {
    let _ = writeln!(stderr(), "{}", Shown(line));
}

/// Whether `path` is the standard output, where a command's words would mix with a file's bytes.
pub(crate) fn is_stdout(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.iter().any(|name| path == Path::new(name))
}

/// Finds out before hours of work that there can be no file at `path`, which the user gave.
pub(crate) fn check_place(path: &Path) -> Result<(), Failure> {
    let refused = |why: &str| {
        let message = format!("cannot write {}: {why}", quoted(path));
        Err(Failure::input(message))
    };
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    if is_stdout(path) {
        Ok(())
    } else if path.is_dir() {
        refused("it is a folder")
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        refused("there is no such folder")
    } else if is_record(path) {
        refused("it is a file that a run needs; name another one")
    } else {
        Ok(())
    }
}

/// [`check_place`], and refuses the ending of a known format that is none of the file's `own`: no
/// program would open it, and it may be in the place of one that was meant to stay.
pub(crate) fn check_ending(path: &Path, what: &str, own: &[&str]) -> Result<(), Failure> {
    check_place(path)?;
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is = |other: &&str| end == **other;
    match KNOWN.iter().any(&is) && !own.iter().any(is) {
        true => Err(Failure::input(format!(
            "cannot write {}: {what}; name a file that ends in .{}",
            quoted(path),
            own[0]
        ))),
        false => Ok(()),
    }
}

/// Endings of formats that somebody may expect of a result, or has files of.
const KNOWN: [&str; 34] = [
    "html",
    "htm",
    "xhtml",
    "pdf",
    "ps",
    "doc",
    "docx",
    "odt",
    "rtf",
    "md",
    "rst",
    "tex",
    "txt",
    "png",
    "svg",
    "jpg",
    "jpeg",
    "gif",
    "mp4",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "xlsx",
    "ipynb",
    "toml",
    "yaml",
    "onnx",
    "safetensors",
    "pt",
    "pth",
    "npz",
    "npy",
    "zip",
];

/// What a file of this program holds somewhere, whatever its format.
pub(crate) const MARK: &str = "made by fpo";

/// Refuses to put a result at a default `path` where there is a file that this program did not
/// make: the user has named none that may be replaced. A link may be replaced; what it leads to
/// stays.
pub(crate) fn refuse_foreign(path: &Path) -> Result<(), Failure> {
    // A page may be read here, which [`fpo_files::read_capped`] takes for what a browser left.
    let ours = match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => true,
        Ok(there) if there.is_file() && there.len() <= LARGEST_RESULT => {
            fs::read(path).is_ok_and(|bytes| bytes.is_empty() || is_ours(&bytes))
        }
        Ok(_) => false,
        Err(_) => true,
    };
    match ours {
        true => Ok(()),
        false => Err(Failure::input(format!(
            "{0} is there already, and not made by this program: name another file with --out, or \
             this one to replace it",
            quoted(path)
        ))),
    }
}

/// Bound on the size of a file that is looked at.
const LARGEST_RESULT: u64 = 1 << 30;

fn is_ours(bytes: &[u8]) -> bool {
    let marks = [MARK, fpo_report::page::MARK, fpo_onnx::MARK];
    let mut marks = marks.iter().map(|mark| mark.as_bytes());
    marks.any(|mark| bytes.windows(mark.len()).any(|part| part == mark))
}

/// Writes a whole file, or leaves what is there as it is. A path that the user gave (`asked`) may
/// be a link, whose target is replaced, or lead to no file, such as `/dev/stdout`. The default path
/// may be in an untrusted folder, so the file replaces what is there, unless that is
/// [foreign](refuse_foreign), without following links.
pub(crate) fn save(path: &Path, asked: bool, bytes: &[u8]) -> Result<(), Failure> {
    match asked {
        true => check_place(path)?,
        false => refuse_foreign(path)?,
    }
    let written = if asked && is_stdout(path) {
        // Opened once more, a redirected file would be written from its beginning.
        let mut out = stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    } else if asked {
        replace_named(path, bytes)
    } else {
        fpo_files::replace(path, bytes)
    };
    written.map_err(|e| unwritable(path, &e))
}

/// Replaces the file that `path` leads to, over links, by a new one with the same permissions; what
/// else may have the old one by another name keeps it. A pipe or a device is written to.
fn replace_named(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(file) = file_of(path) else {
        return fs::write(path, bytes);
    };
    let there = fs::metadata(&file).ok();
    if there.is_some() {
        // One that may not be written to is not replaced either.
        File::options().append(true).open(&file)?;
    }
    let (mut new, temporary) = temporary_beside(&file, PARTIAL)?;
    new.write_all(bytes)?;
    if let Some(there) = there {
        // A file system without permissions has none to keep.
        let _ = new.set_permissions(there.permissions());
    }
    sync(&new)?;
    put(temporary, &file)
}

/// Where the regular file is, or is to be, that `path` leads to over links; none if it leads to
/// something else, or to a file that is open already.
fn file_of(path: &Path) -> Option<PathBuf> {
    const MOST_LINKS: usize = 40;
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return None;
    }
    let mut file = path.to_owned();
    for _ in 0..MOST_LINKS {
        if ["/proc", "/dev/fd"]
            .iter()
            .any(|open| file.starts_with(open))
        {
            return None;
        }
        match fs::read_link(&file) {
            Ok(target) => file = folder_of(&file).join(target),
            Err(_) => break,
        }
    }
    Some(file)
}

/// A new, hidden file in the folder of `path`, whose name begins with `prefix`, deleted when its
/// path is dropped; with the permissions of a new file.
///
/// # Errors
/// The system's error alone, without the name.
pub(crate) fn temporary_beside(path: &Path, prefix: &str) -> io::Result<(File, TempPath)> {
    let mut why = None;
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(".tmp")
        .make_in(folder_of(path), |path| {
            File::create_new(path).inspect_err(|error| why = error.raw_os_error())
        });
    let made = made.map_err(|error| why.map_or(error, io::Error::from_raw_os_error));
    made.map(tempfile::NamedTempFile::into_parts)
}

/// Gives a complete temporary file its name; a file of that name is replaced.
///
/// # Errors
/// If it cannot be renamed.
pub(crate) fn put(temporary: TempPath, path: &Path) -> io::Result<()> {
    rename_over(&temporary, path)?;
    // There is nothing of this name to delete any more.
    let _ = temporary.keep();
    sync_folder(folder_of(path))
}

/// The folder that contains `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Why the file at `path`, which the user chose, cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write {}: {error}", quoted(path));
    match is_of_the_place(error) {
        true => Failure::input(message),
        false => Failure::runtime(message),
    }
}

/// Whether `error` of writing says that a file cannot be where the user wants it, rather than that
/// the disk failed.
pub(crate) fn is_of_the_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::PermissionDenied
    )
}

/// Text that may come from an untrusted file, with terminal control characters and invisible ones
/// escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_hidden(c) && c != '\n' {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}
