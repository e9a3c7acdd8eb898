//! Runs that are repeated, stopped, killed, resumed or extended equal uninterrupted ones.

#[cfg(target_os = "linux")]
use crate::cli::shim::Held;
use crate::cli::{
    METHODS, Record, STATE, assert_same, folder_with_run, folder_with_run_of, fpo, record, stderr,
    succeeds, tiny,
};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// Settings whose minibatches are split over eight learner workers, by transitions or, as
/// published, by whole sequences: each learns from 64 environments × 2 sequences × 8 steps.
const SPLIT: [&[&str]; 4] = [
    &[
        "env.num_envs=64",
        "env.sequences=2",
        "optimizer.minibatches=2",
        "train.steps=4096",
    ],
    &[
        "env.num_envs=64",
        "env.sequences=2",
        "optimizer.minibatches=2",
        "train.steps=4096",
        "advantage.recompute=per_minibatch",
        "advantage.form=brax",
        "critic.value_scale=none",
        "env.reward_scale=10",
        "objective.ratio=per_action",
        "objective.trust_region=ppo",
        "train.precision=f32",
    ],
    &[
        "env.num_envs=64",
        "env.sequences=2",
        "optimizer.minibatches=2",
        "train.steps=4096",
        "objective.method=ppo",
        "objective.entropy=0.01",
    ],
    &[
        "env.num_envs=64",
        "env.sequences=2",
        "optimizer.minibatches=2",
        "train.steps=4096",
        "objective.method=dppo",
        "objective.final_steps=3",
    ],
];

/// Trains a tiny run called `name` with `sets`; returns its record.
fn recorded(folder: &TempDir, name: &str, sets: &[&str], more: &[&str]) -> Record {
    let sets: Vec<_> = sets
        .iter()
        .flat_map(|set| ["--set", set])
        .chain(more.iter().copied())
        .collect();
    succeeds(folder, &tiny(name, &sets));
    record(&folder.path().join("runs").join(name))
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for sets in [&[][..]].iter().chain(&SPLIT) {
        let folder = TempDir::new().unwrap();
        let [one, two, three] = ["1", "2", "3"].map(|threads| {
            recorded(
                &folder,
                threads,
                sets,
                &["--threads", threads, "--seed", "5"],
            )
        });
        assert!(one.len() >= 7, "{:?}", one.keys());
        assert_same(&one, &two);
        assert_same(&one, &three);
        let other = recorded(&folder, "other", sets, &["--seed", "6"]);
        assert_ne!(
            one[Path::new("metrics.jsonl")],
            other[Path::new("metrics.jsonl")],
            "another seed gives another run"
        );
    }
}

