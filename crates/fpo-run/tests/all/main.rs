//! The tests of this crate's public items, in one program: each program more is linked, and what
//! they share compiled, once more.
//!
//! No test here may start a process: until it runs, it holds copies of the locks that other tests
//! have on folders of runs.

use std::path::Path;

mod failure;
mod hostile;
mod metrics;
mod settings_page;
mod stability;
mod tiny;

/// Makes a pipe that nobody writes to: opening it would wait for ever.
fn make_pipe(path: &Path) {
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, owner, 0).unwrap();
}
