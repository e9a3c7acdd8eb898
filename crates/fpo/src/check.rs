//! `fpo check`.

use crate::args;
use crate::failure::Failure;
use crate::format::{count, format_number};
use crate::output::print;
use crate::tasks::{Tasks, is_task_file};
use fpo_env::{Step, StepEnd, Task};
use fpo_files::number;
use fpo_mujoco::task_file::{FileTask, Trial};
use fpo_rng::{Key, Philox, Stream};
use std::path::Path;
use std::time::Instant;

/// Tries out a task with random actions, and prints what it is and what came of them.
pub(crate) fn run(args: &args::Check, tasks: &Tasks) -> Result<(), Failure> {
    if is_task_file(&args.task) {
        let task = tasks.read(Path::new(&args.task))?;
        let trial = task.try_out(args.seed, TRIED).map_err(Failure::input)?;
        report(&task, &trial);
        let rate = rate(task.as_ref(), args.seed, args.seconds)?;
        print(&format!("  {} steps/s on one thread", count(rate as u64)));
        return Ok(());
    }
    let task = tasks.find(&args.task)?;
    let rate = rate(task.as_ref(), args.seed, args.seconds)?;
    let spec = task.spec();
    print(&format!(
        "{}: {} observed, {} acted, {} steps/s on one thread",
        spec.name,
        spec.observation_dim(),
        spec.action_dim(),
        count(rate as u64)
    ));
    Ok(())
}

/// Steps over which the terms of a task file are summed up.
const TRIED: u64 = 10_000;

/// Steps per second of a task with random actions, resets included.
fn rate(task: &dyn Task, seed: u64, seconds: f64) -> Result<f64, Failure> {
    let spec = task.spec();
    let mut env = task.make().map_err(Failure::runtime)?;
    let mut rng = Philox::new(Key::new(seed, Stream::Test));
    let mut observation = vec![0.0; spec.observation_dim()];
    let mut action = vec![0.0; spec.action_dim()];
    let (begun, mut steps, mut length) = (Instant::now(), 0u64, 0u64);
    env.reset(&mut rng, &mut observation);
    loop {
        let bounds = spec.action_min.iter().zip(&spec.action_max);
        for (action, (min, max)) in action.iter_mut().zip(bounds) {
            *action = min + (max - min) * rng.unit();
        }
        let Step { end, .. } = env.step(&action, &mut observation);
        (steps, length) = (steps + 1, length + 1);
        if end != StepEnd::Running || spec.step_limit.is_some_and(|n| length >= u64::from(n)) {
            env.reset(&mut rng, &mut observation);
            length = 0;
        }
        if steps.is_multiple_of(64) && begun.elapsed().as_secs_f64() >= seconds {
            return Ok(steps as f64 / begun.elapsed().as_secs_f64());
        }
    }
}

fn report(task: &FileTask, trial: &Trial) {
    let spec = task.spec();
    print(&format!("{}: {}", spec.name, spec.summary));
    print(&format!(
        "  {} observed, {} acted, {} s a step, at most {} steps",
        spec.observation_dim(),
        spec.action_dim(),
        number(spec.control_timestep),
        spec.step_limit.unwrap_or(0)
    ));
    print(&format!(
        "  {:<28}{:>6}{:>12}{:>12}{:>12}",
        "term", "size", "mean", "min", "max"
    ));
    for term in &trial.terms {
        let weight = match term.weight {
            Some(weight) => format!("  × {}", format_number(Some(weight))),
            None => String::new(),
        };
        let [mean, min, max] = [term.mean, term.min, term.max].map(|x| format_number(Some(x)));
        print(&format!(
            "  {:<28}{:>6}{mean:>12}{min:>12}{max:>12}{weight}",
            term.name, term.len
        ));
    }
    let episodes = trial.terminated + trial.truncated + trial.diverged;
    print(&format!(
        "  {} random steps: reward {} a step; {episodes} episodes ended, {} by a termination, {} \
         by the step limit, {} diverged",
        count(trial.steps),
        format_number(Some(trial.total_reward / trial.steps as f64)),
        trial.terminated,
        trial.truncated,
        trial.diverged
    ));
}
