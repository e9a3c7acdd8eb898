//! Reading and writing of untrusted files, on machines that may lose power: bounded reads, atomic
//! writes, logs truncated on resume.
//!
//! - [`read_capped`], [`read_own`], [`if_there`]: reading a whole file, one that must not be a
//!   link, one that may be missing.
//! - [`stand_in`], [`is_crlf`]: what tools leave in a file's place, or make of it.
//! - [`each_line`], [`Cut`]: text files that grow line by line, to any length.
//! - [`replace`], [`write_synced`], [`create_anew`], [`rename_over`], [`sync`], [`sync_folder`],
//!   [`remove`], [`discard`]: writing and deleting without following links, on file systems that
//!   may lack some of it.
//! - [`quoted`], [`as_text`], [`one_line`]: paths, and text from a file, for a message.
//!
//! Errors are [`std::io::Error`]s whose text does not contain the path; the caller adds it.
#![forbid(unsafe_code)]

mod lines;
mod quote;
mod read;
mod stand_in;
mod write;

pub use lines::{Cut, LineError, each_line};
pub use quote::{as_text, is_hidden, quoted, quoted_arg};
pub use read::{absence, dangling, if_there, read_capped, read_own};
pub use stand_in::{CONVERTED, is_crlf, stand_in};
pub use write::{
    PARTIAL, REPLACED, create_anew, discard, partial, remove, rename_over, replace, restore, sync,
    sync_folder, write_synced,
};

/// `text` on one line, for text from untrusted files, which may contain line breaks. Spaces within
/// a line stay as they are: a path may contain any number.
pub fn one_line(text: &str) -> String {
    let breaks = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let parts = text.split(breaks).map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
