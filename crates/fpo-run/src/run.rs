//! A run: a folder on disk, and the loop that trains, evaluates, records and saves.
//!
//! The folder holds `config.toml` (complete), `init.safetensors` if the run began with networks of
//! another one (`init.from`), `metrics.jsonl` and TensorBoard event files,
//! `eval.csv`, `events.jsonl` if something went wrong, `failure/` if a number became non-finite,
//! `task/` with the files of a task that was read from files, `checkpoints/`, and an empty `.saved`
//! once there was one. Except for times,
//! its content depends on the configuration and the task alone, not on the number of threads.
//! Stopping and resuming changes no metric, evaluation or policy; it only saves one more
//! checkpoint, which counts among those kept.

mod error;
mod evaluations;
mod events;
mod failure;
mod find;
mod folder;
mod ranks;
mod restart;
mod resuming;
mod rollback;
mod start;
mod task_files;

pub use error::{RunError, another};
pub(crate) use events::EVENTS;
pub use events::Event;
pub use failure::{Reproduction, reproduce};
pub(crate) use find::LARGEST_POLICY;
pub use find::{
    Pick, find_policy, folder_of_runs, is_checkpoint, is_run, run_containing, run_of, runs_in,
    trained_on,
};
pub(crate) use folder::CHECKPOINTS;
use folder::was_saved;
pub use folder::{RunFolder, is_record, not_a_run};
pub use ranks::{Resources, dismiss, follow};
pub(crate) use restart::checkpoints_gone;
pub use resuming::Resuming;
pub(crate) use start::recorded_start;
pub use start::{Taken, check_start};
pub use task_files::{digest, task_file};

use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointInfo, Checkpoints};
use crate::config::{Config, check_continues, documented, from_documented};
use crate::health::{Detector, Finding};
use crate::metrics::{METRICS, MetricsWriter, lacks};
use evaluations::Evaluations;
pub(crate) use evaluations::{EVALUATIONS, Evaluated, is_torn as is_torn_evaluation};
use events::Events;
use fpo_env::Task;
use fpo_learn::evaluate::{EvaluateError, Evaluation};
use fpo_learn::trainer::Row;
use fpo_learn::trainer::{TrainError, Trainer};
use fpo_policy::Policy;
use ranks::Lead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The files of a checkpoint.
pub(crate) const STATE: &str = "state.safetensors";
pub(crate) const POLICY: &str = "policy.safetensors";
pub(crate) const CONFIG: &str = "config.toml";

/// The outcome of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run has completed all its iterations.
    Finished,
    /// It was stopped on request, and saved a checkpoint from which it can resume.
    Stopped,
}

/// Callbacks of a run.
pub trait Observer {
    /// An iteration is complete, including its evaluation if one was due.
    fn iteration(&mut self, row: &Row) {
        let _ = row;
    }

    /// An evaluation begins.
    fn evaluating(&mut self) {}

    /// The policy after iteration `iteration` was evaluated.
    fn evaluated(&mut self, iteration: u64, env_steps: u64, evaluation: &Evaluation) {
        let _ = (iteration, env_steps, evaluation);
    }

    /// A checkpoint was saved.
    fn saved(&mut self, checkpoint: &Path) {
        let _ = checkpoint;
    }

    /// A problem began in an iteration, or a rollback happened.
    fn found(&mut self, event: &Event) {
        let _ = event;
    }
}

/// Ignores all events.
impl Observer for () {}

/// A run being trained.
pub struct Session {
    folder: RunFolder,
    config: Config,
    trainer: Lead,
    metrics: MetricsWriter,
    evaluations: Evaluations,
    events: Events,
    detector: Detector,
    checkpoints: Checkpoints,
    /// The highest mean zero-noise return so far.
    best: Option<f64>,
    /// The highest among healthy checkpoints, for a run with rollback.
    best_healthy: Option<f64>,
    /// The last checkpoint of this run.
    last_saved: Option<PathBuf>,
    /// Iterations done when it was saved.
    saved_iteration: Option<u64>,
    /// `train.steps` when that checkpoint was saved, for a resumed run.
    planned_steps: Option<u64>,
    /// Identifies the files of the task, if it was read from files.
    task_digest: Option<String>,
    /// What a new run began with, if not with random networks.
    taken: Option<Taken>,
    /// The iterations that a run had recorded which begins again.
    begun_again: Option<u64>,
    /// What a resumed run's records lack.
    missing: Vec<String>,
    /// Environments of a resumed run that could not continue.
    restarted_episodes: usize,
}

