//! Reading and writing of untrusted files, on machines that may lose power: bounded reads, atomic
//! writes, logs truncated on resume.
//!
//! - [`read_capped`], [`read_own`], [`if_there`]: reading a whole file, one that must not be a
//!   link, one that may be missing.
//! - [`each_line`], [`parse_lines`], [`Cut`]: text files that grow line by line.
//! - [`replace`], [`write_synced`], [`create_anew`], [`sync_folder`], [`remove`], [`discard`]:
//!   writing and deleting without following links.
//! - [`one_line`]: text from a file, for a message.
//!
//! Errors are [`std::io::Error`]s whose text does not contain the path; the caller adds it.
#![forbid(unsafe_code)]

mod lines;
mod read;
mod write;

pub use lines::{Cut, LineError, each_line, parse_lines};
pub use read::{if_there, read_capped, read_own};
pub use write::{
    PARTIAL, create_anew, discard, partial, remove, replace, sync_folder, write_synced,
};

/// `text` on one line with single spaces, for text from untrusted files, which may contain line
/// breaks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
