//! Kind: what a command makes replaces nothing that another program, or the user, has made, unless
//! the user names it.
//!
//! Every command with a default name for its result, in a run's folder and beside a policy file.

use crate::cli::{fpo, newest, quick, stderr, succeeds};
use std::fs;
use tempfile::TempDir;

/// What is named is replaced as a whole or not at all, and nothing else that it leads to.
#[cfg(target_os = "linux")]
#[test]
fn a_named_file_stays_as_it_was_where_it_cannot_be_written() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let run = folder.path().join("runs/run");
    let here = || fs::read_dir(folder.path()).unwrap().count();
    for (args, file) in [
        (&["export", "runs/run", "--onnx", "--out"][..], "a.onnx"),
        (&["report", "runs/run", "--out"], "a.html"),
        (&["eval", "runs/run", "--episodes", "100", "--csv"], "a.csv"),
    ] {
        let path = folder.path().join(file);
        let args = [args, &[file]].concat();
        fs::write(&path, "mine").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let before = here();
        let output = std::process::Command::new("bash")
            .current_dir(folder.path())
            .args(["-c", "ulimit -f 1; exec \"$0\" \"$@\"", crate::cli::PROGRAM])
            .args(&args)
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains("File too large"), "{text}");
        assert_eq!(
            (fs::read(&path).unwrap(), here()),
            (b"mine".to_vec(), before)
        );
        // Another name of a file that a run needs keeps it, and so does the target's link.
        fs::remove_file(&path).unwrap();
        fs::hard_link(run.join("config.toml"), &path).unwrap();
        let config = fs::read(run.join("config.toml")).unwrap();
        succeeds(&folder, &args);
        assert!(
            fs::read(run.join("config.toml")).unwrap() == config,
            "{args:?}"
        );
        assert!(fs::read(&path).unwrap() != config);
        let target = folder.path().join("target");
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("target", &path).unwrap();
        succeeds(&folder, &args);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_ne!(fs::read(&target).unwrap(), b"old");
        let mode = fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&target).unwrap();
        // A link to a file that is to be made.
        succeeds(&folder, &args);
        assert!(target.is_file());
        fs::remove_file(&target).unwrap();
        fs::remove_file(&path).unwrap();
    }
    let lines = succeeds(&folder, &["eval", "runs/run", "--csv", "/dev/stdout"]);
    assert!(lines.starts_with("noise,episode"), "{lines}");
}

/// A full disk is told once, and paths are told as a shell reads them.
#[cfg(target_os = "linux")]
#[test]
fn a_film_that_does_not_fit_is_one_line() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &crate::cli::tiny("run", &[]));
    for film in ["a film.mp4", "a film.gif"] {
        let output = std::process::Command::new("bash")
            .current_dir(folder.path())
            .args(["-c", "ulimit -f 1; exec \"$0\" \"$@\"", crate::cli::PROGRAM])
            .args(["play", "runs/run", "--seconds=1", "--out", film])
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let error = text.lines().last().unwrap();
        assert!(
            error.starts_with(&format!("error: cannot write '{film}': ")),
            "{error}"
        );
        assert_eq!(error.matches("File too large").count(), 1, "{error}");
        assert!(
            !error.contains(['"', '`']) && !error.contains(".tmp"),
            "{error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

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
