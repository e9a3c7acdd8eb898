//! The guarantee: after `kill -9` at any moment (that is, before any change of a file, or in the
//! middle of a write), a full disk, or a read-only or deleted folder, the last valid checkpoint is
//! intact, and the resumed run ends in the same bytes, with every row exactly once.
//!
//! The long form kills at 200 moments:
//! `cargo test --release -p fpo --test all killed_two_hundred_times -- --ignored --nocapture`

use crate::cli::{PROGRAM, Record, assert_same, bandit, record, stderr, succeeds};
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A run of a bandit that saves after every one of its 400 iterations, so that most kills fall into
/// a save.
const SETS: [&str; 14] = [
    "env.num_envs=16",
    "env.num_steps=4",
    "env.sequences=1",
    "optimizer.minibatches=4",
    "optimizer.epochs=1",
    "policy.hidden=[16]",
    "critic.hidden=[64,64]",
    "policy.flow_steps=2",
    "objective.samples=2",
    "eval.episodes=2",
    "eval.every=640",
    "train.steps=25600",
    "train.checkpoint_every=1",
    "train.keep=2",
];

fn begin<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    bandit(name, &SETS, more)
}

/// Pseudo-random numbers that are the same in every run of the test.
#[cfg(target_os = "linux")]
struct Moments(u64);

#[cfg(target_os = "linux")]
impl Moments {
    /// One of 1, …, `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        1 + (self.0 >> 33) % most
    }
}

/// Statistics of the kills.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Struck {
    before_a_checkpoint: usize,
    /// Kills that left a partially written file.
    in_a_save: usize,
    elsewhere: usize,
    after_the_end: usize,
}

/// Trains, kills before a random change of a file and repeats the one command that begins or
/// continues the run, until `kills` kills have happened; expects each finished run to equal
/// `straight`. A finished run is started over, by a command that may be killed while it deletes.
#[cfg(target_os = "linux")]
fn kill_and_resume(kills: usize, seed: u64) -> Struck {
    use crate::cli::shim::watched;
    use std::os::unix::process::ExitStatusExt;
    let folder = TempDir::new().unwrap();
    let count = folder.path().join("count");
    let status = watched(&folder, &begin("straight", &[]))
        .env("SHIM_COUNT", &count)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    // So that a run takes a few kills, most of them during training.
    let most = fs::read_to_string(count).unwrap().parse::<u64>().unwrap() * 2 / 5;
    assert!(most > 1000, "{most}");
    let straight = record(&folder.path().join("runs/straight"));
    let run = folder.path().join("runs/run");
    let (mut moments, mut struck) = (Moments(seed), Struck::default());
    let again = begin("run", &["--resume-or-start"]);
    let mut finished = true;
    for kill in 0..kills {
        let args = if finished {
            begin("run", &["--force"])
        } else {
            again.clone()
        };
        let output = watched(&folder, &args)
            .env("SHIM_KILL", moments.up_to(most).to_string())
            .output()
            .unwrap();
        if output.status.signal() != Some(9) {
            assert!(output.status.success(), "kill {kill}: {}", stderr(&output));
            struck.after_the_end += 1;
            assert_same(&straight, &record(&run));
            finished = true;
            continue;
        }
        finished = false;
        if every_checkpoint_is_good(&run) == 0 {
            struck.before_a_checkpoint += 1;
        } else if leftovers(&run) {
            struck.in_a_save += 1;
        } else {
            struck.elsewhere += 1;
        }
    }
    // Finish the last run.
    succeeds(&folder, &again);
    assert_same(&straight, &record(&run));
    struck
}

