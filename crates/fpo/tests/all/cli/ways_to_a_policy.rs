//! Kind: any path that leads to a policy or a run works, nothing is left in a checkpoint, and no
//! advice destroys work.
//!
//! A run's folder, its checkpoints, one of them, a file in one, each relative, absolute, with a
//! slash at its end, or over links; and the links of a hub's cache, where every file and folder of
//! a checkpoint is a link to a blob.

use crate::cli::{PROGRAM, assert_same, fpo, newest, quick, record, stderr, succeeds};
use fpo_run::checkpoint::Checkpoints;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn folder_with_run() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let run = folder.path().join("runs/run");
    (folder, run)
}

/// `fpo eval --json` in `at`; returns the evaluations.
#[track_caller]
fn eval(at: &Path, policy: &str, more: &[&str]) -> [Value; 2] {
    let output = Command::new(PROGRAM)
        .current_dir(at)
        .args(["eval", policy, "--episodes", "4", "--json"])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{policy}: {}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    ["zero_noise", "random_noise"].map(|noise| json[noise].clone())
}

/// Replaces a copy of the run by the links of a hub's cache: files lead to blobs, and so do
/// checkpoints.
fn as_a_hub_keeps_it(run: &Path, at: &Path) -> PathBuf {
    let (blobs, snapshot) = (at.join("blobs"), at.join("snapshots/0123abcd"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(snapshot.join("checkpoints")).unwrap();
    let mut count = 0;
    let mut blob = |path: &Path| {
        count += 1;
        let blob = blobs.join(count.to_string());
        fs::copy(path, &blob).unwrap();
        blob
    };
    for entry in fs::read_dir(run).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            symlink(blob(&entry.path()), snapshot.join(entry.file_name())).unwrap();
        }
    }
    for checkpoint in Checkpoints::list(&run.join("checkpoints")).unwrap() {
        let kept = at.join("folders").join(checkpoint.file_name().unwrap());
        fs::create_dir_all(&kept).unwrap();
        for entry in fs::read_dir(&checkpoint).unwrap() {
            let entry = entry.unwrap();
            symlink(blob(&entry.path()), kept.join(entry.file_name())).unwrap();
        }
        let link = snapshot
            .join("checkpoints")
            .join(checkpoint.file_name().unwrap());
        symlink(kept, link).unwrap();
    }
    snapshot
}

#[test]
fn every_way_to_a_policy_leads_to_it() {
    let (folder, run) = folder_with_run();
    let root = folder.path();
    let expected = eval(root, "runs/run", &[]);
    let before = record(&run);
    let step = newest(&run)
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let checkpoints = "runs/run/checkpoints".to_owned();
    let checkpoint = format!("{checkpoints}/{step}");
    let file = format!("{checkpoint}/policy.safetensors");
    symlink("runs/run", root.join("link")).unwrap();
    symlink(&checkpoints, root.join("checks")).unwrap();
    symlink(&checkpoint, root.join("one")).unwrap();
    symlink(&file, root.join("blob")).unwrap();
    symlink("link", root.join("link to a link")).unwrap();
    let absolute = run.to_str().unwrap().to_owned();
    let through = format!("link/checkpoints/{step}");
    for path in [
        "runs/run/",
        "./runs/run",
        "runs/../runs/run",
        &absolute,
        &checkpoints,
        &checkpoint,
        &file,
        &format!("{checkpoints}/"),
        &format!("{checkpoint}/"),
        "link",
        "link/",
        "link/checkpoints",
        &through,
        "checks",
        "checks/",
        "one",
        "one/",
        "blob",
        "link to a link",
    ] {
        assert_eq!(eval(root, path, &[]), expected, "{path}");
    }
    for (at, path) in [
        (run.clone(), "."),
        (run.join("checkpoints"), "."),
        (run.join("checkpoints"), ".."),
        (run.join("checkpoints"), &*step),
        (newest(&run), "."),
        (newest(&run), "../.."),
        (newest(&run), "policy.safetensors"),
    ] {
        assert_eq!(eval(&at, path, &[]), expected, "{path} in {}", at.display());
    }
    // A choice among checkpoints, where there is one.
    for path in ["runs/run", &*checkpoints, "link", "checks"] {
        for pick in ["latest", "best", "640"] {
            eval(root, path, &["--checkpoint", pick]);
        }
        assert_eq!(eval(root, path, &["--checkpoint", "640"]), expected);
    }
    assert_same(&before, &record(&run));
    // Copies of a part of the run.
    fs::create_dir(root.join("part")).unwrap();
    fs::copy(root.join(&file), root.join("part/policy.safetensors")).unwrap();
    assert_eq!(eval(root, "part", &[]), expected);
    assert_eq!(fs::read_dir(root.join("part")).unwrap().count(), 1);
    fs::copy(
        newest(&run).join("config.toml"),
        root.join("part/config.toml"),
    )
    .unwrap();
    assert_eq!(eval(root, "part", &[]), expected);
    let snapshot = as_a_hub_keeps_it(&run, &root.join("hub"));
    let blobs = record(&root.join("hub"));
    let snapshot = snapshot.to_str().unwrap();
    for path in [
        snapshot.to_owned(),
        format!("{snapshot}/checkpoints"),
        format!("{snapshot}/checkpoints/{step}"),
    ] {
        assert_eq!(eval(root, &path, &[]), expected, "{path}");
        assert_eq!(eval(root, &path, &[]), expected, "{path}");
    }
    assert_same(&blobs, &record(&root.join("hub")));
}

