//! Kind: what a file system cannot do is no failure of what it did.
//!
//! The file systems of docs/reliability.md, each as [`weak.c`](shim/weak.c) makes it: a run trains
//! there, is stopped, resumes, and ends in the same bytes. What a file system failed to do, such as
//! writing to a full or broken disk, stays an error.

use crate::cli::shim::on_weak;
use crate::cli::{Record, assert_same, quick, record, stderr, succeeds};
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use tempfile::TempDir;

/// Codes of errors on Linux.
const EPERM: &str = "1";
const EIO: &str = "5";
const EACCES: &str = "13";
const EBUSY: &str = "16";
const EEXIST: &str = "17";
const EXDEV: &str = "18";
const EINVAL: &str = "22";
const ENOSPC: &str = "28";
const ENOLCK: &str = "37";
const ENOSYS: &str = "38";
const EOPNOTSUPP: &str = "95";
const EDQUOT: &str = "122";

type Weak<'a> = &'a [(&'a str, &'a str)];

fn straight(folder: &TempDir) -> Record {
    succeeds(folder, &quick("straight", &[]));
    record(&folder.path().join("runs/straight"))
}

/// Trains half of a run and then the rest on such a file system; returns what was said.
#[track_caller]
fn in_two_parts(folder: &TempDir, name: &str, weak: Weak) -> String {
    let run = format!("runs/{name}");
    let mut said = String::new();
    let whole = [
        "train",
        "--resume",
        &run,
        "--threads",
        "1",
        "--set",
        "train.steps=640",
    ];
    for args in [&quick(name, &["--set", "train.steps=384"])[..], &whole] {
        let output = on_weak(folder, args, weak).output().unwrap();
        assert!(output.status.success(), "{weak:?}: {}", stderr(&output));
        said += &stderr(&output);
    }
    said
}

/// What a resumed run of another length has in common with a straight one.
fn ends(record: &Record) -> Vec<&Vec<u8>> {
    let end = |path: &&Path| path.to_string_lossy().contains("640");
    let paths = record.keys().map(|path| path.as_path());
    paths.filter(end).map(|path| &record[path]).collect()
}

#[test]
fn runs_train_and_resume_on_every_file_system_of_the_table() {
    let folder = TempDir::new().unwrap();
    let straight = straight(&folder);
    let systems: [(&str, Weak, bool); 7] = [
        ("ext4", &[], true),
        ("tmpfs", &[], true),
        ("NFS without locks", &[("WEAK_FLOCK", ENOLCK)], false),
        (
            "CIFS",
            &[("WEAK_FSYNC_FOLDER", EINVAL), ("WEAK_FLOCK", EACCES)],
            false,
        ),
        (
            "FUSE",
            &[
                ("WEAK_FLOCK", ENOSYS),
                ("WEAK_FSYNC", ENOSYS),
                ("WEAK_FSYNC_FOLDER", ENOSYS),
            ],
            false,
        ),
        (
            "sshfs",
            &[("WEAK_RENAME", EPERM), ("WEAK_FSYNC_FOLDER", EOPNOTSUPP)],
            true,
        ),
        (
            "SMB 1",
            &[("WEAK_RENAME", EEXIST), ("WEAK_OPEN_FOLDER", EACCES)],
            true,
        ),
    ];
    for (k, (system, weak, locks)) in systems.into_iter().enumerate() {
        let name = format!("run{k}");
        let said = in_two_parts(&folder, &name, weak);
        let warnings = said
            .lines()
            .filter(|line| line.starts_with("warning: the file system"));
        assert_eq!(
            warnings.count(),
            if locks { 0 } else { 2 },
            "{system}: {said}"
        );
        let ended = record(&folder.path().join("runs").join(name));
        assert!(
            !ends(&straight).is_empty() && ends(&ended) == ends(&straight),
            "{system}"
        );
        let leftover = |path: &&Path| path.to_string_lossy().contains(".replaced-");
        let paths = ended.keys().map(|path| path.as_path());
        assert_eq!(paths.filter(leftover).count(), 0, "{system}");
    }
}

/// The kinds of answers of file systems without locks, all told in one line.
#[test]
fn a_lock_that_cannot_be_had_is_a_warning() {
    let folder = TempDir::new().unwrap();
    for code in [ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL, EIO, EACCES] {
        let output = on_weak(&folder, &quick(code, &[]), &[("WEAK_FLOCK", code)])
            .output()
            .unwrap();
        let text = stderr(&output);
        assert!(output.status.success(), "{code}: {text}");
        let warnings: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .collect();
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].contains(&format!("runs/{code} ")), "{text}");
    }
}

/// A disk that is broken when a file or a folder is synced, and one that is full by then.
#[test]
fn what_a_file_system_failed_to_do_is_an_error() {
    let folder = TempDir::new().unwrap();
    for (k, what) in ["WEAK_FSYNC", "WEAK_FSYNC_FOLDER"].into_iter().enumerate() {
        for code in [EIO, ENOSPC, EDQUOT] {
            let name = format!("run{k}-{code}");
            let output = on_weak(&folder, &quick(&name, &[]), &[(what, code)])
                .output()
                .unwrap();
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{what}={code}: {text}");
            assert_eq!(text.matches("error: cannot ").count(), 1, "{text}");
        }
    }
}

