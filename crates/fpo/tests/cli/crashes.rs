//! The promise: `kill -9` at any moment, a full disk, a read-only or a vanished folder never lose or damage the last good checkpoint,
//! and the run that goes on ends in the same bytes, with every row once.
//!
//! The long form kills at 200 moments:
//! `cargo test --release -p fpo --test cli killed_two_hundred_times -- --ignored --nocapture`

use crate::{Record, assert_same, fpo, record, stderr, succeeds};
use fpo_rl::checkpoint::{Checkpoint, Checkpoints};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A run of a bandit that saves after every one of its 400 iterations, so that most kills fall into a save.
const SETS: [&str; 14] = [
    "env.num_envs=16",
    "env.unroll=4",
    "env.sequences=1",
    "optimizer.minibatches=4",
    "optimizer.epochs=1",
    "policy.hidden=[16]",
    "critic.hidden=[64,64]",
    "policy.flow_steps=2",
    "objective.pairs=2",
    "eval.episodes=2",
    "eval.every=640",
    "train.steps=25600",
    "train.checkpoint_every=1",
    "train.keep=2",
];

fn begin<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sets = SETS.iter().flat_map(|set| ["--set", set]);
    ["train", "bandit-two_modes", "--threads", "1", "--name", name]
        .into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// Numbers that look random and are the same in every run of the test.
struct Moments(u64);

impl Moments {
    /// A duration below `most`.
    fn below(&mut self, most: Duration) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// Where kills struck.
#[derive(Debug, Default)]
struct Struck {
    before_a_checkpoint: usize,
    /// Something half written was left.
    in_a_save: usize,
    elsewhere: usize,
    after_the_end: usize,
}

/// Trains, kills after a random time and goes on, until `kills` have struck; expects each end to be `straight`. A run that gets to its end
/// is begun anew.
fn kill_and_resume(kills: usize, seed: u64) -> Struck {
    let folder = TempDir::new().unwrap();
    let started = Instant::now();
    succeeds(&folder, &begin("straight", &[]));
    // So that a run survives a few kills, and most of them meet it at work.
    let most = started.elapsed().mul_f64(0.4);
    let straight = record(&folder.path().join("runs/straight"));
    let run = folder.path().join("runs/run");
    let (mut moments, mut struck) = (Moments(seed), Struck::default());
    let resume = ["train", "--resume", "runs/run", "--threads", "1"];
    let mut resumable = false;
    for kill in 0..kills {
        let args = if resumable {
            resume.to_vec()
        } else {
            begin("run", &["--force"])
        };
        let mut child = Command::new(fpo(&folder, &[]).get_program())
            .current_dir(folder.path())
            .args(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moments.below(most));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(status) = ended {
            assert!(status.success(), "kill {kill}: {status}");
            struck.after_the_end += 1;
            assert_same(&straight, &record(&run));
            resumable = false;
            continue;
        }
        let checkpoints = every_checkpoint_is_good(&run);
        resumable = checkpoints > 0;
        if !resumable {
            struck.before_a_checkpoint += 1;
        } else if leftovers(&run) {
            struck.in_a_save += 1;
        } else {
            struck.elsewhere += 1;
        }
    }
    // And to the end.
    if resumable {
        succeeds(&folder, &resume);
    } else {
        succeeds(&folder, &begin("run", &["--force"]));
    }
    assert_same(&straight, &record(&run));
    struck
}

/// Checks every file of every checkpoint of a run and returns their number.
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

/// Whether something half written lies in a run's folder.
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

#[test]
fn a_few_kills_change_nothing() {
    let struck = kill_and_resume(8, 1);
    assert!(
        struck.in_a_save + struck.elsewhere > 0,
        "nothing was resumed: {struck:?}"
    );
}

#[test]
#[ignore = "takes minutes; the command stands above"]
fn killed_two_hundred_times() {
    let struck = kill_and_resume(200, 2);
    println!("{struck:?}");
    assert!(struck.in_a_save > 0 && struck.elsewhere > 0, "{struck:?}");
}

/// A run of half the length, and what is in its checkpoints.
fn half(folder: &TempDir) -> (PathBuf, Record) {
    succeeds(folder, &begin("run", &["--set", "train.steps=640"]));
    let run = folder.path().join("runs/run");
    let checkpoints = record(&run.join("checkpoints"));
    (run, checkpoints)
}

const GO_ON: [&str; 5] = ["train", "--resume", "runs/run", "--set", "train.steps=1280"];

/// Root writes where it likes; without that right (`setpriv` takes it away) also root is refused.
#[cfg(unix)]
#[test]
fn a_read_only_folder_is_refused_and_intact() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let (run, before) = half(&folder);
    let checkpoints = run.join("checkpoints");
    let set = |mode: u32| fs::set_permissions(&checkpoints, fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let writable = fs::write(checkpoints.join("probe"), "").is_ok();
    let program = fpo(&folder, &[]).get_program().to_owned();
    let mut command = Command::new(if writable {
        "setpriv".as_ref()
    } else {
        program.as_os_str()
    });
    if writable {
        fs::remove_file(checkpoints.join("probe")).unwrap();
        let without = ["--bounding-set=-dac_override", "--inh-caps=-dac_override"];
        if !Command::new("setpriv")
            .args(without)
            .arg("true")
            .status()
            .is_ok_and(|s| s.success())
        {
            set(0o755);
            eprintln!("skipped: this user may write everywhere, and setpriv cannot change that");
            return;
        }
        command.args(without).arg(program);
    }
    let output = command.current_dir(folder.path()).args(GO_ON).output().unwrap();
    set(0o755);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("Permission denied"),
        "{}",
        stderr(&output)
    );
    assert_eq!(before, record(&checkpoints));
    succeeds(&folder, &GO_ON);
}

