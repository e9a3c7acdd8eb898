//! The range of every number, and conflicts between settings.

use super::layers::{ConfigError, brief, lookup, shown, table};
use super::{
    AdvantageEstimator, AdvantageNormalization, Config, GaeForm, Method, Recompute, TimeKind,
    ValueHead,
};
use fpo_files::number;
use fpo_flow::{CfmTarget, Sampler};
use std::fmt;
use toml::Value;

/// The valid numbers of a key; NaN and infinities are never valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    min: f64,
    max: f64,
    /// Whether `min` itself is invalid.
    above: bool,
    /// Whether `max` itself is invalid.
    below: bool,
    /// Bounds on the length, for a list.
    length: Option<(usize, usize)>,
}

const fn from_to(min: f64, max: f64) -> Range {
    Range {
        min,
        max,
        above: false,
        below: false,
        length: None,
    }
}

/// Above `min`, at most `max`.
const fn above(min: f64, max: f64) -> Range {
    Range {
        min,
        max,
        above: true,
        below: false,
        length: None,
    }
}

/// From `min`, below `max`.
const fn below(min: f64, max: f64) -> Range {
    Range {
        min,
        max,
        above: false,
        below: true,
        length: None,
    }
}

const fn list(shortest: usize, longest: usize, of: Range) -> Range {
    Range {
        length: Some((shortest, longest)),
        ..of
    }
}

/// Upper bounds are far above any sensible use; they keep a typing error from using all memory.
const RANGES: &[(&str, Range)] = &[
    ("seed", from_to(0.0, i64::MAX as f64)),
    ("env.num_envs", from_to(1.0, 32_768.0)),
    ("env.num_steps", from_to(1.0, 65_536.0)),
    ("env.sequences", from_to(1.0, 65_536.0)),
    ("env.reward_scale", above(0.0, 1e6)),
    ("env.step_limit", from_to(0.0, 1e9)),
    ("env.action_repeat", from_to(1.0, 1000.0)),
    ("policy.hidden", list(1, 16, from_to(1.0, 8192.0))),
    ("policy.final_gain", from_to(0.0, 100.0)),
    ("policy.output_scale", above(0.0, 100.0)),
    ("policy.flow_steps", from_to(1.0, 1000.0)),
    ("policy.step_noise", above(0.0, 100.0)),
    ("policy.time_embedding", from_to(2.0, 32.0)),
    ("policy.initial_std", above(0.0, 1e3)),
    ("policy.action_noise", from_to(0.0, 100.0)),
    ("policy.final_noise_fraction", from_to(0.0, 1.0)),
    ("policy.action_bound", from_to(0.0, 1e6)),
    ("critic.hidden", list(1, 16, from_to(1.0, 8192.0))),
    ("critic.final_gain", from_to(0.0, 100.0)),
    ("critic.loss_coefficient", above(0.0, 1e6)),
    ("critic.bins", from_to(2.0, 1024.0)),
    ("critic.bin_min", from_to(-1e6, 1e6)),
    ("critic.bin_max", from_to(-1e6, 1e6)),
    ("objective.samples", from_to(1.0, 1024.0)),
    ("objective.huber_delta", from_to(0.0, 1e6)),
    ("objective.clip", above(0.0, 10.0)),
    ("objective.log_ratio_clamp", from_to(0.0, 80.0)),
    ("objective.log_ratio_max", from_to(0.0, 80.0)),
    ("objective.loss_max", from_to(0.0, 1e6)),
    ("objective.loss_pull", from_to(0.0, 1e6)),
    ("objective.loss_pull_from", from_to(0.0, 1e6)),
    ("objective.bound_pull", from_to(0.0, 1e6)),
    ("objective.time_beta", above(0.0, 100.0)),
    ("objective.temperature", above(0.0, 1e6)),
    ("objective.weight_ess", from_to(0.01, 0.99)),
    ("objective.weight_max", above(0.0, 1e6)),
    ("objective.anchor", from_to(0.0, 1e6)),
    ("objective.anchor_temperature", from_to(0.0, 1e6)),
    ("objective.gap_clip", from_to(0.0, 1e6)),
    ("objective.final_steps", from_to(0.0, 1000.0)),
    ("objective.knn_entropy", from_to(0.0, 100.0)),
    ("objective.knn_samples", from_to(1.0, 64.0)),
    ("objective.knn_k", from_to(1.0, 64.0)),
    ("objective.entropy", from_to(0.0, 100.0)),
    ("objective.mean_noise", from_to(0.0, 100.0)),
    ("advantage.group_size", from_to(2.0, 32_768.0)),
    ("advantage.gamma", below(0.0, 1.0)),
    ("advantage.lambda", from_to(0.0, 1.0)),
    ("optimizer.learning_rate", above(0.0, 1.0)),
    ("optimizer.critic_learning_rate", above(0.0, 1.0)),
    ("optimizer.final_lr_fraction", from_to(0.0, 1.0)),
    ("optimizer.target_kl", from_to(0.0, 100.0)),
    ("optimizer.max_kl", from_to(0.0, 100.0)),
    ("optimizer.lr_scale_min", above(0.0, 1.0)),
    ("optimizer.lr_scale_max", from_to(1.0, 1e6)),
    ("optimizer.beta1", below(0.0, 1.0)),
    ("optimizer.beta2", below(0.0, 1.0)),
    ("optimizer.eps", above(0.0, 1.0)),
    ("optimizer.weight_decay", from_to(0.0, 10.0)),
    ("optimizer.max_grad_norm", from_to(0.0, 1e6)),
    ("optimizer.epochs", from_to(1.0, 1000.0)),
    ("optimizer.minibatches", from_to(1.0, 1_048_576.0)),
    ("optimizer.policy_every", from_to(1.0, 1_048_576.0)),
    ("normalizer.clip", from_to(0.0, 1e6)),
    ("eval.every", from_to(0.0, 1e15)),
    ("eval.episodes", from_to(1.0, 65_536.0)),
    // Names of checkpoints have room for 12 digits, with the last iteration.
    ("train.steps", from_to(1.0, 9e11)),
    ("train.stop_at", from_to(-1e9, 1e9)),
    ("train.ema_decay", below(0.0, 1.0)),
    ("train.ema_after", from_to(0.0, 1e15)),
    ("train.checkpoint_every", from_to(0.0, 1e15)),
    ("train.keep", from_to(1.0, 1_000_000.0)),
];

