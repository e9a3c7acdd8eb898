//! `fpo doctor`, and the warnings of a training that collapses.

use crate::cli::{TINY, folder_with_run, fpo, record, stderr, succeeds};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

/// One second of FPO without bounds, with a far too high learning rate: it reaches the goal and
/// collapses.
fn collapsing<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sets = [
        "train.precision=f32",
        "env.num_envs=16",
        "env.num_steps=16",
        "policy.hidden=[32,32]",
        "policy.action_bound=0",
        "critic.hidden=[32,32]",
        "objective.ratio=per_action",
        "objective.ratio_form=exp",
        "objective.trust_region=ppo",
        "optimizer.learning_rate=8e-3",
        "optimizer.final_lr_fraction=1",
        "optimizer.max_kl=0",
        "train.ema_decay=0",
        "optimizer.minibatches=4",
        "objective.stratified=false",
        "eval.episodes=64",
        "eval.every=5120",
        "train.steps=51200",
    ];
    let sets = sets.into_iter().flat_map(|set| ["--set", set]);
    [
        "train",
        "gridworld-two_walls",
        "--seed",
        "1",
        "--name",
        name,
    ]
    .into_iter()
    .chain(sets)
    .chain(more.iter().copied())
    .collect()
}

fn doctor(folder: &TempDir, run: &str) -> Output {
    fpo(folder, &["doctor", run]).output().unwrap()
}

fn findings(folder: &TempDir, run: &str) -> Value {
    let output = fpo(folder, &["doctor", run, "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_healthy_run_is_healthy_and_unchanged() {
    let (folder, run) = folder_with_run();
    let before = record(&run);
    let output = doctor(&folder, "runs/run");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(
        text.starts_with("cartpole-balance (fast, seed 0): 10 iterations, 1,280 of 1,280")
            && text.contains("healthy"),
        "{text}"
    );
    let json = findings(&folder, "runs/run");
    assert_eq!(json["healthy"], true);
    assert_eq!(json["iterations"], 10);
    crate::cli::assert_same(&before, &record(&run));
    assert!(!run.join("events.jsonl").exists(), "nothing happened");
}

#[test]
fn a_collapse_is_reported_and_a_rollback_rescues_the_run() {
    let folder = TempDir::new().unwrap();
    let output = fpo(&folder, &collapsing("off", &[])).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("warning: iteration ") && text.contains("became non-finite"),
        "{text}"
    );
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains("the last good checkpoint is"),
        "{last}"
    );
    reproduces_its_failure(&folder, "runs/off", last);
    let output = doctor(&folder, "runs/off");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        said.contains("FAILURE") && said.contains("non-finite"),
        "{said}"
    );
    assert!(
        stderr(&output).starts_with("error: runs/off is not healthy"),
        "{}",
        stderr(&output)
    );
    let json = findings(&folder, "runs/off");
    assert_eq!(json["healthy"], false);
    assert_eq!(json["findings"][0]["kind"], "non_finite");
    assert_eq!(json["findings"][0]["severity"], "failure");

    let on = collapsing("on", &["--set", "train.rollback=true"]);
    let output = fpo(&folder, &on).output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("went back to the best healthy checkpoint"),
        "{text}"
    );
    let events = fs::read_to_string(folder.path().join("runs/on/events.jsonl")).unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.iter().any(|event| event["kind"] == "rollback"),
        "{events:?}"
    );
    let result = succeeds(&folder, &["eval", "runs/on", "--json"]);
    let result: Value = serde_json::from_str(&result).unwrap();
    assert!(
        result["random_noise"]["mean"].as_f64().unwrap() > 19.0,
        "the goal is worth 20: {result}"
    );
}

