//! Policies that act on NumPy arrays.

use crate::arrays::{matrix, rows};
use crate::errors::{TrainingError, exception, input};
use crate::session::pick;
use fpo::embed::Failure;
use fpo_run::run::find_policy;
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

/// A policy; it never changes, so any number of threads may use it at once.
#[pyclass(frozen, module = "fpo._native")]
pub(crate) struct Policy {
    policy: Arc<fpo_policy::Policy>,
    source: OsString,
}

impl Policy {
    pub(crate) fn inner(&self) -> &Arc<fpo_policy::Policy> {
        &self.policy
    }
}

#[pymethods]
impl Policy {
    /// Reads the policy of a run's folder, a checkpoint's folder or a policy file.
    #[staticmethod]
    fn load(path: PathBuf, checkpoint: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pick = pick(checkpoint)?;
        let found = find_policy(&path, pick).map_err(Failure::from);
        let (bytes, source) = found.map_err(|failure| exception(&failure))?;
        let policy = fpo_policy::Policy::load(&bytes)
            .map_err(|e| input(format!("{}: {e}", fpo_files::quoted(&source))))?;
        Ok(Self {
            policy: Arc::new(policy),
            source: source.into_os_string(),
        })
    }

    /// Actions `[n, action]` for observations `[n, observation]` and noise `[n, noise]`.
    fn act<'py>(
        &self,
        py: Python<'py>,
        observations: PyReadonlyArray2<'py, f32>,
        noise: PyReadonlyArray2<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let policy = &self.policy;
        // Copies, because others may write to the arrays while the lock is released.
        let observations = rows(&observations, policy.observation_dim(), "observations")?;
        let noise = rows(&noise, policy.noise_dim(), "noise")?;
        let n = observations.len() / policy.observation_dim();
        if noise.len() != n * policy.noise_dim() {
            return Err(input(
                "observations and noise differ in their number of rows",
            ));
        }
        let mut actions = vec![0.0; n * policy.action_dim()];
        if n > 0 {
            let act = || policy.actor(n).act(&observations, &noise, &mut actions);
            py.detach(act)
                .map_err(|e| TrainingError::new_err(e.to_string()))?;
        }
        matrix(py, &actions, policy.action_dim())
    }

    /// The policy as the bytes of its file.
    fn to_bytes(&self) -> PyResult<Vec<u8>> {
        self.policy.save().map_err(input)
    }

    /// Reads the bytes of a policy file.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Ok(Self {
            policy: Arc::new(fpo_policy::Policy::load(bytes).map_err(input)?),
            source: "bytes".into(),
        })
    }

    /// Where it was read from.
    #[getter]
    pub(crate) fn source(&self) -> &OsStr {
        &self.source
    }

    #[getter]
    fn task(&self) -> &str {
        self.policy.task()
    }

    #[getter]
    fn observation(&self) -> Vec<(String, usize)> {
        self.policy.observation().to_vec()
    }

    #[getter]
    fn observation_dim(&self) -> usize {
        self.policy.observation_dim()
    }

    #[getter]
    fn action_dim(&self) -> usize {
        self.policy.action_dim()
    }

    #[getter]
    fn noise_dim(&self) -> usize {
        self.policy.noise_dim()
    }

    #[getter]
    fn action_repeat(&self) -> u32 {
        self.policy.adaptation().action_repeat
    }
}