/// The precision of a run is recorded, and single precision gives the same results with and without
/// AVX-512.
#[test]
fn single_precision_does_not_depend_on_the_width_of_vectors() {
    let folder = TempDir::new().unwrap();
    let run = |name: &str, precision: &str, simd: Option<&str>| {
        let mut command = fpo(&folder, &tiny(name, &["--precision", precision]));
        command
            .env_remove("FPO_SIMD")
            .envs(simd.map(|simd| ("FPO_SIMD", simd)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let record = record(&folder.path().join("runs").join(name));
        let config = String::from_utf8(record[Path::new("config.toml")].clone()).unwrap();
        (record, config)
    };
    let (widest, config) = run("widest", "f32", None);
    assert!(config.contains("precision = \"f32\""), "{config}");
    let (narrow, _) = run("narrow", "f32", Some("avx2"));
    assert_same(&widest, &narrow);
    // Machine-dependent choices are resolved when the run starts.
    let (_, config) = run("auto", "auto", None);
    let resolved = if fpo_nn::Precision::Bf16.is_available() {
        "bf16"
    } else {
        "f32"
    };
    assert!(
        config.contains(&format!("precision = \"{resolved}\"")),
        "{config}"
    );
}

/// If a machine lacks the precision of a run, the error says what to do.
#[test]
fn a_precision_that_the_machine_lacks_is_rejected() {
    let folder = TempDir::new().unwrap();
    // With AVX2 alone there is no matrix unit.
    let mut command = fpo(&folder, &tiny("run", &["--precision", "bf16"]));
    let output = command.env("FPO_SIMD", "avx2").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("use --precision f32") && text.lines().count() == 1,
        "{text}"
    );
    assert!(!folder.path().join("runs/run/config.toml").exists());
    if fpo_nn::Precision::Bf16.is_available() {
        // A run started with a matrix unit resumes on a machine without one if the precision is
        // changed.
        succeeds(&folder, &tiny("run", &["--precision", "bf16"]));
        let resume = ["train", "--resume", "runs/run", "--set", "train.steps=1536"];
        let elsewhere = |more: &[&str]| {
            let args: Vec<&str> = resume.iter().chain(more).copied().collect();
            fpo(&folder, &args)
                .env("FPO_SIMD", "avx2")
                .output()
                .unwrap()
        };
        let output = elsewhere(&[]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("use --precision f32"));
        let output = elsewhere(&["--precision", "f32"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let output = fpo(&folder, &["tasks"])
        .env("FPO_SIMD", "mmx")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("FPO_SIMD"), "{}", stderr(&output));
}

/// The speed of an iteration is its steps divided by its seconds, and the report shows it.
#[test]
fn steps_per_second_are_recorded_and_shown() {
    let (folder, run) = folder_with_run();
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for line in metrics.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let time = |name: &str| row["time"][name].as_f64().unwrap();
        let steps = time("steps_per_second") * time("iteration_seconds");
        assert!((steps - 128.0).abs() < 1e-6, "{line}");
    }
    succeeds(&folder, &["report", "runs/run"]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    // The title of the panel, and the headline.
    assert_eq!(page.matches("environment steps per second").count(), 2);
}

/// The stored losses are those of the policy that acted: before the first step of every iteration
/// each ratio is 1.
#[test]
fn ratios_begin_at_one() {
    for sets in SPLIT {
        let folder = TempDir::new().unwrap();
        let record = recorded(&folder, "run", sets, &["--set", "normalizer.enabled=true"]);
        let metrics = String::from_utf8(record[Path::new("metrics.jsonl")].clone()).unwrap();
        for line in metrics.lines() {
            let (_, rest) = line.split_once("\"first_ratio_error\":").unwrap();
            let error: f64 = rest.split(',').next().unwrap().parse().unwrap();
            assert!(error <= 1e-5, "{line}");
        }
        assert_eq!(metrics.lines().count(), 4);
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_end() {
    METHODS.into_iter().for_each(killed_and_resumed);
}

fn killed_and_resumed(method: &str) {
    let (folder, run) = folder_with_run_of(method);
    let straight = record(&run);
    // As if the process had been killed while saving the last checkpoint, with an incomplete line.
    fs::create_dir(run.join("checkpoints/.partial-step-000000001280")).unwrap();
    fs::rename(
        run.join("checkpoints/step-000000001280"),
        run.join("checkpoints/.partial-step-000000001280/x"),
    )
    .unwrap();
    let mut metrics = fs::File::options()
        .append(true)
        .open(run.join("metrics.jsonl"))
        .unwrap();
    metrics.write_all(b"{\"iteration\":11,\"env_st").unwrap();
    succeeds(
        &folder,
        &["train", "--resume", "runs/run", "--threads", "1"],
    );
    assert_same(&straight, &record(&run));
}

#[test]
fn an_extended_run_equals_a_longer_one() {
    let (folder, run) = folder_with_run();
    succeeds(
        &folder,
        &["train", "--resume", "runs/run", "--set", "train.steps=2560"],
    );
    succeeds(&folder, &tiny("long", &["--set", "train.steps=2560"]));
    let (extended, long) = (record(&run), record(&folder.path().join("runs/long")));
    let of = |name: &str| {
        let name = Path::new(name);
        (&extended[name], &long[name])
    };
    for name in [
        "metrics.jsonl",
        "checkpoints/step-000000002560/state.safetensors",
        "config.toml",
    ] {
        // The shorter run has an evaluation at its end, which the longer one has not.
        if name == "metrics.jsonl" {
            let (a, b) = of(name);
            let without_evaluations = |bytes: &[u8]| -> Vec<String> {
                let text = String::from_utf8_lossy(bytes).into_owned();
                text.lines()
                    .map(|line| line.split(",\"eval/").next().unwrap().to_owned())
                    .collect()
            };
            assert_eq!(without_evaluations(a), without_evaluations(b));
        } else {
            let (a, b) = of(name);
            assert!(a == b, "{name} differs");
        }
    }
}

/// A resumed run accepts safer settings, or another length, and reports its new learning rate.
#[test]
fn a_resumed_run_accepts_safer_settings() {
    let folder = TempDir::new().unwrap();
    let falling = ["--set", "optimizer.final_lr_fraction=0.2"];
    let text = succeeds(&folder, &tiny("run", &falling));
    assert!(text.contains("the learning rate rises to 60%"), "{text}");
    let run = folder.path().join("runs/run");
    let args = [
        "train",
        "--resume",
        "runs/run",
        "--set",
        "train.steps=2560",
        "--set",
        "optimizer.learning_rate=1e-5",
        "--set",
        "objective.log_ratio_clamp=2",
    ];
    let output = fpo(&folder, &args).output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("it continues at 60% of its initial value, not 20%"),
        "{text}"
    );
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(
        config.contains("learning_rate = 0.00001\n") && config.contains("log_ratio_clamp = 2.0\n"),
        "{config}"
    );
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let rate = |line: usize| -> f64 {
        let (_, rest) = metrics
            .lines()
            .nth(line)
            .unwrap()
            .split_once("\"learning_rate\":")
            .unwrap();
        rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
    };
    assert!(
        rate(9) > 9e-5 && (rate(10) - 6e-6).abs() < 1e-9,
        "{} {}",
        rate(9),
        rate(10)
    );
}

#[test]
fn force_replaces_a_run_and_leaves_other_files() {
    let (folder, run) = folder_with_run();
    let first = record(&run);
    fs::write(run.join("notes.txt"), "mine").unwrap();
    succeeds(
        &folder,
        &tiny("run", &["--force", "--set", "train.steps=256"]),
    );
    assert!(!run.join(STATE).exists() && run.join("notes.txt").exists());
    fs::remove_file(run.join("notes.txt")).unwrap();
    succeeds(&folder, &tiny("run", &["--force"]));
    assert_same(&first, &record(&run));
}

/// Makes a tiny run long enough to be interrupted: 40 iterations.
#[cfg(target_os = "linux")]
const LONG: [&str; 6] = [
    "--set",
    "train.steps=5120",
    "--set",
    "eval.every=0",
    "--set",
    "train.checkpoint_every=7",
];

#[cfg(target_os = "linux")]
const FINISHING: &str = "finishing the iteration, then saving";

/// Sends a run `signal` while it writes its 20th row; returns its standard output.
#[cfg(target_os = "linux")]
fn interrupted(folder: &TempDir, name: &str, signal: &str) -> String {
    let mut held = Held::at(
        folder,
        &tiny(name, &LONG),
        ("write", "/metrics.jsonl", 20),
        1,
    );
    held.signal(signal);
    held.says(FINISHING);
    held.release();
    let output = held.end();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_saves_and_the_run_resumes_to_the_same_end() {
    let folder = TempDir::new().unwrap();
    let text = interrupted(&folder, "stopped", "-INT");
    assert!(
        text.contains("stopped after 2,560 of 5,120")
            && text.contains("resume with: fpo train --resume runs/stopped"),
        "{text}"
    );
    succeeds(&folder, &["train", "--resume", "runs/stopped"]);
    succeeds(&folder, &tiny("straight", &LONG));
    let [stopped, straight] =
        ["stopped", "straight"].map(|name| record(&folder.path().join("runs").join(name)));
    assert_same(&stopped, &straight);
}

/// A second Ctrl-C does not wait for the iteration, and loses nothing but the progress since the
/// last checkpoint.
#[cfg(target_os = "linux")]
#[test]
fn a_second_ctrl_c_quits_at_once_without_damage() {
    let folder = TempDir::new().unwrap();
    // The row before the checkpoint of the 14th iteration.
    let mut held = Held::at(
        &folder,
        &tiny("run", &LONG),
        ("write", "/metrics.jsonl", 14),
        1,
    );
    held.signal("-INT");
    held.says(FINISHING);
    // Signals closer together than 0.3 s count as one.
    std::thread::sleep(std::time::Duration::from_millis(350));
    held.signal("-INT");
    // It is never released, so the iteration that the first signal waits for does not end.
    let output = held.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let run = folder.path().join("runs/run");
    let saved: Vec<_> = fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        saved,
        ["step-000000000896"],
        "the iteration was not finished"
    );
    succeeds(&folder, &["train", "--resume", "runs/run"]);
    succeeds(&folder, &tiny("straight", &LONG));
    assert_same(&record(&run), &record(&folder.path().join("runs/straight")));
}

/// A signal before environments and networks are created saves the initial state.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_at_the_start_leaves_a_run_that_can_be_resumed() {
    let folder = TempDir::new().unwrap();
    let mut held = Held::at(&folder, &tiny("run", &LONG), ("open", "/.lock", 1), 1);
    held.signal("-TERM");
    held.says(FINISHING);
    held.release();
    let output = held.end();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(
        folder
            .path()
            .join("runs/run/checkpoints/step-000000000000")
            .is_dir(),
        "{}",
        stderr(&output)
    );
    succeeds(&folder, &["train", "--resume", "runs/run"]);
    succeeds(&folder, &tiny("straight", &LONG));
    let [run, straight] =
        ["run", "straight"].map(|name| record(&folder.path().join("runs").join(name)));
    assert_same(&run, &straight);
}

#[cfg(target_os = "linux")]
#[test]
fn sigterm_saves_too() {
    let folder = TempDir::new().unwrap();
    let text = interrupted(&folder, "run", "-TERM");
    assert!(text.contains("stopped after"), "{text}");
}
