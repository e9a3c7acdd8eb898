//! The tests of this crate's public items, in one program: every further program would be linked,
//! and the shared modules compiled, once more.
//!
//! No test here may start a process: until it executes, it holds copies of the locks that other
//! tests hold on run folders.

use std::path::Path;

mod extras;
mod failing_envs;
mod failure;
mod hostile;
mod interrupted;
mod metrics;
mod ranks;
mod settings_page;
mod stability;
mod start;
mod tiny;

/// Creates a pipe without a writer: opening it would block forever.
fn make_pipe(path: &Path) {
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, owner, 0).unwrap();
}
