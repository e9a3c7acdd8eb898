//! Training and resuming from Python.

use crate::errors::{exception, input};
use crate::host::{Host, serve};
use crate::task::PyTask;
use fpo::embed::{self, Failure, Place};
use fpo_env::Task;
use fpo_files::quoted;
use fpo_learn::evaluate::{Evaluation, Returns};
use fpo_learn::trainer::Row;
use fpo_run::config::{self, Config};
use fpo_run::run::{Event, Observer, Outcome, Resuming, Session};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a training to stop.
#[pyclass(frozen, module = "fpo._native")]
pub(crate) struct StopFlag(Arc<AtomicBool>);

#[pymethods]
impl StopFlag {
    #[new]
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// Asks the training to stop after its iteration, or in the middle of an evaluation.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the names of tasks that are environments in Python begin (`Source` in `fpo/_sources.py`).
pub(crate) const OF_PYTHON: &str = "py-";

/// What is trained on: a task's name or file, or a source of environments in Python.
pub(crate) enum TaskArg {
    Name(OsString),
    Source(Arc<Py<PyAny>>),
}

impl TaskArg {
    pub(crate) fn of(task: &Bound<'_, PyAny>) -> PyResult<Self> {
        if task.is_instance_of::<PyString>() {
            Ok(Self::Name(task.extract()?))
        } else {
            Ok(Self::Source(Arc::new(task.clone().unbind())))
        }
    }

    /// The task, on the thread that does the work.
    pub(crate) fn find(&self, host: &Host) -> Result<Arc<dyn Task>, Failure> {
        match self {
            Self::Name(name) => embed::find_task(name),
            Self::Source(source) => {
                let (source, of_task) = (Arc::clone(source), host.clone());
                let task = host.try_call(move |py| PyTask::new(source.bind(py), of_task));
                let task: Arc<dyn Task> = Arc::new(task.map_err(Failure::Runtime)?);
                embed::check_own_task(Arc::clone(&task))?;
                Ok(task)
            }
        }
    }
}

/// Trains a new run.
#[pyfunction]
#[pyo3(signature = (task, observer, stop, *, preset, sets, config_file, seed, out, name, force,
    threads, fixed_envs))]
#[expect(
    clippy::too_many_arguments,
    reason = "they are those of the Python function"
)]
pub(crate) fn train<'py>(
    py: Python<'py>,
    task: &Bound<'py, PyAny>,
    observer: Py<PyAny>,
    stop: &StopFlag,
    preset: Option<String>,
    sets: Vec<String>,
    config_file: Option<PathBuf>,
    seed: Option<u64>,
    out: Option<PathBuf>,
    name: Option<String>,
    force: bool,
    threads: Option<u16>,
    fixed_envs: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let task = TaskArg::of(task)?;
    run(py, observer, stop, threads, move |host, threads| {
        let task = task.find(host)?;
        let resolve = |sets: &[String]| {
            let (preset, file) = (preset.as_deref(), config_file.as_deref());
            config::resolve(&task.spec().name, preset, file, sets, seed)
        };
        let mut config = resolve(&sets)?;
        if let Some(envs) = fixed_envs {
            config = resolve(&fitted(&config, &sets, envs)?)?;
        }
        let place = Place {
            out: out.as_deref(),
            name: name.as_deref().map(Path::new),
            force,
        };
        embed::begin_in(place, task, config, threads)
    })
}

/// The settings `sets` for a vector environment of `envs` environments. An iteration keeps about as
/// many transitions as `config` has, in other steps of each environment, unless those are set.
fn fitted(config: &Config, sets: &[String], envs: usize) -> Result<Vec<String>, Failure> {
    let has = |key: &str| {
        let mut keys = sets
            .iter()
            .filter_map(|set| Some(set.split_once('=')?.0.trim()));
        keys.any(|set| set == key)
    };
    if has("env.num_envs") && config.env.num_envs != envs {
        return Err(Failure::Input(format!(
            "env.num_envs = {}, and the vector environment has {envs} environments: leave the \
             setting out",
            config.env.num_envs
        )));
    }
    let mut sets = sets.to_vec();
    sets.push(format!("env.num_envs={envs}"));
    if !has("env.num_steps") && config.env.num_envs != envs {
        let steps = config.env.transitions() / (envs * config.env.sequences).max(1);
        // So that they divide into minibatches whatever the number of environments.
        let part = config.optimizer.minibatches;
        let steps = (steps as f64 / part as f64).round().max(1.0) as usize * part;
        sets.push(format!("env.num_steps={steps}"));
    }
    Ok(sets)
}

