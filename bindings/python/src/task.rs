//! An environment in Python as a task.
//!
//! What of it differs from environment to environment is in Python (`fpo/_sources.py`): a *source*
//! makes *batches*, with
//!
//! * `reset(indices, seeds)`: begins new episodes there; returns their first observations
//! * `step(actions, active)`: returns observations, rewards and how each step ended (0 not at
//!   all, 1 terminated, 2 truncated); the observation of an episode that ended is its last
//! * `release()`: the batch is not needed any longer

use crate::arrays::matrix;
use crate::errors::input;
use crate::host::Host;
use fpo_env::{
    Env, EnvSpec, Episodes, MakeError, Outcome, StepEnd, StepError, Task, VecEnv, VecEnvOptions,
    VecStep,
};
use fpo_rng::Stream;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rand_core::Rng;
use std::sync::Arc;

/// Environments of a source.
#[derive(Clone)]
pub(crate) struct PyTask {
    spec: EnvSpec,
    source: Arc<Py<PyAny>>,
    can_evaluate: bool,
    /// Whether environments are stepped all together, by a vector environment.
    vector: bool,
    /// Steps of the environment for which an action is held.
    repeat: u32,
    host: Host,
}

impl PyTask {
    /// The task of `source`.
    ///
    /// # Errors
    /// If an attribute of it raises or has another type.
    pub(crate) fn new(source: &Bound<'_, PyAny>, host: Host) -> PyResult<Self> {
        let spec = EnvSpec {
            name: source.getattr("name")?.extract()?,
            summary: source.getattr("summary")?.extract()?,
            observation: source.getattr("parts")?.extract()?,
            action_min: source.getattr("low")?.extract()?,
            action_max: source.getattr("high")?.extract()?,
            control_timestep: source.getattr("timestep")?.extract()?,
            step_limit: source.getattr("step_limit")?.extract()?,
        };
        Ok(Self {
            spec,
            can_evaluate: source.getattr("can_evaluate")?.extract()?,
            vector: !source.getattr("num_envs")?.is_none(),
            repeat: 1,
            source: Arc::new(source.clone().unbind()),
            host,
        })
    }
}

impl Task for PyTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Err(MakeError(format!(
            "`{}` is an environment in Python: it is stepped in batches only",
            self.spec.name
        )))
    }

    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        let evaluating = options.stream == Stream::EvalReset;
        let (source, spec, repeat) = (Arc::clone(&self.source), self.spec.clone(), self.repeat);
        let episodes = Episodes::new(&spec, first, count, options)?;
        let made = self.host.try_call(move |py| {
            let batch = source.bind(py).call_method1("batch", (count, evaluating))?;
            let mut core = Core::new(&spec, count, episodes, batch.unbind());
            core.repeat = repeat;
            core.reset_all(py)?;
            Ok(core)
        });
        let core = made.map_err(MakeError)?;
        Ok(Box::new(PyBatch {
            count,
            observations: core.observations.clone(),
            core: Some(core),
            host: self.host.clone(),
            failed: None,
        }))
    }

    /// Single environments are stepped several times, or end their episodes earlier.
    fn adapted(&self, spec: &EnvSpec, repeat: u32) -> Option<Result<Arc<dyn Task>, MakeError>> {
        if self.vector {
            return Some(Err(MakeError(
                "env.step_limit and env.action_repeat do not reach into a vector environment: pass \
                 a function that makes one of its environments, or wrap those"
                    .into(),
            )));
        }
        let own = self.spec.step_limit.map(|limit| limit.div_ceil(repeat));
        if let (Some(own), Some(limit)) = (own, spec.step_limit)
            && own < limit
        {
            return Some(Err(MakeError(format!(
                "env.step_limit = {limit}, but the environment itself ends its episodes after \
                 {own} steps of the policy: make it with another max_episode_steps"
            ))));
        }
        Some(Ok(Arc::new(Self {
            spec: spec.clone(),
            repeat: repeat * self.repeat,
            ..self.clone()
        })))
    }

    /// The interpreter steps one batch at a time, and a vector environment is one.
    fn max_batches(&self) -> usize {
        1
    }

    fn can_evaluate(&self) -> bool {
        self.can_evaluate
    }
}

