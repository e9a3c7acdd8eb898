//! Files on disk, as a program must treat them whose folders are copied from strangers and whose
//! machine may lose power: what is read has a bound, and what is written is whole or not there.
//!
//! - [`read_capped`], [`read_own`], [`if_there`]: reading a whole file, one that must not be a
//!   link, one that need not be there.
//! - [`each_line`], [`parse_lines`], [`Cut`]: text files that grow a line at a time.
//! - [`replace`], [`write_synced`], [`create_anew`], [`sync_folder`], [`remove`], [`discard`]:
//!   writing and deleting, never through a link.
//! - [`one_line`]: what a file says, in a message.
//!
//! Errors are [`std::io::Error`]s whose text names no path; whoever asked for a file knows what it
//! was for and says so.
#![forbid(unsafe_code)]

mod lines;
mod read;
mod write;

pub use lines::{Cut, LineError, each_line, parse_lines};
pub use read::{if_there, read_capped, read_own};
pub use write::{
    PARTIAL, create_anew, discard, partial, remove, replace, sync_folder, write_synced,
};

/// `text` on one line, with single spaces, also where it comes from a stranger's file and would
/// like to be several.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
