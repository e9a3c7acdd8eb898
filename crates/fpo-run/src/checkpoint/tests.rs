use super::*;
use std::collections::BTreeSet;
use std::fs;
use tempfile::TempDir;

fn about(env_steps: u64, evaluation: Option<f64>) -> CheckpointInfo {
    CheckpointInfo {
        task: "cartpole-balance".into(),
        iteration: env_steps / 10,
        env_steps,
        evaluation,
        warned: false,
        task_digest: None,
    }
}

fn save(store: &Checkpoints, step: u64, evaluation: Option<f64>) -> PathBuf {
    store
        .save(
            &about(step, evaluation),
            &[("state", &step.to_le_bytes()), ("config.toml", b"x = 1")],
        )
        .unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn store(keep: usize) -> (TempDir, Checkpoints) {
    let folder = TempDir::new().unwrap();
    let store = Checkpoints::open(folder.path(), keep).unwrap();
    (folder, store)
}

/// Why the checkpoint at `path` cannot be used.
fn trouble(path: &Path) -> String {
    let error = Checkpoint::open(path)
        .and_then(|c| c.read("state"))
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn saved_files_are_read_back() {
    let (_folder, store) = store(3);
    let path = save(&store, 10, Some(1.5));
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.about(), &about(10, Some(1.5)));
    assert_eq!(checkpoint.read("state").unwrap(), 10u64.to_le_bytes());
    assert_eq!(checkpoint.read("config.toml").unwrap(), b"x = 1");
}

#[test]
fn the_newest_and_the_best_are_kept() {
    let (folder, store) = store(2);
    for (step, evaluation) in [
        (10, None),
        (20, Some(5.0)),
        (30, Some(4.0)),
        (40, Some(f64::NAN)),
        (50, None),
        (100, Some(3.0)),
    ] {
        save(&store, step, evaluation);
    }
    assert_eq!(
        names(folder.path()),
        [
            "step-000000000100",
            "step-000000000020",
            "step-000000000050"
        ]
        .map(String::from)
        .into()
    );
    let order = Checkpoints::list(folder.path()).unwrap();
    assert_eq!(
        order,
        [
            "step-000000000020",
            "step-000000000050",
            "step-000000000100"
        ]
        .map(|name| folder.path().join(name))
    );
    let best = Checkpoints::best(folder.path()).unwrap().unwrap();
    assert_eq!(best.about().env_steps, 20);
}

/// The highest evaluation may be of a policy that is about to collapse.
#[test]
fn the_best_healthy_one_is_kept_beside_the_best() {
    let (folder, store) = store(1);
    for (step, evaluation, warned) in [
        (10, 3.0, false),
        (20, 4.0, false),
        (30, 9.0, true),
        (40, 1.0, true),
    ] {
        let about = CheckpointInfo {
            warned,
            ..about(step, Some(evaluation))
        };
        store.save(&about, &[("state", b"x")]).unwrap();
    }
    assert_eq!(
        names(folder.path()),
        [
            "step-000000000020",
            "step-000000000030",
            "step-000000000040"
        ]
        .map(String::from)
        .into()
    );
    let steps = |found: Option<Checkpoint>| found.unwrap().about().env_steps;
    assert_eq!(steps(Checkpoints::best(folder.path()).unwrap()), 30);
    assert_eq!(steps(Checkpoints::best_healthy(folder.path()).unwrap()), 20);
}

#[test]
fn leftovers_of_interrupted_saves_are_removed() {
    let (folder, store) = store(2);
    save(&store, 10, None);
    fs::create_dir(folder.path().join(".partial-step-000000000020")).unwrap();
    fs::write(
        folder.path().join(".partial-step-000000000020/state"),
        b"half",
    )
    .unwrap();
    // Killed between the two renames of a replacement: the old one is the only one.
    fs::rename(
        folder.path().join("step-000000000010"),
        folder.path().join(".replaced-step-000000000010"),
    )
    .unwrap();
    Checkpoints::open(folder.path(), 2).unwrap();
    assert_eq!(
        names(folder.path()),
        ["step-000000000010".to_owned()].into()
    );
    assert!(
        Checkpoint::open(&folder.path().join("step-000000000010"))
            .unwrap()
            .read("state")
            .is_ok()
    );
}

#[cfg(unix)]
#[test]
fn a_dangling_link_does_not_prevent_a_save() {
    let (folder, store) = store(9);
    std::os::unix::fs::symlink("nowhere", folder.path().join("step-000000000010")).unwrap();
    save(&store, 10, None);
    assert_eq!(
        names(folder.path()),
        BTreeSet::from(["step-000000000010".to_owned()])
    );
}

#[test]
fn saving_the_same_step_again_replaces_it() {
    let (folder, store) = store(2);
    save(&store, 10, None);
    let path = save(&store, 10, Some(2.0));
    assert_eq!(
        Checkpoint::open(&path).unwrap().about().evaluation,
        Some(2.0)
    );
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn damage_is_reported() {
    let (folder, store) = store(9);
    let path = save(&store, 10, None);
    let state = path.join("state");
    let bytes = fs::read(&state).unwrap();
    for byte in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 4;
        fs::write(&state, flipped).unwrap();
        assert!(
            trouble(&path).ends_with("step-000000000010 is damaged: the hash of state differs")
        );
    }
    fs::write(&state, &bytes[..5]).unwrap();
    assert!(trouble(&path).ends_with("is damaged: state has 5 of 8 bytes"));
    fs::write(&state, [0; 9]).unwrap();
    assert!(trouble(&path).ends_with("is damaged: state is longer than the 8 bytes recorded"));
    fs::remove_file(&state).unwrap();
    assert!(trouble(&path).ends_with("is damaged: state is missing"));

    let path = save(&store, 20, None);
    let manifest = path.join(MANIFEST);
    let text = fs::read_to_string(&manifest).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&manifest, text.replace(from, to)).unwrap();
        trouble(&path)
    };
    assert!(
        with("\"format\": 2", "\"format\": 7")
            .contains("made by version 0.1.0 of the program (format 7)")
    );
    assert!(with("fpo checkpoint", "other checkpoint").contains("not a checkpoint"));
    assert!(
        with("\"bytes\": 8", "\"bytes\": 18446744073709551615")
            .contains("gives state 18446744073709551615 bytes")
    );
    assert!(with("\"iteration\": 2", "\"iteration\": -2").contains("is damaged: manifest.json: "));
    assert!(with("{", "").contains("is not a checkpoint: manifest.json: "));
    fs::write(&manifest, vec![b' '; 2 << 20]).unwrap();
    assert!(trouble(&path).contains("longer than"));
    fs::remove_file(&manifest).unwrap();
    assert!(trouble(&path).ends_with("is not a checkpoint: it has no manifest.json"));
    assert!(trouble(&folder.path().join("nowhere")).contains("is not a checkpoint"));
}

/// Runs itself again under a limit on file sizes, which makes `write` fail as on a full disk,
/// without root.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_earlier_checkpoints_intact() {
    const FOLDER: &str = "FPO_TEST_LIMITED_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let store = Checkpoints::open(Path::new(&folder), 1).unwrap();
        let error = store
            .save(&about(20, None), &[("state", &vec![7; 1 << 20])])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("step-000000000020: File too large"),
            "{error}"
        );
        assert!(error.ends_with("earlier checkpoints are intact"), "{error}");
        return;
    }
    let (folder, store) = store(1);
    let path = save(&store, 10, None);
    let this = std::env::current_exe().unwrap();
    // Signal 25 (SIGXFSZ) would end the process; when it is ignored, the write fails instead.
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' 25; ulimit -f 64; exec \"$0\" --exact \"$1\" --nocapture",
        ])
        .arg(this)
        .arg("checkpoint::tests::a_full_disk_leaves_earlier_checkpoints_intact")
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    assert_eq!(
        names(folder.path()),
        ["step-000000000010".to_owned()].into()
    );
    assert!(Checkpoint::open(&path).unwrap().read("state").is_ok());
}