/// Bound on the f32 numbers of a batch (16 GiB).
const LARGEST_BATCH: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0;
/// Entries of an action that there is room for in such a batch. Validation does not know the task.
const ROOM_FOR_ACTIONS: usize = 32;
/// Numbers of a transition besides its samples, such as observations and the action, that there is
/// room for.
const ROOM_FOR_TRANSITION: usize = 256;

/// Bound on the weights between a network's hidden layers.
const LARGEST_NETWORK: f64 = 50e6;
/// Bound on the activations of a network's hidden layers for the rows of one pass (256 MiB). Up to
/// 16 rollout workers, or 8 learner workers, hold as many at the same time.
const LARGEST_TILE: f64 = 64.0 * 1024.0 * 1024.0;

/// The range of a numeric key.
pub(super) fn range_of(path: &str) -> Option<&'static Range> {
    RANGES
        .iter()
        .find(|(key, _)| *key == path)
        .map(|(_, range)| range)
}

/// Checks every range, then for conflicts.
///
/// # Errors
/// The first value that is out of its range, or the first conflict.
pub fn validate(config: &Config) -> Result<(), ConfigError> {
    if i64::try_from(config.seed).is_err() {
        // TOML cannot hold larger integers, so check before converting to the table below.
        return Err(out_of_range(
            "seed",
            &config.seed,
            &format!("0 to {}", i64::MAX),
        ));
    }
    let table = table(config)?;
    for (key, range) in RANGES {
        if let Some(value) = lookup(&table, key) {
            range.check(key, value)?;
        }
    }
    check_conflicts(config)
}

