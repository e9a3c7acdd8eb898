//! Training that collapses, its findings, and rollbacks.

use crate::ranks::on_ranks;
use fpo_env::Task;
use fpo_learn::trainer::Row;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::{Config, load_recorded, resolve};
use fpo_run::health::{FindingKind, Metrics, RunRecord, each_row, examine};
use fpo_run::run::{Event, Observer, Outcome, RunError, RunFolder, Session};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// FPO without bounds, as in `bench/collapse/collapse.toml`, with a far too high learning rate, on
/// a task that trains in a second: it reaches the goal and then collapses.
fn config(sets: &[&str]) -> Config {
    let base = [
        "train.precision=f32",
        "env.num_envs=16",
        "env.num_steps=16",
        "policy.hidden=[32,32]",
        "policy.action_bound=0",
        "critic.hidden=[32,32]",
        "objective.ratio=per_action",
        "objective.ratio_form=exp",
        "objective.trust_region=ppo",
        "objective.stratified=false",
        "optimizer.learning_rate=8e-3",
        "optimizer.critic_learning_rate=1e-3",
        "optimizer.final_lr_fraction=1",
        "optimizer.max_kl=0",
        "train.ema_decay=0",
        "optimizer.minibatches=4",
        "eval.episodes=64",
        "eval.every=5120",
        "train.steps=51200",
        "train.checkpoint_every=0",
    ];
    let sets: Vec<String> = base.iter().chain(sets).map(|s| s.to_string()).collect();
    resolve(TASK, Some("fast"), None, &sets, Some(1)).unwrap()
}

const TASK: &str = "gridworld-two_walls";
const ROLLBACK: &str = "train.rollback=true";

fn task() -> Arc<dyn Task> {
    let mut tasks = fpo_env::tasks().into_iter();
    tasks.find(|task| task.spec().name == TASK).unwrap()
}

/// Records events, and can stop the run.
#[derive(Default)]
struct Recorder {
    events: Vec<Event>,
    stop: Arc<AtomicBool>,
    /// Stop at the first row after this many rollbacks.
    stop_after: Option<f64>,
}

