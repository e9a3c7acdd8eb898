//! Trains runs in parallel, one thread each.

use super::plan::{Job, State, note_failure};
use super::progress::Progress;
use crate::failure::Failure;
use crate::machine;
use crate::output::log;
use crate::policy::{begun_again, missing_records, unlocked};
use fpo_learn::evaluate::EvaluateError;
use fpo_learn::trainer::Row;
use fpo_learn::trainer::TrainError;
use fpo_run::run::{Observer, Outcome, RunError, RunFolder, Session};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Trains `jobs` in order, `side_by_side` at a time, until all have ended or `stop` is set. Returns
/// the errors, one line per failed run.
pub(super) fn train(
    jobs: &[Job],
    side_by_side: usize,
    stop: &AtomicBool,
    progress: &Progress,
) -> Vec<Failure> {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(k) else { break };
                    progress.begin(k, job);
                    let result = one(job, stop, &mut Watch { progress, job: k });
                    progress.end(k, job, &result);
                    if let Err(fault) = result {
                        let mut faults = faults.lock().unwrap_or_else(|e| e.into_inner());
                        faults.push(fault.before(&job.name()));
                    }
                }
            });
        }
    });
    faults.into_inner().unwrap_or_else(|e| e.into_inner())
}

/// Trains one run to its end, until it fails or is stopped.
fn one(job: &Job, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, Failure> {
    let (config, task) = (job.config.clone(), job.learns.clone());
    let mut session = match job.state {
        State::Begun(_) => {
            let folder = RunFolder::open(&job.folder)?;
            // Use the recorded configuration, because its precision is resolved.
            let config = fpo_run::config::load_recorded(&folder.config(), &[])?;
            Session::resume(folder, config, task, 1)?
        }
        // There is no run, or the user has asked to run it again.
        _ => Session::begin(RunFolder::create(&job.folder, job.again)?, config, task, 1)?,
    };
    if let Some(warning) = unlocked(session.folder()) {
        log(&warning);
    }
    let notes = begun_again(&session).into_iter();
    notes
        .chain(missing_records(&session))
        .for_each(|note| log(&note));
    machine::record(&session, 1)?;
    session.run(stop, observer).map_err(|error| {
        let repeats = would_repeat(&error);
        let failure = Failure::from(error);
        let note = || -> Result<(), String> {
            let folder = session.folder();
            folder.held().map_err(|e| e.to_string())?;
            note_failure(folder.path(), &failure.to_string()).map_err(|e| e.to_string())
        };
        if repeats && let Err(e) = note() {
            return Failure::runtime(format!(
                "{failure}; this could not be recorded in its folder: {e}"
            ));
        }
        failure
    })
}

/// Whether training would fail in the same way again, because it depends on its settings and its
/// seed alone.
fn would_repeat(error: &RunError) -> bool {
    matches!(
        error,
        RunError::Collapsed { .. }
            | RunError::Train(
                TrainError::Acting(_)
                    | TrainError::Evaluating(
                        EvaluateError::Acting(_) | EvaluateError::Endless { .. }
                    )
                    | TrainError::NonFiniteParameter { .. }
                    | TrainError::NonFiniteGradient { .. }
                    | TrainError::FirstRatio { .. }
            )
    )
}

/// Forwards the progress of a run.
struct Watch<'a> {
    progress: &'a Progress,
    job: usize,
}

impl Observer for Watch<'_> {
    fn iteration(&mut self, row: &Row) {
        self.progress.step(self.job, row.env_steps);
    }
}