/// Checks for values that are each in range but conflict.
fn check_conflicts(config: &Config) -> Result<(), ConfigError> {
    let Config {
        env,
        policy,
        critic,
        objective,
        advantage,
        optimizer,
        ..
    } = config;
    let conflict = |message: String| Err(ConfigError::Conflict(message));
    if policy.time_embedding % 2 != 0 {
        return Err(out_of_range(
            "policy.time_embedding",
            &policy.time_embedding,
            &"an even number, 2 to 32",
        ));
    }
    if objective.method == Method::Dppo {
        if policy.sampler != Sampler::Euler {
            return conflict("objective.method = \"dppo\" needs policy.sampler = \"euler\"".into());
        }
        if objective.final_steps > policy.flow_steps {
            return conflict(format!(
                "objective.final_steps = {} is more than policy.flow_steps = {}",
                objective.final_steps, policy.flow_steps
            ));
        }
    }
    if objective.time == TimeKind::InnerGrid && policy.flow_steps < 2 {
        return conflict(
            "objective.time = \"inner_grid\" needs policy.flow_steps of 2 or more: the \
            only time of one step is t = 1"
                .into(),
        );
    }
    let (samples, samples_key) = (
        config.parts().samples_per_action,
        samples_key(objective.method),
    );
    let sizes = [env.num_envs, env.sequences, env.num_steps].map(|n| n as f64);
    if sizes.iter().product::<f64>() * numbers_per_transition(config) > LARGEST_BATCH {
        return conflict(format!(
            "env.num_envs × env.sequences × env.num_steps × {samples_key} = {} × {} × {} × \
            {samples} needs more than 16 GiB for one batch",
            env.num_envs, env.sequences, env.num_steps
        ));
    }
    let sequence = match advantage.schedule() {
        Recompute::PerMinibatch => env.num_steps + 1,
        Recompute::PerIteration => 1,
    };
    for (key, hidden, rows, cause) in [
        ("policy.hidden", &policy.hidden, samples, samples_key),
        (
            "policy.hidden",
            &policy.hidden,
            env.num_envs / 16,
            "env.num_envs",
        ),
        ("critic.hidden", &critic.hidden, sequence, "env.num_steps"),
    ] {
        let weights: f64 = hidden.windows(2).map(|w| w[0] as f64 * w[1] as f64).sum();
        if weights > LARGEST_NETWORK {
            return conflict(format!(
                "{key} = {hidden:?} is a network of {:.0} million weights; at most {:.0} million \
                are allowed",
                weights / 1e6,
                LARGEST_NETWORK / 1e6
            ));
        }
        if rows as f64 * hidden.iter().sum::<usize>() as f64 > LARGEST_TILE {
            return conflict(format!(
                "{key} = {hidden:?} is too wide for this {cause}: {rows} rows at once do not fit \
                in memory"
            ));
        }
    }
    if advantage.schedule() == Recompute::PerMinibatch
        && advantage.normalize == AdvantageNormalization::Batch
    {
        return conflict(
            "advantage.normalize = \"batch\" needs advantage.recompute = \"per_iteration\": \
            with \"per_minibatch\" the batch's advantages are \
             never all known at once"
                .into(),
        );
    }
    let (what, items) = match advantage.schedule() {
        Recompute::PerMinibatch => ("env.num_envs × env.sequences", env.num_envs * env.sequences),
        Recompute::PerIteration => (
            "env.num_envs × env.sequences × env.num_steps",
            env.transitions(),
        ),
    };
    if items % optimizer.minibatches != 0 {
        let why = match advantage.schedule() {
            Recompute::PerMinibatch => {
                " (with advantage.recompute = \"per_minibatch\" a minibatch holds whole sequences)"
            }
            Recompute::PerIteration => "",
        };
        return conflict(format!(
            "optimizer.minibatches = {} must divide {what} = {items}{why}",
            optimizer.minibatches
        ));
    }
    let together = advantage.normalized_together(env.transitions(), optimizer.minibatches);
    if together == Some(1) && !objective.method.follows_q() {
        return conflict(one_advantage(config));
    }
    if advantage.estimator == AdvantageEstimator::Group && env.num_envs % advantage.group_size != 0
    {
        return conflict(format!(
            "advantage.group_size = {} must divide env.num_envs = {}",
            advantage.group_size, env.num_envs
        ));
    }
    if policy.action_noise > 0.0 && !objective.method.draws_pairs() {
        return conflict(format!(
            "policy.action_noise = {} needs objective.method = \"fpo\", \"awfm\" or \"qfm\": with \
            likelihoods the policy has noise of its own \
             (policy.initial_std, policy.step_noise)",
            number(policy.action_noise)
        ));
    }
    if critic.head == ValueHead::HlGauss {
        if critic.bin_max <= critic.bin_min {
            return conflict(format!(
                "critic.bin_max = {} must be above critic.bin_min = {}",
                number(critic.bin_max),
                number(critic.bin_min)
            ));
        }
        // Distances that f32 can hold.
        let largest = critic.bin_min.abs().max(critic.bin_max.abs()).max(1e-30);
        let width = (critic.bin_max - critic.bin_min) / (critic.bins - 1) as f32;
        if width < 1e-5 * largest {
            return conflict(format!(
                "critic.bins = {} from critic.bin_min = {} to critic.bin_max = {} are too narrow \
                for single precision",
                critic.bins,
                number(critic.bin_min),
                number(critic.bin_max)
            ));
        }
        if advantage.form == GaeForm::Brax {
            return conflict(
                "critic.head = \"hl_gauss\" needs advantage.form = \"textbook\": with Brax's form \
                truncated steps have no target"
                    .into(),
            );
        }
    }
    if objective.method.follows_q() {
        let method = objective.method.name();
        if advantage.estimator != AdvantageEstimator::Gae {
            return conflict(format!(
                "objective.method = \"{method}\" needs advantage.estimator = \"gae\": its critic \
                learns TD(λ) returns"
            ));
        }
        if advantage.schedule() != Recompute::PerIteration {
            return conflict(format!(
                "objective.method = \"{method}\" needs advantage.recompute = \"per_iteration\""
            ));
        }
        if objective.method == Method::Qfm
            && (objective.target != CfmTarget::Velocity || objective.huber_delta > 0.0)
        {
            return conflict(
                "objective.method = \"qfm\" needs objective.target = \"velocity\" and \
                objective.huber_delta = 0: other losses do not hold the flow at all times t"
                    .into(),
            );
        }
        if objective.knn_entropy > 0.0 {
            return conflict(format!(
                "objective.knn_entropy = {} changes advantages, which objective.method = \
                \"{method}\" does not use",
                number(objective.knn_entropy)
            ));
        }
    }
    if optimizer.policy_every > 1 && !advantage.has_critic() {
        return conflict(format!(
            "optimizer.policy_every = {} leaves gradient steps to the critic alone, and \
            advantage.estimator = \"group\" has none: set it to 1",
            optimizer.policy_every
        ));
    }
    if objective.softmax_weights().is_some() {
        if advantage.schedule() == Recompute::PerMinibatch {
            return conflict(
                "objective.weight = \"softmax\" needs advantage.recompute = \"per_iteration\": \
                with \"per_minibatch\" the batch's advantages are never all known at once"
                    .into(),
            );
        }
        if objective.knn_entropy > 0.0 {
            return conflict(format!(
                "objective.knn_entropy = {} changes advantages minibatch by minibatch, and \
                objective.weight = \"softmax\" weighs the whole batch: set one of them otherwise",
                number(objective.knn_entropy)
            ));
        }
    }
    if optimizer.max_kl > 0.0 && optimizer.target_kl > optimizer.max_kl {
        return conflict(format!(
            "optimizer.target_kl = {} is never reached where optimizer.max_kl = {} ends the \
            epochs: raise optimizer.max_kl, or set it to 0",
            number(optimizer.target_kl),
            number(optimizer.max_kl)
        ));
    }
    if config.train.rollback && config.eval.every == 0 {
        return conflict(
            "train.rollback goes back to the best checkpoint, so it needs evaluations while \
            training: set eval.every"
                .into(),
        );
    }
    if config.train.stop_at != 0.0 && config.eval.every == 0 {
        return conflict(format!(
            "train.stop_at = {} is compared with evaluations while training: set eval.every",
            number(config.train.stop_at)
        ));
    }
    if objective.knn_entropy > 0.0 {
        if objective.method == Method::Ppo {
            return conflict(format!(
                "objective.knn_entropy = {} is for flows: a Gaussian's entropy is known, and \
                objective.entropy is its weight",
                number(objective.knn_entropy)
            ));
        }
        if objective.knn_k > objective.knn_samples {
            return conflict(format!(
                "objective.knn_k = {} is more than objective.knn_samples = {}",
                objective.knn_k, objective.knn_samples
            ));
        }
    }
    if objective.loss_pull > 0.0 && objective.method != Method::Fpo {
        return conflict(format!(
            "objective.loss_pull = {} needs objective.method = \"fpo\": other methods do not raise \
             flow-matching losses",
            number(objective.loss_pull)
        ));
    }
    if objective.entropy > 0.0 && !matches!(objective.method, Method::Ppo | Method::Reppo) {
        return conflict(format!(
            "objective.entropy = {} needs objective.method = \"ppo\" or \"reppo\": \
            a flow's entropy is not known",
            number(objective.entropy)
        ));
    }
    if objective.mean_noise > 0.0 && objective.method != Method::Ppo {
        return conflict(format!(
            "objective.mean_noise = {} needs objective.method = \"ppo\": other methods have no \
            likelihood with a mean",
            number(objective.mean_noise)
        ));
    }
    if objective.mean_noise > 0.0 && (optimizer.max_kl > 0.0 || optimizer.target_kl > 0.0) {
        return conflict(format!(
            "objective.mean_noise = {} is part of the policy's movement, which optimizer.max_kl \
            and optimizer.target_kl limit: set both to 0",
            number(objective.mean_noise)
        ));
    }
    if objective.antithetic && objective.method.draws_pairs() && objective.samples % 2 != 0 {
        return conflict(format!(
            "objective.antithetic needs an even objective.samples, not {}",
            objective.samples
        ));
    }
    Ok(())
}

