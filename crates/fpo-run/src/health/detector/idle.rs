//! Whether anything is learned at all: a policy that does not move, advantages that are all 0, a
//! normalizer that stands still, a return like that before learning.

use super::evaluations::Evaluations;
use super::returns::Returns;
use super::watch::Watch;
use crate::config::{AdvantageNormalization, Config, Squash};
use crate::health::finding::rounded;
use crate::health::limits::*;
use crate::health::{Finding, FindingKind, Metrics, Severity};

#[cfg(test)]
mod tests;

/// Watches a run for learning nothing. Unlike the other symptoms these are no reason to go back to
/// an earlier state.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    /// Environment steps of the whole run.
    planned: u64,
    squash: Squash,
    normalization: AdvantageNormalization,
    /// Whether the policy is learned from advantages.
    by_advantages: bool,
    change: Watch,
    advantages: Watch,
    saturation: Watch,
    /// Rows whose normalizer had seen no more than in the row before, and what it had seen.
    unseen: usize,
    seen: Option<f64>,
    /// Whether no iteration so far has had a reward that tells one action from another.
    waits: bool,
    present: Vec<Finding>,
    /// What was reported: each kind once a run.
    reported: Vec<FindingKind>,
}

impl Idle {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            planned: config.train.steps,
            squash: config.policy.squash,
            normalization: config.advantage.normalization(),
            by_advantages: !config.objective.method.follows_q(),
            change: Watch::new(),
            advantages: Watch::new(),
            saturation: Watch::new(),
            unseen: 0,
            seen: None,
            waits: config.advantage.wait_for_reward,
            present: Vec::new(),
            reported: Vec::new(),
        }
    }

    /// Adds a row, of which `returns` and `evaluations` know already; returns the problems that
    /// begin with it.
    pub(super) fn observe(
        &mut self,
        row: &dyn Metrics,
        returns: &Returns,
        evaluations: &Evaluations,
    ) -> Vec<Finding> {
        // A policy that waits for a reward rests on purpose.
        let waits = row.get("waiting") == Some(1.0);
        self.waits &= waits;
        if !waits {
            for (watch, name) in [
                (&mut self.change, "policy_change"),
                (&mut self.advantages, "advantage_size"),
            ] {
                if let Some(value) = row.get(name) {
                    watch.push(value);
                }
            }
        }
        if let Some(value) = row.get("action_saturation") {
            self.saturation.push(value);
            let level = self.saturation.level();
            self.saturation.crosses(level, SATURATED);
        }
        if let Some(seen) = row.get("normalizer_count") {
            let stands = self.seen.is_some_and(|before| seen <= before);
            self.unseen = if stands { self.unseen + 1 } else { 0 };
            self.seen = Some(seen);
        }

        let risen = returns.has_risen();
        // Where the return has risen, equal returns of all actions are a task that is solved.
        let unsolved = risen != Some(true);
        let past_half = 2 * row.env_steps() >= self.planned;
        let better = risen.is_none_or(|risen| risen) || evaluations.exceed(returns.start());
        let found = [
            (self.change.is_below(STANDING_POLICY) && unsolved).then(frozen),
            (self.by_advantages && self.advantages.is_below(ZERO_ADVANTAGE) && unsolved)
                .then(|| no_advantages(self.normalization)),
            (self.unseen >= LEVEL_WINDOW).then(standing_normalizer),
            (self.waits && past_half).then(no_reward),
            (past_half && !better && !self.waits && !returns.collapsed)
                .then(|| no_progress(returns)),
            self.saturation
                .warned
                .then(|| saturated(self.saturation.level(), self.squash)),
        ];
        self.present = found.into_iter().flatten().collect();
        let new = self.present.iter();
        let new: Vec<Finding> = new
            .filter(|finding| !self.reported.contains(&finding.kind))
            .cloned()
            .collect();
        self.reported.extend(new.iter().map(|finding| finding.kind));
        new
    }

    /// The present problems.
    pub(super) fn present(&self) -> &[Finding] {
        &self.present
    }

    /// Resets the present, as after a rollback.
    pub(super) fn forget(&mut self) {
        (self.change, self.advantages) = (Watch::new(), Watch::new());
        self.saturation = Watch::new();
        (self.unseen, self.seen) = (0, None);
        self.present.clear();
    }
}

fn warning(kind: FindingKind, statement: impl Into<String>, advice: &str) -> Finding {
    Finding::new(kind, Severity::Warning, statement, advice)
}

fn frozen() -> Finding {
    warning(
        FindingKind::FrozenPolicy,
        format!(
            "the policy does not move: its parameters changed by less than {STANDING_POLICY:e} of \
             their size in an iteration (median of {LEVEL_WINDOW})"
        ),
        "look at advantage_size and learning_rate in the metrics: nothing is learned from \
         advantages of 0, nor with a learning rate of 0",
    )
}

fn no_advantages(normalization: AdvantageNormalization) -> Finding {
    warning(
        FindingKind::ZeroAdvantages,
        format!("all advantages are 0 (median of {LEVEL_WINDOW} iterations): no action is better"),
        match normalization {
            AdvantageNormalization::None => {
                "rewards do not depend on actions, or a group's returns are all equal; look at the \
                 task's reward"
            }
            _ => {
                "rewards do not depend on actions, or too few advantages are normalized together; \
                 begin a new run with larger batches or fewer optimizer.minibatches"
            }
        },
    )
}

fn standing_normalizer() -> Finding {
    warning(
        FindingKind::Normalizer,
        format!(
            "the normalizer has seen no new observation in {LEVEL_WINDOW} iterations: its \
             statistics stand still"
        ),
        "the policy's inputs drift away from them; begin a new run",
    )
}

fn no_reward() -> Finding {
    warning(
        FindingKind::NoProgress,
        "half of the run is over, and no iteration has had rewards that differ",
        "nothing was learned yet: the reward is too rare for these batches; raise env.num_envs or \
         env.num_steps, give the task a denser reward, or set policy.action_noise",
    )
}

fn no_progress(returns: &Returns) -> Finding {
    let start = returns.start().unwrap_or(f64::NAN);
    warning(
        FindingKind::NoProgress,
        format!(
            "half of the run is over, and the return is that of the policy before learning ({})",
            rounded(start)
        ),
        "it may have been good from the start; otherwise the reward may be too rare or the \
         learning rate wrong: try more environments, more steps, or another \
         optimizer.learning_rate",
    )
}

fn saturated(size: f64, squash: Squash) -> Finding {
    warning(
        FindingKind::Saturation,
        format!("nearly all actions are at the bounds of their range (saturation {size:.2} of 1)"),
        match squash {
            Squash::Tanh => {
                "the policy drifts beyond tanh; start a new run with policy.action_bound=3 (a \
                 flow: and objective.bound_pull=1), and lower optimizer.learning_rate"
            }
            Squash::Clip => {
                "the policy drifts beyond its range; start a new run with policy.action_bound=1 \
                 (a flow: and objective.bound_pull=1), and lower optimizer.learning_rate"
            }
        },
    )
}
