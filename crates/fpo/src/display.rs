//! The progress display of a training: a live block on a terminal, plain lines elsewhere.

use crate::format::{count, duration, format_number, rate};
use crate::output::log;
use fpo_files::quoted;
use fpo_learn::evaluate::Evaluation;
use fpo_learn::trainer::Row;
use fpo_learn::trainer::Trainer;
use fpo_run::health::Metrics;
use fpo_run::run::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds between plain lines.
const PLAIN_EVERY: f64 = 10.0;
/// Weight of the last iteration in the smoothed speed, from which the ETA is computed.
const RATE_MEMORY: f64 = 0.1;

/// Shows a training.
pub(crate) struct Display {
    /// The live block; none if standard error is not a terminal.
    bar: Option<ProgressBar>,
    started: Instant,
    first_step: u64,
    iterations: u64,
    steps_done: u64,
    steps_total: u64,
    last_line: Option<Instant>,
    /// Environment steps per second, smoothed, without evaluations.
    speed: Option<f64>,
    /// The last known mean return: in some iterations no episode ends.
    episode_return: Option<f64>,
    evaluation: Option<Evaluation>,
}

impl Display {
    /// A display for the remaining iterations of `trainer`.
    pub(crate) fn new(trainer: &Trainer) -> Self {
        let iterations = trainer.total_iterations();
        let per_iteration = trainer.config().env.transitions() as u64;
        let steps_total = iterations * per_iteration;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(
                Some(steps_total),
                ProgressDrawTarget::stderr_with_hz(8),
            );
            let style =
                "{prefix:.bold} [{bar:32.cyan/dim}] {percent:>3}%  {elapsed} elapsed  {msg}";
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or(ProgressStyle::default_bar())
                    .progress_chars("━━─"),
            );
            bar.set_prefix(trainer.config().task.clone());
            bar.set_position(trainer.env_steps());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self {
            bar,
            started: Instant::now(),
            first_step: trainer.env_steps(),
            steps_done: trainer.env_steps(),
            iterations,
            steps_total,
            last_line: None,
            speed: None,
            episode_return: None,
            evaluation: None,
        }
    }

    /// Removes the live block.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Environment steps done in this session, and the seconds they took.
    pub(crate) fn trained(&self) -> (u64, f64) {
        (
            self.steps_done - self.first_step,
            self.started.elapsed().as_secs_f64(),
        )
    }

    /// The last evaluation.
    pub(crate) fn evaluation(&self) -> Option<&Evaluation> {
        self.evaluation.as_ref()
    }

    /// Prints a permanent line.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| log(text)),
            None => log(text),
        }
    }

    /// The last iteration's learning metrics, and its speed.
    fn parts(&self, row: &Row, speed: f64) -> [String; 2] {
        let steps = self.steps_total as f64 / self.iterations as f64;
        let returned = match self.episode_return {
            Some(episode_return) => format!("return {}", format_number(Some(episode_return))),
            // The first episodes are truncated at random lengths and do not count.
            None => format!("reward {} a step", format_number(row.get("reward"))),
        };
        // Absent without a critic.
        let value_loss = row.get("value_loss").filter(|loss| loss.is_finite());
        let value_loss = value_loss.map_or(String::new(), |loss| {
            format!("  value loss {}", format_number(Some(loss)))
        });
        let learned = format!(
            "{returned}  policy loss {}{value_loss}  clipped {}%",
            format_number(row.get("policy_loss")),
            format_number(row.get("clip_fraction").map(|c| 100.0 * c)),
        );
        let fast = format!(
            "{} steps/s (env {}, inference {}, learning {})",
            rate(speed),
            rate(steps / seconds(row, "env_seconds")),
            rate(steps / seconds(row, "inference_seconds")),
            rate(steps / seconds(row, "learn_seconds")),
        );
        [learned, fast]
    }
}

/// A timing of an iteration; NaN if there is none.
fn seconds(row: &Row, name: &str) -> f64 {
    let timing = row.timing.iter().find(|(known, _)| *known == name);
    timing.map_or(f64::NAN, |(_, seconds)| *seconds)
}

impl Observer for Display {
    fn iteration(&mut self, row: &Row) {
        let steps = (row.env_steps - self.steps_done) as f64;
        self.steps_done = row.env_steps;
        let now = steps / seconds(row, "iteration_seconds");
        let speed = self
            .speed
            .map_or(now, |speed| speed + RATE_MEMORY * (now - speed));
        self.speed = Some(speed);
        let returned = row.get("episode_return").filter(|value| value.is_finite());
        self.episode_return = returned.or(self.episode_return);

        let eta = duration((self.steps_total - row.env_steps) as f64 / speed);
        let [learned, fast] = self.parts(row, speed);
        let done = format!(
            "{} of {} steps",
            count(row.env_steps),
            count(self.steps_total)
        );
        if let Some(bar) = &self.bar {
            bar.set_position(row.env_steps);
            bar.set_message(format!("{eta} left\n  {done}  {learned}\n  {fast}"));
            return;
        }
        let due = self
            .last_line
            .is_none_or(|last| last.elapsed().as_secs_f64() >= PLAIN_EVERY);
        if due || row.iteration == self.iterations {
            self.last_line = Some(Instant::now());
            log(&format!(
                "iteration {}/{}  {done}  {learned}  {fast}  {eta} left",
                row.iteration, self.iterations
            ));
        }
    }

    fn evaluating(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_message("evaluating");
        }
    }

    fn evaluated(&mut self, _iteration: u64, env_steps: u64, evaluation: &Evaluation) {
        let (zero, random) = (&evaluation.zero_noise, &evaluation.random_noise);
        self.line(&format!(
            "evaluation at {} steps, {} episodes each: zero noise {:.1} ± {:.1}, random noise \
            {:.1} ± {:.1}",
            count(env_steps),
            zero.episodes,
            zero.mean,
            zero.std,
            random.mean,
            random.std
        ));
        self.evaluation = Some(evaluation.clone());
    }

    fn found(&mut self, event: &Event) {
        let finding = &event.finding;
        let what = if finding.is_unhealthy() {
            "warning"
        } else {
            "note"
        };
        self.line(&format!(
            "{what}: iteration {}: {}",
            event.iteration, finding.statement
        ));
        if !finding.advice.is_empty() {
            self.line(&format!("  {}", finding.advice));
        }
    }

    fn saved(&mut self, checkpoint: &Path) {
        if self.bar.is_none() {
            log(&format!("saved {}", quoted(checkpoint)));
        }
    }
}
