//! The machine of a run, recorded in its folder.

use crate::failure::Failure;
use fpo_files::quoted;
use fpo_report::machine::{FILE, Machine};
use fpo_run::run::Session;
use std::io::ErrorKind;
use std::path::Path;

/// This machine.
pub(crate) fn here(threads: usize, from_iteration: u64) -> Machine {
    Machine::here(env!("CARGO_PKG_VERSION"), threads, from_iteration)
}

/// What is wrong with what the run in `folder` recorded of its machines, and what to do; none if
/// nothing is.
pub(crate) fn damage(folder: &Path) -> Option<(String, &'static str)> {
    let why = Machine::recorded(folder).err()?;
    let file = quoted(&folder.join(FILE));
    Some(match why.kind() {
        ErrorKind::PermissionDenied => (
            format!("cannot read {file}: {why}"),
            "make it readable, or move the file away to resume without it",
        ),
        ErrorKind::InvalidData => (format!("{file} is damaged: {why}"), WITHOUT),
        _ => (format!("cannot read {file}: {why}"), WITHOUT),
    })
}

const WITHOUT: &str = "move the file away to resume without it";

/// Finds out before a run changes that its record cannot be continued.
pub(crate) fn check(folder: &Path) -> Result<(), Failure> {
    match damage(folder) {
        None => Ok(()),
        Some((damage, remedy)) => Err(Failure::input(format!("{damage}; {remedy}"))),
    }
}

/// Records in the run's folder that it is trained on this machine, on `threads` threads.
pub(crate) fn record(session: &Session, threads: usize) -> Result<(), Failure> {
    let folder = session.folder().path();
    session.folder().held()?;
    let versions = session.trainer().task().versions();
    here(threads, session.trainer().iteration())
        .with_versions(versions)
        .record(folder)
        .map_err(|e| Failure::runtime(format!("cannot write {}: {e}", quoted(&folder.join(FILE)))))
}