/// Checks every file of every checkpoint of a run; returns the number of checkpoints.
#[track_caller]
fn every_checkpoint_is_good(run: &Path) -> usize {
    let all = Checkpoints::list(&run.join("checkpoints")).unwrap();
    for path in &all {
        let checkpoint = Checkpoint::open(path).unwrap_or_else(|e| panic!("{e}"));
        for name in ["state.safetensors", "policy.safetensors", "config.toml"] {
            checkpoint.read(name).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    all.len()
}

/// Whether a run's folder holds a partially written file.
#[cfg(target_os = "linux")]
fn leftovers(run: &Path) -> bool {
    let is_leftover = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(".partial-") || name.starts_with(".replaced-")
    };
    [run.to_owned(), run.join("checkpoints")]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .any(|entry| is_leftover(&entry.unwrap().path()))
}

#[cfg(target_os = "linux")]
#[test]
fn a_few_kills_change_nothing() {
    let struck = kill_and_resume(8, 1);
    assert!(struck.in_a_save > 0 && struck.elsewhere > 0, "{struck:?}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes minutes; the command is above"]
fn killed_two_hundred_times() {
    let struck = kill_and_resume(200, 2);
    println!("{struck:?}");
    assert!(struck.in_a_save > 0 && struck.elsewhere > 0, "{struck:?}");
}

/// A run of half the length, and the content of its checkpoints.
fn half(folder: &TempDir) -> (PathBuf, Record) {
    succeeds(folder, &begin("run", &["--set", "train.steps=640"]));
    let run = folder.path().join("runs/run");
    let checkpoints = record(&run.join("checkpoints"));
    (run, checkpoints)
}

const RESUME: [&str; 5] = ["train", "--resume", "runs/run", "--set", "train.steps=1280"];

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_rejected_and_unchanged() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let (run, before) = half(&folder);
    let checkpoints = run.join("checkpoints");
    let set =
        |mode: u32| fs::set_permissions(&checkpoints, fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let output =
        crate::cli::powerless(&folder, &RESUME).map(|mut command| command.output().unwrap());
    set(0o755);
    let Some(output) = output else { return };
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("Permission denied"),
        "{}",
        stderr(&output)
    );
    assert_eq!(before, record(&checkpoints));
    succeeds(&folder, &RESUME);
}

/// A disk that fills up while a run saves: the run ends with a one-line error, saved checkpoints
/// are valid, and with free space it resumes to the same end.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_no_checkpoint() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &begin("straight", &[]));
    fs::create_dir(folder.path().join("disk")).unwrap();
    // A file system of 300 KiB, visible to this command only.
    let script = "mount -t tmpfs -o size=300k tmpfs disk || exit 77\n\
                  \"$0\" \"$@\"; code=$?; cp -r disk/run runs/run; exit $code";
    let output = Command::new("unshare")
        .current_dir(folder.path())
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(PROGRAM)
        .args(begin("run", &["--out", "disk"]))
        .output();
    let run = folder.path().join("runs/run");
    let Some(output) = output.ok().filter(|_| run.exists()) else {
        eprintln!("skipped: this user may not have a file system of their own here");
        return;
    };
    let text = stderr(&output);
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{text}");
    assert!(errors[0].contains("No space left on device"), "{text}");
    assert!(every_checkpoint_is_good(&run) > 0, "{text}");
    succeeds(
        &folder,
        &["train", "--resume", "runs/run", "--threads", "1"],
    );
    assert_same(&record(&folder.path().join("runs/straight")), &record(&run));
}

/// If its folder is deleted, a run ends with a one-line error; a copy of its checkpoint can be
/// resumed.
#[cfg(target_os = "linux")]
#[test]
fn a_deleted_folder_ends_the_run_with_one_line() {
    let folder = TempDir::new().unwrap();
    let (run, _) = half(&folder);
    // It has saved two more checkpoints and is writing the third row.
    let held = crate::cli::shim::Held::at(&folder, &RESUME, ("write", "/metrics.jsonl", 3), 1);
    let away = folder.path().join("away");
    fs::rename(&run, &away).unwrap();
    held.release();
    let output = held.end();
    let text = stderr(&output);
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{text}");
    assert!(errors[0].contains("runs/run"), "{text}");
    assert!(every_checkpoint_is_good(&away) > 0);
    fs::rename(&away, &run).unwrap();
    let newest = Checkpoints::list(&run.join("checkpoints"))
        .unwrap()
        .pop()
        .unwrap();
    assert!(
        newest.ends_with("step-000000000768"),
        "{}",
        newest.display()
    );
    succeeds(&folder, &RESUME);
}