/// A file system, or a user's share of it, that fills up at any point of a run costs what came
/// after the last checkpoint.
#[test]
fn a_file_system_that_fills_costs_no_checkpoint() {
    let folder = TempDir::new().unwrap();
    let straight = straight(&folder);
    for (k, code) in [ENOSPC, EDQUOT, ENOSPC, EDQUOT].into_iter().enumerate() {
        let (name, space) = (format!("run{k}"), (20_000 + 25_000 * k).to_string());
        let weak = [("WEAK_SPACE", &*space), ("WEAK_SPACE_ERROR", code)];
        let args = quick(&name, &["--resume-or-start"]);
        let output = on_weak(&folder, &args, &weak).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{space}: {text}");
        assert_eq!(text.matches("error: ").count(), 1, "{text}");
        let why = ["No space left on device", "Disk quota exceeded"][k % 2];
        assert!(text.contains(why), "{text}");
        let run = folder.path().join("runs").join(&name);
        for path in Checkpoints::list(&run.join("checkpoints")).unwrap() {
            Checkpoint::open(&path)
                .unwrap()
                .read("state.safetensors")
                .unwrap();
        }
        succeeds(&folder, &args);
        assert_same(&straight, &record(&run));
    }
}

/// Where a file cannot be replaced by renaming, it is moved away first. Killed before any of these
/// changes, the run resumes to the same end: no record is lost on the way.
#[test]
fn kills_while_files_are_replaced_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let straight = straight(&folder);
    let run = folder.path().join("runs/run");
    let half = quick("run", &["--set", "train.steps=384"]);
    let resume = [
        "train",
        "--resume",
        "runs/run",
        "--threads",
        "1",
        "--set",
        "train.steps=640",
    ];
    let weak = [("WEAK_RENAME", EPERM)];
    let mut struck = 0;
    for kill in 1..60 {
        let _ = fs::remove_dir_all(&run);
        succeeds(&folder, &half);
        let mut command = on_weak(&folder, &resume, &weak);
        let output = command.env("SHIM_KILL", kill.to_string()).output().unwrap();
        let text = stderr(&output);
        // From then on training changes files; crashes.rs has those.
        if output.status.signal() != Some(9) || text.contains("training bandit") {
            break;
        }
        struck += 1;
        let output = on_weak(&folder, &resume, &weak).output().unwrap();
        assert!(output.status.success(), "kill {kill}: {}", stderr(&output));
        let ended = record(&run);
        assert!(ends(&ended) == ends(&straight), "kill {kill}");
        let rows = |record: &Record| record[Path::new("metrics.jsonl")].clone();
        let rows = String::from_utf8(rows(&ended)).unwrap();
        assert_eq!(rows.lines().count(), 10, "kill {kill}: {rows}");
        let evaluations = fs::read_to_string(run.join("eval.csv")).unwrap();
        assert!(
            evaluations.lines().count() >= 5,
            "kill {kill}: {evaluations}"
        );
    }
    assert!(struck > 10, "{struck}");
}

/// Folders that a rename does not move: those of a lower layer of an overlay, and mount points.
#[test]
fn a_folder_that_stays_in_its_place_is_deleted_there() {
    let folder = TempDir::new().unwrap();
    let seven = ["--seed", "7"];
    succeeds(&folder, &quick("straight", &seven));
    let straight = record(&folder.path().join("runs/straight"));
    for stays in [EXDEV, EBUSY] {
        succeeds(&folder, &quick("run", &[]));
        let again = quick("run", &[&seven[..], &["--force"]].concat());
        let output = on_weak(&folder, &again, &[("WEAK_STAYS", stays)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{stays}: {}", stderr(&output));
        let run = folder.path().join("runs/run");
        assert!(ends(&record(&run)) == ends(&straight), "{stays}");
        fs::remove_dir_all(run).unwrap();
    }
}

/// What needs no writing is done, and what does ends with the same code whatever the command.
#[test]
fn a_complete_run_on_a_read_only_mount() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &crate::cli::tiny("run", &["--out", "disk"]));
    let again = crate::cli::tiny("run", &["--out", "disk", "--resume-or-start"]);
    let longer = [&again[..], &["--set", "train.steps=2560"]].concat();
    let cases: [(&[&str], i32, &str); 7] = [
        (&again, 0, "is complete"),
        (&longer, 1, "Read-only file system"),
        (
            &["play", "disk/run", "--seconds=0.1"],
            1,
            "Read-only file system",
        ),
        (
            &["export", "disk/run", "--onnx"],
            1,
            "Read-only file system",
        ),
        (&["report", "disk/run"], 1, "Read-only file system"),
        (&["doctor", "disk/run"], 0, "healthy"),
        (&["eval", "disk/run", "--episodes=1"], 0, "zero noise"),
    ];
    for (args, code, words) in cases {
        let script = "mount --bind disk disk && mount -o remount,bind,ro disk || exit 77; \
                      exec \"$0\" \"$@\"";
        let output = std::process::Command::new("unshare")
            .current_dir(folder.path())
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .arg(crate::cli::PROGRAM)
            .args(args)
            .output();
        let Some(output) = output.ok().filter(|it| it.status.code() != Some(77)) else {
            eprintln!("skipped: this user may not have a file system of their own here");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}