/// Why nothing is learned from a single advantage: its own mean is all that it is compared with.
fn one_advantage(config: &Config) -> String {
    let Config { env, optimizer, .. } = config;
    let (set, instead) = match config.advantage.normalization() {
        AdvantageNormalization::Batch => ("batch", "set advantage.normalize = \"none\""),
        _ if env.transitions() == 1 => ("minibatch", "set advantage.normalize = \"none\""),
        _ => (
            "minibatch",
            "lower optimizer.minibatches, or set advantage.normalize = \"none\"",
        ),
    };
    format!(
        "advantage.normalize = \"{set}\" makes every advantage 0 where a {set} has one transition \
        (env.num_envs × env.sequences × env.num_steps = {}, optimizer.minibatches = {}), so \
        nothing would be learned: {instead}",
        env.transitions(),
        optimizer.minibatches
    )
}

/// Numbers that a batch stores for a transition.
fn numbers_per_transition(config: &Config) -> f64 {
    let (parts, action) = (config.parts(), ROOM_FOR_ACTIONS);
    let input = parts.policy.sample_input_dim(&config.policy, action);
    // A target is a noise or a velocity; there is a velocity of the policy that acted beside it.
    let targets = 2 * parts.policy.target_dim(action);
    let time_and_loss = 2;
    let sample = input + targets + time_and_loss;
    (parts.samples_per_action * sample + ROOM_FOR_TRANSITION) as f64
}

