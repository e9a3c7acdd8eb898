//! The tasks of `fpo` as environments for Python.

use crate::arrays::{matrix, rows};
use crate::errors::{TrainingError, exception, input};
use fpo::embed;
use fpo_env::{EnvSpec, Episodes, StepEnd, Task, VecEnvOptions, VecStep, make_vec};
use fpo_rng::Stream;
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// Groups that the environments are cut into, at most.
const GROUPS: usize = 16;

/// The constants of all tasks.
#[pyfunction]
pub(crate) fn tasks(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let tasks = embed::tasks();
    tasks.iter().map(|task| describe(py, task.spec())).collect()
}

fn describe<'py>(py: Python<'py>, spec: &EnvSpec) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &spec.name)?;
    dict.set_item("summary", &spec.summary)?;
    dict.set_item("observation", &spec.observation)?;
    dict.set_item("action_min", &spec.action_min)?;
    dict.set_item("action_max", &spec.action_max)?;
    dict.set_item("control_timestep", spec.control_timestep)?;
    dict.set_item("step_limit", spec.step_limit)?;
    Ok(dict)
}

fn find(name: &str) -> PyResult<Arc<dyn Task>> {
    embed::find_task(name).map_err(|failure| exception(&failure))
}

/// Environments of a group, and where they are among all.
struct Group {
    envs: Box<dyn fpo_env::VecEnv>,
    step: VecStep,
    first: usize,
}

struct Groups {
    groups: Vec<Group>,
    /// Episodes that `reset` began anew.
    resets: u64,
}

/// Environments of a task that are stepped at once, on several threads. An episode that ends is
/// followed by the next in the same step.
#[pyclass(frozen, module = "fpo._native")]
pub(crate) struct VecEnv {
    task: Arc<dyn Task>,
    num_envs: usize,
    pool: ThreadPool,
    groups: Mutex<Groups>,
}

/// What a step gives: observations, rewards, terminated, truncated, diverged, and the last
/// observations of episodes that ended, if any did.
type Stepped<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<bool>>,
    Option<Bound<'py, PyArray2<f32>>>,
);

#[pymethods]
impl VecEnv {
    #[new]
    fn new(
        py: Python<'_>,
        task: &str,
        num_envs: usize,
        seed: u64,
        threads: Option<u16>,
    ) -> PyResult<Self> {
        if !(1..=1 << 20).contains(&num_envs) {
            return Err(input(format!(
                "num_envs = {num_envs} is out of range: 1 to 1048576"
            )));
        }
        let task = find(task)?;
        let threads = embed::threads(threads).min(num_envs.div_ceil(2).min(GROUPS));
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| TrainingError::new_err(format!("cannot start threads: {e}")))?;
        let groups = py.detach(|| make(task.as_ref(), num_envs, seed, &pool))?;
        Ok(Self {
            task,
            num_envs,
            pool,
            groups: Mutex::new(Groups { groups, resets: 0 }),
        })
    }

    /// The task's constants.
    fn spec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        describe(py, self.task.spec())
    }

    #[getter]
    fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// Begins new episodes everywhere, with a seed those of a new batch; returns observations.
    fn reset<'py>(
        &self,
        py: Python<'py>,
        seed: Option<u64>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let width = self.task.spec().observation_dim();
        let shown = py.detach(|| {
            let mut all = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seed) = seed {
                all.groups = make(self.task.as_ref(), self.num_envs, seed, &self.pool)?;
                all.resets = 0;
            } else {
                let resets = all.resets;
                let groups = all.groups.iter_mut();
                groups.for_each(|group| group.envs.restart(resets));
                all.resets += 1;
            }
            Ok::<_, PyErr>(observations(&all.groups))
        })?;
        matrix(py, &shown, width)
    }

    /// Steps every environment with its action, `[num_envs, action]`.
    fn step<'py>(
        &self,
        py: Python<'py>,
        actions: PyReadonlyArray2<'py, f32>,
    ) -> PyResult<Stepped<'py>> {
        let spec = self.task.spec();
        let (od, ad, n) = (spec.observation_dim(), spec.action_dim(), self.num_envs);
        let mut actions = rows(&actions, ad, "actions")?;
        if actions.len() != n * ad {
            return Err(input(format!(
                "there are actions for {} environments of {n}",
                actions.len() / ad
            )));
        }
        clip(&mut actions, spec)?;
        let mut last = None;
        let (shown, rewards, ends) = py.detach(|| {
            let mut all = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            let groups = &mut all.groups;
            self.pool.install(|| {
                groups.par_iter_mut().for_each(|group| {
                    let (first, count) = (group.first, group.envs.len());
                    let actions = &actions[first * ad..(first + count) * ad];
                    group.step.extras.clear();
                    group.envs.step(actions, &mut group.step);
                });
            });
            if let Some(error) = all.groups.iter().find_map(|g| g.step.failed.clone()) {
                return Err(TrainingError::new_err(error.to_string()));
            }
            let outcomes = || all.groups.iter().flat_map(|group| &group.step.outcomes);
            let ends: Vec<_> = outcomes().map(|outcome| outcome.end()).collect();
            if ends.iter().any(|end| *end != StepEnd::Running) {
                let finals = all.groups.iter().map(|g| &g.step.final_observations[..]);
                last = Some(finals.collect::<Vec<_>>().concat());
            }
            let rewards: Vec<_> = outcomes().map(|outcome| outcome.reward).collect();
            Ok((observations(&all.groups), rewards, ends))
        })?;
        let terminated = |end: &StepEnd| matches!(end, StepEnd::Terminated | StepEnd::Diverged);
        Ok((
            matrix(py, &shown, od)?,
            PyArray1::from_vec(py, rewards),
            PyArray1::from_vec(py, ends.iter().map(terminated).collect()),
            PyArray1::from_vec(
                py,
                ends.iter().map(|end| *end == StepEnd::Truncated).collect(),
            ),
            last.map(|last| matrix(py, &last, od)).transpose()?,
        ))
    }
}

