//! The metrics of one iteration: their names, and what they are computed from.

use super::Trainer;
use crate::advantage::mean;
use crate::learner::{LearnPlan, LearnStats};
use crate::objective::SampleLoss;
use fpo_env::{Extras, StepEnd};
use fpo_policy::Model;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What the names of [`Row::extras`] begin with in files, so that they are those of no other
/// metric.
pub const EXTRAS: &str = "env/";

/// Metrics of the critic, absent in a run without one.
pub const OF_CRITIC: [&str; 2] = ["value_loss", "explained_variance"];

/// The metrics of one iteration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Iterations done, counted from 1.
    pub iteration: u64,
    /// Environment steps taken so far, over all environments.
    pub env_steps: u64,
    /// Names and values that depend on the settings and the seed alone. A `/` in a name groups it
    /// in TensorBoard. `iteration`, `env_steps` and `time` are taken.
    pub values: Vec<(&'static str, f64)>,
    /// What the environments reported by name (reward terms, metrics): means over the iteration,
    /// sorted by name. In files [`EXTRAS`] precedes the names.
    pub extras: Vec<(String, f64)>,
    /// Names and values that depend on the clock: seconds and rates. They stand apart under `time`,
    /// so that the rest of the line is the same, byte for byte, in every run with the same seed.
    pub timing: Vec<(&'static str, f64)>,
}

impl Trainer {
    /// The row of the iteration that is just done.
    pub(super) fn row(
        &self,
        plan: &LearnPlan,
        learned: &LearnStats,
        explained_variance: f64,
        timing: Vec<(&'static str, f64)>,
    ) -> Row {
        let (batch, stats) = (&self.batch, &learned.minibatches);
        let episodes: Vec<_> = self.seen.iter().flat_map(|s| &s.episodes).collect();
        let whole: Vec<_> = episodes.iter().filter(|e| e.whole).collect();
        let count = whole.len() as f64;
        let diverged = episodes
            .iter()
            .filter(|e| e.end == StepEnd::Diverged)
            .count();
        let (transitions, ratios) = (batch.dims.transitions(), stats.ratio.count as f64);
        let saturation: f64 = self.seen.iter().map(|s| s.saturation).sum();
        let policy_rows = stats.policy_rows as f64;
        // Not numbers where there is no critic; `OF_CRITIC` lists them.
        let of_critic = |x: f64| {
            if self.config.advantage.has_critic() {
                x
            } else {
                f64::NAN
            }
        };
        let mut values = vec![
            // Not a number while no whole episode has ended.
            (
                "episode_return",
                whole.iter().map(|e| e.total_reward).sum::<f64>() / count,
            ),
            (
                "episode_length",
                whole.iter().map(|e| f64::from(e.length)).sum::<f64>() / count,
            ),
            ("episodes", count),
            ("diverged", diverged as f64),
            (
                "reward",
                mean(&batch.rewards) / f64::from(self.config.env.reward_scale),
            ),
            ("advantage_size", stats.advantage / policy_rows),
            (
                "policy_loss",
                (stats.ratio.loss + stats.pull_loss) / policy_rows,
            ),
            (
                "value_loss",
                of_critic(stats.value_loss / stats.rows as f64),
            ),
            (self.sample_loss_name(), mean(&batch.old_losses)),
            ("ratio_mean", stats.ratio.sum / ratios),
            ("ratio_min", f64::from(stats.ratio.min)),
            ("ratio_max", f64::from(stats.ratio.max)),
            ("first_ratio_error", learned.first_ratio_error),
            ("clip_fraction", stats.ratio.clipped as f64 / ratios),
            ("approx_kl", learned.approx_kl),
            ("gradient_steps", learned.steps as f64),
            ("grad_norm", stats.grad_norm / learned.steps as f64),
            ("policy_change", self.policy_change()),
            ("explained_variance", of_critic(explained_variance)),
            ("action_saturation", saturation / transitions as f64),
            ("learning_rate", f64::from(plan.policy_lr)),
        ];
        if self.config.normalizer.enabled {
            values.push(("normalizer_count", self.normalizer.moments().count as f64));
        }
        if self.config.advantage.wait_for_reward {
            let waits = self.config.learner().waits(batch);
            values.push(("waiting", f64::from(u8::from(waits))));
        }
        if let Model::Gaussian(_) = self.policy {
            values.push(("entropy", stats.entropy / policy_rows));
            values.push(("policy_std", stats.std / policy_rows));
        }
        if let Some(bins) = &self.critic.bins {
            let returns = batch.returns.iter();
            let outside = returns.filter(|y| !bins.covers(**y / self.critic.unit));
            let share = outside.count() as f64 / transitions as f64;
            values.push(("outside_bins", share));
        }
        if self.parts.q.is_some() {
            // 0 where nothing was followed.
            let inside = stats.q.inside as f64 / stats.q.entries.max(1) as f64;
            values.push(("q_slope", stats.q.mean_slope().unwrap_or(0.0)));
            values.push(("q_inside", inside));
        }
        if self.parts.objective.bounds_losses() {
            // Every epoch counts all samples again.
            let samples = stats.policy_rows * batch.dims.samples as u64;
            values.push((
                "loss_clamp_fraction",
                stats.ratio.bounded as f64 / samples as f64,
            ));
        }
        if self.parts.pull.is_some() {
            let entries = stats.policy_rows * (batch.dims.samples * batch.dims.action) as u64;
            values.push(("outside_bound", stats.outside as f64 / entries as f64));
        }
        if self.config.train.rollback {
            values.push(("rollbacks", f64::from(self.rollbacks)));
        }
        if self.config.objective.knn_entropy > 0.0 {
            let entropy: f64 = self.seen.iter().map(|s| s.entropy).sum();
            values.push(("entropy", entropy / transitions as f64));
        }
        Row {
            iteration: self.iteration,
            env_steps: self.env_steps(),
            values,
            extras: self.extras(),
            timing,
        }
    }

    /// ‖Δθ‖/‖θ‖ of the policy's parameters over the latest iteration.
    fn policy_change(&self) -> f64 {
        let now = &self.networks().policy.parameters;
        let (mut change, mut size) = (0.0, 0.0);
        for (now, before) in now.iter().zip(&self.previous) {
            change += f64::from(now - before) * f64::from(now - before);
            size += f64::from(*now) * f64::from(*now);
        }
        (change / size.max(f64::MIN_POSITIVE)).sqrt()
    }

    /// Means of what the environments reported in the latest rollout.
    fn extras(&self) -> Vec<(String, f64)> {
        let mut all = Extras::default();
        self.seen.iter().for_each(|seen| all.merge(&seen.extras));
        all.means()
    }

    /// The metric that holds the mean loss of the samples.
    fn sample_loss_name(&self) -> &'static str {
        match self.parts.loss {
            SampleLoss::FlowMatching(_) => "cfm_loss",
            SampleLoss::Gaussian | SampleLoss::Step(_) => "negative_log_likelihood",
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iteration", &self.iteration)?;
        map.serialize_entry("env_steps", &self.env_steps)?;
        for (name, value) in &self.values {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.extras {
            map.serialize_entry(&format!("{EXTRAS}{name}"), value)?;
        }
        map.serialize_entry("time", &Named(&self.timing))?;
        map.end()
    }
}

/// Names and values as a JSON object, in their order.
struct Named<'a>(&'a [(&'static str, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