#[test]
fn other_folders_are_rejected_in_one_line() {
    let (folder, run) = folder_with_run();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let refused = |path: &str, expected: &str| {
        let output = doctor(&folder, path);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{path}: {text}");
        assert!(
            text.contains(expected) && text.lines().count() == 1,
            "{text}"
        );
    };
    refused("nowhere", "there is no such folder");
    refused("empty", "it has no config.toml");
    let metrics = run.join("metrics.jsonl");
    let whole = fs::read_to_string(&metrics).unwrap();
    fs::write(
        &metrics,
        whole.replacen("\"env_steps\":256", "\"env_steps\":x", 1),
    )
    .unwrap();
    refused("runs/run", "metrics.jsonl is damaged in line 2");
    // A run in progress may be in the middle of a line.
    fs::write(&metrics, &whole[..whole.len() - 40]).unwrap();
    assert_eq!(findings(&folder, "runs/run")["iterations"], 9);
    fs::write(run.join("config.toml"), "seed = \"\\u0000").unwrap();
    refused("runs/run", "config.toml");
}

/// Control characters in untrusted files are escaped on the terminal.
#[test]
fn control_characters_of_untrusted_files_are_escaped() {
    let (folder, run) = folder_with_run();
    let event =
        r#"{"iteration":1,"env_steps":128,"rollbacks":0,"kind":"non_finite","severity":"failure","#;
    let event =
        format!(r#"{event}"statement":"a \u001b]0;title\u0007 b\nhealthy","advice":"\u001b[2J"}}"#)
            + "\n";
    fs::write(run.join("events.jsonl"), event).unwrap();
    let before = folder
        .path()
        .join("runs/run/checkpoints/step-000000001280/state.safetensors");
    fs::create_dir(run.join("failure")).unwrap();
    fs::copy(before, run.join("failure/state.safetensors")).unwrap();
    fs::copy(run.join("config.toml"), run.join("failure/config.toml")).unwrap();
    let report = r#"{"iteration":10,"error":"\u001b[31m\n  again: the same"}"#;
    fs::write(run.join("failure/failure.json"), report).unwrap();
    for command in ["doctor", "reproduce"] {
        let output = fpo(&folder, &[command, "runs/run"]).output().unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(shown.contains("\\u{1b}"), "{command}: {shown}");
        let forged = |line: &str| line == "healthy" || line == "  again: the same";
        assert!(!shown.lines().any(forged), "{command}: {shown}");
        assert!(
            shown.chars().all(|c| c == '\n' || !c.is_control()),
            "{command}: {shown}"
        );
    }
}

/// Group-relative advantages have no critic: null metrics of the critic, and its learning rate, are
/// no problem; any other null metric is one.
#[test]
fn a_run_without_a_critic_is_healthy() {
    let folder = TempDir::new().unwrap();
    let sets = [
        "advantage.estimator=group",
        "advantage.group_size=4",
        "optimizer.critic_learning_rate=0.9",
    ];
    let sets = TINY.into_iter().chain(sets).flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train", "bandit-two_modes", "--name", "run"]
        .into_iter()
        .chain(sets)
        .collect();
    let output = fpo(&folder, &args).output().unwrap();
    let text = stderr(&output);
    assert!(
        output.status.success() && !text.contains("value loss"),
        "{text}"
    );
    let metrics = folder.path().join("runs/run/metrics.jsonl");
    let whole = fs::read_to_string(&metrics).unwrap();
    for name in ["value_loss", "explained_variance"] {
        assert!(whole.contains(&format!("\"{name}\":null")), "{whole}");
    }
    assert_eq!(findings(&folder, "runs/run")["healthy"], true);
    succeeds(&folder, &["report", "runs/run"]);
    let page = fs::read_to_string(folder.path().join("runs/run/report.html")).unwrap();
    assert!(page.contains("policy loss") && !page.contains("no finite number"));

    let corrupt = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["policy_loss"] = Value::Null;
        row.to_string() + "\n"
    };
    fs::write(&metrics, whole.lines().map(corrupt).collect::<String>()).unwrap();
    let json = findings(&folder, "runs/run");
    let statement = json["findings"][0]["statement"].as_str().unwrap();
    assert!(
        json["healthy"] == false && statement.starts_with("policy_loss is null"),
        "{json:#}"
    );
}

