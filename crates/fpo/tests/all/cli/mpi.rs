//! The guarantee: any number of ranks under `mpirun`, with any number of threads each, gives the
//! bytes of one process; a rank that dies, hangs or fails ends all of them with one line that names
//! it, and the run continues from its last checkpoint on any number of ranks.
//!
//! These tests need Open MPI. The long form kills at 50 moments:
//! `cargo test --release -p fpo --features mpi --test all ranks_killed_fifty -- --ignored
//! --nocapture`

use crate::cli::shim::weak_library;
use crate::cli::{PROGRAM, assert_same, bandit, record, stderr, succeeds};
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program with `args` on so many ranks.
fn mpirun(folder: &TempDir, ranks: usize, args: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        .current_dir(folder.path())
        .args(["-q", "--oversubscribe", "--bind-to", "none", "-n"])
        .arg(ranks.to_string())
        .arg(PROGRAM)
        .args(args)
        // Containers run as root, and forbid one process to read another's memory.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
        .stdin(Stdio::null());
    command
}

/// The same with each rank's program behind a command that starts it.
fn behind(command: &Command, starter: &[&str]) -> Command {
    let mut with = Command::new(command.get_program());
    for arg in command.get_args() {
        if arg == PROGRAM {
            with.args(starter);
        }
        with.arg(arg);
    }
    let variables = command.get_envs();
    with.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    with.current_dir(command.get_current_dir().expect("a folder"));
    with
}

/// Runs it to its end; it has to succeed.
fn trains(folder: &TempDir, ranks: usize, args: &[&str]) {
    let output = mpirun(folder, ranks, args).output().expect("mpirun");
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
}

/// Arguments of a short run: 4 parts of a minibatch, 16 groups of environments.
fn short<'a>(task: &'a str, name: &'a str, sets: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    const SETS: [&str; 13] = [
        "env.num_envs=32",
        "env.num_steps=16",
        "env.sequences=2",
        "optimizer.minibatches=2",
        "optimizer.epochs=2",
        "optimizer.final_lr_fraction=1",
        "policy.hidden=[16,16]",
        "critic.hidden=[16,16]",
        "eval.episodes=20",
        "eval.every=1024",
        "train.steps=4096",
        "train.checkpoint_every=1",
        "train.keep=1",
    ];
    let sets = SETS.iter().chain(sets).flat_map(|set| ["--set", *set]);
    let head = ["train", task, "--name", name];
    head.into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// Tasks of each family and the settings of a method.
const CONFIGURATIONS: [(&str, &[&str]); 8] = [
    ("cartpole-balance", &["normalizer.enabled=true"]),
    (
        "Hopper-v5",
        &[
            "objective.reduction=sqrt",
            "objective.huber_delta=1",
            "policy.action_noise=0.02",
            "train.ema_decay=0.9",
            "train.ema_after=1",
        ],
    ),
    (
        "cartpole-balance",
        &["objective.method=ppo", "objective.entropy=0.01"],
    ),
    (
        "reacher-easy",
        &["advantage.recompute=per_minibatch", "advantage.form=brax"],
    ),
    (
        "bandit-eight_modes",
        &[
            "objective.method=qfm",
            "optimizer.max_kl=0",
            "policy.action_noise=0.2",
        ],
    ),
    ("bandit-two_modes", &["objective.method=awfm"]),
    (
        "bandit-eight_modes",
        &[
            "advantage.estimator=group",
            "env.random_initial_length=false",
        ],
    ),
    ("gridworld-two_slits", &["optimizer.max_kl=1e-7"]),
];

#[test]
fn any_number_of_ranks_and_threads_gives_the_same_bytes() {
    for (k, (task, sets)) in CONFIGURATIONS.into_iter().enumerate() {
        let folder = TempDir::new().unwrap();
        succeeds(&folder, &short(task, "alone", sets, &["--threads", "1"]));
        let alone = record(&folder.path().join("runs/alone"));
        // Two threads of one process are `the_number_of_threads_changes_nothing`.
        for ranks in [2, 3, 4] {
            for threads in ["1", "2"] {
                let name = format!("{ranks}x{threads}");
                let more = ["--threads", threads];
                trains(&folder, ranks, &short(task, &name, sets, &more));
                println!("{task} {sets:?} on {ranks} ranks of {threads} threads");
                assert_same(&alone, &record(&folder.path().join("runs").join(&name)));
            }
        }
        if k == 0 {
            // One that was begun on four goes on with three, with two and alone.
            let steps = ["1024", "2048", "3072", "4096"].map(|n| format!("train.steps={n}"));
            for (ranks, steps) in [4, 3, 2, 1].into_iter().zip(&steps) {
                let more = ["--set", steps, "--resume-or-start"];
                let args = short(task, "changing", sets, &more);
                match ranks {
                    1 => drop(succeeds(&folder, &args)),
                    ranks => trains(&folder, ranks, &args),
                }
            }
            let changing = record(&folder.path().join("runs/changing"));
            let last = "checkpoints/step-000000004096";
            for name in ["state.safetensors", "policy.safetensors", "config.toml"] {
                let path = Path::new(last).join(name);
                assert!(changing[&path] == alone[&path], "{name}");
            }
            for name in ["metrics.jsonl", "eval.csv"] {
                assert!(
                    changing[Path::new(name)] == alone[Path::new(name)],
                    "{name}"
                );
            }
        }
    }
}

