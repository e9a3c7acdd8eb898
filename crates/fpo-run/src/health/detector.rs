//! Following a run, row by row.

mod advice;
mod evaluations;
mod returns;
mod symptoms;
mod watch;

#[cfg(test)]
mod tests;

use super::finding::figure;
use super::{Finding, FindingKind, Metrics, Severity};
use crate::config::Config;
use advice::Advice;
use evaluations::{Evaluations, has_evaluation};
use returns::Returns;
use symptoms::{Clamping, Gradients, Losses, Ratios, Symptom};

/// Follows a run and says, once for each event, when it begins to go wrong.
///
/// It sees nothing but rows, each once and in order, so a run that is resumed shows it the recorded
/// ones again and goes on as if it had never stopped. When `rollbacks` rises in a row it forgets
/// what was before in everything that has to do with the present.
#[derive(Clone, Debug)]
pub struct Detector {
    advice: Advice,
    returns: Returns,
    evaluations: Evaluations,
    ratios: Ratios,
    clamping: Clamping,
    gradients: Gradients,
    losses: Losses,
    rollbacks: f64,
    /// There was an evaluation with which nothing was wrong: a checkpoint to go back to.
    sound: bool,
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
            rollbacks: 0.0,
            sound: false,
        }
    }

    /// Takes in a row; returns what has begun with it.
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
        // Last, since the others are what it may be explained by.
        let before = self.has_collapsed();
        self.returns.observe(row);
        self.evaluations.observe(row, self.returns.first);
        if !before && self.has_collapsed() {
            found.push(self.collapse());
        }
        self.sound |= has_evaluation(row) && self.present().is_empty();
        found
    }

    /// Whether the return is far below its best, as far as the last rows tell.
    pub fn has_collapsed(&self) -> bool {
        self.returns.collapsed || self.evaluations.collapsed
    }

    /// What is wrong at present.
    pub fn present(&self) -> Vec<Finding> {
        let symptoms: [&dyn Symptom; 4] =
            [&self.ratios, &self.clamping, &self.gradients, &self.losses];
        let symptoms = symptoms.into_iter().filter(|symptom| symptom.is_present());
        let collapse = self.has_collapsed().then(|| self.collapse());
        collapse
            .into_iter()
            .chain(symptoms.map(|symptom| symptom.finding(&self.advice)))
            .collect()
    }

    /// Whether the training return has risen by more than its noise; none while there are too few
    /// episodes to say.
    pub fn has_learnt(&self) -> Option<bool> {
        self.returns.has_risen()
    }

    /// Forgets the present, as after a rollback; the next row, which has more of them, does the
    /// same.
    pub(crate) fn forget(&mut self) {
        if self.sound {
            self.returns.forget();
            self.evaluations.forget();
        } else {
            // There was nothing to go back to: training has begun again.
            self.returns = Returns::new();
            self.evaluations = Evaluations::default();
            self.losses = Losses::new();
        }
        self.ratios.forget();
        self.clamping.forget();
        self.gradients.forget();
        self.losses.forget();
    }

    /// That the return has collapsed, and from what.
    fn collapse(&self) -> Finding {
        let fall = if self.evaluations.collapsed {
            self.evaluations.fall()
        } else {
            self.returns.fall()
        };
        let cause = if self.losses.is_present() {
            format!(
                "the flow has become unstable, its loss is {} times its lowest; ",
                figure(self.losses.growth())
            )
        } else if self.ratios.is_present() {
            "ratios have left the trust region by orders of magnitude; ".to_owned()
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