/// One bad metric each, in an otherwise healthy run.
#[test]
fn each_kind_of_problem_is_found() {
    let (folder, run) = folder_with_run();
    let whole = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for (name, value, kind) in [
        ("clip_fraction", "0.9", "clip_fraction"),
        ("action_saturation", "0.99", "saturation"),
        ("diverged", "3.0", "diverged"),
        ("outside_bins", "0.4", "critic_bins"),
        ("value_loss", "null", "non_finite"),
        ("ratio_max", "1e9", "ratio_tails"),
    ] {
        // Duplicate the run's rows, so that every window is full.
        let corrupt = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row[name] = value.parse().unwrap();
            row.to_string() + "\n"
        };
        let rows: String = whole.lines().chain(whole.lines()).map(corrupt).collect();
        fs::write(run.join("metrics.jsonl"), rows).unwrap();
        let json = findings(&folder, "runs/run");
        let found = json["findings"].as_array().unwrap();
        assert!(
            json["healthy"] == false && found.iter().any(|finding| finding["kind"] == kind),
            "{name}: {json:#}"
        );
    }
    fs::write(run.join("metrics.jsonl"), whole).unwrap();
    fs::write(
        Path::new(&run).join("checkpoints/step-000000001280/policy.safetensors"),
        "not one",
    )
    .unwrap();
    let json = findings(&folder, "runs/run");
    assert!(
        json["findings"][0]["statement"]
            .as_str()
            .unwrap()
            .contains("step-000000001280"),
        "{json:#}"
    );
}

/// A run with rollbacks does not depend on the number of threads either.
#[test]
fn rollbacks_do_not_depend_on_threads() {
    let folder = TempDir::new().unwrap();
    let [one, two] = ["1", "2"].map(|threads| {
        let more = ["--set", "train.rollback=true", "--threads", threads];
        succeeds(&folder, &collapsing(threads, &more));
        record(&folder.path().join("runs").join(threads))
    });
    crate::cli::assert_same(&one, &two);
    assert!(one.contains_key(Path::new("events.jsonl")));
}

/// The files of a failed run reproduce the failure on any number of threads, and hold the minibatch
/// if the failure is in one.
fn reproduces_its_failure(folder: &TempDir, run: &str, error: &str) {
    let before = record(&folder.path().join(run));
    for threads in ["1", "3"] {
        let text = crate::cli::succeeds(folder, &["reproduce", run, "--threads", threads]);
        let first = text.lines().next().unwrap();
        let (_, recorded) = first.split_once(" iterations: ").unwrap();
        assert!(
            error.contains(recorded) && text.contains("again: the same"),
            "{text}"
        );
        let minibatch = folder
            .path()
            .join(run)
            .join("failure/minibatch.safetensors");
        assert_eq!(minibatch.exists(), recorded.contains("minibatch"));
        if minibatch.exists() {
            let bytes = std::fs::read(minibatch).unwrap();
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let rows = file.tensor("transition").unwrap().shape()[0];
            assert!(rows > 0 && file.tensor("old_loss").unwrap().shape()[0] == rows);
        }
    }
    crate::cli::assert_same(&before, &record(&folder.path().join(run)));
    // If another error was recorded, it reports that the outcome differs.
    let other = folder.path().join("other");
    std::fs::create_dir_all(other.join("failure")).unwrap();
    for file in ["config.toml", "state.safetensors"] {
        std::fs::copy(
            folder.path().join(run).join("failure").join(file),
            other.join("failure").join(file),
        )
        .unwrap();
    }
    let report = std::fs::read(folder.path().join(run).join("failure/failure.json")).unwrap();
    let mut report: Value = serde_json::from_slice(&report).unwrap();
    report["error"] = "something else".into();
    std::fs::write(other.join("failure/failure.json"), report.to_string()).unwrap();
    let output = fpo(folder, &["reproduce", "other"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("ended differently this time"),
        "{}",
        stderr(&output)
    );
    let output = fpo(folder, &["reproduce", "nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
