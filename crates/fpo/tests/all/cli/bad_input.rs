//! Every error is one line with an exit code: 2 for the input, 1 for errors while running.

use crate::cli::{
    PROGRAM, Record, STATE, TASK, assert_same, folder_with_run, fpo, record, stderr, succeeds, tiny,
};
use fpo_run::run::RunFolder;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Expects the command to end with `code` and exactly one error, in the last line, which contains
/// all of `parts`.
#[track_caller]
fn check(mut command: Command, code: i32, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let error = text.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: "), "{text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert!(!text.contains("panicked"), "{text}");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[track_caller]
fn refused(folder: &TempDir, args: &[&str], parts: &[&str]) {
    check(fpo(folder, args), 2, parts);
}

#[test]
fn settings_and_names() {
    let folder = TempDir::new().unwrap();
    let train = |more: &[&'static str], parts: &[&str]| {
        refused(&folder, &[&["train", TASK], more].concat(), parts);
    };
    refused(
        &folder,
        &["train", "cheeta-run"],
        &["unknown task `cheeta-run`", "did you mean `cheetah-run`?"],
    );
    refused(&folder, &["train"], &["name a task"]);
    train(
        &["--set", "optimizer.epoch=3"],
        &[
            "unknown key `optimizer.epoch`",
            "did you mean `optimizer.epochs`?",
        ],
    );
    train(
        &["--set", "objective.target=eps"],
        &["`objective.target`", "velocity, epsilon, data"],
    );
    train(
        &["--set", "env.num_envs=many"],
        &["`env.num_envs` = \"many\" is not a whole number"],
    );
    train(
        &["--set", "objective.clip=-1"],
        &["`objective.clip` = -1", "above 0, at most 10"],
    );
    train(
        &["--set", "optimizer.learning_rate=nan"],
        &["`optimizer.learning_rate` = nan is out of range"],
    );
    train(
        &["--set", "env.reward_scale=inf"],
        &["`env.reward_scale` = inf is out of range"],
    );
    train(
        &["--set", "train.steps=0"],
        &["`train.steps` = 0 is out of range: 1 to"],
    );
    train(
        &["--set", "env.num_steps=0"],
        &["`env.num_steps` = 0 is out of range"],
    );
    train(&["--set", "policy.hidden=[]"], &["`policy.hidden` = []"]);
    train(
        &["--set", "optimizer.minibatches=7"],
        &["optimizer.minibatches = 7 must divide"],
    );
    train(&["--set", "seed"], &["key=value"]);
    train(
        &["--preset", "slow"],
        &["unknown preset `slow`", "fast, paper"],
    );
    train(
        &["--set", "objective.method=pbo"],
        &["`objective.method`", "fpo, ppo, dppo, awfm"],
    );
    train(
        &["--set", "objective.entropy=0.01"],
        &[
            "objective.entropy = 0.01",
            "needs objective.method = \"ppo\"",
        ],
    );
    train(&["--config", "missing.toml"], &["cannot read missing.toml"]);
    train(&["--name", "../../x"], &["--name"]);
    train(&["--threads", "0"], &["--threads", "1 to 1024"]);
    train(
        &["--thread", "2"],
        &["unexpected argument '--thread'", "--threads"],
    );
    train(&["--seed", "-1"], &["-1"]);
    train(&["--resume", "--force"], &["--force", "--resume"]);
    fs::write(folder.path().join("bad.toml"), "[env]\nnum_envs = 3 4\n").unwrap();
    train(&["--config", "bad.toml"], &["bad.toml, line 2"]);
    assert!(!folder.path().join("runs").exists(), "nothing was started");
}

#[test]
fn folders_with_and_without_a_run() {
    let (folder, run) = folder_with_run();
    let before = record(&run);
    refused(
        &folder,
        &tiny("run", &[]),
        &[
            "already holds a run",
            "--resume runs/run",
            "--name or --out",
        ],
    );
    refused(
        &folder,
        &["train", "--resume", "runs/run"],
        &["is complete (1,280", "--set train.steps=N"],
    );
    refused(
        &folder,
        &["train", "--resume", "runs/run", "--set", "env.num_envs=8"],
        &["`env.num_envs` = 8", "trained with 16", "new run"],
    );
    refused(
        &folder,
        &[
            "train",
            "--resume",
            "runs/run",
            "--set",
            "env={num_envs = 8}",
        ],
        &["`env` = ", "`env.num_envs`"],
    );
    let (config, edited) = (run.join("config.toml"), |text: &str| {
        text.replace("reward_scale = 1.0", "reward_scale = 2.0")
    });
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, edited(&text)).unwrap();
    refused(
        &folder,
        &["train", "--resume", "runs/run", "--set", "train.steps=2000"],
        &["`env.reward_scale` = 2,", "trained with 1;"],
    );
    fs::write(&config, text).unwrap();
    refused(
        &folder,
        &["train", "--resume", "runs/run", "--seed", "1"],
        &["--seed belongs to a new run"],
    );
    for option in ["--preset=fast", "--seed=0"] {
        refused(
            &folder,
            &["train", TASK, "--resume", "--name", "run", option],
            &["belongs to a new run; runs/run has its own"],
        );
    }
    for option in ["--name=x", "--out=elsewhere"] {
        refused(
            &folder,
            &["train", "--resume", "runs/run", option],
            &["cannot be used with --resume runs/run"],
        );
    }
    for policy in [
        "runs/run/checkpoints/step-000000001280",
        "runs/run/checkpoints/step-000000001280/policy.safetensors",
    ] {
        for command in ["eval", "play"] {
            refused(
                &folder,
                &[command, policy, "--checkpoint", "best"],
                &["--checkpoint selects one of a run's checkpoints", policy],
            );
        }
    }
    refused(
        &folder,
        &["train", "cheetah-run", "--resume", "runs/run"],
        &["is a run of cartpole-balance"],
    );
    refused(
        &folder,
        &["train", "--resume", "runs/other"],
        &["runs/other is not a run", "no such folder"],
    );
    refused(
        &folder,
        &["train", "--resume", "runs"],
        &[
            "runs is not a run: it is a folder of runs",
            "such as runs/run",
        ],
    );
    refused(
        &folder,
        &["train", "--resume"],
        &["name the folder to resume"],
    );
    let held = RunFolder::open(&run).unwrap();
    refused(
        &folder,
        &["train", "--resume", "runs/run", "--set", "train.steps=9999"],
        &["in use by another process"],
    );
    refused(
        &folder,
        &tiny("run", &["--force"]),
        &["in use by another process"],
    );
    drop(held);
    assert_eq!(before, record(&run), "a rejected command changes nothing");
    fs::write(folder.path().join("file"), "").unwrap();
    check(
        fpo(&folder, &tiny("x", &["--out", "file"])),
        2,
        &["cannot create the folder file/x", "file is not a folder"],
    );
    std::os::unix::fs::symlink("nowhere", folder.path().join("runs/link")).unwrap();
    fs::write(folder.path().join("runs/file"), "").unwrap();
    for start in [&[][..], &["--force"], &["--resume-or-start"]] {
        for (name, what) in [
            ("link", "link is a link to nowhere, which cannot be reached"),
            ("file", "file is not a folder; choose another"),
        ] {
            let said = ["cannot create the folder", what];
            check(fpo(&folder, &tiny(name, start)), 2, &said);
        }
    }
}

/// If one of a run's files is damaged, resuming fails and leaves all of them unchanged.
#[test]
fn a_refused_resume_changes_nothing() {
    let (folder, run) = folder_with_run();
    let resume = ["train", "--resume", "runs/run", "--set", "train.steps=2560"];
    let whole = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let without = |lost: usize| {
        let rows = whole.split_inclusive('\n').enumerate();
        rows.filter(|(k, _)| *k != lost)
            .map(|(_, row)| row)
            .collect::<String>()
    };
    let long = "x".repeat(2 << 20);
    for (file, content, words) in [
        (
            "metrics.jsonl",
            whole.replacen("{\"iteration\":3", "x", 1),
            "damaged in line 3",
        ),
        (
            "metrics.jsonl",
            without(4),
            "iteration 5 is missing before it",
        ),
        (
            "metrics.jsonl",
            without(9),
            "the checkpoint is of iteration 10",
        ),
        (
            "metrics.jsonl",
            whole.repeat(2),
            "iteration 1 comes after 10",
        ),
        ("events.jsonl", "x\nx\n".to_owned(), "damaged in line 1"),
        ("eval.csv", long, "the line is longer than 1 MiB"),
    ] {
        let path = run.join(file);
        let good = fs::read(&path).ok();
        fs::write(&path, content).unwrap();
        let before = record_and_events(&run);
        refused(&folder, &resume, &[file, words]);
        assert_same(&before, &record_and_events(&run));
        match good {
            Some(good) => fs::write(&path, good).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    // Without the damaged file it can be resumed.
    fs::rename(run.join("metrics.jsonl"), run.join("before.jsonl")).unwrap();
    succeeds(&folder, &resume);
    let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(
        rows.starts_with("{\"iteration\":11,") && rows.lines().count() == 10,
        "{rows}"
    );
}

/// Every file of a run, and the names of those that `record` leaves out.
fn record_and_events(run: &Path) -> Record {
    let mut all = Record::new();
    for entry in fs::read_dir(run).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_dir() {
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        all.insert(path, bytes);
    }
    all
}

#[test]
fn damaged_and_foreign_checkpoints() {
    let (folder, run) = folder_with_run();
    let resume = ["train", "--resume", "runs/run", "--set", "train.steps=2000"];
    let change = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = run.join("checkpoints/step-000000001280").join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(&path, bad).unwrap();
        move || fs::write(&path, good).unwrap()
    };
    let undo = change("state.safetensors", &|bytes| bytes[1000] ^= 1);
    refused(
        &folder,
        &resume,
        &[
            "step-000000001280 is damaged: the hash of state.safetensors differs",
            "step-000000001152 is valid: to resume from there, move \
             runs/run/checkpoints/step-000000001280 out",
        ],
    );
    undo();
    let undo = change("state.safetensors", &|bytes| bytes.truncate(100));
    refused(
        &folder,
        &resume,
        &["step-000000001280 is damaged: state.safetensors has 100 of"],
    );
    undo();
    let undo = change("policy.safetensors", &|bytes| bytes[1000] ^= 1);
    refused(
        &folder,
        &["eval", "runs/run"],
        &["step-000000001280 is damaged: the hash of policy.safetensors differs"],
    );
    refused(
        &folder,
        &["play", "runs/run"],
        &["step-000000001280 is damaged: the hash of policy.safetensors differs"],
    );
    undo();
    let undo = change("manifest.json", &|bytes| {
        *bytes = String::from_utf8_lossy(bytes)
            .replace("\"format\": 2", "\"format\": 3")
            .into_bytes();
    });
    refused(&folder, &resume, &["was made by version", "(format 3)"]);
    undo();
    let undo = change("manifest.json", &|bytes| {
        *bytes = b"{\"kind\": \"shopping\"}".to_vec()
    });
    refused(&folder, &resume, &["step-000000001280 is not a checkpoint"]);
    undo();
    refused(&folder, &["eval", "nowhere"], &["nowhere is not a run"]);
    refused(
        &folder,
        &["eval", "."],
        &[". is not a checkpoint", "manifest.json"],
    );
    refused(
        &folder,
        &["eval", "runs/run", "--checkpoint", "77"],
        &["runs/run has no checkpoint after 77 environment steps; there are"],
    );
    fs::write(folder.path().join("x.safetensors"), "no tensors").unwrap();
    refused(
        &folder,
        &["eval", "x.safetensors"],
        &["x.safetensors: not a policy file"],
    );
    // The state is a safetensors file too, but not a policy.
    let state = Path::new("runs/run").join(STATE);
    refused(
        &folder,
        &["eval", state.to_str().unwrap()],
        &["not a policy file"],
    );
    // A valid checkpoint of another run, with other sizes.
    succeeds(&folder, &tiny("wide", &["--set", "policy.hidden=[17]"]));
    fs::remove_dir_all(run.join("checkpoints/step-000000001280")).unwrap();
    fs::rename(
        folder
            .path()
            .join("runs/wide/checkpoints/step-000000001280"),
        run.join("checkpoints/step-000000001280"),
    )
    .unwrap();
    refused(
        &folder,
        &resume,
        &["`policy.hidden` = [16]", "trained with [17]"],
    );
}

/// A limit on file sizes has the effect of a full disk, and needs no privileges.
#[cfg(unix)]
#[test]
fn a_full_disk_while_saving() {
    let folder = TempDir::new().unwrap();
    succeeds(
        &folder,
        &tiny(
            "run",
            &[
                "--set",
                "critic.hidden=[256,256]",
                "--set",
                "train.steps=384",
            ],
        ),
    );
    let run = folder.path().join("runs/run");
    let before = record(&run.join("checkpoints"));
    let mut limited = Command::new("sh");
    limited
        .current_dir(folder.path())
        .args(["-c", "trap '' 25; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(PROGRAM)
        .args(["train", "--resume", "runs/run", "--set", "train.steps=1280"]);
    check(
        limited,
        1,
        &[
            "cannot save checkpoint",
            "step-000000000768",
            "File too large",
            "intact",
            "step-000000000384",
        ],
    );
    assert_eq!(before, record(&run.join("checkpoints")));
    succeeds(&folder, &["train", "--resume", "runs/run"]);
    assert!(run.join(STATE).exists());
}

/// A policy with non-finite weights is rejected; one whose weights are so large that the flow
/// overflows must not act.
#[test]
fn a_policy_that_overflows_does_not_act() {
    let (folder, run) = folder_with_run();
    let mut bytes = fs::read(run.join("checkpoints/step-000000001280/policy.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weights = file.tensor("policy.0.weight").unwrap().data();
    let (start, length) = (
        weights.as_ptr() as usize - bytes.as_ptr() as usize,
        weights.len(),
    );
    for (k, weight) in bytes[start..start + length].chunks_exact_mut(4).enumerate() {
        weight.copy_from_slice(&if k % 2 == 0 { f32::MAX } else { f32::MIN }.to_le_bytes());
    }
    fs::write(folder.path().join("huge.safetensors"), bytes).unwrap();
    for command in [
        &["eval"][..],
        &["play", "--width", "32", "--height", "32", "--out", "x.gif"],
    ] {
        let output = fpo(&folder, &[command, &["huge.safetensors"]].concat())
            .output()
            .unwrap();
        let text = stderr(&output);
        let error = text.lines().last().unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        for part in [
            "error: huge.safetensors:",
            "became non-finite in episode 0",
            "at step 0",
            "overflows",
        ] {
            assert!(error.contains(part), "{part:?} is not in {text}");
        }
    }
    assert!(!folder.path().join("x.gif").exists());
}

#[test]
fn films_that_cannot_be_made() {
    let (folder, run) = folder_with_run();
    refused(
        &folder,
        &["play", "runs/run", "--seconds", "nan"],
        &["--seconds", "above 0, at most 86400"],
    );
    refused(
        &folder,
        &["play", "runs/run", "--seconds", "0"],
        &["--seconds", "above 0, at most 86400"],
    );
    refused(
        &folder,
        &["play", "runs/run", "--out", "film.avi"],
        &["film.avi", ".mp4", ".gif"],
    );
    refused(
        &folder,
        &["play", "runs/run", "--noise", "some"],
        &["--noise", "zero", "random"],
    );
    refused(
        &folder,
        &["eval", "runs/run", "--episodes", "0"],
        &["--episodes"],
    );
    if cfg!(target_os = "linux") {
        // An empty library has the effect of a missing one: it is found first and cannot be loaded.
        fs::write(folder.path().join("libEGL.so.1"), "").unwrap();
        let mut command = fpo(&folder, &["play", "runs/run"]);
        command.env("LD_LIBRARY_PATH", folder.path());
        check(command, 1, &["pictures need EGL"]);
        assert!(!run.join("video.mp4").exists());
    }
}

/// The system's loader fails before `main`, with one line that names the library.
#[cfg(target_os = "linux")]
#[test]
fn a_mujoco_library_that_cannot_be_loaded() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("libmujoco.so.3.17.0"), "not a library").unwrap();
    let output = fpo(&folder, &["tasks"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let text = stderr(&output);
    assert!(!output.status.success());
    assert!(
        text.lines().count() == 1 && text.contains("libmujoco.so.3.17.0"),
        "{text}"
    );
}
