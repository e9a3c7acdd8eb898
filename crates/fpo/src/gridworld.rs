//! `fpo gridworld`.

mod drawing;
mod samples;

use crate::args::{self, GridworldCommand};
use crate::failure::Failure;
use crate::output::{print, print_json, refuse_foreign};
use crate::picture;
use crate::policy::{folder_of_results, load};
use crate::tasks::Tasks;
use fpo_env::gridworld;
use fpo_files::{as_text, quoted};
use samples::Samples;
use serde_json::json;

/// Runs the subcommand.
pub(crate) fn run(args: &args::Gridworld, tasks: &Tasks) -> Result<(), Failure> {
    match &args.command {
        GridworldCommand::Plot(args) => plot(args, tasks),
    }
}

/// Draws a policy's actions, and prints their statistics.
fn plot(args: &args::GridworldPlot, tasks: &Tasks) -> Result<(), Failure> {
    let folder = folder_of_results(&args.of.policy);
    let pictures = match &args.out {
        Some(out) => vec![out.clone()],
        None => picture::KINDS
            .map(|kind| folder.join("gridworld").with_extension(kind))
            .to_vec(),
    };
    pictures.iter().try_for_each(|path| picture::check(path))?;
    if args.out.is_none() {
        // Before one of the two is written.
        pictures.iter().try_for_each(|path| refuse_foreign(path))?;
    }
    let loaded = load(&args.of, None, tasks)?;
    let task = loaded.task.spec();
    let layout = gridworld::layout(&task.name).ok_or_else(|| {
        Failure::input(format!(
            "{} is a policy of `{}`, which is not a GridWorld task",
            quoted(&loaded.source),
            task.name
        ))
    })?;
    let steps = task.step_limit.unwrap_or(gridworld::STEP_LIMIT);
    let samples = Samples::draw(&loaded.policy, layout, steps, args.seed)
        .map_err(|e| Failure::runtime(format!("{}: {e}", quoted(&loaded.source))))?;
    let drawing = drawing::document(&task.name, layout, &samples);
    pictures
        .iter()
        .try_for_each(|path| picture::save(&drawing, path, args.out.is_some()))?;
    let (fork, shares) = (layout.fork(), samples.shares());
    if args.json {
        let ends = samples.ends();
        let result = json!({
            "policy": as_text(&loaded.source),
            "task": task.name,
            "seed": args.seed,
            "pictures": pictures.iter().map(|path| as_text(path)).collect::<Vec<_>>(),
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
        print_json(&result);
    } else {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        print(&format!(
            "{} ({}): {}",
            task.name,
            quoted(&loaded.source),
            pictures
                .iter()
                .map(|path| quoted(path))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        print(&format!(
            "  {} actions in the cell ({}, {}), each counted once along each axis:",
            samples.at_fork.len(),
            fork.x,
            fork.y
        ));
        for (axis, [(one, a), (other, b)]) in [
            ("vertical", [("up", shares.up), ("down", shares.down)]),
            (
                "horizontal",
                [("left", shares.left), ("right", shares.right)],
            ),
        ] {
            print(&format!(
                "    {axis:11} {one} {}, {other} {}, neither {}",
                percent(a),
                percent(b),
                // Avoid −0 after rounding.
                percent((1.0 - a - b).max(0.0))
            ));
        }
        print(&format!("  {}", samples.ends_in_words()));
    }
    Ok(())
}