impl Session {
    /// Starts a new run of `task` in `folder`, on so many threads, with random networks or those
    /// that `init.from` of the settings names. The files of an earlier run in the folder are
    /// deleted only once nothing but disk errors can make the new run fail.
    ///
    /// # Errors
    /// If an environment or a network cannot be created, what `init.from` names does not fit, or
    /// the folder cannot be written.
    pub fn begin(
        folder: RunFolder,
        config: Config,
        task: Arc<dyn Task>,
        resources: impl Into<Resources>,
    ) -> Result<Self, RunError> {
        let mut config = config.resolved();
        let read = start::take(&config, task.as_ref())?;
        let (start, read) = match read {
            None => (None, None),
            Some(read) => (Some(read.start), Some((read.taken, read.bytes))),
        };
        let (path, of) = (folder.path(), Arc::clone(&task));
        let trainer = Lead::make(path, &config, of, resources.into(), start)?;
        let start = read;
        if let Some((_, bytes)) = &start {
            config.init.digest = start::digest(bytes);
        }
        folder.clear()?;
        if let Some((_, bytes)) = &start {
            folder.write(start::START, bytes)?;
        }
        let taken = start.map(|(taken, _)| taken);
        // Before the settings, by which a folder is known to hold a run.
        if !task.files().is_empty() {
            task_files::write(folder.path(), task.files())?;
        }
        folder.write(CONFIG, documented(&config).as_bytes())?;
        folder.cleared()?;
        Ok(Self {
            metrics: MetricsWriter::create(folder.path())?,
            evaluations: Evaluations::create(&folder)?,
            events: Events::create(&folder),
            detector: Detector::new(&config),
            checkpoints: Checkpoints::open(&folder.checkpoints(), config.train.keep)?,
            best: None,
            best_healthy: None,
            last_saved: None,
            saved_iteration: None,
            planned_steps: None,
            task_digest: digest(task.files()),
            taken,
            begun_again: None,
            missing: Vec::new(),
            restarted_episodes: 0,
            folder,
            config,
            trainer,
        })
    }

    /// Resumes the run in `folder` from its newest checkpoint; anything recorded after it is
    /// dropped. A run that was interrupted before its first checkpoint begins again. `config` is
    /// [`RunFolder::config`] with changes that [`crate::config::check_continues`] allows.
    ///
    /// # Errors
    /// If its checkpoints are gone, the newest is damaged, `config` has changes that are not
    /// allowed, or the run is already complete.
    pub fn resume(
        folder: RunFolder,
        config: Config,
        task: Arc<dyn Task>,
        resources: impl Into<Resources>,
    ) -> Result<Self, RunError> {
        let resources = resources.into();
        if !RunFolder::holds_a_run(folder.path()) {
            // The run is one that was being deleted to begin anew.
            return Self::begin(folder, config, task, resources);
        }
        folder.sweep()?;
        if !folder.checkpoints().exists() {
            return Self::begin_again(folder, config, task, resources);
        }
        // Early, because opening restores a checkpoint that an interrupted save had moved away.
        let checkpoints = Checkpoints::open(&folder.checkpoints(), config.train.keep)?;
        if Checkpoints::list(&folder.checkpoints())?.is_empty() {
            return Self::begin_again(folder, config, task, resources);
        }
        let Saved {
            path: newest,
            about,
            state,
            config: trained,
        } = Saved::newest(folder.path())?;
        check_continues(&config, &trained)?;
        let task_digest = same_task(folder.path(), task.as_ref(), &about)?;
        let mut config = config.resolved();
        config.init.digest.clone_from(&trained.init.digest);
        let start = start::recorded(&config, &folder, task.as_ref())?;
        let mut trainer = Lead::make(folder.path(), &config, task, resources, start)?;
        let restarted_episodes = trainer.load_state(&state)?;
        if (trainer.iteration(), trainer.env_steps()) != (about.iteration, about.env_steps) {
            let reason = format!(
                "its state is of iteration {}, not {}",
                trainer.iteration(),
                about.iteration
            );
            return Err(CheckpointError::Damaged {
                path: newest,
                reason,
            }
            .into());
        }
        has_ended(folder.path(), &config, &trained, &about)?;
        let evaluation = |found: Option<Checkpoint>| found.and_then(|c| c.about().evaluation);
        let best = evaluation(Checkpoints::best(&folder.checkpoints())?);
        let best_healthy = evaluation(Checkpoints::best_healthy(&folder.checkpoints())?);
        folder.held()?;
        let metrics = MetricsWriter::resume(folder.path(), about.iteration)?;
        let begins = metrics.order().begins();
        let (evaluations, evaluated) = Evaluations::resume(&folder, about.iteration, begins)?;
        let events = Events::resume(&folder, about.iteration, trainer.rollbacks())?;
        let (detector, in_metrics) = rollback::replayed(&config, folder.path(), about.iteration)?;
        let missing = missing_records(metrics.order().missing(), in_metrics, evaluated.count);
        // Everything is valid: now the folder changes.
        folder.write(CONFIG, documented(&config).as_bytes())?;
        Ok(Self {
            detector,
            metrics: metrics.commit()?,
            evaluations: Evaluations::commit(evaluations, &folder)?,
            events: Events::commit(events, &folder)?,
            saved_iteration: Some(about.iteration),
            checkpoints,
            best,
            best_healthy,
            last_saved: Some(newest),
            planned_steps: Some(trained.train.steps),
            task_digest,
            taken: None,
            begun_again: None,
            missing,
            restarted_episodes,
            folder,
            config,
            trainer,
        })
    }