impl Observer for Recorder {
    fn iteration(&mut self, row: &Row) {
        if self.stop_after.is_some() && row.get("rollbacks") >= self.stop_after {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn found(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

fn train(path: &Path, config: Config, recorder: &mut Recorder) -> Result<Outcome, RunError> {
    let folder = RunFolder::create(path, false)?;
    let mut session = Session::begin(folder, config, task(), 1)?;
    session.run(&recorder.stop.clone(), recorder)
}

fn resume(path: &Path, recorder: &mut Recorder) -> Result<Outcome, RunError> {
    let folder = RunFolder::open(path)?;
    let config = load_recorded(&folder.config(), &[])?;
    let mut session = Session::resume(folder, config, task(), 2)?;
    session.run(&recorder.stop.clone(), recorder)
}

/// The kinds of findings, each once, in order.
fn kinds(events: &[Event]) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = events.iter().map(|event| event.finding.kind).collect();
    kinds.dedup();
    kinds
}

/// A file of a run; for the metrics, without values that depend on the clock.
fn text(run: &Path, name: &str) -> String {
    let text = fs::read_to_string(run.join(name)).unwrap();
    let cut = |line: &str| line.split(",\"time\":").next().unwrap().to_owned() + "\n";
    text.lines().map(cut).collect()
}

/// Without rollback the run ends with a non-finite number; with it, it keeps reaching the goal.
/// Both record why.
#[test]
fn rollback_rescues_a_run_that_collapses() {
    let folder = TempDir::new().unwrap();
    let (off, on) = (folder.path().join("off"), folder.path().join("on"));
    let mut recorder = Recorder::default();
    let error = train(&off, config(&[]), &mut recorder).err().unwrap();
    assert!(
        matches!(&error, RunError::Train(error) if error.is_divergence()),
        "{error}"
    );
    // The warning came before the collapse.
    let found = kinds(&recorder.events);
    assert!(found.contains(&FindingKind::RatioTails), "{found:?}");
    assert_eq!(found.last(), Some(&FindingKind::NonFinite));
    let record = RunRecord::read(&off).unwrap();
    assert_eq!(
        record.events, recorder.events,
        "reported events are recorded"
    );
    let examined = examine(&record);
    assert_eq!(examined[0].kind, FindingKind::NonFinite, "{examined:?}");

    let mut recorder = Recorder::default();
    let outcome = train(&on, config(&[ROLLBACK]), &mut recorder).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    assert!(kinds(&recorder.events).contains(&FindingKind::Rollback));

    let mut rows = Vec::new();
    each_row(&on, |row| rows.push(row)).unwrap();
    let last = rows.last().unwrap();
    assert!(
        last.get("eval/random_noise") > Some(19.0),
        "the goal is worth 20: {last:?}"
    );
    let rollbacks = last.get("rollbacks").unwrap();
    assert!((1.0..=3.0).contains(&rollbacks));
    // Iterations keep counting through rollbacks, and each halves the learning rate.
    let iterations: Vec<u64> = rows.iter().map(Metrics::iteration).collect();
    assert_eq!(iterations, (1..=200).collect::<Vec<_>>());
    let rate = |row: &dyn Metrics| row.get("learning_rate").unwrap();
    let expected = rate(&rows[0]) * 0.5f64.powf(rollbacks);
    assert!((rate(last) / expected - 1.0).abs() < 1e-6);
    // Both runs are the same until the first rollback.
    let lines = |run: &Path| {
        let text = text(run, "metrics.jsonl").replace(",\"rollbacks\":0.0", "");
        text.lines().take(60).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&off), lines(&on));
    assert!(
        Checkpoints::best(&on.join("checkpoints"))
            .unwrap()
            .is_some()
    );
}

/// A run stopped right after a rollback ends in the same bytes as an uninterrupted one.
#[test]
fn a_rollback_survives_interruptions() {
    let folder = TempDir::new().unwrap();
    let (straight, broken) = (folder.path().join("straight"), folder.path().join("broken"));
    train(&straight, config(&[ROLLBACK]), &mut Recorder::default()).unwrap();
    let mut recorder = Recorder {
        stop_after: Some(1.0),
        ..Recorder::default()
    };
    assert_eq!(
        train(&broken, config(&[ROLLBACK]), &mut recorder).unwrap(),
        Outcome::Stopped
    );
    assert_eq!(
        resume(&broken, &mut Recorder::default()).unwrap(),
        Outcome::Finished
    );
    for name in ["metrics.jsonl", "events.jsonl", "eval.csv", "config.toml"] {
        assert_eq!(text(&straight, name), text(&broken, name), "{name}");
    }
    let state =
        |run: &Path| fs::read(run.join("checkpoints/step-000000051200/state.safetensors")).unwrap();
    assert!(state(&straight) == state(&broken));
}

#[test]
fn ranks_roll_back_together() {
    let folder = TempDir::new().unwrap();
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    let mut recorder = Recorder::default();
    train(&alone, config(&[ROLLBACK]), &mut recorder).unwrap();
    assert!(kinds(&recorder.events).contains(&FindingKind::Rollback));
    let never = || Arc::new(AtomicBool::new(false));
    let outcome = on_ranks(
        3,
        |_| (task(), never()),
        |resources| {
            let locked = RunFolder::create(&shared, false).unwrap();
            let session = Session::begin(locked, config(&[ROLLBACK]), task(), resources);
            session.unwrap().run(&never(), &mut ()).unwrap()
        },
    );
    assert_eq!(outcome, Outcome::Finished);
    for name in ["metrics.jsonl", "events.jsonl", "eval.csv", "config.toml"] {
        assert_eq!(text(&alone, name), text(&shared, name), "{name}");
    }
}

/// A run killed after deciding on a rollback but before saving it decides again, and records it
/// once.
#[test]
fn a_rollback_that_was_not_saved_is_repeated() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut recorder = Recorder::default();
    // Keep all checkpoints, so that those before the first rollback exist.
    train(&run, config(&[ROLLBACK, "train.keep=1000"]), &mut recorder).unwrap();
    let [metrics, events] = ["metrics.jsonl", "events.jsonl"].map(|name| text(&run, name));
    // The state on disk before any rollback.
    let first = recorder
        .events
        .iter()
        .find(|event| event.finding.kind == FindingKind::Rollback);
    let first = first.unwrap().env_steps;
    for path in Checkpoints::list(&run.join("checkpoints")).unwrap() {
        let step: u64 = path.file_name().unwrap().to_str().unwrap()["step-".len()..]
            .parse()
            .unwrap();
        if step >= first {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let left = Checkpoints::list(&run.join("checkpoints")).unwrap();
    assert!(!left.is_empty());
    resume(&run, &mut Recorder::default()).unwrap();
    assert_eq!(text(&run, "metrics.jsonl"), metrics);
    assert_eq!(text(&run, "events.jsonl"), events);
}

/// Learning rates so high that rollbacks do not help: the run reports it and stops.
#[test]
fn a_run_rolls_back_three_times_at_most() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut recorder = Recorder::default();
    let wild = config(&[ROLLBACK, "optimizer.learning_rate=0.5"]);
    let error = train(&run, wild, &mut recorder).err().unwrap();
    assert!(
        matches!(error, RunError::Collapsed { rollbacks: 3 }) && !error.is_input(),
        "{error}"
    );
    let back = recorder
        .events
        .iter()
        .filter(|e| e.finding.kind == FindingKind::Rollback);
    assert_eq!(back.count(), 3);
}

/// A rollback needs an evaluated checkpoint, so evaluations must be enabled.
#[test]
fn rollback_needs_evaluations() {
    let sets = [ROLLBACK, "eval.every=0"].map(str::to_owned);
    let error = resolve(TASK, Some("fast"), None, &sets, None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("set eval.every"), "{error}");
}