/// The key of the number of samples per action.
fn samples_key(method: Method) -> &'static str {
    match method {
        Method::Fpo | Method::Awfm | Method::Qfm => "objective.samples",
        Method::Ppo | Method::Reppo => "1",
        Method::Dppo => "policy.flow_steps",
    }
}

fn out_of_range(key: &str, value: &dyn fmt::Display, allowed: &dyn fmt::Display) -> ConfigError {
    ConfigError::OutOfRange {
        key: key.to_owned(),
        value: brief(&value.to_string()),
        allowed: allowed.to_string(),
    }
}

impl Range {
    fn check(&self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let inside = match value {
            Value::Array(values) => {
                let (shortest, longest) = self.length.unwrap_or((0, usize::MAX));
                (shortest..=longest).contains(&values.len())
                    && values.iter().all(|v| self.contains(v))
            }
            value => self.contains(value),
        };
        if inside {
            Ok(())
        } else {
            Err(out_of_range(key, &shown(value), self))
        }
    }

    fn contains(&self, value: &Value) -> bool {
        let x = match *value {
            Value::Integer(i) => i as f64,
            Value::Float(f) => f,
            _ => f64::NAN,
        };
        let low = if self.above {
            x > self.min
        } else {
            x >= self.min
        };
        let high = if self.below {
            x < self.max
        } else {
            x <= self.max
        };
        low && high && x.is_finite()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((shortest, longest)) = self.length {
            write!(f, "{shortest} to {longest} numbers, each ")?;
        }
        let (min, max) = (bound(self.min), bound(self.max));
        match (self.above, self.below) {
            (true, _) => write!(f, "above {min}, at most {max}"),
            (_, true) => write!(f, "{min} or more, below {max}"),
            _ => write!(f, "{min} to {max}"),
        }
    }
}

/// A bound in all its digits, without an exponent.
fn bound(x: f64) -> String {
    if x > 1e16 {
        (x as i64).to_string()
    } else {
        x.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::layers::{Setting, ValueKind, keys};
    use super::*;

    #[test]
    fn every_number_has_a_range_and_every_range_a_number() {
        let numeric = |key: &&Setting| {
            matches!(
                key.kind,
                ValueKind::Integer | ValueKind::Number | ValueKind::Integers
            )
        };
        let numeric: Vec<&str> = keys()
            .iter()
            .filter(numeric)
            .map(|key| key.path.as_str())
            .collect();
        let ranged: Vec<&str> = RANGES.iter().map(|(key, _)| *key).collect();
        assert_eq!(numeric, ranged);
    }
}
