//! What a run does when training has collapsed.

use super::{Observer, RunError, STATE, Session};
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::config::Config;
use crate::health::limits::MAX_ROLLBACKS;
use crate::health::{Detector, Finding, FindingKind, Metrics, Recorded, Severity};
use crate::metrics::METRICS;
use fpo_files::each_line;
use fpo_learn::trainer::{ROLLBACK_LR_SCALE, TrainError};
use std::path::Path;

impl Session {
    /// After a number stopped being finite in iteration `iteration`: writes it down and, where that
    /// is wanted, goes back.
    ///
    /// # Errors
    /// `error` itself if there is no going back, or what goes wrong on the way.
    pub(super) fn recover_from(
        &mut self,
        iteration: u64,
        error: TrainError,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let (statement, advice) = sentence(&error);
        let finding = Finding::new(FindingKind::NonFinite, Severity::Failure, statement, advice);
        if let Err(why) = self.record(iteration, self.trainer.env_steps(), finding, observer) {
            let why = Box::new(why);
            return Err(RunError::NotWrittenDown { error, why });
        }
        if !self.config.train.rollback {
            return Err(error.into());
        }
        self.roll_back(iteration, iteration - 1, observer)
    }

    /// After something was wrong in iteration `iteration` goes back to the best checkpoint with
    /// which nothing was wrong, or to the beginning if there is none, and saves where that leads: a
    /// run that is interrupted from now on goes on from here, with `done` iterations done. A return
    /// may be high where the flow has become unstable already, and then it falls again at once.
    /// Checkpoints that were not evaluated are no place to go back to: which of them are there
    /// depends on interruptions.
    ///
    /// # Errors
    /// [`RunError::Collapsed`] if it has gone back too often already, or if the checkpoint cannot
    /// be read or the new one not written.
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
        let best = Checkpoints::best_sound(&self.folder.checkpoints())?;
        let (state, from, evaluation) = match &best {
            None => (
                None,
                "the beginning, since no evaluation was free of warnings".to_owned(),
                None,
            ),
            Some(best) => {
                let evaluation = best.about().evaluation;
                let from = format!(
                    "the best sound checkpoint, after {} environment steps (return {:.1})",
                    best.about().env_steps,
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
                format!("learning rates are {rate} of what they were from now on"),
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
        // It is the evaluated policy again, so that the best one is not lost where it is saved in
        // the place of itself.
        self.detector.forget();
        self.save(evaluation, observer)
    }
}

/// A detector that has seen what a run's folder holds up to `iteration`.
pub(super) fn replayed(
    config: &Config,
    folder: &Path,
    iteration: u64,
) -> Result<Detector, RunError> {
    let mut detector = Detector::new(config);
    let path = folder.join(METRICS);
    let replayed = each_line(&path, |line| {
        let row = Recorded::parse(line)?;
        if row.iteration() <= iteration {
            detector.observe(&row);
        }
        Ok(())
    });
    replayed.map_err(|error| RunError::of_lines("read", &path, error))?;
    Ok(detector)
}

/// What an error says, and what it advises.
fn sentence(error: &TrainError) -> (String, String) {
    let text = error.to_string();
    match text.split_once("; ") {
        Some((statement, advice)) => (statement.to_owned(), advice.to_owned()),
        None => (text, String::new()),
    }
}
