//! Evaluating a policy from Python.

use crate::errors::{exception, input};
use crate::host::serve;
use crate::policy::Policy;
use crate::session::{OF_PYTHON, TaskArg, evaluation_dicts};
use fpo::embed::{self, Failure};
use fpo_learn::evaluate::evaluate_both;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;

/// Whole episodes from zero noise and from random noise; without a task, on the policy's own.
#[pyfunction]
#[pyo3(signature = (policy, task, *, episodes, seed, threads))]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    policy: &Policy,
    task: Option<&Bound<'py, PyAny>>,
    episodes: usize,
    seed: u64,
    threads: Option<u16>,
) -> PyResult<[Bound<'py, PyDict>; 2]> {
    if episodes == 0 {
        return Err(input("an evaluation has at least one episode"));
    }
    let source = PathBuf::from(policy.source());
    let (policy, task) = (
        Arc::clone(policy.inner()),
        task.map(TaskArg::of).transpose()?,
    );
    let (evaluation, raised) = serve(py, move |host| {
        let task = match task {
            Some(task) => task.find(&host)?,
            None if policy.task().starts_with(OF_PYTHON) => {
                return Err(Failure::Input(format!(
                    "the policy was trained on `{}`, an environment in Python: pass env=, a \
                     function that makes it",
                    policy.task()
                )));
            }
            None if source.is_dir() => embed::task_of_run(&source, policy.task())?,
            None => embed::find_task(policy.task())?,
        };
        let adapted = policy.adaptation().apply(task);
        let task = adapted.map_err(|e| Failure::Input(e.to_string()))?;
        let spec = task.spec();
        let sizes = [policy.observation_dim(), policy.action_dim()];
        if sizes != [spec.observation_dim(), spec.action_dim()] {
            return Err(Failure::Input(format!(
                "the policy takes {} numbers and gives {}, `{}` shows {} and takes {}",
                sizes[0],
                sizes[1],
                spec.name,
                spec.observation_dim(),
                spec.action_dim()
            )));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(embed::threads(threads))
            .build()
            .map_err(|e| Failure::Runtime(format!("cannot start the worker threads: {e}")))?;
        pool.install(|| evaluate_both(&policy, task.as_ref(), seed, episodes))
            .map_err(|e| Failure::Runtime(e.to_string()))
    })?;
    match (evaluation, raised) {
        (_, Some(error)) => Err(error),
        (Err(failure), None) => Err(exception(&failure)),
        (Ok(evaluation), None) => evaluation_dicts(py, &evaluation),
    }
}