/// A batch of Python environments.
struct PyBatch {
    /// At the serving thread during a call; none after one that failed.
    core: Option<Core>,
    count: usize,
    /// `[N, observation_dim]`
    observations: Vec<f32>,
    host: Host,
    /// Why the environments cannot be stepped, if so.
    failed: Option<StepError>,
}

impl PyBatch {
    /// Lets `work` change the core on the serving thread.
    fn on_host(
        &mut self,
        work: impl FnOnce(&mut Core, Python<'_>) -> PyResult<()> + Send + 'static,
    ) {
        let Some(mut core) = self.core.take() else {
            return;
        };
        let changed = self.host.try_call(move |py| {
            let result = work(&mut core, py);
            result.map(|()| core)
        });
        match changed {
            Ok(core) => {
                self.observations.copy_from_slice(&core.observations);
                self.core = Some(core);
            }
            Err(message) => self.failed = Some(StepError(message)),
        }
    }
}

impl VecEnv for PyBatch {
    fn len(&self) -> usize {
        self.count
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn step(&mut self, actions: &[f32], out: &mut VecStep) {
        if let Some(core) = &mut self.core {
            core.actions.copy_from_slice(actions);
        }
        self.on_host(Core::step);
        match &self.core {
            Some(core) => {
                out.outcomes.copy_from_slice(&core.outcomes);
                out.final_observations.copy_from_slice(&core.last);
            }
            None => out.failed.clone_from(&self.failed),
        }
    }

    fn retire(&mut self, i: usize) {
        if let Some(core) = &mut self.core {
            core.active[i] = false;
        }
    }

    fn restart(&mut self, steps: u64) {
        self.on_host(move |core, py| {
            core.episodes.restart(steps);
            core.reset_all(py)
        });
    }
}

impl Drop for PyBatch {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            // An exception here is no longer of interest.
            self.host.call(move |py| {
                let _ = core.batch.bind(py).call_method0("release");
            });
        }
    }
}

/// The state of a batch, which visits the serving thread at every step.
struct Core {
    batch: Py<PyAny>,
    episodes: Episodes,
    /// Environments that are still stepped.
    active: Vec<bool>,
    /// Steps of an environment for which its action is held.
    repeat: u32,
    /// `[N, action_dim]`
    actions: Vec<f32>,
    action_dim: usize,
    /// `[N, observation_dim]`
    observations: Vec<f32>,
    observation_dim: usize,
    /// What the latest step gave, with the last observations of episodes that it ended.
    outcomes: Vec<Outcome>,
    last: Vec<f32>,
}

impl Core {
    fn new(spec: &EnvSpec, count: usize, episodes: Episodes, batch: Py<PyAny>) -> Self {
        let (od, ad) = (spec.observation_dim(), spec.action_dim());
        let running = Outcome {
            reward: 0.0,
            ended: None,
        };
        Self {
            batch,
            episodes,
            active: vec![true; count],
            repeat: 1,
            actions: vec![0.0; count * ad],
            action_dim: ad,
            observations: vec![0.0; count * od],
            observation_dim: od,
            outcomes: vec![running; count],
            last: vec![0.0; count * od],
        }
    }

    fn reset_all(&mut self, py: Python<'_>) -> PyResult<()> {
        let all: Vec<usize> = (0..self.outcomes.len()).collect();
        self.reset(py, &all)
    }