/// Resumes the run in a folder.
#[pyfunction]
#[pyo3(signature = (folder, task, observer, stop, *, sets, threads, fixed_envs))]
#[expect(
    clippy::too_many_arguments,
    reason = "they are those of the Python function"
)]
pub(crate) fn resume<'py>(
    py: Python<'py>,
    folder: PathBuf,
    task: Option<&Bound<'py, PyAny>>,
    observer: Py<PyAny>,
    stop: &StopFlag,
    sets: Vec<String>,
    threads: Option<u16>,
    fixed_envs: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let task = task.map(TaskArg::of).transpose()?;
    run(py, observer, stop, threads, move |host, threads| {
        let resuming = Resuming::open(&folder, &sets)?;
        embed::check_records(resuming.path())?;
        let task = task.map(|task| task.find(host)).transpose()?;
        let envs = resuming.config().env.num_envs;
        if fixed_envs.is_some_and(|fixed| fixed != envs) {
            return Err(Failure::Input(format!(
                "{} was trained with {envs} environments: resume it with as many",
                quoted(resuming.path())
            )));
        }
        if task.is_none() && resuming.config().task.starts_with(OF_PYTHON) {
            return Err(Failure::Input(format!(
                "{} is a run of `{}`, an environment in Python: pass it again as env=",
                quoted(resuming.path()),
                resuming.config().task
            )));
        }
        resuming.resume(task, embed::task_of_run, threads)
    })
}

/// What a session leaves.
struct Done {
    folder: PathBuf,
    env_steps: u64,
    last_saved: Option<PathBuf>,
    /// Whether all iterations were done.
    result: Result<bool, Failure>,
}

/// Runs the session that `begin` begins, on a thread of its own.
fn run<'py>(
    py: Python<'py>,
    observer: Py<PyAny>,
    stop: &StopFlag,
    threads: Option<u16>,
    begin: impl FnOnce(&Host, usize) -> Result<Session, Failure> + Send + 'static,
) -> PyResult<Bound<'py, PyDict>> {
    let stop = Arc::clone(&stop.0);
    let (done, raised) = serve(py, move |host| {
        let threads = embed::threads(threads);
        let mut session = begin(&host, threads)?;
        embed::record_machine(&session, threads)?;
        let mut observer = PyObserver {
            host,
            observer: Arc::new(observer),
            stop: Arc::clone(&stop),
        };
        observer.started(&session);
        let result = session.run(&stop, &mut observer);
        Ok(Done {
            folder: session.folder().path().to_owned(),
            env_steps: session.trainer().env_steps(),
            last_saved: session.last_saved().map(Path::to_owned),
            result: result
                .map(|outcome| outcome == Outcome::Finished)
                .map_err(Failure::from),
        })
    })?;
    let done: Done = match (done, raised) {
        (Ok(done), None) => done,
        (Ok(done), Some(error)) => return Err(noted(py, error, &done)),
        (Err(_), Some(error)) => return Err(error),
        (Err(failure), None) => return Err(exception(&failure)),
    };
    let finished = match &done.result {
        Ok(finished) => *finished,
        Err(failure) => return Err(noted(py, exception(failure), &done)),
    };
    let result = PyDict::new(py);
    result.set_item("folder", done.folder)?;
    result.set_item("env_steps", done.env_steps)?;
    result.set_item("finished", finished)?;
    Ok(result)
}

/// The exception with a note on what is saved; Python before 3.11 has no notes.
fn noted(py: Python<'_>, error: PyErr, done: &Done) -> PyErr {
    let note = match &done.last_saved {
        Some(checkpoint) => format!(
            "fpo: training in {} ended after {} steps; the newest checkpoint is {}",
            quoted(&done.folder),
            done.env_steps,
            quoted(checkpoint)
        ),
        None => format!(
            "fpo: training in {} ended before its first checkpoint",
            quoted(&done.folder)
        ),
    };
    // Without notes the exception alone has to do.
    let _ = error.value(py).call_method1("add_note", (note,));
    error
}

