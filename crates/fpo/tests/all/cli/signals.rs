//! Kind: a signal means what the parent process and the scheduler mean by it.
//!
//! A signal that the parent set to "ignore" stays ignored, whichever it is (`nohup` ignores HUP, a
//! shell's background jobs INT). Every signal by which a scheduler or a terminal asks for an end
//! saves and exits with 75, and none waits for an evaluation, which may take hours. A limit on the
//! size of files is an error, not the end of the process.

use crate::cli::shim::{Held, library};
use crate::cli::{PROGRAM, assert_same, fpo, newest, quick, record, stderr, succeeds, tiny};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const FINISHING: &str = "finishing the iteration, then saving";
/// In the fifth of ten iterations.
const AT: (&str, &str, u32) = ("write", "/metrics.jsonl", 5);

#[test]
fn what_the_parent_ignores_stays_ignored() {
    for signal in ["HUP", "INT", "TERM", "USR1", "USR2", "XCPU"] {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("env");
        command
            .current_dir(folder.path())
            .env("LD_PRELOAD", library())
            .arg(format!("--ignore-signal={signal}"))
            .arg(PROGRAM)
            .args(quick("run", &[]));
        let held = Held::command_at(command, AT, 1);
        held.signal(&format!("-{signal}"));
        held.release();
        let output = held.end();
        let text = stderr(&output);
        assert!(output.status.success(), "{signal}: {text}");
        assert!(!text.contains(FINISHING), "{signal}: {text}");
    }
}

#[test]
fn every_request_to_end_saves_and_has_its_exit_code() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("straight", &[]));
    let straight = record(&folder.path().join("runs/straight"));
    for signal in ["HUP", "INT", "TERM", "USR1", "USR2", "XCPU"] {
        let mut held = Held::at(&folder, &quick(signal, &[]), AT, 1);
        held.signal(&format!("-{signal}"));
        held.says(FINISHING);
        held.release();
        let output = held.end();
        assert_eq!(
            output.status.code(),
            Some(75),
            "{signal}: {}",
            stderr(&output)
        );
        let run = format!("runs/{signal}");
        succeeds(&folder, &["train", "--resume", &run, "--threads", "1"]);
        assert_same(&straight, &record(&folder.path().join(run)));
    }
}

/// Evaluations of minutes: the program ends as soon as it is asked, and what it saved resumes.
/// `fpo-run/tests/all/interrupted.rs` asks at every step of an evaluation.
#[test]
fn an_evaluation_is_broken_off() {
    let folder = TempDir::new().unwrap();
    let every = ["--set", "eval.every=256", "--set", "train.steps=384"];
    succeeds(&folder, &tiny("straight", &every));
    let straight = folder.path().join("runs/straight");
    for signal in ["-INT", "-TERM", "-USR1"] {
        let name = signal.trim_start_matches('-');
        let long = [&every[..], &["--set", "eval.episodes=65536"]].concat();
        // The second iteration is evaluated; the signal comes after the first.
        let at = ("write", "/metrics.jsonl", 1);
        let mut held = Held::at(&folder, &tiny(name, &long), at, 1);
        held.release();
        held.signal(signal);
        held.says(FINISHING);
        let output = held.end();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(75), "{signal}: {text}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains("stopped after 128 of 384"), "{stdout}");
        let run = folder.path().join("runs").join(name);
        let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let evaluations = fs::read_to_string(run.join("eval.csv")).unwrap();
        let lines = (rows.lines().count(), evaluations.lines().count());
        assert_eq!(lines, (1, 1), "{rows}{evaluations}");
        let folder_of_run = format!("runs/{name}");
        let resume = [
            "train",
            "--resume",
            &folder_of_run,
            "--set",
            "eval.episodes=2",
        ];
        succeeds(&folder, &resume);
        let [all, whole] = [&run, &straight].map(|run| {
            let mut files = record(run);
            files.retain(|path, _| !path.starts_with("checkpoints"));
            files.insert(
                "state".into(),
                fs::read(newest(run).join("state.safetensors")).unwrap(),
            );
            files
        });
        assert_same(&whole, &all);
    }
}

/// A scheduler that repeats its request, or follows it by another, does not cost the save.
#[test]
fn only_ctrl_c_quits_when_it_is_repeated() {
    let folder = TempDir::new().unwrap();
    let mut held = Held::at(&folder, &quick("run", &[]), AT, 1);
    held.signal("-USR1");
    held.says(FINISHING);
    // Signals closer together than 0.3 s count as one.
    std::thread::sleep(std::time::Duration::from_millis(350));
    for signal in ["-USR1", "-TERM", "-HUP"] {
        held.signal(signal);
    }
    held.release();
    let output = held.end();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
}

/// Without a shell's `trap`: the signal of that limit (SIGXFSZ) would end the process.
#[test]
fn a_limit_on_the_size_of_files_is_reported() {
    let folder = TempDir::new().unwrap();
    let output = Command::new("bash")
        .current_dir(folder.path())
        .args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(PROGRAM)
        .args(quick("run", &[]))
        .output()
        .unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("File too large"), "{text}");
    let output = fpo(&folder, &quick("run", &["--resume-or-start"]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// While a policy is being loaded, too.
#[test]
fn a_film_is_broken_off_before_it_begins() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &tiny("run", &[]));
    let args = ["play", "runs/run", "--out", "film.gif"];
    let mut held = Held::at(&folder, &args, ("read", "/policy.safetensors", 1), 1);
    held.signal("-TERM");
    held.says("stopping");
    held.release();
    let output = held.end();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A film that was not made is made by the same command.
#[test]
fn a_film_is_broken_off() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &tiny("run", &[]));
    for signal in ["-TERM", "-INT", "-USR1"] {
        let args = [
            "play", "runs/run", "--out", "film.gif", "--width", "64", "--height", "48",
        ];
        let mut held = Held::at(&folder, &args, ("write", ".tmp", 1), 1);
        held.signal(signal);
        held.says("stopping");
        held.release();
        let output = held.end();
        assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
        assert!(stderr(&output).contains("no film was written"));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the runs alone");
    }
}