/// All observations, one after the other.
fn observations(groups: &[Group]) -> Vec<f32> {
    let parts = groups.iter().map(|group| group.envs.observations());
    parts.collect::<Vec<_>>().concat()
}

fn options(seed: u64) -> VecEnvOptions {
    VecEnvOptions {
        seed,
        stream: Stream::Reset,
        random_initial_length: false,
        group: 1,
    }
}

fn make(task: &dyn Task, count: usize, seed: u64, pool: &ThreadPool) -> PyResult<Vec<Group>> {
    let groups = count.min(GROUPS);
    let group = |k: usize| {
        let (first, end) = (count * k / groups, count * (k + 1) / groups);
        let envs = make_vec(task, first as u32, end - first, options(seed))?;
        Ok(Group {
            step: VecStep::new(envs.as_ref()),
            envs,
            first,
        })
    };
    let made: Result<Vec<_>, fpo_env::MakeError> =
        pool.install(|| (0..groups).into_par_iter().map(group).collect());
    made.map_err(|e| TrainingError::new_err(e.to_string()))
}

/// Brings actions within the task's bounds.
fn clip(actions: &mut [f32], spec: &EnvSpec) -> PyResult<()> {
    for action in actions.chunks_exact_mut(spec.action_dim()) {
        let bounds = spec.action_min.iter().zip(&spec.action_max);
        for (a, (min, max)) in action.iter_mut().zip(bounds) {
            if !a.is_finite() {
                return Err(input("an action is not finite"));
            }
            *a = a.clamp(*min, *max);
        }
    }
    Ok(())
}

/// One environment, with pictures.
#[pyclass(frozen, module = "fpo._native")]
pub(crate) struct Env {
    spec: EnvSpec,
    state: Mutex<Single>,
}

struct Single {
    env: Box<dyn fpo_env::Env>,
    episodes: Episodes,
    observation: Vec<f32>,
}

#[pymethods]
impl Env {
    #[new]
    fn new(task: &str) -> PyResult<Self> {
        let task = find(task)?;
        let spec = task.spec().clone();
        let failed = |e: fpo_env::MakeError| TrainingError::new_err(e.to_string());
        let state = Single {
            env: task.make().map_err(failed)?,
            episodes: Episodes::new(&spec, 0, 1, options(0)).map_err(failed)?,
            observation: vec![0.0; spec.observation_dim()],
        };
        let state = Mutex::new(state);
        Ok(Self { spec, state })
    }

    /// The task's constants.
    fn spec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        describe(py, &self.spec)
    }

    /// Begins an episode, with a seed the first of that seed; returns its first observation.
    fn reset<'py>(
        &self,
        py: Python<'py>,
        seed: Option<u64>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Single {
            env,
            episodes,
            observation,
        } = &mut *state;
        if let Some(seed) = seed {
            *episodes = Episodes::new(&self.spec, 0, 1, options(seed))
                .map_err(|e| TrainingError::new_err(e.to_string()))?;
        }
        env.reset(&mut episodes.begin(0), observation);
        Ok(PyArray1::from_slice(py, observation))
    }

    /// Steps; returns observation, reward, terminated, truncated.
    fn step<'py>(
        &self,
        py: Python<'py>,
        mut action: Vec<f32>,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, f32, bool, bool)> {
        if action.len() != self.spec.action_dim() {
            return Err(input(format!(
                "the action has {} entries, where {} are expected",
                action.len(),
                self.spec.action_dim()
            )));
        }
        clip(&mut action, &self.spec)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Single {
            env,
            episodes,
            observation,
        } = &mut *state;
        let step = env.step(&action, observation);
        let end = episodes.step(0, step.reward, step.end).end();
        let terminated = matches!(end, StepEnd::Terminated | StepEnd::Diverged);
        let truncated = end == StepEnd::Truncated;
        Ok((
            PyArray1::from_slice(py, observation),
            step.reward,
            terminated,
            truncated,
        ))
    }

    /// A picture, `[height, width, 3]`.
    fn render<'py>(
        &self,
        py: Python<'py>,
        width: u32,
        height: u32,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let picture = state
            .env
            .render(width, height)
            .map_err(|e| TrainingError::new_err(e.to_string()))?;
        PyArray1::from_vec(py, picture.rgb).reshape([height as usize, width as usize, 3])
    }
}
