//! The kind: a run that learns nothing and is called healthy. Each case is found, once, and what
//! looks like it in a healthy run is not.

use crate::health::detector::tests::config;
use crate::health::limits::LEVEL_WINDOW;
use crate::health::{Detector, FindingKind};
use fpo_learn::trainer::Row;

/// Iterations of the whole run; half of it is over after iteration 100.
const PLANNED: u64 = 200;

/// A row of a run that learns, with some metrics replaced.
fn row(iteration: u64, other: &[(&'static str, f64)]) -> Row {
    let noise = 20.0 * (iteration as f64 * 2.3).sin();
    let mut values = vec![
        ("episode_return", 3.0 * iteration as f64 + noise),
        ("advantage_size", 0.7),
        ("policy_change", 1e-3),
        ("action_saturation", 0.4),
        ("normalizer_count", 128.0 * iteration as f64),
        ("waiting", 0.0),
        ("ratio_min", 0.7),
        ("ratio_max", 1.4),
        ("grad_norm", 0.4),
    ];
    values.retain(|(name, _)| !other.iter().any(|(known, _)| known == name));
    values.extend(other);
    Row {
        iteration,
        env_steps: 128 * iteration,
        values,
        ..Row::default()
    }
}

/// What a detector says in the iterations `1..=last` of a run whose rows `of` makes.
fn says(
    sets: &[&str],
    last: u64,
    of: impl Fn(u64) -> Vec<(&'static str, f64)>,
) -> Vec<(u64, FindingKind)> {
    let steps = format!("train.steps={}", 128 * PLANNED);
    let mut detector = Detector::new(&config(&[sets, &[&steps]].concat()));
    let mut said = Vec::new();
    for iteration in 1..=last {
        for finding in detector.observe(&row(iteration, &of(iteration))) {
            assert!(finding.is_unhealthy(), "{finding:?}");
            said.push((iteration, finding.kind));
        }
    }
    let present: Vec<_> = detector.present().iter().map(|f| f.kind).collect();
    assert!(
        said.iter().all(|(_, kind)| present.contains(kind)),
        "{said:?} {present:?}"
    );
    // None of them is a reason to go back to an earlier state.
    assert!(detector.unstable().is_empty(), "{present:?}");
    said
}

/// A return of noise alone.
fn flat(iteration: u64) -> (&'static str, f64) {
    (
        "episode_return",
        100.0 + 20.0 * (iteration as f64 * 2.3).sin(),
    )
}

#[test]
fn a_run_that_learns_is_healthy() {
    assert_eq!(says(&[], PLANNED, |_| vec![]), []);
}

#[test]
fn a_policy_that_does_not_move() {
    let found = says(&[], 60, |i| vec![flat(i), ("policy_change", 0.0)]);
    assert_eq!(found, [(LEVEL_WINDOW as u64, FindingKind::FrozenPolicy)]);
    // The last iterations of a learning rate that falls to 0.
    let last = |i: u64| {
        vec![
            flat(i),
            ("policy_change", 1e-3 * (1.0 - i as f64 / 61.0).powi(2)),
        ]
    };
    assert_eq!(says(&[], 60, last), []);
}

#[test]
fn advantages_that_are_all_zero() {
    let zero = |i: u64| vec![flat(i), ("advantage_size", 0.0)];
    let found = says(&[], 60, zero);
    assert_eq!(found, [(LEVEL_WINDOW as u64, FindingKind::ZeroAdvantages)]);
    // A policy that follows Q has none to look at.
    assert_eq!(says(&["objective.method=reppo"], 60, zero), []);
    // Tiny rewards without normalization; a group whose returns are equal, once the task is solved.
    let tiny = |i: u64| vec![flat(i), ("advantage_size", 1e-8)];
    assert_eq!(says(&["advantage.normalize=none"], 60, tiny), []);
    let solved = |i: u64| match i {
        0..80 => vec![],
        _ => vec![
            ("episode_return", 240.0),
            ("advantage_size", 0.0),
            ("policy_change", 0.0),
        ],
    };
    assert_eq!(says(&[], PLANNED, solved), []);
}

#[test]
fn waiting_for_a_reward_is_healthy_until_half_of_the_run() {
    let waits = |i: u64| {
        vec![
            ("episode_return", 0.0),
            ("advantage_size", 0.0),
            ("policy_change", 0.0),
            ("waiting", f64::from(u8::from(i > 0))),
        ]
    };
    assert_eq!(says(&[], 99, waits), []);
    assert_eq!(says(&[], 120, waits), [(100, FindingKind::NoProgress)]);
    // A reward in time.
    let late = |i: u64| match i {
        0..90 => waits(i),
        _ => vec![("episode_return", i as f64 - 90.0)],
    };
    assert_eq!(says(&[], PLANNED, late), []);
}

#[test]
fn a_normalizer_that_never_updates() {
    let found = says(&[], 60, |_| vec![("normalizer_count", 128.0)]);
    let when = 1 + LEVEL_WINDOW as u64;
    assert_eq!(found, [(when, FindingKind::Normalizer)]);
    // Without a normalizer there is nothing to update.
    let mut without = row(1, &[]);
    without
        .values
        .retain(|(name, _)| *name != "normalizer_count");
    let mut detector = Detector::new(&config(&["normalizer.enabled=false"]));
    for _ in 0..60 {
        assert_eq!(detector.observe(&without), []);
    }
}

#[test]
fn a_return_like_that_before_learning_at_half_of_the_run() {
    let found = says(&[], 150, |i| vec![flat(i)]);
    assert_eq!(found, [(100, FindingKind::NoProgress)]);
    // The deterministic policy is better than what acts with noise: it has learned.
    let evaluation = |i: u64| {
        vec![
            flat(i),
            ("eval/zero_noise", 300.0),
            ("eval/zero_noise_std", 30.0),
            ("eval/random_noise", 110.0),
            ("eval/random_noise_std", 30.0),
        ]
    };
    assert_eq!(says(&[], 150, evaluation), []);
}

#[test]
fn actions_that_are_always_at_their_bounds() {
    let found = says(&[], 60, |_| vec![("action_saturation", 0.99)]);
    assert_eq!(found, [(LEVEL_WINDOW as u64, FindingKind::Saturation)]);
    // The best actions of grids are at the bounds of some entries.
    assert_eq!(says(&[], 60, |_| vec![("action_saturation", 0.87)]), []);
}
