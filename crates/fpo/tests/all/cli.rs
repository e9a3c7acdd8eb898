//! The program as users run it: real tasks, folders and signals.

mod bad_configurations;
mod bad_input;
mod bench;
#[cfg(target_os = "linux")]
mod changed_tasks;
mod commands;
mod crashes;
mod doctor;
mod episodes;
#[cfg(target_os = "linux")]
mod file_systems;
#[cfg(target_os = "linux")]
mod functions;
mod gridworld;
mod learns_nothing;
mod long_runs;
#[cfg(target_os = "linux")]
mod moved;
#[cfg(all(feature = "mpi", target_os = "linux"))]
mod mpi;
mod other_kinds;
#[cfg(unix)]
mod paths;
#[cfg(unix)]
mod permissions;
mod policies;
#[cfg(not(feature = "mpi"))]
mod ranks;
mod records;
mod results;
mod runs;
#[cfg(target_os = "linux")]
mod schedulers;
#[cfg(target_os = "linux")]
mod shim;
#[cfg(target_os = "linux")]
mod signals;
mod stand_ins;
mod task_files;
mod together;
#[cfg(target_os = "linux")]
mod view;
#[cfg(unix)]
mod ways_to_a_policy;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Settings of a run that takes a fraction of a second: 10 iterations of 128 steps.
const TINY: [&str; 12] = [
    "env.num_envs=16",
    "env.num_steps=8",
    "optimizer.minibatches=4",
    "optimizer.epochs=2",
    "optimizer.final_lr_fraction=1",
    "policy.hidden=[16]",
    "critic.hidden=[16]",
    "eval.episodes=2",
    "eval.every=512",
    "train.steps=1280",
    "train.checkpoint_every=3",
    "train.keep=2",
];
const TASK: &str = "cartpole-balance";
const STATE: &str = "checkpoints/step-000000001280/state.safetensors";

/// The `--set` of a method.
const FPO: &str = "objective.method=fpo";
const PPO: &str = "objective.method=ppo";
const DPPO: &str = "objective.method=dppo";
const AWFM: &str = "objective.method=awfm";
const QFM: &str = "objective.method=qfm";
const REPPO: &str = "objective.method=reppo";
const METHODS: [&str; 6] = [FPO, PPO, DPPO, AWFM, QFM, REPPO];

/// The path of the program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_fpo");

/// Arguments that start a run called `name` of a task that takes next to no time: 10 iterations, a
/// checkpoint after every third; followed by `more`.
fn quick<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    const SETS: [&str; 13] = [
        "env.num_envs=16",
        "env.num_steps=4",
        "env.sequences=1",
        "optimizer.minibatches=4",
        "optimizer.epochs=1",
        "optimizer.final_lr_fraction=1",
        "policy.hidden=[16]",
        "critic.hidden=[16]",
        "policy.flow_steps=2",
        "eval.episodes=2",
        "eval.every=320",
        "train.steps=640",
        "train.checkpoint_every=3",
    ];
    bandit(name, &SETS, more)
}

/// Arguments that start a run called `name` of a bandit with these settings, followed by `more`.
fn bandit<'a>(name: &'a str, sets: &[&'static str], more: &[&'a str]) -> Vec<&'a str> {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    [
        "train",
        "bandit-two_modes",
        "--threads",
        "1",
        "--name",
        name,
    ]
    .into_iter()
    .chain(sets)
    .chain(more.iter().copied())
    .collect()
}

/// The newest checkpoint of a run.
fn newest(run: &Path) -> PathBuf {
    let all = fpo_run::checkpoint::Checkpoints::list(&run.join("checkpoints"));
    all.unwrap().pop().expect("a checkpoint")
}

/// The program with `args`, to run in `folder`.
pub(crate) fn fpo(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder.path()).args(args);
    command
}

/// Arguments that start a tiny run called `name`, followed by `more`.
fn tiny<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sets = TINY.iter().flat_map(|set| ["--set", set]);
    ["train", TASK, "--name", name]
        .into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// Runs the program and expects it to succeed. Returns its standard output.
pub(crate) fn succeeds(folder: &TempDir, args: &[&str]) -> String {
    let output = fpo(folder, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The program with `args`, to run in `folder` without root's privilege to read and write whatever
/// permissions say; none if this user has it and cannot give it up.
#[cfg(unix)]
fn powerless(folder: &TempDir, args: &[&str]) -> Option<Command> {
    let without = [
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
    ];
    use std::os::unix::fs::PermissionsExt;
    let probe = TempDir::new().unwrap();
    let closed = fs::Permissions::from_mode(0o000);
    let file = probe.path().join("probe");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, closed).unwrap();
    let mut command = Command::new(PROGRAM);
    if fs::read(&file).is_ok() {
        let able = Command::new("setpriv").args(without).arg("true").status();
        if !able.is_ok_and(|status| status.success()) {
            eprintln!("skipped: permissions do not bind this user, and setpriv cannot change that");
            return None;
        }
        command = Command::new("setpriv");
        command.args(without).arg(PROGRAM);
    }
    command.current_dir(folder.path()).args(args);
    Some(command)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a complete tiny run called `run`.
fn folder_with_run() -> (TempDir, PathBuf) {
    folder_with_run_of(FPO)
}

/// The same with another method.
fn folder_with_run_of(method: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &tiny("run", &["--set", method]));
    let run = folder.path().join("runs/run");
    (folder, run)
}

/// The files of a run by relative path.
type Record = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below `folder` by relative path, without anything that depends on the clock or on how
/// the run was made: the times in `metrics.jsonl`, TensorBoard's event files, the machine and its
/// threads, and the lock.
fn record(folder: &Path) -> Record {
    fn walk(root: &Path, folder: &Path, out: &mut Record) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                walk(root, &path, out);
            } else if name == "metrics.jsonl" {
                let text = fs::read_to_string(&path).unwrap();
                let cut = |line: &str| {
                    line[..line.find(",\"time\":").expect("a row has times")].to_owned() + "\n"
                };
                out.insert(
                    name.into(),
                    text.lines().map(cut).collect::<String>().into_bytes(),
                );
            } else if ![".lock", "machine.toml"].contains(&&*name)
                && !name.starts_with("events.out.tfevents.")
            {
                out.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(folder, folder, &mut out);
    out
}

/// Expects two records to be equal; the message names the file that differs.
fn assert_same(a: &Record, b: &Record) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (path, bytes) in a {
        assert!(*bytes == b[path], "{} differs", path.display());
    }
}
