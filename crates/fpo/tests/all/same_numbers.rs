//! Tiny runs whose numbers are all recorded: refactoring must not change what the code computes.
//!
//! A run's numbers are its parameters, optimizers, normalizer, environment states and metrics, bit
//! for bit, in f32, which gives the same results on all x86-64 processors. The record holds no
//! names, so that names may change; metrics may be added. If a change of numbers is intended,
//! `FPO_RECORD=1 cargo test --release -p fpo same_numbers` records them again; the commit message
//! must say why.
//!
//! MuJoCo calls the system's math library, so the record of its tasks is valid for Linux with glibc
//! on x86-64.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

use fpo_env::Task;
use fpo_learn::trainer::{Trainer, part_digests};
use fpo_run::config::resolve;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A run: the name of its record, its task, preset, threads, and settings besides [`TINY`].
type Run = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    &'static [&'static str],
);

/// Settings of all runs.
const TINY: [&str; 9] = [
    "env.num_envs=12",
    "env.num_steps=4",
    "env.sequences=2",
    "optimizer.minibatches=4",
    "optimizer.epochs=2",
    "policy.hidden=[24, 16]",
    "critic.hidden=[32, 16]",
    "train.precision=f32",
    "eval.episodes=2",
];

/// Every method on every family of environments, on one thread and on three, and the options that
/// change what is computed.
const RUNS: [Run; 26] = [
    ("fpo, dm_control", "cheetah-run", "fast", 1, &[]),
    (
        "fpo, dm_control, three threads",
        "cheetah-run",
        "fast",
        3,
        &[],
    ),
    ("fpo, Gymnasium", "HalfCheetah-v5", "fast", 3, &[]),
    ("fpo, GridWorld", "gridworld-two_walls", "fast", 1, &[]),
    ("fpo, bandit", "bandit-two_modes", "fast", 3, &[]),
    ("ppo, dm_control", "cartpole-swingup", "ppo-fast", 1, &[]),
    ("ppo, Gymnasium", "Hopper-v5", "ppo-fast", 3, &[]),
    ("ppo, GridWorld", "gridworld-two_walls", "ppo-fast", 3, &[]),
    ("ppo, bandit", "bandit-two_modes", "ppo-fast", 1, &[]),
    ("dppo, dm_control", "walker-walk", "dppo-fast", 3, &[]),
    ("dppo, Gymnasium", "HalfCheetah-v5", "dppo-fast", 1, &[]),
    (
        "dppo, GridWorld",
        "gridworld-two_walls",
        "dppo-fast",
        1,
        &[],
    ),
    ("dppo, bandit", "bandit-two_modes", "dppo-fast", 3, &[]),
    (
        "awfm, dm_control",
        "finger-spin",
        "fast",
        1,
        &["objective.method=awfm"],
    ),
    (
        "awfm, Gymnasium",
        "Walker2d-v5",
        "fast",
        3,
        &["objective.method=awfm", "objective.weight=shift"],
    ),
    (
        "awfm, GridWorld",
        "gridworld-two_walls",
        "fast",
        1,
        &["objective.method=awfm"],
    ),
    (
        "awfm, bandit",
        "bandit-two_modes",
        "fast",
        3,
        &["objective.method=awfm", "objective.weight=softplus"],
    ),
    (
        "as published: advantages a minibatch",
        "reacher-easy",
        "paper",
        3,
        &["policy.flow_steps=4"],
    ),
    ("ppo as published", "reacher-easy", "ppo", 1, &[]),
    ("dppo as published", "reacher-easy", "dppo", 3, &[]),
    (
        "groups",
        "bandit-two_modes",
        "fast",
        3,
        &["advantage.estimator=group", "advantage.group_size=4"],
    ),
    (
        "moving average",
        "cartpole-balance",
        "fast",
        3,
        &["train.ema_decay=0.5", "train.ema_after=1"],
    ),
    (
        "k-NN entropy",
        "bandit-two_modes",
        "fast",
        1,
        &["objective.knn_entropy=0.01", "objective.knn_samples=4"],
    ),
    (
        "FPO++ as published",
        "ball_in_cup-catch",
        "fast",
        1,
        &[
            "objective.ratio_form=exp",
            "objective.log_ratio_max=10",
            "objective.loss_max=20",
            "objective.bound_pull=0",
            "optimizer.max_kl=0",
            "train.ema_decay=0",
        ],
    ),
    (
        "adaptive learning rate, noise on actions",
        "fish-swim",
        "fast",
        3,
        &["optimizer.target_kl=0.01", "policy.action_noise=0.05"],
    ),
    (
        "Huber, fewer steps for learning",
        "acrobot-swingup",
        "dppo-fast",
        1,
        &["objective.final_steps=3", "optimizer.weight_decay=0.01"],
    ),
];