/// With the library's own order of sums a run is repeatable on the same number of ranks.
#[test]
fn the_fast_reduction_is_repeatable() {
    let folder = TempDir::new().unwrap();
    let sets = ["train.reduction=fast", "train.ema_decay=0"];
    let last = |name: &str| {
        let run = folder.path().join("runs").join(name);
        let all = Checkpoints::list(&run.join("checkpoints")).unwrap();
        fs::read(all.last().unwrap().join("policy.safetensors")).unwrap()
    };
    for name in ["a", "b"] {
        let args = short("cartpole-balance", name, &sets, &["--threads", "1"]);
        trains(&folder, 3, &args);
    }
    assert!(last("a") == last("b"));
}

/// A run that saves after each of its iterations.
fn saving<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    const SETS: [&str; 14] = [
        "env.num_envs=16",
        "env.num_steps=4",
        "env.sequences=1",
        "optimizer.minibatches=4",
        "optimizer.epochs=1",
        "optimizer.final_lr_fraction=1",
        "policy.hidden=[16]",
        "critic.hidden=[16]",
        "policy.flow_steps=2",
        "eval.episodes=2",
        "eval.every=640",
        "train.steps=1280",
        "train.checkpoint_every=1",
        "train.keep=2",
    ];
    bandit(name, &SETS, more)
}

/// The process of a rank that `mpirun` has started.
fn process_of(mpirun: &Child, rank: usize) -> Option<u32> {
    let is = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
        let variable = format!("OMPI_COMM_WORLD_RANK={rank}");
        let mut variables = environment.split(|byte| *byte == 0);
        let found = variables.any(|other| other == variable.as_bytes());
        (found && parent.parse() == Ok(mpirun.id())).then_some(process)
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find_map(is)
}

fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Starts it, waits until the run has a checkpoint, and sends a signal to a rank.
fn struck(folder: &TempDir, ranks: usize, args: &[&str], (name, rank): (&str, usize)) -> Output {
    let child = mpirun(folder, ranks, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mpirun");
    let checkpoints = folder.path().join("runs/run/checkpoints");
    let begun = Instant::now();
    while Checkpoints::list(&checkpoints).unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        thread::sleep(Duration::from_millis(5));
    }
    signal(process_of(&child, rank).expect("a rank"), name);
    child.wait_with_output().unwrap()
}