    /// A run that was interrupted before its first checkpoint, from its beginning.
    fn begin_again(
        folder: RunFolder,
        config: Config,
        task: Arc<dyn Task>,
        resources: Resources,
    ) -> Result<Self, RunError> {
        let recorded = restart::check(&folder, &config, task.as_ref())?;
        let session = Self::begin(folder, config, task, resources)?;
        Ok(Self {
            begun_again: Some(recorded),
            ..session
        })
    }

    /// The run's settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The run's folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The newest checkpoint, if one was saved.
    pub fn last_saved(&self) -> Option<&Path> {
        self.last_saved.as_deref()
    }

    /// What a new run began with, if not with random networks.
    pub fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// The iterations that the run had recorded when it was interrupted, if it had no checkpoint
    /// and begins again.
    pub fn begun_again(&self) -> Option<u64> {
        self.begun_again
    }

    /// What is missing in the records of a resumed run, up to where it goes on, a sentence each.
    pub fn missing_records(&self) -> &[String] {
        &self.missing
    }

    /// Environments whose episode began anew when the run was resumed, since they cannot save their
    /// state.
    pub fn restarted_episodes(&self) -> usize {
        self.restarted_episodes
    }

    /// `train.steps` when the checkpoint was saved from which the run was resumed; none for a new
    /// run.
    pub fn planned_steps(&self) -> Option<u64> {
        self.planned_steps
    }

    /// The next iteration's learning rates in a run of `steps` environment steps, as a fraction of
    /// the initial ones.
    pub fn learning_rate_fraction(&self, steps: u64) -> f64 {
        let iterations = steps.div_ceil(self.config.env.transitions() as u64);
        self.config
            .optimizer
            .lr_fraction(self.trainer.iteration(), iterations)
    }

