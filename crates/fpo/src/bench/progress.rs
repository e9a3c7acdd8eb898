//! The progress display of a benchmark: a live block on a terminal, plain lines elsewhere.

use super::plan::Job;
use crate::failure::Failure;
use crate::format::duration;
use crate::output::log;
use fpo_report::suite::Suite;
use fpo_run::run::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Time between plain lines about all runs.
const PLAIN_EVERY: Duration = Duration::from_secs(60);

/// Shows the progress of the runs.
pub(super) struct Progress {
    /// The live block; none if standard error is not a terminal.
    bar: Option<ProgressBar>,
    started: Instant,
    runs: usize,
    /// Environment steps to do, of each run.
    left: Vec<u64>,
    total: u64,
    state: Mutex<Now>,
}

struct Now {
    over: usize,
    /// Environment steps and name of each run in progress.
    running: BTreeMap<usize, (u64, String)>,
    /// Environment steps done since the start.
    steps: u64,
    last_line: Instant,
}

impl Progress {
    /// A display of `jobs`.
    pub(super) fn new(suite: &Suite, jobs: &[Job]) -> Self {
        let left: Vec<u64> = jobs.iter().map(Job::steps_left).collect();
        let total = left.iter().sum();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
            let style =
                "{prefix:.bold} [{bar:32.cyan/dim}] {percent:>3}%  {elapsed} elapsed  {msg}";
            let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━━─"));
            bar.set_prefix(suite.name.clone());
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self {
            bar,
            started: Instant::now(),
            runs: jobs.len(),
            left,
            total,
            state: Mutex::new(Now {
                over: 0,
                running: BTreeMap::new(),
                steps: 0,
                last_line: Instant::now(),
            }),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Run number `k` begins.
    pub(super) fn begin(&self, k: usize, job: &Job) {
        let first = job.config.train.steps.saturating_sub(self.left[k]);
        self.now().running.insert(k, (first, job.name()));
        if self.bar.is_none() {
            log(&format!("started: {}", job.name()));
        }
        self.show();
    }

    /// Run number `k` has reached `env_steps`.
    pub(super) fn step(&self, k: usize, env_steps: u64) {
        let mut now = self.now();
        if let Some((steps, _)) = now.running.get_mut(&k) {
            let made = env_steps.saturating_sub(*steps);
            *steps = env_steps;
            now.steps += made;
        }
        drop(now);
        self.show();
    }

    /// Run number `k` has ended.
    pub(super) fn end(&self, k: usize, job: &Job, result: &Result<Outcome, Failure>) {
        let mut now = self.now();
        let reached = now.running.remove(&k).map_or(0, |(steps, _)| steps);
        let line = match result {
            Ok(Outcome::Finished) => {
                now.over += 1;
                format!(
                    "finished: {} ({} of {} runs)",
                    job.name(),
                    now.over,
                    self.runs
                )
            }
            Ok(Outcome::Stopped) => format!("saved: {}", job.name()),
            Err(why) => {
                // Steps that it will no longer do count as done, so that the estimate of the
                // remaining time stays correct.
                now.over += 1;
                now.steps += job.config.train.steps.saturating_sub(reached);
                format!("failed: {}: {why}", job.name())
            }
        };
        drop(now);
        match (&self.bar, result) {
            (Some(bar), Err(_)) => bar.suspend(|| log(&line)),
            (Some(_), Ok(_)) => {}
            (None, _) => log(&line),
        }
        self.show();
    }

    /// Updates the display.
    fn show(&self) {
        let mut now = self.now();
        let elapsed = self.started.elapsed().as_secs_f64();
        let steps = now.steps.min(self.total);
        let left = elapsed * (self.total - steps) as f64 / steps as f64;
        let running: Vec<String> = now
            .running
            .iter()
            .map(|(k, (steps, name))| {
                let all = self.left[*k].max(1);
                let planned = all.max(*steps);
                format!("{name} ({} %)", 100 * steps / planned.max(1))
            })
            .collect();
        let line = format!(
            "{} of {} runs, {} left",
            now.over,
            self.runs,
            duration(left)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(steps);
                bar.set_message(format!("{line}\n  {}", running.join("\n  ")));
            }
            None if now.last_line.elapsed() >= PLAIN_EVERY => {
                now.last_line = Instant::now();
                log(&format!("{line}; running: {}", running.join(", ")));
            }
            None => {}
        }
    }

    /// Removes the live block.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
