//! The examples do what their headers say. Cargo has already built them for this test.

use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The example called `name`, to run in `folder`.
fn example(name: &str, folder: &TempDir) -> Command {
    // The path of this test is target/PROFILE/deps/all-HASH.
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program: PathBuf = profile.join("examples").join(name);
    assert!(
        program.is_file(),
        "{}: build it with the tests: cargo test -p fpo",
        program.display()
    );
    let mut command = Command::new(program);
    command.current_dir(folder.path());
    command
}

/// Runs `command`, expects it to succeed, and returns what it printed.
fn prints(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(
        status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap()
}

/// The numbers of the line that begins with `start`, in order.
fn numbers(text: &str, start: &str) -> Vec<f64> {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no line `{start}` in:\n{text}"));
    line.replace([',', ':'], " ")
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn an_own_environment_has_the_whole_command_line() {
    let folder = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        example("own_environment", &folder)
            .args(args)
            .output()
            .unwrap()
    };
    assert!(prints(example("own_environment", &folder).arg("tasks")).contains("point-reach"));

    // A few small updates are enough to be better than chance.
    let mut train = example("own_environment", &folder);
    train.args(["train", "point-reach", "--name", "run", "--threads", "1"]);
    for set in [
        "env.num_envs=64",
        "optimizer.minibatches=4",
        "train.steps=150_000",
    ] {
        train.args(["--set", set]);
    }
    let trained = prints(&mut train);
    // The untrained policy, which is about as random as its noise, has 12.
    assert!(numbers(&trained, "zero noise")[0] > 18.0, "{trained}");
    let next = trained
        .lines()
        .find(|line| line.contains("own_environment eval run"));
    assert!(
        next.is_some(),
        "the next command names this program: {trained}"
    );

    assert!(
        prints(example("own_environment", &folder).args(["eval", "runs/run"]))
            .contains("point-reach")
    );
    // A saved state is resumed.
    let more = [
        "train",
        "--resume",
        "runs/run",
        "--set",
        "train.steps=152_000",
        "--threads",
        "1",
    ];
    let resumed = prints(example("own_environment", &folder).args(more));
    assert!(resumed.contains("trained point-reach"), "{resumed}");
    // It may find the run unhealthy, but it must find the task.
    assert_ne!(run(&["doctor", "runs/run"]).status.code(), Some(2));
    let film = run(&["play", "runs/run"]);
    assert!(String::from_utf8_lossy(&film.stderr).contains("`point-reach` has no picture"));
}

#[test]
fn a_flow_keeps_two_modes_and_a_gaussian_one() {
    let printed = prints(&mut example("two_modes", &TempDir::new().unwrap()));
    let flow = numbers(&printed, "flow (FPO)");
    let gaussian = numbers(&printed, "Gaussian (PPO)");
    assert!(
        flow[0] > 20.0 && flow[1] > 20.0 && flow[2] < 30.0,
        "{printed}"
    );
    assert!(
        gaussian[0].max(gaussian[1]) > 80.0 && gaussian[0].min(gaussian[1]) < 5.0,
        "{printed}"
    );
}

#[test]
fn a_policy_saved_by_an_own_loop_can_be_loaded_and_acts() {
    let folder = TempDir::new().unwrap();
    let printed = prints(example("own_loop", &folder).arg("policy.safetensors"));
    let learned = numbers(&printed, "return from zero noise");
    let acted = prints(example("load_and_act", &folder).arg("policy.safetensors"));
    let acted = numbers(&acted, "return");
    // An untrained policy has about 350.
    assert!(learned[0] > 420.0 && acted[0] > 420.0, "{printed}{acted:?}");

    let missing = example("load_and_act", &folder)
        .arg("missing")
        .output()
        .unwrap();
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(
        error.starts_with("error: missing: ") && error.lines().count() == 1,
        "{error}"
    );
}
