//! Reading and writing of untrusted files, on machines that may lose power: bounded reads, atomic
//! writes, logs truncated on resume.
//!
//! - [`read_capped`], [`read_own`], [`if_there`]: reading a whole file, one that must not be a
//!   link, one that may be missing.
//! - [`stand_in`], [`is_crlf`]: what tools leave in a file's place, or make of it.
//! - [`each_line`], [`each_line_or_torn`], [`Cut`]: text files that grow line by line, to any
//!   length.
//! - [`is_at`], [`still_at`], [`now_at`]: whether an open file is still the one at its path.
//! - [`replace`], [`write_synced`], [`create_anew`], [`rename_over`], [`sync`], [`sync_folder`],
//!   [`remove`], [`discard`], [`empty`]: writing and deleting without following links, on file
//!   systems that may lack some of it.
//! - [`quoted`], [`as_text`]: paths in messages and in printed commands.
//! - [`one_line`], [`shortened`], [`count`], [`number`], [`nearest`], [`is_like`]: other text of
//!   messages, and names.
//!
//! Errors are [`std::io::Error`]s whose text does not contain the path; the caller adds it.
#![forbid(unsafe_code)]

mod lines;
mod place;
mod quote;
mod read;
mod stand_in;
mod text;
mod write;

pub use lines::{Cut, IsTorn, LineError, each_line, each_line_or_torn};
pub use place::{is_at, now_at, still_at};
pub use quote::{as_text, is_hidden, quoted, quoted_arg};
pub use read::{absence, dangling, if_there, read_capped, read_own, remedy};
pub use stand_in::{CONVERTED, is_crlf, stand_in};
pub use text::{count, is_like, nearest, number, one_line, shortened, similarity};
pub use write::{
    PARTIAL, REPLACED, create_anew, create_folders, discard, empty, partial, remove, rename_over,
    replace, restore, stays, sync, sync_folder, write_synced,
};
