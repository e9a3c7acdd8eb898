//! `fpo tasks`, and finding a task by name.

use crate::args;
use crate::failure::Failure;
use crate::output::say;
use fpo_env::Task;
use serde_json::json;
use std::sync::Arc;

/// Lists the tasks.
pub(crate) fn run(args: &args::Tasks) -> Result<(), Failure> {
    let tasks = fpo_mujoco::tasks();
    if args.json {
        let all: Vec<_> = tasks.iter().map(|task| describe(task.as_ref())).collect();
        say(&format!("{:#}", json!(all)));
        return Ok(());
    }
    let width = tasks.iter().map(|task| task.spec().name.len()).max().unwrap_or(0);
    say(&format!("{:width$}  obs  act  summary", "task"));
    for task in &tasks {
        let spec = task.spec();
        let (observation, action) = (spec.observation_dim(), spec.action_dim());
        say(&format!(
            "{:width$}  {observation:3}  {action:3}  {}",
            spec.name, spec.summary
        ));
    }
    Ok(())
}

fn describe(task: &dyn Task) -> serde_json::Value {
    let spec = task.spec();
    let parts = spec
        .observation
        .iter()
        .map(|(name, size)| json!({ "name": name, "size": size }));
    json!({
        "name": spec.name,
        "summary": spec.summary,
        "observation": parts.collect::<Vec<_>>(),
        "observation_dim": spec.observation_dim(),
        "action_dim": spec.action_dim(),
        "action_min": spec.action_min,
        "action_max": spec.action_max,
        "control_timestep": spec.control_timestep,
        "step_limit": spec.step_limit,
    })
}

/// Similarity (1 is equality) from which a name is worth suggesting.
const SIMILAR: f64 = 0.3;

/// The task called `name`.
pub(crate) fn find(name: &str) -> Result<Arc<dyn Task>, Failure> {
    if let Some(task) = fpo_mujoco::task(name) {
        return Ok(task);
    }
    let tasks = fpo_mujoco::tasks();
    let similarity =
        |other: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let names = tasks.iter().map(|task| task.spec().name.as_str());
    let nearest = names.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let message = match nearest {
        Some(nearest) if similarity(nearest) >= SIMILAR => {
            format!("unknown task `{name}`; did you mean `{nearest}`? (`fpo tasks` lists all)")
        }
        _ => format!("unknown task `{name}` (`fpo tasks` lists all)"),
    };
    Err(Failure::input(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rl::config::PRESETS;

    #[test]
    fn presets_name_tasks_that_exist() {
        for (preset, text) in PRESETS {
            let tables = text
                .lines()
                .filter_map(|line| line.strip_prefix("[task.\"")?.split('"').next());
            for name in tables {
                assert!(fpo_mujoco::task(name).is_some(), "{preset}: {name}");
            }
        }
    }

    #[test]
    fn the_nearest_task_is_suggested() {
        for (typed, meant) in [
            ("cheetah", "cheetah-run"),
            ("Walker-Run", "walker-run"),
            ("cartpole_balance", "cartpole-balance"),
            ("halfcheetah", "HalfCheetah-v5"),
        ] {
            let message = find(typed)
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default();
            assert!(message.contains(&format!("did you mean `{meant}`?")), "{message}");
        }
    }
}
