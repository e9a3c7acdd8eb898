//! Folders of runs, and the command line.

use crate::errors::{exception, input};
use fpo::embed;
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs the command line; `args` begin with the program's name. Returns the exit code.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| embed::main_with_args(args))
}

/// The page of `fpo report` about a run, for a file at `out`.
#[pyfunction]
pub(crate) fn report_page(py: Python<'_>, folder: PathBuf, out: PathBuf) -> PyResult<String> {
    py.detach(|| embed::report_page(&folder, &out))
        .map_err(|failure| exception(&failure))
}

/// The checkpoints of a run, oldest first: folder, iteration, environment steps, and the evaluation
/// from zero noise if there was one.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a tuple is what Python reads")]
pub(crate) fn checkpoints(folder: PathBuf) -> PyResult<Vec<(PathBuf, u64, u64, Option<f64>)>> {
    let paths = Checkpoints::list(&folder.join("checkpoints")).map_err(input)?;
    let read = |path: &PathBuf| {
        let checkpoint = Checkpoint::open(path).map_err(input)?;
        let about = checkpoint.about();
        Ok((
            path.clone(),
            about.iteration,
            about.env_steps,
            about.evaluation,
        ))
    };
    paths.iter().map(read).collect()
}
