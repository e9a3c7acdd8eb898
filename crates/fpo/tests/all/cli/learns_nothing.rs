//! The kind: training that learns nothing and is called healthy. What cannot learn is refused;
//! what does not learn is warned of while it trains, and `fpo doctor` knows it afterwards.

use crate::cli::{TINY, fpo, stderr, succeeds};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// Trains a tiny run of `task` with some settings changed. Returns what it said, the kinds of its
/// events, and what the doctor found.
fn trained(task: &str, sets: &[&str]) -> (String, Vec<String>, Value) {
    let folder = TempDir::new().unwrap();
    let sets = TINY.iter().chain(sets).flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train", task, "--name", "run"]
        .into_iter()
        .chain(sets)
        .collect();
    let output = fpo(&folder, &args).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let events = fs::read_to_string(folder.path().join("runs/run/events.jsonl"));
    let kind = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["kind"].as_str().unwrap().to_owned()
    };
    let events = events.unwrap_or_default().lines().map(kind).collect();
    let output = fpo(&folder, &["doctor", "runs/run", "--json"])
        .output()
        .unwrap();
    let doctor: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(doctor["healthy"] == true, output.status.success());
    (said, events, doctor)
}

/// Expects that training warned of exactly these kinds, and that the doctor has them, too.
fn unhealthy(task: &str, sets: &[&str], kinds: &[&str]) {
    let (said, mut events, doctor) = trained(task, sets);
    events.sort();
    assert_eq!(events, kinds, "{sets:?}: {said}");
    assert!(said.contains("warning: iteration "), "{said}");
    assert_eq!(doctor["healthy"], false, "{doctor:#}");
    let found = doctor["findings"].as_array().unwrap();
    for kind in kinds {
        let one = found.iter().find(|finding| finding["kind"] == *kind);
        assert!(
            one.is_some_and(|f| f["severity"] == "warning"),
            "{kind}: {doctor:#}"
        );
    }
}

/// Advantages that are normalized one at a time are all 0.
#[test]
fn nothing_learns_from_one_number() {
    let folder = TempDir::new().unwrap();
    let one_transition = ["env.num_envs=1", "env.sequences=1", "env.num_steps=1"];
    let small = ["env.num_envs=16", "env.sequences=1", "env.num_steps=1"];
    let refused: [(&[&str], &[&str], &str); 4] = [
        (
            &small,
            &["optimizer.minibatches=16"],
            "lower optimizer.minibatches",
        ),
        (
            &one_transition,
            &["optimizer.minibatches=1"],
            "set advantage.normalize",
        ),
        (
            &one_transition,
            &["optimizer.minibatches=1", "advantage.normalize=batch"],
            "a batch has one transition",
        ),
        (
            &small,
            &[
                "optimizer.minibatches=16",
                "advantage.recompute=per_minibatch",
            ],
            "lower optimizer.minibatches",
        ),
    ];
    for (sizes, sets, says) in refused {
        let sets = sizes.iter().chain(sets).flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["train", "cartpole-balance"]
            .into_iter()
            .chain(sets)
            .collect();
        let output = fpo(&folder, &args).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(
            text.contains("advantage.normalize") && text.contains(says),
            "{text}"
        );
        assert!(!folder.path().join("runs").exists());
    }
    // Two numbers, no normalization, or no advantages are something to learn from.
    for sets in [
        &["optimizer.minibatches=8"][..],
        &["optimizer.minibatches=16", "advantage.normalize=none"],
        &["optimizer.minibatches=16", "advantage.normalize=batch"],
        &["optimizer.minibatches=16", "objective.method=reppo"],
    ] {
        let common = ["train.steps=64", "eval.every=0", "eval.episodes=1"];
        let sets = small.iter().chain(&common).chain(sets);
        let sets = sets.flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["train", "bandit-two_modes", "--force"]
            .into_iter()
            .chain(sets)
            .collect();
        succeeds(&folder, &args);
    }
}

/// A learning rate at which no parameter changes: the policy stands still, and its return is that
/// before learning.
#[test]
fn a_policy_that_does_not_move_is_found() {
    let sets = ["optimizer.learning_rate=1e-30", "train.steps=10240"];
    let (_, events, doctor) = trained("bandit-two_modes", &sets);
    assert_eq!(events, ["frozen_policy", "no_progress"]);
    assert_eq!(doctor["healthy"], false, "{doctor:#}");
}

/// Actions so wide that they all end at a bound, where both sides have the same reward.
#[test]
fn actions_at_their_bounds_and_advantages_of_zero_are_found() {
    let wide = [
        "objective.method=ppo",
        "policy.std=state_independent",
        "policy.squash=clip",
        "policy.action_bound=0",
        "policy.initial_std=1000",
        "optimizer.learning_rate=1e-6",
        "train.steps=2560",
    ];
    let kinds = ["frozen_policy", "saturation", "zero_advantages"];
    unhealthy("bandit-two_modes", &wide, &kinds);
    let groups = [
        "advantage.estimator=group",
        "advantage.group_size=4",
        "advantage.wait_for_reward=false",
    ];
    let sets = [&wide[..], &groups].concat();
    unhealthy("bandit-two_modes", &sets, &kinds);
}

/// No reward in half of a run: nothing can have been learned. Goals are far from most cells.
#[test]
fn a_reward_that_never_comes_is_found() {
    let sets = [
        "objective.method=ppo",
        "policy.std=state_independent",
        "policy.squash=clip",
        "policy.action_bound=0",
        "policy.initial_std=1e-3",
        "train.steps=2560",
    ];
    unhealthy("gridworld-two_walls", &sets, &["no_progress"]);
}

/// What a suite of tests trains is healthy: none of the checks fires on it.
#[test]
fn runs_that_learn_are_healthy() {
    for (task, sets) in [
        (
            "gridworld-two_walls",
            &[
                "train.steps=51200",
                "env.num_envs=64",
                "optimizer.learning_rate=3e-3",
            ][..],
        ),
        (
            "cartpole-balance",
            &["objective.method=reppo", "train.steps=12800"],
        ),
    ] {
        let (said, events, doctor) = trained(task, sets);
        let ours = [
            "frozen_policy",
            "zero_advantages",
            "no_progress",
            "saturation",
            "normalizer",
        ];
        assert!(
            !events.iter().any(|kind| ours.contains(&&**kind)),
            "{task}: {said}"
        );
        let found = doctor["findings"].as_array().unwrap().iter();
        let mut alarms = found.filter(|f| f["severity"] != "note");
        assert!(
            !alarms.any(|f| ours.iter().any(|kind| f["kind"] == *kind)),
            "{doctor:#}"
        );
    }
}