    /// Begins new episodes in the environments `indices`.
    fn reset(&mut self, py: Python<'_>, indices: &[usize]) -> PyResult<()> {
        let od = self.observation_dim;
        // A NumPy seed; that of an episode depends on (seed, environment, number of the reset).
        let seed = |i: &usize| self.episodes.begin(*i).next_u32();
        let seeds: Vec<u32> = indices.iter().map(seed).collect();
        let at = indices.iter().map(|i| *i as i64).collect::<Vec<_>>();
        let arguments = (PyArray1::from_vec(py, at), PyArray1::from_vec(py, seeds));
        let shown = self.batch.bind(py).call_method1("reset", arguments)?;
        let shown: PyReadonlyArray2<'_, f32> = shown.extract()?;
        let rows = checked(&shown, [indices.len(), od], "reset")?;
        for (&i, row) in indices.iter().zip(rows.chunks_exact(od)) {
            self.observations[i * od..][..od].copy_from_slice(row);
        }
        Ok(())
    }

    fn step(&mut self, py: Python<'_>) -> PyResult<()> {
        let (rewards, ends) = self.step_held(py)?;
        let od = self.observation_dim;
        let mut ended = Vec::new();
        for i in (0..ends.len()).filter(|i| self.active[*i]) {
            self.outcomes[i] = self.episodes.step(i, rewards[i], ends[i]);
            if self.outcomes[i].ended.is_some() {
                let row = i * od..(i + 1) * od;
                self.last[row.clone()].copy_from_slice(&self.observations[row]);
                ended.push(i);
            }
        }
        if ended.is_empty() {
            return Ok(());
        }
        self.reset(py, &ended)
    }

    /// Steps with each action as long as it is held, and no environment beyond its end. Returns
    /// sums of rewards, and how the steps ended.
    fn step_held(&mut self, py: Python<'_>) -> PyResult<(Vec<f32>, Vec<StepEnd>)> {
        let n = self.outcomes.len();
        let (mut sums, mut ended) = (vec![0.0; n], vec![StepEnd::Running; n]);
        let mut running = self.active.clone();
        for _ in 0..self.repeat {
            let (rewards, ends) = self.step_once(py, &running)?;
            for i in (0..n).filter(|i| running[*i]) {
                sums[i] += rewards[i];
                ended[i] = ends[i];
            }
            let runs = |(runs, end): (&bool, &StepEnd)| *runs && *end == StepEnd::Running;
            running = running.iter().zip(&ended).map(runs).collect();
            if !running.contains(&true) {
                break;
            }
        }
        Ok((sums, ended))
    }

    /// Steps the environments `active` once.
    fn step_once(&mut self, py: Python<'_>, active: &[bool]) -> PyResult<(Vec<f32>, Vec<StepEnd>)> {
        let (n, od) = (self.outcomes.len(), self.observation_dim);
        let actions = matrix(py, &self.actions, self.action_dim)?;
        let active = PyArray1::from_slice(py, active);
        let given = self
            .batch
            .bind(py)
            .call_method1("step", (actions, active))?;
        let (shown, rewards, ends): (
            PyReadonlyArray2<'_, f32>,
            PyReadonlyArray1<'_, f32>,
            PyReadonlyArray1<'_, u8>,
        ) = given.extract()?;
        self.observations
            .copy_from_slice(checked(&shown, [n, od], "step")?);
        let (rewards, ends) = (rewards.as_slice()?, ends.as_slice()?);
        if (rewards.len(), ends.len()) != (n, n) {
            return Err(input(format!(
                "a step of {n} environments gave {} rewards and {} ends",
                rewards.len(),
                ends.len()
            )));
        }
        let end = |end: &u8| match end {
            0 => StepEnd::Running,
            1 => StepEnd::Terminated,
            _ => StepEnd::Truncated,
        };
        Ok((rewards.to_vec(), ends.iter().map(end).collect()))
    }
}

/// The numbers of an array of this shape.
fn checked<'a>(
    array: &'a PyReadonlyArray2<'_, f32>,
    shape: [usize; 2],
    what: &str,
) -> PyResult<&'a [f32]> {
    if array.shape() != shape {
        return Err(input(format!(
            "{what} gave observations of shape {:?}, where {shape:?} is expected",
            array.shape()
        )));
    }
    Ok(array.as_slice()?)
}
