//! Kind: the same command again does what is left to do, exit codes say what happened, and no
//! advice leads back to where it was given or deletes a run.

use crate::cli::shim::{Held, library, watched};
use crate::cli::{PROGRAM, assert_same, fpo, quick, record, stderr, succeeds};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The page for users of schedulers.
const PAGE: &str = include_str!("../../../../../docs/schedulers.md");
const AGAIN: &[&str] = &["--resume-or-start"];

/// The exit code of a command, and all that it said.
fn code(folder: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let output = fpo(folder, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    (output.status.code(), said)
}

/// Kills a run before its first checkpoint, and leaves two rows.
fn killed_early(folder: &TempDir, name: &str) {
    let held = Held::at(
        folder,
        &quick(name, AGAIN),
        ("write", "/metrics.jsonl", 3),
        1,
    );
    held.signal("-KILL");
    assert_eq!(held.end().status.code(), None);
    let run = folder.path().join("runs").join(name);
    let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 2);
}

#[test]
fn one_command_begins_continues_and_ends_a_run() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("straight", &[]));
    let straight = record(&folder.path().join("runs/straight"));
    let (args, run) = (quick("run", AGAIN), folder.path().join("runs/run"));
    // Killed before there is a checkpoint, stopped, and then undisturbed.
    killed_early(&folder, "run");
    let mut held = Held::at(&folder, &args, ("write", "/metrics.jsonl", 5), 1);
    held.signal("-USR1");
    held.says("finishing");
    held.release();
    assert_eq!(held.end().status.code(), Some(75));
    // It is not complete, whatever it is asked to be.
    let stopped = record(&run);
    let shorter = ["--set", "train.steps=64"];
    for again in [
        [&args[..], &shorter].concat(),
        [&["train", "--resume", "runs/run"][..], &shorter].concat(),
    ] {
        let (ended, said) = code(&folder, &again);
        assert_eq!(ended, Some(2), "{said}");
        assert!(
            said.contains("train.steps = 64 is not above the "),
            "{said}"
        );
        assert!(
            said.contains(" of 640: set it higher, or leave it out"),
            "{said}"
        );
        assert_same(&stopped, &record(&run));
    }
    let (ended, said) = code(&folder, &args);
    assert_eq!(ended, Some(0), "{said}");
    assert_same(&straight, &record(&run));
    // Nothing is left to do, however often it is asked for.
    for _ in 0..2 {
        let (ended, said) = code(&folder, &args);
        assert_eq!(ended, Some(0), "{said}");
        assert!(
            said.contains("runs/run is complete (640 environment steps)"),
            "{said}"
        );
        assert_same(&straight, &record(&run));
    }
    // A longer run continues, and says what is new.
    let (ended, said) = code(
        &folder,
        &[&args[..], &["--set", "train.steps=768"]].concat(),
    );
    assert_eq!(ended, Some(0), "{said}");
    assert!(
        said.contains("note: `train.steps` is 768 from now on, and was 640"),
        "{said}"
    );
}

#[test]
fn another_run_is_not_continued() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &["--set", "train.steps=128"]));
    let run = folder.path().join("runs/run");
    let before = record(&run);
    for (more, words) in [
        (
            &["--set", "policy.hidden=[17]"][..],
            "`policy.hidden` = [17]",
        ),
        (&["--seed", "1"], "`seed` = 1"),
        (&["--preset", "ppo-fast"], "`preset` = \"ppo-fast\""),
    ] {
        let (ended, said) = code(&folder, &quick("run", &[AGAIN, more].concat()));
        assert_eq!(ended, Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        assert_same(&before, &record(&run));
    }
    for more in [&["--resume"][..], &["--force"]] {
        let (ended, said) = code(&folder, &quick("run", &[AGAIN, more].concat()));
        assert_eq!(ended, Some(2), "{said}");
    }
    // Records whose settings are gone are no run to continue, and are not replaced.
    fs::remove_file(run.join("config.toml")).unwrap();
    let before = record(&run);
    let (ended, said) = code(&folder, &quick("run", AGAIN));
    assert_eq!(ended, Some(2), "{said}");
    assert!(said.contains("no config.toml to continue it"), "{said}");
    assert_same(&before, &record(&run));
}

/// Follows the advice of messages, from every state that an interrupted run can be in.
#[test]
fn advice_leads_out() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("straight", &[]));
    let straight = record(&folder.path().join("runs/straight"));
    killed_early(&folder, "run");
    let (ended, said) = code(&folder, &quick("run", &[]));
    assert_eq!(ended, Some(2), "{said}");
    assert!(!said.contains("--force"), "{said}");
    let advice = said.split('`').nth(1).expect("a command");
    assert_eq!(advice, "fpo train --resume runs/run");
    // What only reads says so, too.
    let (ended, said) = code(&folder, &["eval", "runs/run"]);
    assert_eq!(ended, Some(2), "{said}");
    assert!(
        said.contains("no checkpoint yet") && said.contains(advice),
        "{said}"
    );
    let (ended, said) = code(&folder, &advice.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(ended, Some(0), "{said}");
    assert_same(&straight, &record(&folder.path().join("runs/run")));
}

/// Checkpoints that are gone are not "not yet": the records of that run stay.
#[test]
fn a_run_that_lost_its_checkpoints_is_not_begun_again() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let run = folder.path().join("runs/run");
    fs::rename(run.join("checkpoints"), folder.path().join("saved")).unwrap();
    let before = record(&run);
    for args in [&["train", "--resume", "runs/run"][..], &quick("run", AGAIN)] {
        let (ended, said) = code(&folder, args);
        assert_eq!(ended, Some(2), "{said}");
        assert!(
            said.contains("its checkpoints were moved or deleted"),
            "{said}"
        );
        assert!(!said.contains("--force"), "{said}");
        assert_same(&before, &record(&run));
    }
}

