//! Kind: a file that stands for another, or that a tool has converted, is named as what it is.
//!
//! Pointers of Git LFS and git-annex, a web page, an archive; line ends converted to CRLF. Nothing
//! is changed by a command that meets one.

use crate::cli::{Record, assert_same, fpo, newest, quick, stderr, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n\
    size 1234567\n";

/// What may be in the place of a file, and what is said of it.
const STAND_INS: [(&[u8], &str); 5] = [
    (LFS, "it is a Git LFS pointer"),
    (
        b"/annex/objects/SHA256E-s1234--0123.safetensors\n",
        "it is a git-annex pointer",
    ),
    (
        b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
        "it is a web page",
    ),
    (b"PK\x03\x04\x14\0\0\0", "it is compressed"),
    (b"\x1f\x8b\x08\0\0\0\0\0", "it is compressed"),
];

fn folder_with_run() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let run = folder.path().join("runs/run");
    (folder, run)
}

/// Every file below `folder`, byte for byte.
fn contents(folder: &Path) -> Record {
    let (mut found, mut folders) = (Record::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Expects one line of error, exit code 2, with `words`, and that nothing is changed.
#[track_caller]
fn named(folder: &TempDir, args: &[&str], words: &[&str]) {
    let before = contents(folder.path());
    let output = fpo(folder, args).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {args:?}: {text}");
    }
    assert_same(&before, &contents(folder.path()));
}

const RESUME: &[&str] = &["train", "--resume", "runs/run", "--set", "train.steps=768"];

#[test]
fn a_stand_in_is_named_wherever_it_is() {
    let (folder, run) = folder_with_run();
    let checkpoint = newest(&run);
    let policy = checkpoint.join("policy.safetensors");
    let alone = folder.path().join("policy.safetensors");
    fs::copy(&policy, &alone).unwrap();
    fs::write(folder.path().join("suite.toml"), "tasks = []").unwrap();
    fs::write(folder.path().join("settings.toml"), "").unwrap();
    let eval: &[&str] = &["eval", "runs/run"];
    let doctor: &[&str] = &["doctor", "runs/run"];
    let report: &[&str] = &["report", "runs/run"];
    let again: &[&str] = &quick("run", &["--resume-or-start", "--set", "train.steps=768"]);
    let settings: &[&str] = &quick("x", &["--config", "settings.toml"]);
    let cases: [(PathBuf, &[&[&str]]); 10] = [
        (
            alone,
            &[
                &["eval", "policy.safetensors"],
                &["gridworld", "plot", "policy.safetensors"],
            ],
        ),
        (policy, &[eval, &["play", "runs/run"], RESUME]),
        (checkpoint.join("state.safetensors"), &[RESUME, again]),
        (checkpoint.join("config.toml"), &[RESUME]),
        (checkpoint.join("manifest.json"), &[eval, RESUME]),
        (run.join("config.toml"), &[doctor, report, RESUME, again]),
        (run.join("metrics.jsonl"), &[doctor, report, RESUME, again]),
        (run.join("eval.csv"), &[report, RESUME]),
        (
            folder.path().join("suite.toml"),
            &[&["bench", "suite.toml"]],
        ),
        (folder.path().join("settings.toml"), &[settings]),
    ];
    for (file, commands) in &cases {
        let good = fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        for (bytes, words) in STAND_INS {
            fs::write(file, bytes).unwrap();
            commands
                .iter()
                .for_each(|args| named(&folder, args, &[name, words]));
        }
        fs::write(file, good).unwrap();
    }
    // Files that a run need not have.
    for (file, args) in [("events.jsonl", doctor), ("machine.toml", report)] {
        let path = run.join(file);
        let good = fs::read(&path).ok();
        fs::write(&path, LFS).unwrap();
        named(&folder, args, &[file, STAND_INS[0].1]);
        match good {
            Some(good) => fs::write(path, good).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }
    // A pointer to a film is no film, and the page has none.
    fs::write(run.join("video.mp4"), LFS).unwrap();
    succeeds(&folder, report);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<video"));
    succeeds(&folder, RESUME);
}

/// `bytes` with every line feed as CRLF.
fn converted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

fn convert(path: &Path) -> impl FnOnce() + use<> {
    let (path, good) = (path.to_owned(), fs::read(path).unwrap());
    fs::write(&path, converted(&good)).unwrap();
    move || fs::write(path, good).unwrap()
}

#[test]
fn converted_files_are_named_or_read() {
    let (folder, run) = folder_with_run();
    let checkpoint = newest(&run);
    // What has a hash, or is binary, is named.
    let words = "its line ends were converted to CRLF";
    for (name, args) in [
        ("config.toml", RESUME),
        ("policy.safetensors", &["eval", "runs/run"][..]),
        ("policy.safetensors", RESUME),
        ("state.safetensors", RESUME),
    ] {
        let undo = convert(&checkpoint.join(name));
        named(&folder, args, &[name, words]);
        undo();
    }
    let alone = folder.path().join("alone.safetensors");
    fs::write(
        &alone,
        converted(&fs::read(checkpoint.join("policy.safetensors")).unwrap()),
    )
    .unwrap();
    named(
        &folder,
        &["eval", "alone.safetensors"],
        &["alone.safetensors", words],
    );
    // What is text is read, and the run resumes to the same end.
    for name in ["config.toml", "metrics.jsonl", "eval.csv", "machine.toml"] {
        let _ = convert(&run.join(name));
    }
    let _ = convert(&checkpoint.join("manifest.json"));
    succeeds(&folder, &["report", "runs/run"]);
    succeeds(&folder, &["eval", "runs/run"]);
    succeeds(&folder, RESUME);
    succeeds(&folder, &quick("straight", &["--set", "train.steps=768"]));
    let state = |run: &Path| fs::read(newest(run).join("state.safetensors")).unwrap();
    assert!(state(&run) == state(&folder.path().join("runs/straight")));
}