    /// Trains to the end of the run, or until `stop` is set; then it completes and saves the
    /// iteration in progress. An evaluation in progress is broken off, and made again with its
    /// iteration by the session that resumes.
    ///
    /// # Errors
    /// If training fails (a non-finite number, a simulation error) or the disk does. The newest
    /// checkpoint is unchanged, except where the environments cannot be stepped any longer: then
    /// what was learned before is saved.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, RunError> {
        let outcome = self.train(stop, observer);
        if let Err(RunError::Io { .. } | RunError::Metrics(_) | RunError::Checkpoint(_)) = outcome {
            // The cause, if a file is gone because its folder is.
            self.folder.held()?;
        }
        outcome
    }

    /// As [`Session::run`].
    fn train(
        &mut self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, RunError> {
        let total = self.trainer.total_iterations();
        while self.trainer.iteration() < total {
            if stop.load(Ordering::Relaxed) {
                // The stop may have come after an iteration that was not saved, or before the
                // first: save a checkpoint to resume from.
                if self.saved_iteration != Some(self.trainer.iteration()) {
                    self.save(None, observer)?;
                }
                return Ok(Outcome::Stopped);
            }
            // This takes a small share of an iteration's time, and allows a failure in it to be
            // reproduced.
            let before = Snapshot::of(&self.trainer)?;
            let (row, evaluation) = match advance(&mut self.trainer, stop, observer) {
                Ok(Some(advanced)) => advanced,
                Ok(None) => {
                    // The iteration's row would lack the evaluation, so it is repeated, too.
                    self.trainer.load_state(&before.state)?;
                    self.save_if_new(before, observer)?;
                    return Ok(Outcome::Stopped);
                }
                Err(
                    error @ (TrainError::Environment(_)
                    | TrainError::Reduce(_)
                    | TrainError::Evaluating(
                        EvaluateError::Environment(_)
                        | EvaluateError::Make(_)
                        | EvaluateError::Reduce(_),
                    )),
                ) => {
                    // Not a failure of training: nothing learned before is to be lost. No other
                    // program can repeat it, either.
                    self.save_if_new(before, observer)?;
                    return Err(error.into());
                }
                Err(error) => {
                    let config = documented(&self.config);
                    let written =
                        failure::write(&self.folder, &config, &before, &self.trainer, &error);
                    if let Err(why) = written {
                        let why = Box::new(why);
                        return Err(RunError::NotRecorded { error, why });
                    }
                    if !error.is_divergence() {
                        // Nothing to go back from, such as a task's own non-finite reward.
                        let non_finite = matches!(
                            error,
                            TrainError::Acting(_)
                                | TrainError::Evaluating(EvaluateError::Acting(_))
                        );
                        return Err(if non_finite {
                            let iteration = before.iteration + 1;
                            self.record_non_finite(iteration, error, observer)?.into()
                        } else {
                            error.into()
                        });
                    }
                    // The failed iteration wrote no row, and will be repeated.
                    self.recover_from(before.iteration + 1, error, observer)?;
                    continue;
                }
            };
            self.folder.held()?;
            let last = self.trainer.iteration() == total;
            let evaluation = evaluation.map(|evaluation| {
                self.evaluations.write(&row, &evaluation)?;
                observer.evaluated(row.iteration, row.env_steps, &evaluation);
                Ok::<_, RunError>(evaluation.zero_noise.mean)
            });
            let evaluation = evaluation.transpose()?;
            let reached = evaluation.is_some_and(|mean| self.config.train.stops_at(mean));
            let last = last || reached;
            self.metrics.write(&row)?;
            observer.iteration(&row);
            let findings = self.detector.observe(&row);
            for finding in findings {
                self.record(row.iteration, row.env_steps, finding, observer)?;
            }
            // No rollback after the last iteration: it is the run's result, good or bad, and the
            // best checkpoint is kept.
            if self.config.train.rollback && self.detector.has_collapsed() && !last {
                self.roll_back(row.iteration, row.iteration, observer)?;
                continue;
            }

            let every = self.config.train.checkpoint_every;
            let due = every > 0 && self.trainer.iteration().is_multiple_of(every);
            let best = self.is_best(evaluation);
            if last || due || best || stop.load(Ordering::Relaxed) {
                self.save(evaluation, observer)?;
            }
            if reached {
                break;
            }
        }
        Ok(Outcome::Finished)
    }

    /// Whether an evaluation is the best so far, or the best healthy one.
    fn is_best(&mut self, evaluation: Option<f64>) -> bool {
        let better = |best: &mut Option<f64>| {
            let better = evaluation.is_some_and(|now| best.is_none_or(|best| now > best));
            if better {
                *best = evaluation;
            }
            better
        };
        let best = better(&mut self.best);
        let healthy = self.config.train.rollback && !self.is_warned();
        let best_healthy = healthy && better(&mut self.best_healthy);
        best || best_healthy
    }

    /// Whether the run is unhealthy at present; always false without rollback.
    fn is_warned(&self) -> bool {
        self.config.train.rollback && !self.detector.unstable().is_empty()
    }

    /// Records a finding of an iteration, and reports it to the observer.
    fn record(
        &mut self,
        iteration: u64,
        env_steps: u64,
        finding: Finding,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let event = Event {
            iteration,
            env_steps,
            rollbacks: self.trainer.rollbacks(),
            finding,
        };
        self.folder.held()?;
        self.events.write(&event)?;
        observer.found(&event);
        Ok(())
    }

    fn save(
        &mut self,
        evaluation: Option<f64>,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        self.save_snapshot(Snapshot::of(&self.trainer)?, evaluation, observer)
    }

    /// Saves a checkpoint of what was before the current iteration, unless there is one.
    fn save_if_new(
        &mut self,
        before: Snapshot,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        match self.saved_iteration == Some(before.iteration) {
            true => Ok(()),
            false => self.save_snapshot(before, None, observer),
        }
    }

    /// Saves a checkpoint, with the mean return if it was evaluated.
    fn save_snapshot(
        &mut self,
        snapshot: Snapshot,
        evaluation: Option<f64>,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        self.folder.held()?;
        // A checkpoint must never be newer than the records up to it, nor than the directory
        // entries of their files.
        self.metrics.flush()?;
        self.evaluations.flush()?;
        self.folder.flush()?;
        let about = CheckpointInfo {
            task: self.config.task.clone(),
            iteration: snapshot.iteration,
            env_steps: snapshot.env_steps,
            evaluation,
            warned: self.is_warned(),
            task_digest: self.task_digest.clone(),
        };
        let policy = snapshot.policy.save()?;
        let config = documented(&self.config);
        let files = [
            (STATE, &snapshot.state[..]),
            (POLICY, &policy),
            (CONFIG, config.as_bytes()),
        ];
        let path = self.checkpoints.save(&about, &files)?;
        // Without it, checkpoints that are lost are only missed if the metrics go far enough.
        let _ = self.folder.note_saved();
        observer.saved(&path);
        self.last_saved = Some(path);
        self.saved_iteration = Some(about.iteration);
        Ok(())
    }
}