/// The lines of errors that it printed.
fn errors(output: &Output) -> Vec<String> {
    let text = stderr(output);
    let lines = text.lines().filter(|line| line.starts_with("error: "));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn every_checkpoint_is_good(run: &Path) {
    for path in Checkpoints::list(&run.join("checkpoints")).unwrap() {
        let checkpoint = Checkpoint::open(&path).unwrap_or_else(|e| panic!("{e}"));
        for name in ["state.safetensors", "policy.safetensors", "config.toml"] {
            checkpoint.read(name).unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

#[test]
fn a_rank_that_dies_or_hangs_is_named_and_the_run_goes_on() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &saving("straight", &[]));
    let straight = record(&folder.path().join("runs/straight"));
    let run = folder.path().join("runs/run");
    for (ranks, rank, sent, words) in [
        (3, 1, "-KILL", "died"),
        (2, 0, "-KILL", "died"),
        (
            4,
            2,
            "-STOP",
            "was suspended and did not answer within 1 seconds",
        ),
    ] {
        let longer = [
            "--resume-or-start",
            "--rank-timeout",
            "1",
            "--set",
            "train.steps=640000",
        ];
        let output = struck(&folder, ranks, &saving("run", &longer), (sent, rank));
        assert!(!output.status.success());
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(&format!("error: rank {rank} (process ")),
            "{errors:?}"
        );
        assert!(errors[0].contains(words), "{errors:?}");
        every_checkpoint_is_good(&run);
        fs::remove_dir_all(&run).unwrap();
    }
    // Signals to any rank save, and the same command on another number of them goes on.
    for (ranks, rank, sent) in [(2, 1, "-TERM"), (3, 0, "-USR1")] {
        let output = struck(
            &folder,
            ranks,
            &saving("run", &["--resume-or-start"]),
            (sent, rank),
        );
        let code = output.status.code();
        // A short run may have ended before the signal counted.
        assert!(code == Some(75) || code == Some(0), "{}", stderr(&output));
        assert_eq!(errors(&output), [""; 0]);
        trains(&folder, 5 - ranks, &saving("run", &["--resume-or-start"]));
        assert_same(&straight, &record(&run));
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn what_the_first_or_another_rank_fails_with_is_one_line() {
    let folder = TempDir::new().unwrap();
    let fails = |ranks, args: &[&str]| {
        let output = mpirun(&folder, ranks, args).output().expect("mpirun");
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?} of {}", stderr(&output));
        (output.status.code(), errors[0].clone())
    };
    let (code, line) = fails(3, &saving("run", &["--set", "optimizer.epoch=2"]));
    assert_eq!(code, Some(2), "{line}");
    assert!(line.contains("did you mean `optimizer.epochs`"), "{line}");
    // A disk that fills up is the first rank's.
    let fills = "[ $OMPI_COMM_WORLD_RANK != 0 ] || export LD_PRELOAD=$WEAK; exec \"$0\" \"$@\"";
    let command = mpirun(
        &folder,
        2,
        &saving("run", &["--set", "policy.hidden=[64,64]"]),
    );
    let mut command = behind(&command, &["sh", "-c", fills]);
    command
        .env("WEAK", weak_library())
        .env("WEAK_SPACE", "200000");
    let output = command.output().unwrap();
    let lines = errors(&output);
    assert_eq!(
        (output.status.code(), lines.len()),
        (Some(1), 1),
        "{}",
        stderr(&output)
    );
    assert!(lines[0].contains("No space left on device"), "{lines:?}");
    every_checkpoint_is_good(&folder.path().join("runs/run"));
    // A complete run has nothing to do, on any number of ranks.
    trains(&folder, 2, &saving("whole", &[]));
    trains(&folder, 3, &saving("whole", &["--resume-or-start"]));
}

/// Of `kills` runs on 2 to 4 ranks each is killed at a random moment, in a random rank; resumed on
/// another number, it ends in the same bytes.
fn kill_ranks(kills: usize, seed: u64) {
    let folder = TempDir::new().unwrap();
    let begun = Instant::now();
    trains(&folder, 3, &saving("straight", &[]));
    let whole = begun.elapsed();
    let straight = record(&folder.path().join("runs/straight"));
    let run = folder.path().join("runs/run");
    let mut random = seed;
    let mut up_to = |most: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    let (mut named, mut early, mut after, mut resumed) = (0, 0, 0, 0);
    for kill in 0..kills {
        let ranks = 2 + up_to(3) as usize;
        let rank = up_to(ranks as u64) as usize;
        let child = mpirun(&folder, ranks, &saving("run", &["--resume-or-start"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mpirun");
        thread::sleep(Duration::from_micros(up_to(whole.as_micros() as u64)));
        let victim = process_of(&child, rank);
        if let Some(victim) = victim {
            let _ = Command::new("kill")
                .args(["-KILL", &victim.to_string()])
                .status();
        }
        let output = child.wait_with_output().unwrap();
        let lines = errors(&output);
        let name = format!("error: rank {rank} (process ");
        match output.status.success() {
            // It was about to end, or had.
            true => after += 1,
            false if lines.is_empty() => early += 1,
            false => {
                assert_eq!(lines.len(), 1, "kill {kill}: {lines:?}");
                assert!(
                    lines[0].starts_with(&name),
                    "kill {kill} of {rank}: {lines:?}"
                );
                named += 1;
            }
        }
        if run.join("checkpoints").exists() {
            every_checkpoint_is_good(&run);
        }
        // Every other one is killed again where it stands.
        if up_to(2) == 0 || output.status.success() {
            trains(
                &folder,
                1 + up_to(4) as usize,
                &saving("run", &["--resume-or-start"]),
            );
            assert_same(&straight, &record(&run));
            fs::remove_dir_all(&run).unwrap();
            resumed += 1;
        }
    }
    println!(
        "{kills} kills in {:.0} s: {named} named the rank, {early} struck before the ranks had \
         met, {after} after the end; {resumed} runs were finished, all with the same bytes",
        begun.elapsed().as_secs_f64()
    );
    assert!(named > 0);
}

#[test]
fn killed_ranks_lose_nothing() {
    kill_ranks(4, 2);
}

#[test]
#[ignore = "takes minutes"]
fn ranks_killed_fifty_times() {
    kill_ranks(50, 1);
}
