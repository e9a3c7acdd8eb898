//! Metrics besides the return that show early when a run goes wrong.

use super::advice::Advice;
use super::watch::Watch;
use crate::config::Config;
use crate::health::finding::rounded;
use crate::health::limits::*;
use crate::health::series::Window;
use crate::health::{Finding, FindingKind, Metrics, Severity};

/// A metric that is watched.
pub(super) trait Symptom {
    /// Adds a row; returns whether a problem begins with it.
    fn observe(&mut self, row: &dyn Metrics) -> bool;

    /// Whether there is a problem at present.
    fn is_present(&self) -> bool;

    /// The problem, in words.
    fn finding(&self, advice: &Advice) -> Finding;

    /// Resets the present, but not the reference.
    fn forget(&mut self);
}

/// How far single ratios are from 1.
#[derive(Clone, Debug)]
pub(super) struct Ratios {
    watch: Watch,
    /// Whether ratios matter: some methods have ratios, but their steps do not depend on them.
    matter: bool,
}

impl Ratios {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            watch: Watch::new(),
            matter: config.objective.method.uses_ratios(),
        }
    }
}

impl Symptom for Ratios {
    fn observe(&mut self, row: &dyn Metrics) -> bool {
        let (Some(min), Some(max), true) =
            (row.get("ratio_min"), row.get("ratio_max"), self.matter)
        else {
            return false;
        };
        self.watch.push(if max.is_finite() {
            max.max(1.0 / min)
        } else {
            f64::INFINITY
        });
        self.watch.crosses(self.watch.level(), RATIO_TAIL)
    }

    fn is_present(&self) -> bool {
        self.watch.warned
    }

    fn finding(&self, advice: &Advice) -> Finding {
        Finding::new(
            FindingKind::RatioTails,
            Severity::Warning,
            format!(
                "single ratios differ from 1 by a factor of {} (median of {LEVEL_WINDOW} \
                 iterations)",
                rounded(self.watch.level())
            ),
            advice.for_policy(),
        )
    }

    fn forget(&mut self) {
        self.watch = Watch::new();
    }
}

/// The share of losses beyond their bound.
#[derive(Clone, Debug)]
pub(super) struct Clamping {
    watch: Watch,
}

impl Clamping {
    pub(super) fn new() -> Self {
        Self {
            watch: Watch::new(),
        }
    }
}

impl Symptom for Clamping {
    fn observe(&mut self, row: &dyn Metrics) -> bool {
        let Some(share) = row.get("loss_clamp_fraction") else {
            return false;
        };
        self.watch.push(share);
        self.watch.crosses(self.watch.level(), CLAMPED_SHARE)
    }

    fn is_present(&self) -> bool {
        self.watch.warned
    }

    fn finding(&self, advice: &Advice) -> Finding {
        Finding::new(
            FindingKind::LossClamp,
            Severity::Warning,
            format!(
                "{:.1} % of losses are beyond objective.loss_max, where their gradient is \
                zero",
                100.0 * self.watch.level()
            ),
            format!(
                "in some states the flow has become unstable and nothing brings it back; {}",
                advice.for_policy()
            ),
        )
    }

    fn forget(&mut self) {
        self.watch = Watch::new();
    }
}

/// The gradient's norm, compared with its running median.
#[derive(Clone, Debug)]
pub(super) struct Gradients {
    watch: Watch,
    reference: Window,
}

impl Gradients {
    pub(super) fn new() -> Self {
        Self {
            watch: Watch::new(),
            reference: Window::new(GRADIENT_WINDOW),
        }
    }

    fn growth(&self) -> f64 {
        self.watch.level() / self.reference.median().max(GRADIENT_FLOOR)
    }
}

impl Symptom for Gradients {
    fn observe(&mut self, row: &dyn Metrics) -> bool {
        let Some(norm) = row.get("grad_norm") else {
            return false;
        };
        // Values that leave the level's window enter the reference, so that a jump is not compared
        // with itself.
        if let Some(old) = self.watch.push(norm) {
            self.reference.push(old);
        }
        self.reference.len() >= GRADIENT_EARLIEST
            && self.watch.crosses(self.growth(), GRADIENT_GROWTH)
    }

    fn is_present(&self) -> bool {
        self.watch.warned
    }

    fn finding(&self, advice: &Advice) -> Finding {
        Finding::new(
            FindingKind::GradientNorm,
            Severity::Warning,
            format!(
                "the gradient's norm is {}, {} times its running median",
                rounded(self.watch.level()),
                rounded(self.growth())
            ),
            advice.for_policy(),
        )
    }

    fn forget(&mut self) {
        self.watch = Watch::new();
    }
}

/// The flow-matching loss of the actions taken, compared with its lowest.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    watch: Watch,
    /// The share of one-step predictions beyond the bound on actions.
    outside: Window,
    lowest: f64,
    /// Rows added, with or without a loss.
    rows: usize,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self {
            watch: Watch::new(),
            outside: Window::new(LEVEL_WINDOW),
            lowest: f64::INFINITY,
            rows: 0,
        }
    }

    pub(super) fn growth(&self) -> f64 {
        self.watch.level() / self.lowest
    }
}

impl Symptom for Losses {
    fn observe(&mut self, row: &dyn Metrics) -> bool {
        self.rows += 1;
        if let Some(share) = row.get("outside_bound") {
            self.outside.push(share);
        }
        let Some(loss) = row.get("cfm_loss") else {
            return false;
        };
        self.watch.push(loss);
        let level = self.watch.level();
        if self.rows > LOSS_EARLIEST && level.is_finite() {
            self.lowest = self.lowest.min(level);
        }
        self.watch
            .crosses(level, (LOSS_GROWTH * self.lowest).max(LOSS_LEVEL))
    }

    fn is_present(&self) -> bool {
        self.watch.warned
    }

    fn finding(&self, advice: &Advice) -> Finding {
        let outside = self.outside.median();
        let cause = if outside > OUTSIDE_SHARE {
            format!(
                "the flow is leaving its box: {:.0} % of its predictions are beyond \
                policy.action_bound",
                100.0 * outside
            )
        } else {
            "the flow is becoming unstable".to_owned()
        };
        Finding::new(
            FindingKind::LossGrowth,
            Severity::Warning,
            format!(
                "the flow-matching loss of the actions taken has grown to {}, {} times its lowest",
                rounded(self.watch.level()),
                rounded(self.growth())
            ),
            format!("{cause}; {}", advice.for_policy()),
        )
    }

    fn forget(&mut self) {
        self.watch = Watch::new();
        self.outside = Window::new(LEVEL_WINDOW);
    }
}
