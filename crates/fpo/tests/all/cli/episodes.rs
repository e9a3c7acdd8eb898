//! The kind: what a user wants to say about episodes, and cannot: another time limit, actions that
//! are held, an end at a return, the return of every episode, another camera.

use crate::cli::{TASK, fpo, stderr, succeeds, tiny};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// The result of `fpo eval --json` on `run`, two episodes a kind of noise.
fn evaluated(folder: &TempDir, run: &str) -> Value {
    let text = succeeds(folder, &["eval", run, "--json", "--episodes", "2"]);
    serde_json::from_str(&text).unwrap()
}

fn refused(folder: &TempDir, args: &[&str]) -> String {
    let output = fpo(folder, args).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    text
}

#[test]
fn every_episode_is_told() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &tiny("run", &["--set", "train.steps=128"]));
    let args = [
        "eval",
        "runs/run",
        "--json",
        "--episodes",
        "3",
        "--csv",
        "each.csv",
    ];
    let result: Value = serde_json::from_str(&succeeds(&folder, &args)).unwrap();
    let csv = fs::read_to_string(folder.path().join("each.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("noise,episode,return,length,end"));
    for (noise, column) in [("zero", "zero_noise"), ("random", "random_noise")] {
        let each = result[column]["each"].as_array().unwrap();
        assert_eq!(each.len(), 3);
        let returns: Vec<f64> = each.iter().map(|e| e["return"].as_f64().unwrap()).collect();
        let mean = returns.iter().sum::<f64>() / 3.0;
        assert!((mean - result[column]["mean"].as_f64().unwrap()).abs() < 1e-9);
        for (k, episode) in each.iter().enumerate() {
            assert_eq!(
                (&episode["length"], &episode["end"]),
                (&1000.into(), &"truncated".into())
            );
            let line = format!("{noise},{k},{},1000,truncated", returns[k]);
            assert_eq!(lines.next(), Some(line.as_str()));
        }
    }
    assert_eq!(lines.next(), None);
    let text = refused(
        &folder,
        &[
            "eval",
            "runs/run",
            "--episodes",
            "1",
            "--csv",
            "no/where.csv",
        ],
    );
    assert!(text.contains("no/where.csv"), "{text}");
}

/// A limit counts actions; held actions are fewer; a policy file knows both, wherever it is.
#[test]
fn episodes_have_the_length_that_is_asked_for() {
    let folder = TempDir::new().unwrap();
    for (name, sets, length) in [
        ("limit", &["env.step_limit=30"][..], 30),
        ("longer", &["env.step_limit=1500"], 1500),
        ("repeat", &["env.action_repeat=4"], 250),
        ("both", &["env.action_repeat=4", "env.step_limit=7"], 7),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let more = [&sets[..], &["--set", "train.steps=256"]].concat();
        succeeds(&folder, &tiny(name, &more));
        let run = format!("runs/{name}");
        let result = evaluated(&folder, &run);
        assert_eq!(result["zero_noise"]["each"][0]["length"], length, "{name}");
        // The file alone, elsewhere.
        let policy = folder
            .path()
            .join(&run)
            .join("checkpoints/step-000000000256/policy.safetensors");
        fs::copy(policy, folder.path().join("alone.safetensors")).unwrap();
        let alone = evaluated(&folder, "alone.safetensors");
        assert_eq!(alone["zero_noise"], result["zero_noise"], "{name}");
        // Training resumes with it.
        succeeds(
            &folder,
            &["train", "--resume", &run, "--set", "train.steps=384"],
        );
    }
    // Held for four steps, rewards are sums of four.
    let rewards = |name: &str| {
        let result = evaluated(&folder, &format!("runs/{name}"));
        let episode = &result["zero_noise"]["each"][0];
        episode["return"].as_f64().unwrap() / episode["length"].as_f64().unwrap()
    };
    assert!(rewards("repeat") > 1.0 && rewards("limit") <= 1.0);
    let text = refused(&folder, &["train", TASK, "--set", "env.action_repeat=0"]);
    assert!(text.contains("env.action_repeat"), "{text}");
}

/// A drawing of a GridWorld policy walks as long as its episodes were, and holds its actions. Goals
/// are three steps from where some walks begin.
#[test]
fn walks_have_the_length_of_episodes() {
    let folder = TempDir::new().unwrap();
    let out_of_time = |repeat: &str| {
        let repeat = format!("env.action_repeat={repeat}");
        let sets = ["env.step_limit=2", &repeat, "train.steps=128"];
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let mut args = tiny("run", &[&sets[..], &["--force"]].concat());
        args[1] = "gridworld-two_walls";
        succeeds(&folder, &args);
        let text = succeeds(&folder, &["gridworld", "plot", "runs/run", "--json"]);
        let drawn: Value = serde_json::from_str(&text).unwrap();
        drawn["walks"]["time"].as_u64().unwrap()
    };
    assert_eq!(out_of_time("1"), 20);
    assert!(out_of_time("2") < 20);
}

#[test]
fn a_run_ends_at_its_return() {
    let folder = TempDir::new().unwrap();
    let text = succeeds(&folder, &tiny("run", &["--set", "train.stop_at=1"]));
    assert!(
        text.contains("the return has reached train.stop_at = 1"),
        "{text}"
    );
    // What it advises is accepted.
    let advice = "train --resume runs/run --set train.stop_at=0";
    assert!(text.contains(advice), "{text}");
    // The first evaluation is after 512 of 1280 steps.
    let metrics = fs::read_to_string(folder.path().join("runs/run/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 4);
    let page = |folder: &TempDir| {
        succeeds(folder, &["report", "runs/run"]);
        fs::read_to_string(folder.path().join("runs/run/report.html")).unwrap()
    };
    assert!(page(&folder).contains("environment steps, complete"));
    let text = refused(&folder, &["train", "--resume", "runs/run"]);
    assert!(
        text.contains("train.stop_at is 1") && text.lines().count() == 1,
        "{text}"
    );
    succeeds(
        &folder,
        &["train", "--resume", "runs/run", "--set", "train.stop_at=0"],
    );
    // It ends in the bytes of a run that was never to stop.
    succeeds(&folder, &tiny("whole", &[]));
    let [run, whole] = ["run", "whole"].map(|name| {
        let mut record = crate::cli::record(&folder.path().join("runs").join(name));
        record.retain(|path, _| {
            path.ends_with("policy.safetensors") || path.ends_with("metrics.jsonl")
        });
        record
    });
    assert_eq!(
        run[std::path::Path::new("metrics.jsonl")],
        whole[std::path::Path::new("metrics.jsonl")]
    );
    let text = refused(
        &folder,
        &[
            "train",
            TASK,
            "--set",
            "train.stop_at=900",
            "--set",
            "eval.every=0",
        ],
    );
    assert!(text.contains("set eval.every"), "{text}");
}

/// The camera of a film by name and by number; what there is, in the error.
#[test]
fn films_have_the_camera_that_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let mut args = tiny("run", &["--set", "train.steps=128"]);
    args[1] = "cheetah-run";
    succeeds(&folder, &args);
    let film = |camera: &[&str], out: &str| {
        let size = ["--seconds", "0.1", "--width", "64", "--height", "48"];
        succeeds(
            &folder,
            &[&["play", "runs/run", "--out", out][..], &size, camera].concat(),
        );
        fs::read(folder.path().join(out)).unwrap()
    };
    let own = film(&[], "own.gif");
    let [side, number, back] = [
        film(&["--camera", "side"], "side.gif"),
        film(&["--camera", "0"], "number.gif"),
        film(&["--camera", "back"], "back.gif"),
    ];
    assert!(own == side && side == number && side != back);
    for wrong in ["2", "-1", "top", ""] {
        let text = refused(&folder, &["play", "runs/run", "--camera", wrong]);
        assert!(text.contains("0 (side), 1 (back)"), "{wrong}: {text}");
        assert!(!folder.path().join("runs/run/video.mp4").exists());
    }
    let mut args = tiny("bandit", &["--set", "train.steps=128"]);
    args[1] = "bandit-two_modes";
    succeeds(&folder, &args);
    let text = refused(&folder, &["play", "runs/bandit", "--camera", "0"]);
    assert!(text.contains("no camera"), "{text}");
}
