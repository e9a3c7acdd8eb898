//! `fpo eval`.

use crate::args;
use crate::failure::Failure;
use crate::output::{check_ending, is_stdout, log, print, print_json, save};
use crate::policy::{load, threads};
use crate::tasks::Tasks;
use fpo_env::Task;
use fpo_files::{as_text, quoted};
use fpo_learn::evaluate::{Evaluation, evaluate_both};
use serde_json::json;

/// Evaluates a policy from zero noise and from random noise, and prints both.
pub(crate) fn run(args: &args::Eval, tasks: &Tasks) -> Result<(), Failure> {
    if args.json && args.csv.as_deref().is_some_and(is_stdout) {
        return Err(Failure::input(
            "--json and --csv both go to the standard output: write one of them to a file",
        ));
    }
    if let Some(file) = &args.csv {
        check_ending(file, "episodes are comma-separated values", &["csv", "txt"])?;
    }
    let loaded = load(&args.of, args.task.as_deref(), tasks)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads(args.threads))
        .build()
        .map_err(|e| Failure::runtime(format!("cannot start the worker threads: {e}")))?;
    let (policy, task) = (&loaded.policy, loaded.task.as_ref());
    let evaluation = pool
        .install(|| evaluate_both(policy, task, args.seed, args.episodes as usize))
        .map_err(|e| {
            let why = with_fault(e, task);
            Failure::runtime(format!("{}: {why}", quoted(&loaded.source)))
        })?;
    if let Some(file) = &args.csv {
        save(file, true, csv(&evaluation).as_bytes())?;
    }
    if args.json {
        let Evaluation {
            zero_noise,
            random_noise,
        } = &evaluation;
        let result = json!({
            "policy": as_text(&loaded.source),
            "task": policy.task(),
            "seed": args.seed,
            "zero_noise": zero_noise,
            "random_noise": random_noise,
        });
        print_json(&result);
    } else {
        // Not among the lines of the file.
        let to_stdout = args.csv.as_deref().is_some_and(is_stdout);
        let say = if to_stdout { log } else { print };
        say(&format!(
            "{} ({}), {} episodes, seed {}",
            policy.task(),
            quoted(&loaded.source),
            args.episodes,
            args.seed
        ));
        table(&evaluation).iter().for_each(|line| say(line));
    }
    Ok(())
}

/// Every episode of an evaluation, a line each.
fn csv(evaluation: &Evaluation) -> String {
    let mut text = "noise,episode,return,length,end\n".to_owned();
    for (noise, returns) in [
        ("zero", &evaluation.zero_noise),
        ("random", &evaluation.random_noise),
    ] {
        for (k, e) in returns.each.iter().enumerate() {
            let (total, length, end) = (e.total_reward, e.length, e.end.word());
            text += &format!("{noise},{k},{total},{length},{end}\n");
        }
    }
    text
}

/// An error, and what the task knows about it.
pub(crate) fn with_fault(error: impl std::fmt::Display, task: &dyn Task) -> String {
    match task.fault() {
        Some(fault) => format!("{fault} ({error})"),
        None => error.to_string(),
    }
}

/// An evaluation as lines of a table.
pub(crate) fn table(evaluation: &Evaluation) -> Vec<String> {
    let mut lines = vec![format!(
        "  {:14}{:>10}{:>10}{:>10}{:>10}",
        "return", "mean", "std", "min", "max"
    )];
    for (noise, returns) in [
        ("zero noise", &evaluation.zero_noise),
        ("random noise", &evaluation.random_noise),
    ] {
        let mut line = format!("  {noise:14}");
        for x in [returns.mean, returns.std, returns.min, returns.max] {
            line += &format!("{x:10.2}");
        }
        if returns.diverged > 0 {
            line += &format!("  ({} diverged)", returns.diverged);
        }
        lines.push(line);
    }
    lines
}