/// Nor is one that was stopped, and so saved, before its first checkpoint was due.
#[test]
fn a_stopped_run_that_lost_its_checkpoints_is_not_begun_again() {
    let folder = TempDir::new().unwrap();
    for lost in ["checkpoints", "checkpoints/step-000000000064"] {
        let mut held = Held::at(
            &folder,
            &quick("run", AGAIN),
            ("write", "/metrics.jsonl", 1),
            1,
        );
        held.signal("-TERM");
        held.says("finishing");
        held.release();
        assert_eq!(held.end().status.code(), Some(75));
        let run = folder.path().join("runs/run");
        fs::remove_dir_all(run.join(lost)).expect("what it saved");
        let before = record(&run);
        for args in [&["train", "--resume", "runs/run"][..], &quick("run", AGAIN)] {
            let (ended, said) = code(&folder, args);
            assert_eq!(ended, Some(2), "{lost}: {said}");
            assert!(
                said.contains("its checkpoints were moved or deleted"),
                "{said}"
            );
            assert_same(&before, &record(&run));
        }
        fs::remove_dir_all(run).unwrap();
    }
}

/// A run that begins again for want of a checkpoint says so.
#[test]
fn a_run_that_begins_again_says_so() {
    let folder = TempDir::new().unwrap();
    for args in [&["train", "--resume", "runs/run"][..], &quick("run", AGAIN)] {
        killed_early(&folder, "run");
        let (ended, said) = code(&folder, args);
        assert_eq!(ended, Some(0), "{said}");
        let words = "has no checkpoint yet and begins again (iterations recorded so far: 2)";
        assert!(said.contains(words), "{said}");
        fs::remove_dir_all(folder.path().join("runs")).unwrap();
    }
}

/// `--force` that was killed has not left a run, wherever in its deletion that was.
#[test]
fn an_interrupted_deletion_is_no_run() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("straight", &[]));
    let straight = record(&folder.path().join("runs/straight"));
    let run = folder.path().join("runs/run");
    for file in [
        "config.toml",
        "metrics.jsonl",
        "eval.csv",
        "state.safetensors",
    ] {
        let _ = fs::remove_dir_all(&run);
        succeeds(&folder, &quick("run", &[]));
        let held = Held::at(&folder, &quick("run", &["--force"]), ("unlink", file, 1), 1);
        held.signal("-KILL");
        held.end();
        // What is left of its settings is no reason to refuse, either.
        let resume = ["train", "--resume", "runs/run"];
        let (ended, said) = match file {
            "config.toml" => code(&folder, &resume),
            _ => code(&folder, &quick("run", AGAIN)),
        };
        assert_eq!(ended, Some(0), "{file}: {said}");
        assert_same(&straight, &record(&run));
    }
}

/// The codes of the page's table are those of the program.
#[test]
fn exit_codes_are_those_of_the_page() {
    let rows = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let codes: Vec<i32> = rows.filter_map(|(code, _)| code.parse().ok()).collect();
    assert_eq!(codes, [0, 1, 2, 75, 130]);
    let folder = TempDir::new().unwrap();
    let ends = |args: &[&str]| code(&folder, args).0;
    assert_eq!(ends(&quick("run", AGAIN)), Some(0));
    assert_eq!(ends(&quick("run", &["--set", "no.such=1"])), Some(2));
    let full = watched(&folder, &["tasks"])
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .status();
    assert_eq!(full.unwrap().code(), Some(1));
    // A task without a picture is no failure on the way.
    assert_eq!(ends(&["play", "runs/run"]), Some(2));
    // 75 and 130: `signals.rs` and `runs.rs`.
}

/// The page's script for Slurm, run with stand-ins for Slurm's commands: it is requeued when the
/// run was stopped, and only then.
#[test]
fn the_slurm_script_requeues_until_the_run_is_complete() {
    let folder = TempDir::new().unwrap();
    let (_, rest) = PAGE
        .split_once("```sh\n#!/bin/bash\n#SBATCH")
        .expect("a script");
    let (script, _) = rest.split_once("\n```").unwrap();
    let quick = quick("run", &[]).join(" ");
    let command = "train cheetah-run --seed 1";
    assert!(script.contains(command), "{script}");
    let script = format!("#!/bin/bash\n#SBATCH{script}\n").replace(command, &quick);
    let put = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    put("job.sh", &script);
    put("srun", "#!/bin/sh\nexec \"$@\"\n");
    put("scontrol", "#!/bin/sh\necho \"$@\" >> requeued\n");
    std::os::unix::fs::symlink(PROGRAM, folder.path().join("fpo")).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let job = || {
        let mut job = Command::new("bash");
        job.arg("job.sh")
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("SLURM_JOB_ID", "7")
            .env("LD_PRELOAD", library());
        job
    };
    let requeued = || fs::read_to_string(folder.path().join("requeued")).unwrap_or_default();
    let mut held = Held::command_at(job(), ("write", "/metrics.jsonl", 4), 1);
    held.signal("-USR1");
    held.says("finishing");
    held.release();
    held.end();
    assert_eq!(requeued(), "requeue 7\n");
    for _ in 0..2 {
        let output = job().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(requeued(), "requeue 7\n");
    }
    let run = folder.path().join("runs/run");
    succeeds(&folder, &crate::cli::quick("straight", &[]));
    assert_same(
        &record(Path::new(&folder.path().join("runs/straight"))),
        &record(&run),
    );
}
