//! The runs of a suite, and their progress.

use crate::failure::Failure;
use crate::machine;
use crate::tasks::Tasks;
use fpo_env::Task;
use fpo_files::quoted;
use fpo_report::record::FAILURE;
use fpo_report::suite::Suite;
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use fpo_run::config::{self, Config, LearningPrecision};
use fpo_run::run::digest;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One run of a suite.
pub(super) struct Job {
    pub(super) method: String,
    pub(super) task: String,
    pub(super) seed: u64,
    pub(super) learns: Arc<dyn Task>,
    pub(super) folder: PathBuf,
    pub(super) config: Config,
    pub(super) state: State,
    /// Whether a run that is there is to be deleted and run again.
    pub(super) again: bool,
}

/// The progress of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing to resume.
    Absent,
    /// It has completed this many environment steps.
    Begun(u64),
    /// It is complete.
    Complete,
    /// Training failed, and would fail again.
    Failed,
    /// The folder holds a run with other settings; the text names the first that differs.
    Different(String),
    /// Its records cannot be read; the text says why.
    Damaged(String),
}

impl State {
    /// Whether there is nothing left to run.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }

    /// A short form for tables.
    pub(super) fn word(&self, config: &Config) -> String {
        match self {
            Self::Absent => "–".to_owned(),
            Self::Begun(steps) => format!("{} %", 100 * steps / config.train.steps.max(1)),
            Self::Complete => "done".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Different(_) => "other".to_owned(),
            Self::Damaged(_) => "damaged".to_owned(),
        }
    }
}

impl Job {
    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        format!("{} {} seed {}", self.method, self.task, self.seed)
    }

    /// The same run from its start.
    pub(super) fn anew(self) -> Self {
        Self {
            state: State::Absent,
            again: true,
            ..self
        }
    }

    /// Environment steps still to do.
    pub(super) fn steps_left(&self) -> u64 {
        match self.state {
            State::Absent | State::Different(_) | State::Damaged(_) => self.config.train.steps,
            State::Begun(steps) => self.config.train.steps.saturating_sub(steps),
            State::Complete | State::Failed => 0,
        }
    }
}

/// All runs of `suite` in `folder`: ordered by seed, so that all methods run on all tasks before
/// any is repeated.
pub(super) fn plan(suite: &Suite, folder: &Path, tasks: &Tasks) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::new();
    for &seed in &suite.seeds {
        for task in &suite.tasks {
            let learns = tasks.find(OsStr::new(task))?;
            let name = &learns.spec().name;
            for method in &suite.methods {
                let sets = suite.sets(method, task);
                let config =
                    config::resolve(name, method.preset.as_deref(), None, &sets, Some(seed))
                        .map_err(|e| {
                            Failure::input(format!(
                                "suite {}, method {}: {e}",
                                suite.name, method.name
                            ))
                        })?;
                let folder = folder.join(&method.name).join(Suite::run_name(task, seed));
                jobs.push(Job {
                    state: state(&folder, &config, learns.as_ref())
                        .unwrap_or_else(|why| State::Damaged(why.to_string())),
                    learns: Arc::clone(&learns),
                    method: method.name.clone(),
                    task: task.clone(),
                    seed,
                    folder,
                    config,
                    again: false,
                });
            }
        }
    }
    Ok(jobs)
}

/// The progress of the run in `folder`.
fn state(folder: &Path, config: &Config, task: &dyn Task) -> Result<State, Failure> {
    let file = folder.join("config.toml");
    if !file.is_file() {
        return Ok(State::Absent);
    }
    let recorded = config::load_recorded(&file, &[])?;
    machine::check(folder)?;
    let mut wanted = config.clone();
    if wanted.train.precision == LearningPrecision::Auto {
        // Machine-dependent choices were resolved when the run started.
        wanted.train.precision = recorded.train.precision;
    }
    if let Some(d) = config::differences(&wanted, &recorded)?.first() {
        return Ok(State::Different(format!(
            "`{}` is {} there, not {}",
            d.key, d.other, d.value
        )));
    }
    let failed = folder.join(FAILURE).is_file();
    let newest = Checkpoints::list(&folder.join("checkpoints"))
        .map_err(Failure::input)?
        .pop();
    let Some(newest) = newest else {
        // Interrupted before its first checkpoint: its beginning is repeated.
        return Ok(if failed {
            State::Failed
        } else {
            State::Begun(0)
        });
    };
    let checkpoint = Checkpoint::open(&newest).map_err(Failure::input)?;
    if checkpoint.about().task_digest != digest(task.files()) {
        return Ok(State::Different(format!(
            "the files of the task {} are others there",
            config.task
        )));
    }
    let iterations = config.train.steps.div_ceil(config.env.transitions() as u64);
    let about = checkpoint.about();
    let reached = about
        .evaluation
        .is_some_and(|mean| config.train.stops_at(mean));
    Ok(if about.iteration >= iterations || reached {
        // Even if it had failed before and was resumed by hand.
        State::Complete
    } else if failed {
        State::Failed
    } else {
        State::Begun(about.env_steps)
    })
}

/// Rejects folders that hold runs with other settings than the suite's, or damaged ones.
pub(super) fn same_settings(jobs: &[Job]) -> Result<(), Failure> {
    if let Some(why) = damages(jobs).next() {
        return Err(Failure::input(why));
    }
    let different = jobs.iter().find_map(|job| match &job.state {
        State::Different(difference) => Some((job, difference)),
        _ => None,
    });
    match different {
        None => Ok(()),
        Some((job, difference)) => Err(Failure::input(format!(
            "{} holds a run with other settings than the suite: {difference}; choose another \
            folder with --out",
            quoted(&job.folder)
        ))),
    }
}

/// Why runs cannot be read, of those that cannot.
pub(super) fn damages(jobs: &[Job]) -> impl Iterator<Item = &str> {
    jobs.iter().filter_map(|job| match &job.state {
        State::Damaged(why) => Some(why.as_str()),
        _ => None,
    })
}

/// Remarks for the report about runs whose settings differ from the suite's.
pub(super) fn remarks(jobs: &[Job]) -> Vec<String> {
    let mut different = jobs.iter().filter_map(|job| match &job.state {
        State::Different(difference) => Some((job, difference)),
        _ => None,
    });
    let Some((job, difference)) = different.next() else {
        return Vec::new();
    };
    vec![format!(
        "{} of {} runs have other settings than the suite has now; of the first, {}, \
        {difference}",
        1 + different.count(),
        jobs.len(),
        job.name()
    )]
}

/// Records in a run's folder why training failed.
pub(super) fn note_failure(folder: &Path, why: &str) -> std::io::Result<()> {
    fpo_files::replace(&folder.join(FAILURE), format!("{why}\n").as_bytes())
}