/// What is drawn goes into the run's folder, or here: never into a checkpoint or a cache.
#[test]
fn nothing_is_left_in_a_checkpoint() {
    let folder = TempDir::new().unwrap();
    let task = quick("run", &[]);
    let task: Vec<&str> = task
        .into_iter()
        .map(|arg| {
            if arg == "bandit-two_modes" {
                "gridworld-two_walls"
            } else {
                arg
            }
        })
        .collect();
    succeeds(&folder, &task);
    let run = folder.path().join("runs/run");
    let before = record(&run.join("checkpoints"));
    let checkpoint = newest(&run).to_str().unwrap().to_owned();
    let file = format!("{checkpoint}/policy.safetensors");
    for path in ["runs/run", "runs/run/checkpoints", &*checkpoint, &*file] {
        succeeds(&folder, &["gridworld", "plot", path]);
        let made = if path.ends_with(".safetensors") {
            folder.path()
        } else {
            &run
        };
        fs::remove_file(made.join("gridworld.svg")).expect("in the run's folder, or here");
        for more in [&[][..], &["--json"]] {
            succeeds(&folder, &[&["eval", path], more].concat());
        }
        let _ = fpo(&folder, &["doctor", path, "--json"]).output().unwrap();
        succeeds(&folder, &["report", path]);
        fs::remove_file(run.join("report.html")).expect("beside the run");
        assert_same(&before, &record(&run.join("checkpoints")));
    }
    let all: Vec<_> = fs::read_dir(&checkpoint)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn every_way_to_a_run_resumes_it() {
    let (folder, run) = folder_with_run();
    let resume = |at: &Path, path: &str, steps: u64| {
        let set = format!("train.steps={steps}");
        let args = ["train", "--resume", path, "--threads", "1", "--set", &set];
        Command::new(PROGRAM)
            .current_dir(at)
            .args(args)
            .output()
            .unwrap()
    };
    let mut steps = 640;
    let mut resumes = |at: &Path, path: &dyn Fn(&str) -> String| {
        steps += 64;
        let step = newest(&run)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let output = resume(at, &path(&step), steps);
        assert!(
            output.status.success(),
            "{}: {}",
            path(&step),
            stderr(&output)
        );
        assert!(!newest(&run).join(".lock").exists());
    };
    let root = folder.path();
    symlink("runs/run", root.join("link")).unwrap();
    symlink("runs/run/checkpoints", root.join("checks")).unwrap();
    resumes(root, &|_| "runs/run/".into());
    resumes(root, &|_| "runs/run/checkpoints".into());
    resumes(root, &|_| "runs/run/config.toml".into());
    resumes(root, &|step| format!("runs/run/checkpoints/{step}"));
    resumes(root, &|step| format!("runs/run/checkpoints/{step}/"));
    resumes(root, &|step| {
        format!("runs/run/checkpoints/{step}/policy.safetensors")
    });
    resumes(root, &|step| format!("link/checkpoints/{step}"));
    resumes(root, &|_| "checks".into());
    resumes(root, &|step| format!("checks/{step}"));
    resumes(&run, &|_| ".".into());
    resumes(&run.join("checkpoints"), &|_| ".".into());
    resumes(&run.join("checkpoints"), &|step| step.into());
    // In its newest checkpoint, as the shell stands.
    let at = newest(&run);
    resumes(&at, &|_| ".".into());

    // Another checkpoint than the newest would lose what came after it.
    let before = record(&run);
    let older = Checkpoints::list(&run.join("checkpoints")).unwrap()[0].clone();
    let output = resume(root, older.to_str().unwrap(), 9999);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("is not the newest checkpoint of its run"),
        "{text}"
    );
    // One that belongs to no run is not trained on, by whatever command.
    let alone = root.join("alone");
    fs::create_dir(&alone).unwrap();
    for entry in fs::read_dir(newest(&run)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), alone.join(entry.file_name())).unwrap();
    }
    let copy = record(&alone);
    let output = resume(root, "alone", 9999);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("alone is not a run: it is a single checkpoint"),
        "{text}"
    );
    for more in [&["--force"][..], &["--resume-or-start"], &[]] {
        let args = quick("alone", &[&["--out", "."], more].concat());
        let output = fpo(&folder, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(!stderr(&output).contains("--force"), "{}", stderr(&output));
    }
    assert_same(&copy, &record(&alone));
    assert!(!alone.join(".lock").exists());
    assert_same(&before, &record(&run));
}