/// A disk that fills up while a run saves: the run ends in one line, what was saved is good, and with room again it goes on to the same end.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_no_checkpoint() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &begin("straight", &[]));
    fs::create_dir(folder.path().join("disk")).unwrap();
    // A file system of 300 KiB that only this command sees.
    let script = "mount -t tmpfs -o size=300k tmpfs disk || exit 77\n\
                  \"$0\" \"$@\"; code=$?; cp -r disk/run runs/run; exit $code";
    let output = Command::new("unshare")
        .current_dir(folder.path())
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(fpo(&folder, &[]).get_program())
        .args(begin("run", &["--out", "disk"]))
        .output();
    let run = folder.path().join("runs/run");
    let Some(output) = output.ok().filter(|_| run.exists()) else {
        eprintln!("skipped: this user may not have a file system of their own here");
        return;
    };
    let text = stderr(&output);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{text}");
    assert!(errors[0].contains("No space left on device"), "{text}");
    assert!(every_checkpoint_is_good(&run) > 0, "{text}");
    succeeds(&folder, &["train", "--resume", "runs/run", "--threads", "1"]);
    assert_same(&record(&folder.path().join("runs/straight")), &record(&run));
}

/// A folder that vanishes under a run ends it in one line; the checkpoint that was copied in time goes on.
#[test]
fn a_vanished_folder_ends_the_run_in_one_line() {
    let folder = TempDir::new().unwrap();
    let (run, _) = half(&folder);
    let mut child = Command::new(fpo(&folder, &[]).get_program())
        .current_dir(folder.path())
        .args([
            "train",
            "--resume",
            "runs/run",
            "--threads",
            "1",
            "--set",
            "train.steps=1000000000",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has saved something, so that it is at work.
    let newest = || {
        Checkpoints::list(&run.join("checkpoints"))
            .unwrap()
            .pop()
            .unwrap()
    };
    let first = newest();
    while newest() == first {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(Duration::from_millis(2));
    }
    let away = folder.path().join("away");
    fs::rename(&run, &away).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{text}");
    assert!(errors[0].contains("runs/run"), "{text}");
    assert!(every_checkpoint_is_good(&away) > 0);
    fs::rename(&away, &run).unwrap();
    let steps = Checkpoints::list(&run.join("checkpoints")).unwrap();
    let newest = steps
        .last()
        .unwrap()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let steps: u64 = newest.trim_start_matches("step-").parse().unwrap();
    let more = format!("train.steps={}", steps + 640);
    succeeds(&folder, &["train", "--resume", "runs/run", "--set", &more]);
}