/// Passes events to an object in Python.
struct PyObserver {
    host: Host,
    observer: Arc<Py<PyAny>>,
    stop: Arc<AtomicBool>,
}

impl PyObserver {
    /// Calls a method of the object. An exception stops the training, and is raised at its end.
    fn notify(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()> + Send + 'static) {
        let observer = Arc::clone(&self.observer);
        if self
            .host
            .try_call(move |py| call(observer.bind(py)))
            .is_err()
        {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn started(&self, session: &Session) {
        let trainer = session.trainer();
        let folder = session.folder().path().to_owned();
        let steps = (
            trainer.env_steps(),
            trainer.total_iterations() * session.config().env.transitions() as u64,
        );
        let notes = embed::notes(session);
        let task = session.config().task.clone();
        self.notify(move |observer| {
            let about = (folder, task, steps.0, steps.1, notes);
            observer.call_method1("started", about).map(|_| ())
        });
    }
}

impl Observer for PyObserver {
    fn iteration(&mut self, row: &Row) {
        let row = row.clone();
        self.notify(move |observer| {
            observer
                .call_method1("iteration", (row_dict(observer.py(), &row)?,))
                .map(|_| ())
        });
    }

    fn evaluating(&mut self) {
        self.notify(|observer| observer.call_method0("evaluating").map(|_| ()));
    }

    fn evaluated(&mut self, _iteration: u64, env_steps: u64, evaluation: &Evaluation) {
        let evaluation = evaluation.clone();
        self.notify(move |observer| {
            let [zero, random] = evaluation_dicts(observer.py(), &evaluation)?;
            observer
                .call_method1("evaluated", (env_steps, zero, random))
                .map(|_| ())
        });
    }

    fn found(&mut self, event: &Event) {
        let (unhealthy, iteration) = (event.finding.is_unhealthy(), event.iteration);
        let texts = (
            event.finding.statement.clone(),
            event.finding.advice.clone(),
        );
        self.notify(move |observer| {
            let arguments = (unhealthy, iteration, texts.0, texts.1);
            observer.call_method1("found", arguments).map(|_| ())
        });
    }
}

/// A row as a dictionary; what depends on the clock is under `time/`.
fn row_dict<'py>(py: Python<'py>, row: &Row) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("iteration", row.iteration)?;
    dict.set_item("env_steps", row.env_steps)?;
    for (name, value) in &row.values {
        dict.set_item(name, value)?;
    }
    for (name, value) in &row.extras {
        dict.set_item(format!("{}{name}", fpo_learn::trainer::EXTRAS), value)?;
    }
    for (name, value) in &row.timing {
        dict.set_item(format!("time/{name}"), value)?;
    }
    Ok(dict)
}

/// Returns from zero noise and from random noise, as dictionaries.
pub(crate) fn evaluation_dicts<'py>(
    py: Python<'py>,
    evaluation: &Evaluation,
) -> PyResult<[Bound<'py, PyDict>; 2]> {
    let dict = |returns: &Returns| {
        let dict = PyDict::new(py);
        dict.set_item("episodes", returns.episodes)?;
        dict.set_item("mean", returns.mean)?;
        dict.set_item("std", returns.std)?;
        dict.set_item("min", returns.min)?;
        dict.set_item("max", returns.max)?;
        dict.set_item("diverged", returns.diverged)?;
        Ok::<_, PyErr>(dict)
    };
    Ok([
        dict(&evaluation.zero_noise)?,
        dict(&evaluation.random_noise)?,
    ])
}

/// A checkpoint of a run: `latest`, `best` or a number of environment steps.
pub(crate) fn pick(checkpoint: &Bound<'_, PyAny>) -> PyResult<fpo_run::run::Pick> {
    use fpo_run::run::Pick;
    if let Ok(steps) = checkpoint.extract::<u64>() {
        return Ok(Pick::Step(steps));
    }
    match checkpoint.extract::<String>().as_deref() {
        Ok("latest") => Ok(Pick::Latest),
        Ok("best") => Ok(Pick::Best),
        _ => Err(input(
            "a checkpoint is \"latest\", \"best\" or a number of environment steps",
        )),
    }
}
