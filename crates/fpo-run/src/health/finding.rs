//! What was found, in a form for people and one for programs.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the run is healthy.
    Note,
    /// It is likely to go wrong, or to learn less than it could.
    Warning,
    /// It has gone wrong.
    Failure,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The return fell far below its best.
    ReturnCollapse,
    /// Ratios are orders of magnitude outside the trust region.
    RatioTails,
    /// Losses of samples are beyond objective.loss_max, where their gradient is zero.
    LossClamp,
    /// Gradients are much larger than they were.
    GradientNorm,
    /// Flow-matching losses are much larger than they were.
    LossGrowth,
    /// A number stopped being finite.
    NonFinite,
    /// Training went back to an earlier state.
    Rollback,
    /// Too many ratios leave the trust region, or hardly any.
    ClipFraction,
    /// The critic explains nothing.
    ExplainedVariance,
    /// The normalizer's statistics are extreme, or have moved far.
    Normalizer,
    /// Actions are at the bounds of their range.
    Saturation,
    /// Simulations diverged.
    Diverged,
    /// There is no evaluation to judge the run by, or to choose the best checkpoint.
    Evaluation,
    /// A learning rate is out of the usual range.
    LearningRate,
    /// The return has not risen.
    NoProgress,
    /// There is nothing to judge yet.
    NoMetrics,
    /// Time goes into something else than learning.
    Speed,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, as one line.
    pub statement: String,
    /// The likely cause and what to do, as one line; empty if nothing.
    pub advice: String,
}

impl Finding {
    /// A finding.
    pub fn new(
        kind: FindingKind,
        severity: Severity,
        statement: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            severity,
            statement: statement.into(),
            advice: advice.into(),
        }
    }

    /// Whether a run of which this is true is not well.
    pub fn is_unhealthy(&self) -> bool {
        self.severity > Severity::Note
    }
}

/// A figure in a sentence.
pub(super) fn figure(x: f64) -> String {
    match x.abs() {
        a if !a.is_finite() => "∞".to_owned(),
        a if a >= 1e5 || (a > 0.0 && a < 1e-2) => format!("{x:.1e}"),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}
