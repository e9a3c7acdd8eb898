//! Writing to the terminal and to files. A reader that went away (`fpo tasks | head -1`) must not
//! end a training, let alone with a panic, so nobody is told at once when a line could not be
//! written.

use crate::failure::Failure;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;
use std::sync::OnceLock;

/// Why standard output did not take a line of result, for [`lost`].
static LOST: OnceLock<String> = OnceLock::new();

/// A line of result, on standard output.
pub(crate) fn print(line: &str) {
    match writeln!(stdout(), "{}", Shown(line)) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = LOST.set(error.to_string());
        }
        _ => {}
    }
}

/// Fails if a result could not be written, to a full disk for one. That a reader went away is no
/// failure.
pub(crate) fn lost() -> Result<(), Failure> {
    match LOST.get() {
        Some(why) => Err(Failure::runtime(format!(
            "cannot write to standard output: {why}"
        ))),
        None => Ok(()),
    }
}

/// A line about what is going on, on standard error.
pub(crate) fn log(line: &str) {
    let _ = writeln!(stderr(), "{}", Shown(line));
}

/// Writes a whole file. What the user named, with `asked`, is written as it is, be it a link or
/// `/dev/stdout`; in its usual place in a folder, which may be a stranger's, the file takes the
/// place of what is there.
pub(crate) fn save(path: &Path, asked: bool, bytes: &[u8]) -> Result<(), Failure> {
    let written = if asked {
        fs::write(path, bytes)
    } else {
        fpo_files::replace(path, bytes)
    };
    written.map_err(|e| {
        let message = format!("cannot write {}: {e}", path.display());
        match e.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::PermissionDenied => Failure::input(message),
            _ => Failure::runtime(message),
        }
    })
}

/// Text that may come from a stranger's file: what would command a terminal is shown, not sent.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() && c != '\n' {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}
