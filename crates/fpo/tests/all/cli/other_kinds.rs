//! Kind: a path that leads to something of another kind than the command wants. The answer says
//! what it is and what to name instead, and advice is a command that works.

use crate::cli::{fpo, newest, quick, stderr, succeeds};
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

fn run(folder: &TempDir, args: &[&str]) -> Output {
    fpo(folder, args).output().unwrap()
}

#[track_caller]
fn refused(folder: &TempDir, args: &[&str], words: &[&str]) -> String {
    let output = run(folder, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {args:?}: {text}");
    }
    text
}

/// A run that ends with a non-finite number before its first checkpoint.
fn failed_early(folder: &TempDir) {
    const SETS: &[&str] = &[
        "train.precision=f32",
        "env.num_envs=16",
        "env.num_steps=16",
        "policy.hidden=[32,32]",
        "policy.action_bound=0",
        "critic.hidden=[32,32]",
        "objective.ratio=per_action",
        "objective.ratio_form=exp",
        "objective.trust_region=ppo",
        "optimizer.learning_rate=0.5",
        "optimizer.final_lr_fraction=1",
        "optimizer.max_kl=0",
        "optimizer.minibatches=4",
        "objective.stratified=false",
        "train.ema_decay=0",
        "eval.episodes=4",
        "eval.every=0",
        "train.checkpoint_every=0",
        "train.steps=51200",
    ];
    let mut args = crate::cli::bandit("fails", SETS, &["--seed", "1"]);
    args[1] = "gridworld-two_walls";
    let output = run(folder, &args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap();
    let advice = "`fpo train gridworld-two_walls --config runs/fails/config.toml --name NAME";
    assert!(last.contains(advice), "{last}");
}

/// The command between backquotes in `text` that begins with `start`, with a name and a setting.
fn advised(text: &str, start: &str) -> Vec<String> {
    let (_, rest) = text.split_once(&format!("`{start}")).expect("advice");
    let (rest, _) = rest.split_once('`').unwrap();
    let command = format!("{start}{rest}")
        .replace("NAME", "another")
        .replace("KEY=VALUE", "optimizer.learning_rate=1e-3");
    let words = command.split(' ').skip(1);
    words.map(str::to_owned).collect()
}

#[test]
fn what_a_failure_left_is_no_run_and_leads_to_it() {
    let folder = TempDir::new().unwrap();
    failed_early(&folder);
    let failure = "runs/fails/failure";
    for command in [
        &["eval"][..],
        &["play"],
        &["policy", "show"],
        &["export", "--onnx"],
    ] {
        let words = "is not a run: it is what the failure of runs/fails left";
        refused(&folder, &[command, &[failure]].concat(), &[words]);
    }
    // What is about the run is about it from there, too.
    let doctor = |path: &str| run(&folder, &["doctor", path, "--json"]).stdout;
    assert_eq!(doctor(failure), doctor("runs/fails"));
    let said = succeeds(&folder, &["reproduce", failure]);
    assert!(said.contains("again: the same"), "{said}");
    succeeds(&folder, &["report", failure]);
    assert!(folder.path().join("runs/fails/report.html").is_file());
    assert!(!folder.path().join(failure).join(".lock").exists());
    // A copy of it alone.
    fs::rename(folder.path().join(failure), folder.path().join("alone")).unwrap();
    for args in [
        &["doctor", "alone"][..],
        &["report", "alone"],
        &["eval", "alone"],
        &["train", "--resume", "alone"],
    ] {
        refused(&folder, args, &["it is what the failure of a run left"]);
    }
    let said = succeeds(&folder, &["reproduce", "alone"]);
    assert!(said.contains("again: the same"), "{said}");
}

/// Every message that advises another run has a command that begins one.
#[test]
fn advice_for_a_run_that_failed_early_leads_out() {
    let folder = TempDir::new().unwrap();
    failed_early(&folder);
    for command in ["eval", "play"] {
        let words = [
            "runs/fails failed before its first checkpoint",
            "`fpo doctor runs/fails`",
        ];
        let text = refused(&folder, &[command, "runs/fails"], &words);
        assert!(!text.contains("--resume"), "{text}");
    }
    let text = stderr(&run(&folder, &["eval", "runs/fails"]));
    let mut command = advised(&text, "fpo train gridworld-two_walls");
    command.extend(["--set", "train.steps=256"].map(str::to_owned));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    succeeds(&folder, &command);
    assert!(folder.path().join("runs/another/config.toml").is_file());
    // The findings say with which settings, and the last line how.
    let said = String::from_utf8(run(&folder, &["doctor", "runs/fails"]).stdout).unwrap();
    let line = "  a new run: fpo train gridworld-two_walls --config runs/fails/config.toml --name";
    assert!(said.contains(line), "{said}");
}

/// A folder of runs, where one of them is meant.
#[test]
fn a_folder_of_runs_is_named_with_one_of_them() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    for command in [
        &["eval"][..],
        &["play"],
        &["reproduce"],
        &["doctor"],
        &["policy", "show"],
        &["gridworld", "plot"],
        &["export", "--onnx"],
        &["train", "--resume"],
    ] {
        let words = "runs is not a run: it is a folder of runs; name one of them, such as runs/run";
        refused(&folder, &[command, &["runs"]].concat(), &[words]);
    }
    let text = refused(&folder, &quick("x", &["--init-from", "runs"]), &["runs"]);
    assert!(text.contains("it is a folder of runs"), "{text}");
}

