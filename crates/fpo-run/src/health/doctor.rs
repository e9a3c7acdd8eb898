//! Checks of a whole run: its present problems, and past ones.

use super::limits::*;
use super::series::median;
use super::{
    Detector, Finding, FindingKind, Metrics, NormalizerState, Recorded, RunRecord, Severity,
};
use crate::config::ConfigError;
use crate::run::RunError;
use fpo_files::{count, number, quoted, remedy};
use fpo_learn::trainer::OF_CRITIC;
use std::path::Path;

/// All findings about a run, the worst first. The run is healthy if none of them [is
/// unhealthy](Finding::is_unhealthy).
///
/// ```no_run
/// use fpo_run::health::{RunRecord, examine};
///
/// let record = RunRecord::read("runs/cheetah-run-fast-seed0".as_ref())?;
/// for finding in examine(&record) {
///     println!("{:?}: {}; {}", finding.severity, finding.statement, finding.advice);
/// }
/// # Ok::<(), fpo_run::run::RunError>(())
/// ```
pub fn examine(record: &RunRecord) -> Vec<Finding> {
    let mut found = record.damage.clone();
    let detector = &record.rows.detector;
    if record.rows.count == 0 && record.damage.is_empty() {
        found.push(no_metrics(record));
    }
    found.extend(failure(record));
    found.extend(detector.present());
    found.extend(past(record, detector));
    let present = record.rows.present.iter().collect::<Vec<_>>();
    let present = &present[..];
    if !present.is_empty() {
        found.extend(nulls(record, present));
        found.extend(clipping(record, present));
        found.extend(critic(record, present, detector));
        found.extend(bins(record, present));
        found.extend(diverged(present));
        found.extend(evaluations(record));
        found.extend(speed(record));
    }
    found.extend(rates(record));
    found.extend(normalizer(record));
    // The sort is stable and keeps related findings adjacent.
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// The newest checkpoint cannot be used, with what resuming says of it.
pub(super) fn unusable_checkpoint(error: &RunError) -> Finding {
    let advice = match error {
        RunError::NewestDamaged { .. } => {
            "move it out of its folder, so that the run resumes from an earlier one".to_owned()
        }
        RunError::OnlyDamaged { .. } => "the run cannot be resumed, since there is no earlier \
            one that is valid; put back a copy of it, or begin a new run"
            .to_owned(),
        _ => "the run cannot be resumed until it can be read".to_owned(),
    };
    let statement = match error {
        RunError::NewestDamaged { source, .. } | RunError::OnlyDamaged { source } => {
            source.to_string()
        }
        error => error.to_string(),
    };
    let statement = format!("a checkpoint cannot be read: {statement}");
    Finding::new(FindingKind::Records, Severity::Warning, statement, advice)
}

/// An older checkpoint that cannot be read; a resumed run does not need it.
pub(super) fn unusable_older(error: &str) -> Finding {
    Finding::new(
        FindingKind::Records,
        Severity::Warning,
        format!("a checkpoint cannot be read: {error}"),
        "the run resumes from a newer one; move this one out of its folder if it is of no use",
    )
}

/// What refuses a resume and says itself what to do.
pub(super) fn refuses(error: &RunError) -> Finding {
    let (statement, advice) = match error.to_string().split_once("; ") {
        Some((statement, advice)) => (statement.to_owned(), advice.to_owned()),
        None => (error.to_string(), String::new()),
    };
    let advice = match advice.is_empty() {
        true => "the run cannot be resumed".to_owned(),
        false => format!("the run cannot be resumed; {advice}"),
    };
    Finding::new(FindingKind::Records, Severity::Warning, statement, advice)
}

/// Settings with which the newest checkpoint does not go on.
pub(super) fn other_settings(error: &ConfigError) -> Finding {
    let statement = match error {
        ConfigError::Fixed {
            key,
            value,
            trained,
            ..
        } => format!("config.toml has `{key}` = {value}, but the run was trained with {trained}"),
        error => error.to_string(),
    };
    let advice = "the run cannot be resumed with it; undo the change: each of its checkpoints has \
        a copy of config.toml";
    Finding::new(FindingKind::Records, Severity::Warning, statement, advice)
}

/// The file with what the run began with is not there, or another.
pub(super) fn lost_start(error: &RunError) -> Finding {
    Finding::new(
        FindingKind::Records,
        Severity::Warning,
        error.to_string(),
        match error {
            RunError::Io { source, .. } if !remedy(source).is_empty() => {
                "the run cannot be resumed without it"
            }
            _ => "the run cannot be resumed without it; put it back",
        },
    )
}

/// A line of a record that a resumed run would refuse.
pub(super) fn damaged_record(path: &Path, line: usize, reason: &str) -> Finding {
    Finding::new(
        FindingKind::Records,
        Severity::Warning,
        format!("{} is damaged in line {line}: {reason}", quoted(path)),
        "the run cannot be resumed with it; put the file back, or move it away to resume without \
        its records",
    )
}

/// What a record lacks, which a resumed run goes on without. A run that did so once keeps the gap,
/// and is healthy; a record of which nothing is left was emptied just now.
pub(super) fn missing_record(lacks: String, nothing_left: bool) -> Finding {
    Finding::new(
        FindingKind::Records,
        match nothing_left {
            true => Severity::Warning,
            false => Severity::Note,
        },
        lacks,
        "put the file back if there is a copy; a resumed run goes on without them",
    )
}

fn no_metrics(record: &RunRecord) -> Finding {
    let advice = if record.events.is_empty() {
        "the run has just started, or was stopped before its first iteration ended"
    } else {
        "it ended before its first iteration was complete"
    };
    Finding::new(
        FindingKind::NoMetrics,
        Severity::Note,
        "metrics.jsonl has no iteration yet",
        advice,
    )
}

/// The failure that ended the run, if it ended with a non-finite number.
fn failure(record: &RunRecord) -> Option<Finding> {
    let last = record.events.back()?;
    let done = record.rows.last().map_or(0, Metrics::iteration);
    (last.finding.kind == FindingKind::NonFinite && last.iteration > done)
        .then(|| last.finding.clone())
}

/// Past problems that the run has recovered from.
fn past(record: &RunRecord, detector: &Detector) -> Vec<Finding> {
    let present: Vec<FindingKind> = detector
        .present()
        .iter()
        .map(|finding| finding.kind)
        .collect();
    let mut kinds: Vec<FindingKind> = Vec::new();
    for event in &record.events {
        let kind = event.finding.kind;
        if !kinds.contains(&kind) && !present.contains(&kind) {
            kinds.push(kind);
        }
    }
    let stopped = failure(record).is_some();
    let kinds = kinds
        .into_iter()
        .filter(|kind| !(stopped && *kind == FindingKind::NonFinite));
    let described = kinds.map(|kind| {
        let all: Vec<_> = record
            .events
            .iter()
            .filter(|e| e.finding.kind == kind)
            .collect();
        let last = all[all.len() - 1];
        let times = match all.len() {
            1 => String::new(),
            n => format!(", the last of {n} times"),
        };
        let ended = if kind == FindingKind::Rollback {
            ""
        } else {
            ", and is over"
        };
        Finding::new(
            kind,
            Severity::Note,
            format!(
                "in iteration {}{times}{ended}: {}",
                last.iteration, last.finding.statement
            ),
            if kind == FindingKind::Rollback {
                last.finding.advice.clone()
            } else {
                String::new()
            },
        )
    });
    described.collect()
}

/// The median of the last values of the metric `name`.
fn recent(rows: &[&Recorded], name: &str) -> Option<f64> {
    let middle = median(rows.iter().filter_map(|row| row.get(name)));
    (!middle.is_nan()).then_some(middle)
}

/// Metrics that are null, except those that do not exist in every iteration, or with these
/// settings.
fn nulls(record: &RunRecord, present: &[&Recorded]) -> Option<Finding> {
    let may_be = |name: &str| match name {
        "episode_return" | "episode_length" => true,
        name => OF_CRITIC.contains(&name) && !record.config.advantage.has_critic(),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in present.iter().flat_map(|row| row.nulls()) {
        if !may_be(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| {
        Finding::new(
            FindingKind::NonFinite,
            Severity::Failure,
            format!(
                "{} is null in the last {} iterations: no finite number",
                names.join(", "),
                present.len()
            ),
            "learning is about to fail; go back to the best checkpoint with a lower \
            optimizer.learning_rate, or set train.rollback=true",
        )
    })
}

fn clipping(record: &RunRecord, present: &[&Recorded]) -> Option<Finding> {
    if !record.config.objective.method.uses_ratios() {
        return None;
    }
    let clipped = recent(present, "clip_fraction")?;
    let optimizer = &record.config.optimizer;
    let rate = recent(present, "learning_rate").unwrap_or(0.0);
    let at_full_rate = rate > 0.5 * f64::from(optimizer.learning_rate);
    // If optimizer.max_kl ends the epochs, more of them change nothing.
    let steps = (optimizer.epochs * optimizer.minibatches) as f64;
    let all_epochs = recent(present, "gradient_steps").is_none_or(|done| done >= steps);
    if clipped > CLIPPED_MOST {
        Some(Finding::new(
            FindingKind::ClipFraction,
            Severity::Warning,
            format!(
                "{:.0} % of ratios leave the trust region: the policy overshoots it at every \
                step",
                100.0 * clipped
            ),
            "lower optimizer.learning_rate or optimizer.epochs",
        ))
    } else if clipped < CLIPPED_LEAST && at_full_rate && all_epochs && record.rows.count > YOUNG {
        Some(Finding::new(
            FindingKind::ClipFraction,
            Severity::Note,
            format!(
                "only {:.2} % of ratios reach the edge of the trust region",
                100.0 * clipped
            ),
            "a higher optimizer.learning_rate, or more optimizer.epochs, may learn faster",
        ))
    } else {
        None
    }
}

fn critic(record: &RunRecord, present: &[&Recorded], detector: &Detector) -> Option<Finding> {
    let explained = recent(present, "explained_variance")?;
    if explained > 0.0 || record.rows.count <= YOUNG {
        return None;
    }
    let statement =
        format!("the critic explains nothing of the returns (explained variance {explained:.2})");
    // If all returns are equal, as in a solved task or one of one step, there is no variance to
    // explain.
    Some(if detector.has_learned() == Some(true) {
        Finding::new(
            FindingKind::ExplainedVariance,
            Severity::Note,
            statement,
            "the return has risen nevertheless: where returns hardly differ there is nothing to \
            explain",
        )
    } else {
        Finding::new(
            FindingKind::ExplainedVariance,
            Severity::Warning,
            statement,
            "change optimizer.critic_learning_rate, or start a new run with \
            critic.value_scale=\"horizon\" or a larger critic",
        )
    })
}

/// Returns that a critic's bins do not cover count as the nearest end.
fn bins(record: &RunRecord, present: &[&Recorded]) -> Option<Finding> {
    let share = recent(present, "outside_bins")?;
    let critic = &record.config.critic;
    (share > BINS_MISSED).then(|| {
        Finding::new(
            FindingKind::CriticBins,
            Severity::Warning,
            format!(
                "{:.0} % of returns lie beyond the critic's bins, {} to {}: it cannot tell them \
                apart",
                100.0 * share,
                number(critic.bin_min),
                number(critic.bin_max)
            ),
            "begin a new run with critic.bin_min and critic.bin_max beyond the least and the \
            greatest reward of a step (with critic.value_scale=horizon), or with \
            critic.head=scalar",
        )
    })
}

fn diverged(present: &[&Recorded]) -> Option<Finding> {
    let sum = |name: &str| -> f64 { present.iter().filter_map(|row| row.get(name)).sum() };
    let (diverged, episodes) = (sum("diverged"), sum("episodes"));
    (diverged > 0.0).then(|| {
        let severity = if diverged > DIVERGED_SHARE * episodes.max(1.0) {
            Severity::Warning
        } else {
            Severity::Note
        };
        Finding::new(
            FindingKind::Diverged,
            severity,
            format!(
                "the simulation diverged {diverged:.0} times in the last {} iterations",
                present.len()
            ),
            "such episodes end as terminal; a policy that learns to reach them may need a smaller \
            policy.action_bound",
        )
    })
}

fn evaluations(record: &RunRecord) -> Option<Finding> {
    let evaluated = record.rows.evaluated;
    let steps = record.rows.last().map_or(0, Metrics::env_steps);
    let every = record.config.eval.every;
    if evaluated || steps < record.config.train.steps.min(every) {
        return None;
    }
    Some(Finding::new(
        FindingKind::Evaluation,
        Severity::Note,
        format!(
            "there is no evaluation after {} environment steps",
            count(steps)
        ),
        if every == 0 {
            "set eval.every (a resumed run can), so that there is a best checkpoint"
        } else {
            "the evaluations of this run are missing from its metrics"
        },
    ))
}

/// Time that is not spent on learning.
fn speed(record: &RunRecord) -> Option<Finding> {
    let (training, evaluating) = (record.rows.training_seconds, record.rows.evaluating_seconds);
    let share = evaluating / (training + evaluating);
    (share > EVALUATION_SHARE).then(|| {
        Finding::new(
            FindingKind::Speed,
            Severity::Note,
            format!("evaluations take {:.0} % of the time", 100.0 * share),
            "raise eval.every or lower eval.episodes",
        )
    })
}

fn rates(record: &RunRecord) -> Vec<Finding> {
    let optimizer = &record.config.optimizer;
    // Without a critic its learning rate is unused.
    let critic = record.config.advantage.has_critic();
    let rates = [
        ("optimizer.learning_rate", optimizer.learning_rate, true),
        (
            "optimizer.critic_learning_rate",
            optimizer.critic_learning_rate,
            critic,
        ),
    ];
    let used = rates.into_iter().filter(|(_, _, used)| *used);
    let unusual = used.filter_map(|(key, rate, _)| {
        let advice = match f64::from(rate) {
            rate if rate > HIGHEST_RATE => {
                "most networks diverge with it; the presets have 1e-4 to 4e-3"
            }
            rate if rate < LOWEST_RATE => {
                "learning is very slow with it; the presets have 1e-4 to 4e-3"
            }
            _ => return None,
        };
        Some(Finding::new(
            FindingKind::LearningRate,
            Severity::Warning,
            format!("{key} is {rate:e}"),
            advice,
        ))
    });
    unusual.collect()
}

/// Names the entries of an observation for which `is` is true, as many as fit in a line.
fn entries(state: &NormalizerState, is: impl Fn(usize) -> bool) -> Option<String> {
    const ROOM: usize = 4;
    let parts = state.observation.iter();
    let names: Vec<String> = parts
        .flat_map(|(name, size)| (0..*size).map(move |i| format!("{name}[{i}]")))
        .enumerate()
        .filter(|(i, _)| *i < state.moments.mean.len() && is(*i))
        .map(|(_, name)| name)
        .collect();
    match names.len() {
        0 => None,
        n if n <= ROOM => Some(names.join(", ")),
        n => Some(format!(
            "{} and {} more",
            names[..ROOM].join(", "),
            n - ROOM
        )),
    }
}

fn normalizer(record: &RunRecord) -> Vec<Finding> {
    let (mut found, states) = (Vec::new(), &record.normalizers);
    let Some(newest) = states.last() else {
        return found;
    };
    let moments = &newest.moments;
    if record.config.normalizer.enabled && moments.count == 0 && record.rows.count > 0 {
        found.push(Finding::new(
            FindingKind::Normalizer,
            Severity::Warning,
            "the normalizer has seen no observation: the policy sees them as they are",
            "begin a new run; nothing in this program leaves a normalizer without observations",
        ));
    }
    // Not enabled, or nothing seen yet.
    if moments.count < 2 {
        return found;
    }
    let std = |i: usize| moments.variance(i).sqrt();
    if let Some(names) = entries(newest, |i| moments.variance(i) < CONSTANT_VARIANCE) {
        found.push(Finding::new(
            FindingKind::Normalizer,
            Severity::Note,
            format!("observations that never change: {names}"),
            "they carry no information for the policy",
        ));
    }
    if let Some(names) = entries(newest, |i| {
        std(i).max(moments.mean[i].abs()) > LARGEST_OBSERVATION
    }) {
        found.push(Finding::new(
            FindingKind::Normalizer,
            Severity::Warning,
            format!("observations of extreme size: {names}"),
            "single precision loses their differences, and a few of them dominate the statistics; \
            scale or bound them in the task",
        ));
    }
    let oldest = &states[0].moments;
    // Early in a run every new state changes the statistics.
    let old = record.rows.count > YOUNG;
    if old && states.len() > 1 && oldest.count >= moments.count / 4 {
        let moved = |i: usize| {
            let before = oldest.variance(i).max(CONSTANT_VARIANCE).sqrt();
            let now = moments.variance(i).max(CONSTANT_VARIANCE).sqrt();
            let shift = (moments.mean[i] - oldest.mean[i]).abs() / before;
            let scale = (now / before).max(before / now);
            shift > NORMALIZER_DRIFT || scale > NORMALIZER_SCALE
        };
        if let Some(names) = entries(newest, moved) {
            found.push(Finding::new(
                FindingKind::Normalizer,
                Severity::Warning,
                format!(
                    "the normalizer has drifted since the oldest checkpoint: {}",
                    names
                ),
                "the policy's inputs differ from those it was trained on; look for new states, \
                or simulations that diverge",
            ));
        }
    }
    for name in found.iter_mut().map(|finding| &mut finding.statement) {
        // Statistics are those of the newest checkpoint, not of the present.
        if let Some(checkpoint) = newest.checkpoint.file_name() {
            *name += &format!(" ({})", checkpoint.to_string_lossy());
        }
    }
    found
}
