//! Kind: a run writes to the files and the folder that are its own, or ends in one line that says
//! why not: another program may take them away, and put others in their place, at any time.

use crate::cli::shim::Held;
use crate::cli::{Record, assert_same, quick, record, stderr, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// In the fifth of ten iterations, two after the first checkpoint.
const AT: (&str, &str, u32) = ("write", "/metrics.jsonl", 5);

/// The error of a run that could not go on.
#[track_caller]
fn error(output: &Output) -> String {
    let text = stderr(output);
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{text}");
    errors[0].to_owned()
}

/// What another run has in the place of the one that is `held`, after that has ended.
fn another_in_its_place(folder: &TempDir, held: Held, run: &Path) -> (Output, Record) {
    let seven = ["--seed", "7", "--set", "train.steps=128"];
    succeeds(folder, &quick("run", &seven));
    let theirs = record(run);
    held.release();
    let output = held.end();
    assert_same(&theirs, &record(run));
    (output, theirs)
}

#[test]
fn a_folder_that_was_moved_is_left_to_the_run_that_took_its_place() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("runs/run");
    // A file system without locks makes no difference.
    for nth in [1, 5, 9] {
        let held = Held::at(&folder, &quick("run", &[]), (AT.0, AT.1, nth), 1);
        let away = folder.path().join(format!("away {nth}"));
        fs::rename(&run, &away).unwrap();
        let (output, _) = another_in_its_place(&folder, held, &run);
        let error = error(&output);
        let now = away.canonicalize().unwrap();
        let command = format!("`fpo train --resume '{}'` continues it", now.display());
        assert!(
            error.contains("runs/run is not this run's folder"),
            "{error}"
        );
        assert!(error.contains(&command), "{error}");
        assert!(!error.contains("the last good checkpoint"), "{error}");
        let resume = [
            "train",
            "--resume",
            &now.display().to_string(),
            "--threads",
            "1",
        ];
        let resumed = resume.map(str::to_owned);
        succeeds(&folder, &resumed.each_ref().map(String::as_str));
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn a_folder_that_was_deleted_is_left_to_the_run_that_took_its_place() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("runs/run");
    let held = Held::at(&folder, &quick("run", &[]), AT, 1);
    fs::remove_dir_all(&run).unwrap();
    let (output, _) = another_in_its_place(&folder, held, &run);
    let said = error(&output);
    assert!(said.contains("deleted or replaced"), "{said}");
    assert!(said.contains("in another folder with --name"), "{said}");
    // Without its lock another process may begin there as well.
    let held = Held::at(&folder, &quick("other", &[]), AT, 1);
    fs::remove_file(folder.path().join("runs/other/.lock")).unwrap();
    held.release();
    let said = error(&held.end());
    assert!(said.contains("or its .lock was"), "{said}");
}

/// As `sed -i` and editors do it.
#[test]
fn rows_are_not_written_to_a_file_that_was_replaced() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("runs/run");
    let events = |run: &Path| -> PathBuf {
        let mut files = fs::read_dir(run)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let is_one = |path: &PathBuf| path.to_string_lossy().contains("events.out.tfevents.");
        files.find(is_one).unwrap()
    };
    for name in ["metrics.jsonl", "eval.csv", "events.out.tfevents"] {
        let held = Held::at(&folder, &quick("run", &[]), AT, 1);
        let path = match name.starts_with("events") {
            true => events(&run),
            false => run.join(name),
        };
        let copy = run.join("copy");
        let content = fs::read(&path).unwrap();
        fs::write(&copy, &content).unwrap();
        fs::rename(&copy, &path).unwrap();
        held.release();
        let said = error(&held.end());
        assert!(
            said.contains(name) && said.contains("replaced or deleted"),
            "{said}"
        );
        assert!(said.contains("resume the run"), "{said}");
        assert!(fs::read(&path).unwrap() == content, "{name}");
        succeeds(
            &folder,
            &["train", "--resume", "runs/run", "--threads", "1"],
        );
        fs::remove_dir_all(&run).unwrap();
    }
}
