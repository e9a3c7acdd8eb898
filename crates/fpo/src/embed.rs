//! For programs that embed the trainer, such as the Python package: the parts of the command line
//! that are not about a terminal.

pub use crate::failure::Failure;
pub use crate::train::{Place, begin_in, notes};

use crate::policy::threads as count_threads;
use crate::tasks::Tasks;
use crate::{exit_code, machine, report, run};
use fpo_env::Task;
use fpo_run::run::Session;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

/// Runs the program with `args`, of which the first is its name, and returns the exit code of
/// [`crate::main`]. `--help` and a second Ctrl-C end the process.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> u8 {
    exit_code(run(Tasks::built_in(), args))
}

/// All tasks of the program.
pub fn tasks() -> Vec<Arc<dyn Task>> {
    Tasks::built_in().all().to_vec()
}

/// The task that the command line finds under `name`: its name, or the path of a task file.
///
/// # Errors
/// If there is none: the nearest name is suggested.
pub fn find_task(name: impl AsRef<OsStr>) -> Result<Arc<dyn Task>, Failure> {
    Tasks::built_in().find(name.as_ref())
}

/// The task called `name` of the run or the checkpoint in the folder `path`, which may keep its
/// task file.
///
/// # Errors
/// If there is none, or its file is damaged.
pub fn task_of_run(path: &Path, name: &str) -> Result<Arc<dyn Task>, Failure> {
    Tasks::built_in().of_run(path, name)
}

/// Checks that `task` can be trained beside the program's own.
///
/// # Errors
/// If its constants are invalid, or its name is taken.
pub fn check_own_task(task: Arc<dyn Task>) -> Result<(), Failure> {
    Tasks::with(vec![task], None).map(|_| ())
}

/// Threads to use: `asked`, or one per core.
pub fn threads(asked: Option<u16>) -> usize {
    count_threads(asked)
}

/// Finds out before the run in `folder` is resumed that what it recorded of its machines is
/// damaged, so that [`record_machine`] could not add to it.
///
/// # Errors
/// If it is.
pub fn check_records(folder: &Path) -> Result<(), Failure> {
    machine::check(folder)
}

/// Records in the run's folder that it is trained on this machine, on `threads` threads.
///
/// # Errors
/// If the folder cannot be written.
pub fn record_machine(session: &Session, threads: usize) -> Result<(), Failure> {
    machine::record(session, threads)
}

/// The page of `fpo report` about the run in `folder`, for a file at `out`.
///
/// # Errors
/// If the folder holds no run, or its files are damaged.
pub fn report_page(folder: &Path, out: &Path) -> Result<String, Failure> {
    report::of_run(folder, out)
}