/// A checkpoint has a copy of the settings, and is no run either.
#[test]
fn a_checkpoint_alone_is_no_run() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let checkpoint = newest(&folder.path().join("runs/run"));
    fs::rename(checkpoint, folder.path().join("alone")).unwrap();
    for args in [
        &["report", "alone"][..],
        &["doctor", "alone"],
        &["train", "--resume", "alone"],
    ] {
        refused(
            &folder,
            args,
            &["alone is not a run: it is a single checkpoint"],
        );
    }
    assert!(!folder.path().join("alone/report.html").exists());
}

/// A TOML file of each kind, where another is meant.
#[test]
fn files_of_settings_tasks_suites_and_machines_are_told_apart() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    fs::copy(
        examples.join("cart-follow.toml"),
        folder.path().join("task.toml"),
    )
    .unwrap();
    let suite = "tasks = [\"bandit-two_modes\"]\nseeds = [0]\n[method.a]\n";
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    let (settings, machine) = ("runs/run/config.toml", "runs/run/machine.toml");
    let config = |file| ["train", "bandit-two_modes", "--name", "x", "--config", file];
    for (args, words) in [
        (&config(machine)[..], "records the machines of a run"),
        (&config("task.toml"), "is a task file"),
        (
            &config("suite.toml"),
            "is a suite (`fpo bench` runs it), not settings",
        ),
        (
            &["train", settings],
            "has settings (`fpo train TASK --config`",
        ),
        (&["train", machine], "records the machines of a run"),
        (&["train", "suite.toml"], "is a suite"),
        (&["check", settings], "has settings"),
        (&["bench", settings], "has settings"),
        (&["bench", machine], "records the machines"),
        (&["bench", "task.toml"], "is a task file"),
    ] {
        refused(&folder, args, &[args[args.len() - 1], words]);
    }
}

/// What is no policy: a record of a run, and files of other programs.
#[test]
fn what_is_no_policy_is_named() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    for file in ["config.toml", "metrics.jsonl", "eval.csv"] {
        let path = format!("runs/run/{file}");
        let words = [
            &*path,
            "not a policy file",
            "for the policy of the run name runs/run",
        ];
        refused(&folder, &["eval", &path], &words);
    }
    let zip = |name: &str| {
        let length = (name.len() as u16).to_le_bytes();
        [
            b"PK\x03\x04",
            &[0; 22][..],
            &length,
            &[0; 2],
            name.as_bytes(),
        ]
        .concat()
    };
    for (file, bytes, words) in [
        ("a.npz", zip("w.npy"), "an array file of NumPy"),
        (
            "a.npy",
            b"\x93NUMPY\x01\0".to_vec(),
            "an array file of NumPy",
        ),
        ("a.pt", zip("archive/data.pkl"), "a file of PyTorch"),
        ("a.h5", b"\x89HDF\r\n\x1a\n".to_vec(), "an HDF5 file"),
        ("a.zip", zip("notes.txt"), "unpack it first"),
    ] {
        fs::write(folder.path().join(file), bytes).unwrap();
        let text = refused(&folder, &["eval", file], &[file, words]);
        assert_eq!(text.contains("unpack"), file == "a.zip", "{text}");
    }
}

/// A result with the ending of another format, which may be in the place of a file of that.
#[test]
fn a_result_of_another_format_is_refused() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let report = |out| vec!["report", "runs/run", "--out", out];
    let export = |out| vec!["export", "--onnx", "runs/run", "--out", out];
    let csv = |out| vec!["eval", "runs/run", "--episodes", "1", "--csv", out];
    for (args, words) in [
        (
            report("x.pdf"),
            "is a page of HTML; name a file that ends in .html",
        ),
        (report("x.PDF"), "is a page of HTML"),
        (report("x.md"), "is a page of HTML"),
        (export("policy.safetensors"), "what is exported is ONNX"),
        (export("x.pt"), "name a file that ends in .onnx"),
        (csv("x.json"), "comma-separated values"),
        (csv("x.xlsx"), "name a file that ends in .csv"),
    ] {
        let out = args[args.len() - 1];
        fs::write(folder.path().join(out), "mine").unwrap();
        refused(&folder, &args, &[out, words]);
        assert_eq!(fs::read(folder.path().join(out)).unwrap(), b"mine");
    }
    let own = [
        report("x.html"),
        report("x.htm"),
        report("x"),
        export("x.onnx"),
        export("y"),
        csv("x.csv"),
        csv("z"),
    ];
    own.iter().for_each(|args| drop(succeeds(&folder, args)));
}
