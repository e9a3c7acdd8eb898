//! Training that collapses, what is said of it, and going back.

mod toy;

use fpo_rl::checkpoint::Checkpoints;
use fpo_rl::config::{Config, resolve};
use fpo_rl::health::{Figures, Finding, Kind, RunRecord, Severity, examine};
use fpo_rl::run::{Event, Observer, Outcome, RunError, RunFolder, Session};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use toy::Toy;

/// FPO without what bounds it, as in `bench/collapse/collapse.toml`, at rates that are too high: it learns the toy task and falls.
fn config(sets: &[&str]) -> Config {
    let base = [
        "train.precision=f32",
        "env.num_envs=32",
        "env.unroll=16",
        "policy.hidden=[32,32]",
        "policy.action_bound=0",
        "critic.hidden=[32,32]",
        "objective.ratio=per_action",
        "objective.trust_region=ppo",
        "objective.log_ratio_max=0",
        "objective.loss_max=0",
        "optimizer.learning_rate=4e-3",
        "optimizer.final_fraction=1",
        "optimizer.minibatches=8",
        "eval.episodes=16",
        "eval.every=10240",
        "train.steps=153600",
        "train.checkpoint_every=0",
        "train.keep=1",
    ];
    let sets: Vec<String> = base.iter().chain(sets).map(|s| s.to_string()).collect();
    resolve("toy", Some("fast"), None, &sets, Some(1)).unwrap()
}

/// Counts what it is told.
#[derive(Default)]
struct Ears {
    events: Vec<Event>,
    /// Asks the run to stop after the row that follows so many rollbacks.
    stop_after: Option<(usize, Arc<AtomicBool>)>,
}

impl Observer for Ears {
    fn iteration(&mut self, row: &fpo_rl::metrics::Row) {
        if let Some((rollbacks, stop)) = &self.stop_after
            && row.get("rollbacks") >= Some(*rollbacks as f64)
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn found(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

fn train(path: &Path, config: Config, ears: &mut Ears) -> Result<Outcome, RunError> {
    let folder = RunFolder::create(path, false)?;
    let stop = ears
        .stop_after
        .as_ref()
        .map(|(_, stop)| stop.clone())
        .unwrap_or_default();
    Session::begin(folder, config, Arc::new(Toy::new(20)), 1)?.run(&stop, ears)
}

#[test]
fn explore() {
    for lr in std::env::var("LR").unwrap_or("4e-3".into()).split(',') {
        for rollback in ["train.rollback=false", "train.rollback=true"] {
            let folder = TempDir::new().unwrap();
            let lr = format!("optimizer.learning_rate={lr}");
            let mut ears = Ears::default();
            let begun = std::time::Instant::now();
            let outcome = train(&folder.path().join("run"), config(&[&lr, rollback]), &mut ears);
            println!("== {lr} {rollback} {outcome:?} {:?}", begun.elapsed());
            for e in &ears.events {
                println!(
                    "  {} {} {} | {}",
                    e.iteration, e.rollbacks, e.finding.statement, e.finding.advice
                );
            }
            let record = RunRecord::read(&folder.path().join("run")).unwrap();
            for row in &record.rows {
                if let Some(z) = row.get("eval/zero_noise") {
                    print!(
                        " {}:{z:.1}/{:.1}",
                        row.iteration(),
                        row.get("eval/random_noise").unwrap()
                    );
                }
            }
            println!();
            for f in examine(&record) {
                println!("  {:?} {:?} {}", f.severity, f.kind, f.statement);
            }
            let _ = (
                Checkpoints::best(&folder.path().join("run/checkpoints")),
                fs::metadata("x"),
                Kind::Speed,
                Severity::Note,
                None::<Finding>,
            );
        }
    }
}
