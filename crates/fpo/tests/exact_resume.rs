//! The guarantee: a run that is stopped and resumed, with any numbers of threads, ends with the
//! same bytes as an uninterrupted one: every later checkpoint, metric and evaluation, except times.
//! It holds for every objective and every family of environments.
//!
//! No test here may start a process (`all/main.rs` explains why). If a test fails, the digests of
//! the state's parts show which part differs.

use fpo_env::Task;
use fpo_learn::trainer::part_digests;
use fpo_run::config::resolve;
use fpo_run::run::{Observer, RunFolder, Session};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// One task of each family, with the reason why it is a family of its own.
const TASKS: [&str; 5] = [
    // DM Control; the model's targets are redrawn in every episode.
    "reacher-easy",
    // DM Control with contacts and an actuator's activation.
    "finger-turn_hard",
    // Gymnasium's runners, which can fall.
    "Hopper-v5",
    "gridworld-two_slits",
    "bandit-eight_modes",
];

/// Every objective.
const OBJECTIVES: [(&str, &[&str]); 13] = [
    (
        "fpo",
        &[
            "objective.ratio=per_action",
            "objective.ratio_form=exp",
            "objective.trust_region=ppo",
            "objective.target=epsilon",
        ],
    ),
    (
        "published",
        &[
            "advantage.recompute=per_minibatch",
            "advantage.form=brax",
            "objective.ratio=per_action",
            "objective.ratio_form=exp",
            "optimizer.minibatches=2",
        ],
    ),
    (
        "fpo++",
        &[
            "objective.reduction=sqrt",
            "objective.huber_delta=1",
            "policy.action_noise=0.02",
        ],
    ),
    (
        "averaged",
        &[
            "train.ema_decay=0.9",
            "train.ema_after=1",
            "optimizer.target_kl=0.01",
        ],
    ),
    (
        "published FPO++",
        &[
            "objective.ratio_form=exp",
            "objective.log_ratio_max=10",
            "objective.loss_max=20",
            "objective.bound_pull=0",
            "optimizer.max_kl=0",
            "train.ema_decay=0",
        ],
    ),
    ("epochs that end early", &["optimizer.max_kl=1e-7"]),
    (
        "entropy bonus",
        &["objective.knn_entropy=0.1", "objective.time=inner_grid"],
    ),
    ("ppo", &["objective.method=ppo", "objective.entropy=0.01"]),
    (
        "ppo, std per state",
        &["objective.method=ppo", "policy.std=state_dependent"],
    ),
    ("dppo", &["objective.method=dppo"]),
    ("awfm", &["objective.method=awfm"]),
    (
        "qfm",
        &[
            "objective.method=qfm",
            "optimizer.max_kl=0",
            "policy.action_noise=0.2",
            "policy.final_noise_fraction=0.5",
        ],
    ),
    (
        "reppo, bins",
        &[
            "objective.method=reppo",
            "critic.head=hl_gauss",
            "objective.entropy=0.01",
        ],
    ),
];

/// Iterations before and after the stop.
const HALF: u64 = 3;

fn task(name: &str) -> Arc<dyn Task> {
    let mut all = [fpo_mujoco::tasks(), fpo_env::tasks()].concat().into_iter();
    all.find(|task| task.spec().name == name)
        .unwrap_or_else(|| panic!("no task is called {name}"))
}