/// A run in a hub's cache resumes; the blobs that its files were links to stay as they are.
#[test]
fn a_run_of_links_resumes_and_its_blobs_stay() {
    let (folder, run) = folder_with_run();
    let snapshot = as_a_hub_keeps_it(&run, &folder.path().join("hub"));
    let blobs = record(&folder.path().join("hub/blobs"));
    let folders = record(&folder.path().join("hub/folders"));
    let longer = [
        "--threads",
        "1",
        "--set",
        "train.steps=1280",
        "--set",
        "train.keep=1",
    ];
    for run in [snapshot.to_str().unwrap(), "runs/run"] {
        succeeds(
            &folder,
            &[&["train", "--resume", run][..], &longer].concat(),
        );
    }
    assert_same(&blobs, &record(&folder.path().join("hub/blobs")));
    assert_same(&folders, &record(&folder.path().join("hub/folders")));
    let state = |run: &Path| fs::read(newest(run).join("state.safetensors")).unwrap();
    assert!(state(&snapshot) == state(&run));
}

/// Messages about folders without a policy.
#[test]
fn what_is_missing_is_named_and_nothing_is_to_be_deleted() {
    let (folder, run) = folder_with_run();
    let root = folder.path();
    fs::create_dir(root.join("empty")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    fs::create_dir(root.join("gone")).unwrap();
    symlink("../../blobs/1", root.join("gone/config.toml")).unwrap();
    fs::rename(run.join("checkpoints"), root.join("kept")).unwrap();
    // Without their run, too.
    eval(root, "kept", &[]);
    let long = "x".repeat(5000);
    for (args, words) in [
        (&["eval", "empty"][..], "empty is not a checkpoint"),
        (
            &["eval", "dangling"],
            "dangling is not a run: it is a link to nowhere",
        ),
        (
            &["doctor", "gone"],
            "config.toml: it is a link to ../../blobs/1",
        ),
        (
            &["train", "--resume", "gone"],
            "config.toml: it is a link to ../../blobs/1",
        ),
        (
            &["train", "--resume", "dangling"],
            "it is a link to nowhere",
        ),
        (
            &["eval", "runs/run"],
            "checkpoints were moved or deleted; put them back",
        ),
        (
            &["train", "--resume", "runs/run"],
            "its checkpoints were moved or deleted",
        ),
        (&["eval", &long], "File name too long"),
        (&["doctor", &long], "File name too long"),
        (&["report", &long], "File name too long"),
        (&["train", "--resume", &long], "File name too long"),
    ] {
        let output = fpo(&folder, args).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
        assert!(
            !text.contains("--force") && !text.contains("delete it"),
            "{text}"
        );
    }
}
