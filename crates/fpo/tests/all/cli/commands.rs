//! The output of successful commands.

use crate::cli::{METHODS, STATE, TASK, folder_with_run_of, fpo, record, stderr, succeeds, tiny};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

#[test]
fn tasks_are_listed() {
    let folder = TempDir::new().unwrap();
    let text = succeeds(&folder, &["tasks"]);
    assert!(
        text.lines().any(|line| line.starts_with("cheetah-run ")),
        "{text}"
    );
    let json: Value = serde_json::from_str(&succeeds(&folder, &["tasks", "--json"])).unwrap();
    let tasks = json.as_array().unwrap();
    assert_eq!(tasks.len(), text.lines().count() - 1);
    let cheetah = tasks
        .iter()
        .find(|task| task["name"] == "cheetah-run")
        .unwrap();
    assert_eq!(
        (&cheetah["observation_dim"], &cheetah["action_dim"]),
        (&17.into(), &6.into())
    );
}

#[test]
fn a_run_folder_is_complete_and_its_policy_can_be_evaluated() {
    METHODS.into_iter().for_each(complete_and_evaluated);
}

fn complete_and_evaluated(method: &str) {
    let (folder, run) = folder_with_run_of(method);
    let files = record(&run);
    for name in [
        "config.toml",
        "metrics.jsonl",
        "eval.csv",
        STATE,
        "checkpoints/step-000000001280/manifest.json",
    ] {
        assert!(
            files.contains_key(std::path::Path::new(name)),
            "{name} is missing"
        );
    }
    assert!(fs::read_dir(&run).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("events.out.tfevents.")
    }));
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(
        config.contains("num_envs = 16\n") && config.contains("gamma = 0.99\n"),
        "{config}"
    );
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let rows: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 10);
    assert!(
        rows.iter()
            .all(|row| row["policy_loss"].is_f64() && row["time"]["env_seconds"].is_f64())
    );
    // Evaluations at the first iterations past 512 and 1024 steps, and at the end; two lines each.
    let eval = fs::read_to_string(run.join("eval.csv")).unwrap();
    let steps: Vec<&str> = eval
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(steps, ["512", "512", "1024", "1024", "1280", "1280"]);

    assert!(
        eval.starts_with("iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n"),
        "{eval}"
    );
    assert!(
        eval.lines().skip(1).all(|line| line.ends_with(",0")),
        "{eval}"
    );

    // Repeats the last evaluation of the run, from its folder, its checkpoint and its policy file.
    let json = |policy: &str| -> Value {
        let text = succeeds(
            &folder,
            &[
                "eval",
                policy,
                "--episodes",
                "2",
                "--seed",
                "0",
                "--threads",
                "3",
                "--json",
            ],
        );
        serde_json::from_str(&text).unwrap()
    };
    let from_run = json("runs/run");
    let from_checkpoint = json("runs/run/checkpoints/step-000000001280");
    let from_file = json("runs/run/checkpoints/step-000000001280/policy.safetensors");
    for (column, noise) in [("zero_noise", "zero"), ("random_noise", "random")] {
        assert_eq!(from_run[column], from_checkpoint[column]);
        assert_eq!(from_run[column], from_file[column]);
        let line = eval
            .lines()
            .find(|line| line.starts_with(&format!("10,1280,{noise},2,")))
            .unwrap();
        let mean: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
        // serde_json parses numbers to within one unit in the last place.
        let found = from_run[column]["mean"].as_f64().unwrap();
        assert!(
            (found - mean).abs() <= 1e-14 * mean.abs(),
            "{found} against {mean}"
        );
    }
    let text = succeeds(
        &folder,
        &[
            "eval",
            "runs/run",
            "--episodes",
            "2",
            "--checkpoint",
            "best",
        ],
    );
    assert!(text.contains("seed 1000"), "{text}");
    assert!(
        text.contains("zero noise") && text.contains("random noise"),
        "{text}"
    );
}