/// Stops the session after some iterations.
struct StopAfter<'a> {
    iterations: u64,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn iteration(&mut self, row: &fpo_learn::trainer::Row) {
        if row.iteration == self.iterations {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// A run of 2·HALF iterations: on `threads[0]` threads and, if there is a second number, stopped
/// half-way and resumed on as many.
fn run(folder: &Path, name: &str, sets: &[&str], threads: &[usize]) {
    let tiny = [
        "env.num_envs=24",
        "env.num_steps=8",
        "optimizer.minibatches=4",
        "optimizer.epochs=2",
        "policy.hidden=[16]",
        "critic.hidden=[16]",
        "eval.episodes=2",
        "eval.every=576",
        "train.checkpoint_every=1",
        "train.keep=9",
    ];
    let steps = format!("train.steps={}", 24 * 8 * 2 * HALF);
    let sets: Vec<String> = tiny
        .iter()
        .copied()
        .chain([&*steps])
        .chain(sets.iter().copied())
        .map(str::to_owned)
        .collect();
    let config = resolve(name, Some("fast"), None, &sets, Some(3)).unwrap();
    let stop = AtomicBool::new(false);
    let mut first = Session::begin(
        RunFolder::create(folder, false).unwrap(),
        config.clone(),
        task(name),
        threads[0],
    )
    .unwrap();
    let iterations = if threads.len() > 1 { HALF } else { u64::MAX };
    first
        .run(
            &stop,
            &mut StopAfter {
                iterations,
                stop: &stop,
            },
        )
        .unwrap();
    drop(first);
    if let [_, second] = threads {
        let config =
            fpo_run::config::load_recorded(&RunFolder::open(folder).unwrap().config(), &[])
                .unwrap();
        let mut rest = Session::resume(
            RunFolder::open(folder).unwrap(),
            config,
            task(name),
            *second,
        )
        .unwrap();
        rest.run(&AtomicBool::new(false), &mut ()).unwrap();
    }
}

/// What must be equal: checkpoints, evaluations, and metrics without their times.
fn recorded(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let metrics = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let without_times = metrics
        .lines()
        .map(|line| line.split(",\"time\":").next().unwrap().to_owned() + "\n");
    files.insert(
        "metrics.jsonl".into(),
        without_times.collect::<String>().into_bytes(),
    );
    files.insert(
        "eval.csv".into(),
        fs::read(folder.join("eval.csv")).unwrap(),
    );
    for checkpoint in fs::read_dir(folder.join("checkpoints")).unwrap() {
        for file in fs::read_dir(checkpoint.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            files.insert(
                path.strip_prefix(folder).unwrap().to_owned(),
                fs::read(path).unwrap(),
            );
        }
    }
    files
}

/// The parts in which two states differ.
fn culprits(a: &[u8], b: &[u8]) -> Vec<String> {
    let (a, b) = (part_digests(a).unwrap(), part_digests(b).unwrap());
    let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .cloned()
        .collect()
}

fn assert_equal(
    straight: &BTreeMap<PathBuf, Vec<u8>>,
    other: &BTreeMap<PathBuf, Vec<u8>>,
    what: &str,
) {
    assert_eq!(
        straight.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>(),
        "{what}"
    );
    for (path, bytes) in straight {
        let others = &other[path];
        if bytes != others {
            let parts = if path.ends_with("state.safetensors") {
                culprits(bytes, others)
            } else {
                Vec::new()
            };
            panic!("{what}: {} differs {parts:?}", path.display());
        }
    }
}

/// Uninterrupted on 1, 2, 3 and 8 threads, and stopped half-way and resumed with another number of
/// threads.
fn holds(name: &str, objective: &str, sets: &[&str]) {
    let folder = TempDir::new().unwrap();
    let made = |label: &str, threads: &[usize]| {
        let path = folder.path().join(label);
        run(&path, name, sets, threads);
        recorded(&path)
    };
    let straight = made("straight", &[1]);
    assert_eq!(
        straight
            .keys()
            .filter(|path| path.ends_with("state.safetensors"))
            .count() as u64,
        2 * HALF
    );
    for threads in [
        &[2][..],
        &[3],
        &[8],
        &[1, 1],
        &[1, 2],
        &[2, 3],
        &[3, 8],
        &[8, 1],
    ] {
        let label = format!("{threads:?}");
        assert_equal(
            &straight,
            &made(&label, threads),
            &format!("{name}, {objective}, threads {label}"),
        );
    }
}

#[test]
fn every_objective_resumes_exactly() {
    for (objective, sets) in OBJECTIVES {
        holds("reacher-easy", objective, sets);
    }
}

#[test]
fn every_family_of_environments_resumes_exactly() {
    for name in TASKS {
        holds(name, "fast", &[]);
    }
}

#[test]
fn groups_resume_exactly() {
    holds(
        "bandit-two_modes",
        "group",
        &["advantage.estimator=group", "advantage.group_size=8"],
    );
}

/// The digests that explain a failure find a difference in the right part.
#[test]
fn a_difference_is_located() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run");
    run(&path, "gridworld-two_slits", &[], &[1]);
    let state = fs::read(path.join("checkpoints/step-000000001152/state.safetensors")).unwrap();
    assert!(culprits(&state, &state).is_empty());
    let header = 8 + u64::from_le_bytes(state[..8].try_into().unwrap()) as usize;
    let file = safetensors::SafeTensors::deserialize(&state).unwrap();
    let place =
        |name: &str| file.tensor(name).unwrap().data().as_ptr() as usize - state.as_ptr() as usize;
    let parts = part_digests(&state).unwrap();
    let first = parts
        .keys()
        .find(|name| name.starts_with("policy_adam_first."))
        .unwrap()
        .clone();
    for (at, part) in [
        (place(&first), first.as_str()),
        (place("environments") + 1, "environment 0"),
        (place("normalizer.m2"), "normalizer.m2"),
    ] {
        assert!(at >= header);
        let mut changed = state.clone();
        changed[at] ^= 1;
        assert_eq!(culprits(&state, &changed), [part]);
    }
    let environments = parts
        .keys()
        .filter(|name| name.starts_with("environment "))
        .count();
    assert_eq!(environments, 24);
}
