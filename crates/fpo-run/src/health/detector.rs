//! Detects problems of a run, row by row.

mod advice;
mod evaluations;
mod idle;
mod returns;
mod symptoms;
mod watch;

#[cfg(test)]
mod tests;

use super::finding::rounded;
use super::{Finding, FindingKind, Metrics, Severity};
use crate::config::Config;
use advice::Advice;
use evaluations::{Evaluations, has_evaluation};
use idle::Idle;
use returns::Returns;
use symptoms::{Clamping, Gradients, Losses, Ratios, Symptom};

/// Receives the rows of a run and reports each problem once, when it begins.
///
/// Its only input is the rows, each once and in order, so a resumed run replays the recorded ones
/// and then continues as if it had never stopped. When a row has more `rollbacks` than the one
/// before, the detector resets everything that describes the present.
#[derive(Clone, Debug)]
pub struct Detector {
    advice: Advice,
    returns: Returns,
    evaluations: Evaluations,
    ratios: Ratios,
    clamping: Clamping,
    gradients: Gradients,
    losses: Losses,
    idle: Idle,
    rollbacks: f64,
    /// Whether an evaluation was free of warnings, so that there is a checkpoint for a rollback.
    has_healthy: bool,
}

impl Detector {
    /// A detector for a run with these settings, before its first row.
    pub fn new(config: &Config) -> Self {
        Self {
            advice: Advice::new(config),
            returns: Returns::new(),
            evaluations: Evaluations::default(),
            ratios: Ratios::new(config),
            clamping: Clamping::new(),
            gradients: Gradients::new(),
            losses: Losses::new(),
            idle: Idle::new(config),
            rollbacks: 0.0,
            has_healthy: false,
        }
    }

    /// Adds a row; returns the problems that begin with it.
    pub fn observe(&mut self, row: &dyn Metrics) -> Vec<Finding> {
        let rollbacks = row.get("rollbacks").unwrap_or(self.rollbacks);
        if rollbacks > self.rollbacks {
            self.forget();
            self.rollbacks = rollbacks;
        }
        let mut found = Vec::new();
        let Self {
            advice,
            ratios,
            clamping,
            gradients,
            losses,
            ..
        } = self;
        let symptoms: [&mut dyn Symptom; 4] = [ratios, clamping, gradients, losses];
        for symptom in symptoms {
            if symptom.observe(row) {
                found.push(symptom.finding(advice));
            }
        }
        // Last, because the other findings may explain it.
        let before = self.has_collapsed();
        self.returns.observe(row);
        self.evaluations.observe(row, self.returns.first);
        if !before && self.has_collapsed() {
            found.push(self.collapse());
        }
        found.extend(self.idle.observe(row, &self.returns, &self.evaluations));
        self.has_healthy |= has_evaluation(row) && self.unstable().is_empty();
        found
    }

    /// Whether the return is far below its best in the last rows.
    pub fn has_collapsed(&self) -> bool {
        self.returns.collapsed || self.evaluations.collapsed
    }

    /// The present problems.
    pub fn present(&self) -> Vec<Finding> {
        let mut present = self.unstable();
        present.extend_from_slice(self.idle.present());
        present
    }

    /// Those of them that make a state one that a rollback must not return to.
    pub fn unstable(&self) -> Vec<Finding> {
        let symptoms: [&dyn Symptom; 4] =
            [&self.ratios, &self.clamping, &self.gradients, &self.losses];
        let symptoms = symptoms.into_iter().filter(|symptom| symptom.is_present());
        let collapse = self.has_collapsed().then(|| self.collapse());
        collapse
            .into_iter()
            .chain(symptoms.map(|symptom| symptom.finding(&self.advice)))
            .collect()
    }

    /// Whether the training return has risen by more than its noise; none if there are too few
    /// episodes.
    pub fn has_learned(&self) -> Option<bool> {
        self.returns.has_risen()
    }

    /// Resets the present, as after a rollback; the next row, which has more rollbacks, does the
    /// same.
    pub(crate) fn forget(&mut self) {
        if self.has_healthy {
            self.returns.forget();
            self.evaluations.forget();
        } else {
            // There was no checkpoint for a rollback: training starts over.
            self.returns = Returns::new();
            self.evaluations = Evaluations::default();
            self.losses = Losses::new();
        }
        self.ratios.forget();
        self.clamping.forget();
        self.gradients.forget();
        self.losses.forget();
        self.idle.forget();
    }

    /// The finding that the return has collapsed, with its likely cause.
    fn collapse(&self) -> Finding {
        let fall = if self.evaluations.collapsed {
            self.evaluations.fall()
        } else {
            self.returns.fall()
        };
        let cause = if self.losses.is_present() {
            format!(
                "the flow has become unstable, its loss is {} times its lowest; ",
                rounded(self.losses.growth())
            )
        } else if self.ratios.is_present() {
            "ratios are orders of magnitude outside the trust region; ".to_owned()
        } else if self.gradients.is_present() {
            "gradients have exploded; ".to_owned()
        } else {
            String::new()
        };
        Finding::new(
            FindingKind::ReturnCollapse,
            Severity::Failure,
            fall,
            format!("{cause}{}", self.advice.after_collapse()),
        )
    }
}
