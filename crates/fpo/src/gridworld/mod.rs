//! `fpo gridworld`.

mod drawing;
mod samples;

use crate::args::{self, GridworldCommand};
use crate::failure::Failure;
use crate::output::say;
use crate::policy::load;
use fpo_env::gridworld;
use samples::Samples;
use serde_json::json;
use std::path::PathBuf;

/// Runs what was asked for.
pub(crate) fn run(args: &args::Gridworld) -> Result<(), Failure> {
    match &args.command {
        GridworldCommand::Plot(args) => plot(args),
    }
}

/// Draws what a policy does, and prints it in figures.
fn plot(args: &args::GridworldPlot) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| {
        if args.policy.is_dir() {
            args.policy.join("gridworld.svg")
        } else {
            PathBuf::from("gridworld.svg")
        }
    });
    if out.extension().is_none_or(|end| end != "svg") {
        return Err(Failure::input(format!(
            "{}: the picture is an SVG, so its name ends in .svg",
            out.display()
        )));
    }
    let loaded = load(&args.policy, args.checkpoint)?;
    let task = loaded.task.spec();
    let layout = gridworld::layout(&task.name).ok_or_else(|| {
        Failure::input(format!(
            "{} is a policy of `{}`, which is no GridWorld task",
            loaded.source.display(),
            task.name
        ))
    })?;
    let samples = Samples::draw(&loaded.policy, layout, task.step_limit, args.seed);
    let picture = drawing::document(&task.name, layout, &samples);
    svg::save(&out, &picture)
        .map_err(|e| Failure::runtime(format!("cannot write {}: {e}", out.display())))?;
    let (fork, shares, ends) = (layout.fork(), samples.shares(), samples.ends());
    if args.json {
        let result = json!({
            "policy": loaded.source,
            "task": task.name,
            "seed": args.seed,
            "picture": out,
            "fork": {
                "cell": [fork.x, fork.y],
                "samples": samples.at_fork.len(),
                "up": shares.up,
                "down": shares.down,
                "left": shares.left,
                "right": shares.right,
            },
            "walks": { "goal": ends.goal, "death": ends.death, "time": ends.time },
        });
        say(&format!("{result:#}"));
    } else {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        say(&format!(
            "{} ({}): {}",
            task.name,
            loaded.source.display(),
            out.display()
        ));
        say(&format!(
            "  {} actions in the cell ({}, {}): up {}, down {}, left {}, right {}",
            samples.at_fork.len(),
            fork.x,
            fork.y,
            percent(shares.up),
            percent(shares.down),
            percent(shares.left),
            percent(shares.right)
        ));
        say(&format!(
            "  {} walks: {} to a goal, {} to death, {} out of time",
            samples.walks.len(),
            ends.goal,
            ends.death,
            ends.time
        ));
    }
    Ok(())
}
