//! Findings, as text and as data.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information; the run is healthy.
    Note,
    /// The run is likely to fail, or to learn less than it could.
    Warning,
    /// The run has failed.
    Failure,
}

/// The kind of problem.
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
    /// A number became non-finite.
    NonFinite,
    /// The policy's parameters do not change.
    FrozenPolicy,
    /// No action is better than another.
    ZeroAdvantages,
    /// A rollback to an earlier state.
    Rollback,
    /// Too many ratios leave the trust region, or hardly any.
    ClipFraction,
    /// The critic explains nothing.
    ExplainedVariance,
    /// Returns lie beyond the bins of the critic.
    CriticBins,
    /// The normalizer's statistics are extreme, have moved far, or stand still.
    Normalizer,
    /// Actions are at the bounds of their range.
    Saturation,
    /// Simulations diverged.
    Diverged,
    /// There is no evaluation from which to choose the best checkpoint.
    Evaluation,
    /// A learning rate is out of the usual range.
    LearningRate,
    /// The return is still that before learning.
    NoProgress,
    /// There are no metrics yet.
    NoMetrics,
    /// The records of the run are damaged, or a part of them is missing.
    Records,
    /// Time is spent on something other than learning.
    Speed,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: Severity,
    /// The observation, in one line.
    pub statement: String,
    /// The likely cause and what to do, in one line; may be empty.
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

    /// Whether a run with this finding is unhealthy.
    pub fn is_unhealthy(&self) -> bool {
        self.severity > Severity::Note
    }
}

/// A number in a sentence.
pub(super) fn rounded(x: f64) -> String {
    match x.abs() {
        a if !a.is_finite() => "∞".to_owned(),
        a if a >= 1e5 || (a > 0.0 && a < 1e-2) => format!("{x:.1e}"),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}
