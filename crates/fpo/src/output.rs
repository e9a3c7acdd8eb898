//! Writing to the terminal. A reader that went away (`fpo tasks | head -1`) must not end a training, let alone with
//! a panic, so nobody is told when a line could not be written.

use std::io::{Write, stderr, stdout};

/// A line of result, on standard output.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

/// A line about what is going on, on standard error.
pub(crate) fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