#[test]
fn the_default_name_contains_task_preset_and_seed() {
    let folder = TempDir::new().unwrap();
    let mut args = tiny(
        "x",
        &[
            "--seed",
            "7",
            "--out",
            "elsewhere",
            "--set",
            "train.steps=128",
        ],
    );
    args.drain(2..4);
    let text = succeeds(&folder, &args);
    let run = format!("elsewhere/{TASK}-fast-seed7");
    assert!(folder.path().join(&run).join("config.toml").is_file());
    assert!(
        text.contains(&format!("fpo train --resume {run} --set train.steps=256")),
        "{text}"
    );
}

#[test]
fn the_documented_settings_are_a_configuration() {
    let folder = TempDir::new().unwrap();
    let text = succeeds(
        &folder,
        &["train", "finger-spin", "--preset", "paper", "--help-config"],
    );
    assert!(
        text.contains("gamma = 0.95\n") && text.contains("num_envs = 2048\n"),
        "{text}"
    );
    fs::write(folder.path().join("c.toml"), &text).unwrap();
    let again = succeeds(
        &folder,
        &[
            "train",
            "finger-spin",
            "--preset",
            "paper",
            "--config",
            "c.toml",
            "--help-config",
        ],
    );
    assert_eq!(again, text);
    fs::write(folder.path().join("p.toml"), "preset = \"paper\"\n").unwrap();
    let by_file = succeeds(
        &folder,
        &[
            "train",
            "finger-spin",
            "--config",
            "p.toml",
            "--help-config",
        ],
    );
    assert_eq!(by_file, text);
}

/// `docs/metrics.md` explains exactly the names in `metrics.jsonl`.
#[test]
fn every_metric_is_explained() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    let mut written = BTreeSet::new();
    // Further runs have the metrics of rollbacks and of bounded losses.
    for method in METHODS
        .into_iter()
        .chain(["train.rollback=true", "objective.loss_max=20"])
    {
        let (_folder, run) = folder_with_run_of(method);
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        for line in metrics.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            for (name, value) in row.as_object().unwrap() {
                match value.as_object() {
                    Some(times) => {
                        written.extend(times.keys().map(|time| format!("{name}/{time}")))
                    }
                    None => drop(written.insert(name.clone())),
                }
            }
        }
    }
    assert_eq!(explained, written);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = TempDir::new().unwrap();
    let mut child = fpo(&folder, &["tasks"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        stderr(&output)
    );
}

/// A result that cannot be written to a full disk is an error.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let (folder, _) = crate::cli::folder_with_run();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = fpo(&folder, &["eval", "runs/run", "--episodes", "2"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("error: cannot write to standard output: No space left"),
        "{text}"
    );
}

#[test]
fn a_policy_is_filmed() {
    METHODS.into_iter().for_each(filmed);
}

fn filmed(method: &str) {
    let (folder, run) = folder_with_run_of(method);
    let args = [
        "play",
        "runs/run",
        "--seconds",
        "0.2",
        "--width",
        "64",
        "--height",
        "48",
    ];
    let output = fpo(&folder, &args).output().unwrap();
    let errors = stderr(&output);
    if errors.contains("need EGL") || errors.contains("no device to draw with") {
        eprintln!("not tested: this machine has no EGL, or no driver for it");
        assert_eq!(output.status.code(), Some(1));
        return;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    // The film ends within the first episode, whose return nevertheless is that of the whole
    // evaluation episode.
    let whole = {
        let args = [
            "eval",
            "runs/run",
            "--episodes",
            "1",
            "--seed",
            "0",
            "--json",
        ];
        let json: Value = serde_json::from_str(&succeeds(&folder, &args)).unwrap();
        json["zero_noise"]["mean"].as_f64().unwrap()
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told: f64 = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
    // Told to a tenth, or to more digits where it is small.
    assert!((told - whole).abs() <= 0.05, "{text}: {whole}");
    let film = fs::read(run.join("video.mp4")).unwrap();
    assert_eq!(&film[4..8], b"ftyp");
    succeeds(
        &folder,
        &[&args[..], &["--out", "film.gif", "--noise", "random"]].concat(),
    );
    assert!(
        fs::read(folder.path().join("film.gif"))
            .unwrap()
            .starts_with(b"GIF89a")
    );
}