/// Runs one iteration, and an evaluation after it if one is due; the row holds both. Nothing if
/// `stop` is set before the evaluation has ended.
fn advance(
    trainer: &mut Lead,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<(Row, Option<Evaluation>)>, TrainError> {
    let steps_before = trainer.env_steps();
    let mut row = trainer.iterate(stop)?.row;
    let last = trainer.iteration() == trainer.total_iterations();
    let every = trainer.config().eval.every;
    let due = last || (every > 0 && steps_before / every != trainer.env_steps() / every);
    if !due || !trainer.can_evaluate() {
        return Ok(Some((row, None)));
    }
    observer.evaluating();
    let begun = Instant::now();
    let Some(evaluation) = trainer.evaluate_until(stop)? else {
        return Ok(None);
    };
    let (zero, random) = (&evaluation.zero_noise, &evaluation.random_noise);
    row.values.extend([
        ("eval/zero_noise", zero.mean),
        ("eval/zero_noise_std", zero.std),
        ("eval/random_noise", random.mean),
        ("eval/random_noise_std", random.std),
    ]);
    row.timing
        .push(("eval_seconds", begun.elapsed().as_secs_f64()));
    Ok(Some((row, Some(evaluation))))
}

/// What the records of a run lack: the iterations of rows that are `missing`, and evaluations, of
/// which there are so many in the rows and in their own file.
pub(crate) fn missing_records(
    missing: Option<(u64, u64)>,
    in_metrics: u64,
    in_evaluations: u64,
) -> Vec<String> {
    let rows = missing.map(|range| format!("{METRICS} {}", lacks(range)));
    let fewer = in_metrics.checked_sub(in_evaluations).filter(|n| *n > 0);
    let evaluations = fewer.map(|fewer| {
        format!("{EVALUATIONS} lacks {fewer} of the {in_metrics} evaluations that {METRICS} has")
    });
    rows.into_iter().chain(evaluations).collect()
}

/// What a checkpoint is made of, as it was after some iteration.
struct Snapshot {
    iteration: u64,
    env_steps: u64,
    state: Vec<u8>,
    policy: Policy,
}

impl Snapshot {
    fn of(trainer: &Lead) -> Result<Self, TrainError> {
        Ok(Self {
            iteration: trainer.iteration(),
            env_steps: trainer.env_steps(),
            state: trainer.state()?,
            policy: trainer.policy(),
        })
    }
}

/// The saved state from which a run resumes.
struct Saved {
    path: PathBuf,
    about: CheckpointInfo,
    state: Vec<u8>,
    config: Config,
}

impl Saved {
    /// The newest of the run in `folder`.
    fn newest(folder: &Path) -> Result<Self, RunError> {
        let all = Checkpoints::list(&folder.join(CHECKPOINTS))?;
        let Some((path, older)) = all.split_last() else {
            return Err(RunError::NoCheckpoint {
                folder: folder.to_owned(),
            });
        };
        let (about, state, config) =
            read_whole(path).map_err(|source| unusable(source, path, older))?;
        let origin = fpo_files::quoted(&path.join(CONFIG));
        Ok(Self {
            config: from_documented(&String::from_utf8_lossy(&config), &origin)?,
            path: path.clone(),
            about,
            state,
        })
    }
}

/// Whether the run in `folder` has come to its end by the settings `config`, which are the recorded
/// ones with changes. Nothing is written, and it need not be locked.
///
/// # Errors
/// [`RunError::Complete`] or [`RunError::Reached`] if it has; others as [`Session::resume`].
pub fn ended(folder: &Path, config: &Config, task: &dyn Task) -> Result<(), RunError> {
    let newest = Saved::newest(folder)?;
    check_continues(config, &newest.config)?;
    same_task(folder, task, &newest.about)?;
    has_ended(folder, config, &newest.config, &newest.about)
}

/// Fails if a run of the settings `config`, saved with `trained`, has ended at that checkpoint.
fn has_ended(
    folder: &Path,
    config: &Config,
    trained: &Config,
    about: &CheckpointInfo,
) -> Result<(), RunError> {
    let (folder, steps) = (folder.to_owned(), about.env_steps);
    if let Some(reached) = about.evaluation.filter(|mean| config.train.stops_at(*mean)) {
        return Err(RunError::Reached {
            folder,
            reached,
            stop_at: config.train.stop_at,
            steps,
        });
    }
    let total = |config: &Config| {
        let per_iteration = config.env.transitions() as u64;
        config.train.steps.div_ceil(per_iteration)
    };
    if about.iteration < total(config) {
        return Ok(());
    }
    Err(match about.iteration < total(trained) {
        true => RunError::Shortened {
            folder,
            asked: config.train.steps,
            steps,
            planned: trained.train.steps,
        },
        false => RunError::Complete { folder, steps },
    })
}

/// The digest of the task's files, if they are those of the checkpoint.
fn same_task(
    folder: &Path,
    task: &dyn Task,
    about: &CheckpointInfo,
) -> Result<Option<String>, RunError> {
    let files = digest(task.files());
    match files == about.task_digest {
        true => Ok(files),
        false => Err(RunError::OtherTask {
            folder: folder.to_owned(),
            task: about.task.clone(),
        }),
    }
}

/// Why the `newest` checkpoint cannot be used, and what to do, which depends on the `older` ones.
pub(crate) fn unusable(source: CheckpointError, newest: &Path, older: &[PathBuf]) -> RunError {
    // Do not suggest to move it away if it is whole.
    if source.may_be_whole() {
        return RunError::Checkpoint(source);
    }
    match older.iter().rev().find(|path| read_whole(path).is_ok()) {
        None => RunError::OnlyDamaged { source },
        Some(older) => RunError::NewestDamaged {
            source,
            newest: newest.to_owned(),
            older: older.clone(),
        },
    }
}

/// The state and the configuration in the checkpoint at `path`, if all its files are valid, and its
/// name is its own: by their names it is known which is the newest.
pub(crate) fn read_whole(
    path: &Path,
) -> Result<(CheckpointInfo, Vec<u8>, Vec<u8>), CheckpointError> {
    let checkpoint = Checkpoint::open(path)?;
    checkpoint.read(POLICY)?;
    let (state, config) = (checkpoint.read(STATE)?, checkpoint.read(CONFIG)?);
    let (about, named) = (checkpoint.about(), Checkpoints::step(path));
    if named != Some(about.env_steps) {
        return Err(CheckpointError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "it is of {} environment steps, which is not its name's number",
                about.env_steps
            ),
        });
    }
    Ok((about.clone(), state, config))
}

#[cfg(test)]
mod tests;