/// The record of a run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Numbers {
    /// Digest of the parts of the training state except its counters, without their names.
    state: String,
    /// Digests of the metrics' values over the iterations, without the metrics' names.
    metrics: BTreeSet<String>,
    /// Mean returns of the last policy, from zero noise and from random noise.
    evaluation: [f64; 2],
}

fn numbers(&(_, task, preset, threads, sets): &Run) -> Numbers {
    let tasks = [fpo_mujoco::tasks(), fpo_env::tasks()].concat();
    let found = tasks.iter().find(|t| t.spec().name == task);
    let task: &Arc<dyn Task> = found.unwrap_or_else(|| panic!("no task is called {task}"));
    let sets: Vec<String> = TINY.iter().chain(sets).map(|set| set.to_string()).collect();
    let config = resolve(&task.spec().name, Some(preset), None, &sets, Some(7)).unwrap();
    let mut trainer = Trainer::new(&config, Arc::clone(task), threads).unwrap();

    let mut series: BTreeMap<&str, blake3::Hasher> = BTreeMap::new();
    for _ in 0..3 {
        for (name, value) in trainer.iterate().unwrap().row.values {
            // NaN has many bit patterns.
            let value = if value.is_nan() { f64::NAN } else { value };
            let hasher = series.entry(name).or_default();
            hasher.update(&value.to_bits().to_le_bytes());
        }
    }
    let parts = part_digests(&trainer.state().unwrap()).unwrap();
    let parts = parts
        .into_iter()
        .filter(|(name, _)| !name.starts_with("counter "));
    let digests: BTreeSet<String> = parts.map(|(_, digest)| digest).collect();
    let mut state = blake3::Hasher::new();
    for digest in &digests {
        state.update(digest.as_bytes());
    }
    let evaluation = trainer.evaluate().unwrap();
    Numbers {
        state: short(&state),
        metrics: series.values().map(short).collect(),
        evaluation: [evaluation.zero_noise.mean, evaluation.random_noise.mean],
    }
}

/// Half a digest is enough to distinguish runs.
fn short(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..16].to_owned()
}

#[test]
fn every_number_is_as_recorded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/same_numbers.json");
    let now: BTreeMap<&str, Numbers> = RUNS.iter().map(|run| (run.0, numbers(run))).collect();
    assert_eq!(now.len(), RUNS.len(), "two runs have the same name");
    if std::env::var_os("FPO_RECORD").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    let recorded: BTreeMap<String, Numbers> = serde_json::from_str(&recorded).unwrap();
    assert!(
        recorded.keys().eq(now.keys()),
        "the record is of other runs"
    );
    let mut changed = Vec::new();
    for (name, before) in &recorded {
        let now = &now[name.as_str()];
        let metrics: Vec<_> = before.metrics.difference(&now.metrics).collect();
        if before.state != now.state || before.evaluation != now.evaluation || !metrics.is_empty() {
            changed.push(format!(
                "{name}: state {}, metrics {metrics:?}",
                before.state == now.state
            ));
        }
    }
    assert!(
        changed.is_empty(),
        "these runs compute something else:\n{}",
        changed.join("\n")
    );
    // One thread and three give the same numbers.
    assert_eq!(
        now["fpo, dm_control"],
        now["fpo, dm_control, three threads"]
    );
}
