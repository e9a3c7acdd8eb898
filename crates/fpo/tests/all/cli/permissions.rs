//! Kind: what may not be read is not damaged, missing or gone: messages say that it is closed, and
//! advise to open it.

use crate::cli::{folder_with_run, powerless, stderr};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const LONGER: [&str; 5] = ["train", "--resume", "runs/run", "--set", "train.steps=2560"];

#[test]
fn what_is_closed_is_told_as_such() {
    let (folder, run) = folder_with_run();
    let newest = "checkpoints/step-000000001280";
    let [state, manifest] = ["state.safetensors", "manifest.json"].map(|n| format!("{newest}/{n}"));
    let doctor = ["doctor", "runs/run"];
    for (closed, args) in [
        (&state[..], &doctor[..]),
        (&state, &LONGER),
        (&manifest, &doctor),
        (&manifest, &LONGER),
        (newest, &doctor),
        (newest, &LONGER),
        ("checkpoints", &doctor),
        ("checkpoints", &LONGER),
        ("machine.toml", &doctor),
        ("machine.toml", &LONGER),
        ("metrics.jsonl", &doctor),
        ("config.toml", &doctor),
        ("", &doctor),
        ("", &LONGER),
    ] {
        let path = run.join(closed);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let open = fs::metadata(&path).unwrap().permissions().mode();
        mode(0o000);
        let output = powerless(&folder, args).map(|mut command| command.output().unwrap());
        mode(open);
        let Some(output) = output else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert!(!output.status.success(), "{closed}: {said}");
        assert!(said.contains("Permission denied"), "{closed}: {said}");
        for wrong in ["damaged", "out of its folder", "is valid"] {
            assert!(!said.contains(wrong), "{closed} {args:?}: {said}");
        }
        if closed.starts_with("checkpoints") || closed == "machine.toml" {
            assert!(said.contains("make it readable"), "{closed}: {said}");
        }
    }
}

/// "It has not failed" is said of runs that have not.
#[test]
fn reproduce_names_what_it_cannot_read() {
    let (folder, run) = folder_with_run();
    let failure = run.join("failure");
    let said = |args: &[&str]| {
        let output = powerless(&folder, args)?.output().unwrap();
        assert!(!output.status.success());
        Some(stderr(&output))
    };
    let reproduce = ["reproduce", "runs/run"];
    let Some(text) = said(&reproduce) else { return };
    assert!(text.contains("it has not failed"), "{text}");
    fs::create_dir(&failure).unwrap();
    fs::write(failure.join("failure.json"), "{}").unwrap();
    let closed = |path: &std::path::Path, reproduced: &[&str]| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        let text = said(reproduced);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        text.unwrap()
    };
    let long = "x".repeat(300);
    let mut texts = vec![
        (closed(&failure, &reproduce), "Permission denied"),
        (
            closed(&failure.join("failure.json"), &reproduce),
            "Permission denied",
        ),
        (closed(&run, &reproduce), "Permission denied"),
        (
            closed(&folder.path().join("runs"), &reproduce),
            "Permission denied",
        ),
        (said(&["reproduce", &long]).unwrap(), "too long"),
        (
            said(&["reproduce", "none"]).unwrap(),
            "there is no such folder",
        ),
    ];
    fs::remove_dir_all(&failure).unwrap();
    for (target, words) in [("failure", "Too many levels"), ("gone", "does not exist")] {
        std::os::unix::fs::symlink(target, &failure).unwrap();
        texts.push((said(&reproduce).unwrap(), words));
        fs::remove_file(&failure).unwrap();
    }
    fs::create_dir(&failure).unwrap();
    std::os::unix::fs::symlink("gone", failure.join("failure.json")).unwrap();
    texts.push((said(&reproduce).unwrap(), "does not exist"));
    for (text, words) in texts {
        assert!(text.contains(words), "{words}: {text}");
        assert!(!text.contains("it has not failed"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
