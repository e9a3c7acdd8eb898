//! Rollback of a run whose training has collapsed.

use super::{Observer, RunError, STATE, Session};
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::config::Config;
use crate::health::limits::MAX_ROLLBACKS;
use crate::health::{Detector, EVALUATED, Finding, FindingKind, Metrics, Severity, each_row};
use fpo_files::count;
use fpo_learn::trainer::{ROLLBACK_LR_SCALE, TrainError};
use std::path::Path;

impl Session {
    /// Records that a number became non-finite in iteration `iteration`, and rolls back if
    /// `train.rollback` is set.
    ///
    /// # Errors
    /// `error` itself if there is no rollback, or an error of recording or rolling back.
    pub(super) fn recover_from(
        &mut self,
        iteration: u64,
        error: TrainError,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let error = self.record_non_finite(iteration, error, observer)?;
        if !self.config.train.rollback {
            return Err(error.into());
        }
        self.roll_back(iteration, iteration - 1, observer)
    }

    /// Records that a number became non-finite in iteration `iteration`, for `fpo doctor`. Returns
    /// `error`.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub(super) fn record_non_finite(
        &mut self,
        iteration: u64,
        error: TrainError,
        observer: &mut dyn Observer,
    ) -> Result<TrainError, RunError> {
        let (statement, advice) = sentence(&error);
        let finding = Finding::new(FindingKind::NonFinite, Severity::Failure, statement, advice);
        match self.record(iteration, self.trainer.env_steps(), finding, observer) {
            Ok(()) => Ok(error),
            Err(why) => {
                let why = Box::new(why);
                Err(RunError::NotRecorded { error, why })
            }
        }
    }

    /// After a collapse in iteration `iteration`, goes back to the best healthy checkpoint, or to
    /// the beginning if there is none, and saves the resulting state with `done` iterations done,
    /// from which an interrupted run then resumes. The checkpoint must be healthy, because a return
    /// may still be high after the flow has become unstable, and would soon fall again. It must
    /// have been evaluated, because which of the others exist depends on interruptions.
    ///
    /// # Errors
    /// [`RunError::Collapsed`] after too many rollbacks; others if the checkpoint cannot be read or
    /// the new one cannot be written.
    pub(super) fn roll_back(
        &mut self,
        iteration: u64,
        done: u64,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if self.trainer.rollbacks() >= MAX_ROLLBACKS {
            return Err(RunError::Collapsed {
                rollbacks: self.trainer.rollbacks(),
            });
        }
        let best = Checkpoints::best_healthy(&self.folder.checkpoints())?;
        let (state, from, evaluation) = match &best {
            None => (
                None,
                "the beginning, since no evaluation was free of warnings".to_owned(),
                None,
            ),
            Some(best) => {
                let evaluation = best.about().evaluation;
                let from = format!(
                    "the best healthy checkpoint, after {} environment steps (return {:.1})",
                    count(best.about().env_steps),
                    evaluation.unwrap_or(f64::NAN)
                );
                (Some(best.read(STATE)?), from, evaluation)
            }
        };
        let finding = |rate: f32| {
            Finding::new(
                FindingKind::Rollback,
                Severity::Note,
                format!("went back to {from}"),
                format!("from now on learning rates are {rate} of the initial ones"),
            )
        };
        let rate = ROLLBACK_LR_SCALE.powi(self.trainer.rollbacks() as i32 + 1);
        self.record(iteration, self.trainer.env_steps(), finding(rate), observer)?;
        self.trainer
            .roll_back(state.as_deref(), done)
            .map_err(|error| match best {
                Some(best) => RunError::Checkpoint(CheckpointError::Damaged {
                    path: best.path().to_owned(),
                    reason: error.to_string(),
                }),
                None => error.into(),
            })?;
        // The policy is that of `best`, so save its evaluation, too: the new checkpoint may replace
        // `best`.
        self.detector.forget();
        self.save(evaluation, observer)
    }
}

/// A detector that has received the rows of a run's folder up to `iteration`, and the number of
/// those with an evaluation.
pub(super) fn replayed(
    config: &Config,
    folder: &Path,
    iteration: u64,
) -> Result<(Detector, u64), RunError> {
    let (mut detector, mut evaluated) = (Detector::new(config), 0);
    each_row(folder, |row| {
        if row.iteration() <= iteration {
            evaluated += u64::from(row.get(EVALUATED).is_some());
            detector.observe(&row);
        }
    })?;
    Ok((detector, evaluated))
}

/// An error's statement and its advice.
fn sentence(error: &TrainError) -> (String, String) {
    let text = error.to_string();
    match text.split_once("; ") {
        Some((statement, advice)) => (statement.to_owned(), advice.to_owned()),
        None => (text, String::new()),
    }
}
