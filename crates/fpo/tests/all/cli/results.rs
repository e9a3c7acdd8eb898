//! Kind: what a command makes replaces nothing that another program, or the user, has made, unless
//! the user names it.
//!
//! Every command with a default name for its result, in a run's folder and beside a policy file.

use crate::cli::{fpo, newest, quick, stderr, succeeds};
use std::fs;
use tempfile::TempDir;

#[test]
fn only_files_of_this_program_are_replaced_unasked() {
    let folder = TempDir::new().unwrap();
    let grid = |arg| match arg {
        "bandit-two_modes" => "gridworld-two_walls",
        arg => arg,
    };
    for args in [quick("run", &[]), quick("other", &["--seed", "1"])] {
        succeeds(&folder, &args.into_iter().map(grid).collect::<Vec<_>>());
    }
    let run = folder.path().join("runs/run");
    let policy = folder.path().join("policy.safetensors");
    fs::copy(newest(&run).join("policy.safetensors"), &policy).unwrap();
    let film = ["--seconds=0.1", "--width=32", "--height=32"];
    let play = |policy| [&["play", policy][..], &film].concat();
    for (args, made) in [
        (vec!["export", "runs/run", "--onnx"], "runs/run/policy.onnx"),
        (
            vec!["export", "policy.safetensors", "--onnx"],
            "policy.onnx",
        ),
        (
            vec!["gridworld", "plot", "runs/run"],
            "runs/run/gridworld.svg",
        ),
        (
            vec!["gridworld", "plot", "runs/run"],
            "runs/run/gridworld.png",
        ),
        (
            vec!["gridworld", "plot", "policy.safetensors"],
            "gridworld.svg",
        ),
        (vec!["report", "runs/run"], "runs/run/report.html"),
        (vec!["report", "runs"], "runs/report.html"),
        (vec!["report", "runs/run", "runs/other"], "report.html"),
        (play("runs/run"), "runs/run/video.mp4"),
        (play("policy.safetensors"), "video.mp4"),
    ] {
        let path = folder.path().join(made);
        // Its own it replaces, as often as it is called.
        for _ in 0..2 {
            succeeds(&folder, &args);
            assert!(path.is_file(), "{made}");
        }
        for foreign in [
            &b"mine"[..],
            b"<!doctype html>",
            b"\x08\x08\x12\x07pytorch\x1a",
        ] {
            fs::write(&path, foreign).unwrap();
            let output = fpo(&folder, &args).output().unwrap();
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
            let words = format!("{made} is there already, and not made by this program");
            assert!(text.contains(&words), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            assert_eq!(fs::read(&path).unwrap(), foreign, "{made}");
        }
        // Named, it is replaced.
        succeeds(&folder, &[&args[..], &["--out", made]].concat());
        assert_ne!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(path).unwrap();
    }
}
