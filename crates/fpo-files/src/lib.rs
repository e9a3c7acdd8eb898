//! Files on disk, as a program must treat them whose folders are copied from strangers and whose machine may lose power: what is read has a
//! bound, and what is written is whole or not there.
//!
//! - [`read_capped`], [`read_own`], [`if_there`]: reading a whole file, one that must not be a link, one that need not be there.
//! - [`Lines`], [`parse_lines`], [`Cut`]: text files that grow a line at a time.
//! - [`replace`], [`create_anew`], [`remove`], [`sync_folder`]: writing and deleting, never through a link.
//!
//! Errors are [`std::io::Error`]s whose text names no path; whoever asked for a file knows what it was for and says so.
#![forbid(unsafe_code)]

mod lines;
mod read;
mod write;

pub use lines::{Cut, LineError, Lines, parse_lines};
pub use read::{if_there, read_capped, read_own};
pub use write::{PARTIAL, create_anew, partial, remove, replace, sync_folder};
