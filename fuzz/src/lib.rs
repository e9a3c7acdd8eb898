//! Helpers of the fuzz targets: a tiny run, a folder in memory, and splitting inputs into parts.

#[path = "../../crates/fpo-run/tests/all/tiny.rs"]
mod tiny;

use fpo_env::Task;
use fpo_nn::{Activation, Mlp, MlpSpec};
use fpo_run::config::Config;
use fpo_run::run::{RunFolder, Session};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// The task of the tiny run: one observation, one action, one step.
pub fn task() -> Arc<dyn Task> {
    let tasks = fpo_env::tasks();
    let found = tasks.iter().find(|task| task.spec().name == "bandit-two_modes");
    Arc::clone(found.expect("the bandit is there"))
}

/// Settings of a run that takes milliseconds, in two iterations.
pub fn config() -> Config {
    tiny::config(
        "bandit-two_modes",
        &["policy.time_embedding=2", "eval.episodes=1", "train.steps=16"],
    )
}

/// The network whose tensors `tensors` reads.
pub fn network() -> Mlp {
    let spec = MlpSpec {
        input: 2,
        hidden: vec![3],
        output: 1,
        activation: Activation::Silu,
    };
    Mlp::new(spec).expect("a possible network")
}

/// A folder that is deleted when the process ends, in memory if the system supports it.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    folder.expect("a temporary folder")
}

/// Trains the tiny run in `folder` up to iteration `iterations`; returns its folder.
pub fn run(folder: &Path, iterations: u64) -> PathBuf {
    let path = folder.join("run");
    let mut config = config();
    config.train.steps = 8 * iterations;
    let locked = RunFolder::create(&path, true).expect("a new folder");
    let mut session = Session::begin(locked, config, task(), 1).expect("a run");
    session
        .run(&AtomicBool::new(false), &mut ())
        .expect("a run to its end");
    path
}

/// A safetensors file of the JSON before the first zero byte of `input` and the data after it, so
/// that a mutation of the header does not have to match the length at the start of the file.
pub fn container(input: &[u8]) -> Vec<u8> {
    let (header, data) = split(input, 0);
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// The files of a run, besides its checkpoints, that `fpo doctor` and `fpo report` read.
pub const FILES_OF_A_RECORD: [&str; 6] = [
    "config.toml",
    "metrics.jsonl",
    "eval.csv",
    "events.jsonl",
    "machine.toml",
    "failed.txt",
];

/// The parts of `input` before and after the first `byte`.
pub fn split(input: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match input.iter().position(|&b| b == byte) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// The input from which [`container`] builds `file`.
pub fn parts(file: &[u8]) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().expect("a container");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    [header, &[0], data].concat()
}
