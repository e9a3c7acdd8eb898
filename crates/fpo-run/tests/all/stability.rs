//! Training that collapses, what is said of it, and going back.

use fpo_env::Task;
use fpo_learn::trainer::Row;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::{Config, load_recorded, resolve};
use fpo_run::health::{FindingKind, Metrics, RunRecord, examine};
use fpo_run::run::{Event, Observer, Outcome, RunError, RunFolder, Session};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// FPO without what bounds it, as in `bench/collapse/collapse.toml`, with far too high a rate on a
/// problem of a second: it reaches the goal and then falls.
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

/// Keeps what it is told, and may ask the run to stop.
#[derive(Default)]
struct Ears {
    events: Vec<Event>,
    stop: Arc<AtomicBool>,
    /// Stop with the first row after so many rollbacks.
    stop_after: Option<f64>,
}

impl Observer for Ears {
    fn iteration(&mut self, row: &Row) {
        if self.stop_after.is_some() && row.get("rollbacks") >= self.stop_after {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn found(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

fn train(path: &Path, config: Config, ears: &mut Ears) -> Result<Outcome, RunError> {
    let folder = RunFolder::create(path, false)?;
    let mut session = Session::begin(folder, config, task(), 1)?;
    session.run(&ears.stop.clone(), ears)
}

fn resume(path: &Path, ears: &mut Ears) -> Result<Outcome, RunError> {
    let folder = RunFolder::open(path)?;
    let config = load_recorded(&folder.config(), &[])?;
    let mut session = Session::resume(folder, config, task(), 2)?;
    session.run(&ears.stop.clone(), ears)
}

/// The kinds of what was found, each once, in order.
fn kinds(events: &[Event]) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = events.iter().map(|event| event.finding.kind).collect();
    kinds.dedup();
    kinds
}

/// A file of a run; of the metrics without what depends on the clock.
fn text(run: &Path, name: &str) -> String {
    let text = fs::read_to_string(run.join(name)).unwrap();
    let cut = |line: &str| line.split(",\"time\":").next().unwrap().to_owned() + "\n";
    text.lines().map(cut).collect()
}

/// With rollback off the run ends in a number that is not finite; with it on it reaches the goal to
/// the end. Both say why.
#[test]
fn a_run_that_collapses_is_saved() {
    let folder = TempDir::new().unwrap();
    let (off, on) = (folder.path().join("off"), folder.path().join("on"));
    let mut ears = Ears::default();
    let error = train(&off, config(&[]), &mut ears).err().unwrap();
    assert!(
        matches!(&error, RunError::Train(error) if error.is_divergence()),
        "{error}"
    );
    // It was told before it happened.
    let found = kinds(&ears.events);
    assert!(found.contains(&FindingKind::RatioTails), "{found:?}");
    assert_eq!(found.last(), Some(&FindingKind::NonFinite));
    let record = RunRecord::read(&off).unwrap();
    assert_eq!(record.events, ears.events, "what was told is written down");
    let examined = examine(&record);
    assert_eq!(examined[0].kind, FindingKind::NonFinite, "{examined:?}");

    let mut ears = Ears::default();
    let outcome = train(&on, config(&[ROLLBACK]), &mut ears).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    assert!(kinds(&ears.events).contains(&FindingKind::Rollback));
    let record = RunRecord::read(&on).unwrap();
    let last = record.rows.last().unwrap();
    assert!(
        last.get("eval/random_noise") > Some(19.0),
        "the goal is worth 20: {last:?}"
    );
    let rollbacks = last.get("rollbacks").unwrap();
    assert!((1.0..=3.0).contains(&rollbacks));
    // Time goes on through rollbacks, at half the rate each.
    let iterations: Vec<u64> = record.rows.iter().map(Metrics::iteration).collect();
    assert_eq!(iterations, (1..=200).collect::<Vec<_>>());
    let rate = |row: &dyn Metrics| row.get("learning_rate").unwrap();
    let expected = rate(&record.rows[0]) * 0.5f64.powf(rollbacks);
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

/// Stopped right after a rollback, a run ends in the same bytes as in one go.
#[test]
fn a_rollback_survives_interruptions() {
    let folder = TempDir::new().unwrap();
    let (straight, broken) = (folder.path().join("straight"), folder.path().join("broken"));
    train(&straight, config(&[ROLLBACK]), &mut Ears::default()).unwrap();
    let mut ears = Ears {
        stop_after: Some(1.0),
        ..Ears::default()
    };
    assert_eq!(
        train(&broken, config(&[ROLLBACK]), &mut ears).unwrap(),
        Outcome::Stopped
    );
    assert_eq!(
        resume(&broken, &mut Ears::default()).unwrap(),
        Outcome::Finished
    );
    for name in ["metrics.jsonl", "events.jsonl", "eval.csv", "config.toml"] {
        assert_eq!(text(&straight, name), text(&broken, name), "{name}");
    }
    let state =
        |run: &Path| fs::read(run.join("checkpoints/step-51200/state.safetensors")).unwrap();
    assert!(state(&straight) == state(&broken));
}

/// Killed after a rollback was decided but before it was saved, a run decides it again, and tells
/// it once.
#[test]
fn a_rollback_that_was_not_saved_is_made_again() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut ears = Ears::default();
    // All checkpoints stay, so that those before the first rollback are there.
    train(&run, config(&[ROLLBACK, "train.keep=1000"]), &mut ears).unwrap();
    let [metrics, events] = ["metrics.jsonl", "events.jsonl"].map(|name| text(&run, name));
    // As it was on disk before any rollback.
    let first = ears
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
    resume(&run, &mut Ears::default()).unwrap();
    assert_eq!(text(&run, "metrics.jsonl"), metrics);
    assert_eq!(text(&run, "events.jsonl"), events);
}

/// Rates that no rollback helps: the run says so and stops.
#[test]
fn a_run_goes_back_three_times_at_most() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut ears = Ears::default();
    let wild = config(&[ROLLBACK, "optimizer.learning_rate=0.5"]);
    let error = train(&run, wild, &mut ears).err().unwrap();
    assert!(
        matches!(error, RunError::Collapsed { rollbacks: 3 }) && !error.is_input(),
        "{error}"
    );
    let back = ears
        .events
        .iter()
        .filter(|e| e.finding.kind == FindingKind::Rollback);
    assert_eq!(back.count(), 3);
}

/// Without a checkpoint to go back to there is no rollback, so evaluations must be made.
#[test]
fn rollback_needs_evaluations() {
    let sets = [ROLLBACK, "eval.every=0"].map(str::to_owned);
    let error = resolve(TASK, Some("fast"), None, &sets, None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("set eval.every"), "{error}");
}
