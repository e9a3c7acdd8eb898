//! `fpo tasks`, and finding a task by name.

use crate::args;
use crate::failure::Failure;
use crate::output::say;
use fpo_env::Task;
use serde_json::json;
use std::sync::Arc;

/// All tasks of the program.
fn all() -> Vec<Arc<dyn Task>> {
    [fpo_mujoco::tasks(), fpo_env::tasks()].concat()
}

/// Lists the tasks.
pub(crate) fn run(args: &args::Tasks) -> Result<(), Failure> {
    let tasks = all();
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
    let tasks = all();
    if let Some(task) = tasks.iter().find(|task| task.spec().name == name) {
        return Ok(Arc::clone(task));
    }
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
    use fpo_env::{Env, EnvSpec, MakeError};
    use fpo_rl::config::PRESETS;
    use std::collections::HashSet;

    #[test]
    fn presets_name_tasks_that_exist() {
        for (preset, text) in PRESETS {
            let tables = text
                .lines()
                .filter_map(|line| line.strip_prefix("[task.\"")?.split('"').next());
            for name in tables {
                assert!(find(name).is_ok(), "{preset}: {name}");
            }
        }
    }

    /// A task of the kind that a user may bring.
    struct Endless(EnvSpec);

    impl Task for Endless {
        fn spec(&self) -> &EnvSpec {
            &self.0
        }
        fn make(&self) -> Result<Box<dyn Env>, MakeError> {
            Err(MakeError("only to be described".into()))
        }
    }

    #[test]
    fn a_step_limit_is_a_number_or_null() {
        let mut spec = find("cartpole-balance").unwrap().spec().clone();
        assert_eq!(describe(&Endless(spec.clone()))["step_limit"], 1000);
        spec.step_limit = None;
        assert!(describe(&Endless(spec))["step_limit"].is_null());
    }

    #[test]
    fn names_are_unique_and_found() {
        let tasks = all();
        let names: HashSet<_> = tasks.iter().map(|task| task.spec().name.clone()).collect();
        assert_eq!(names.len(), tasks.len());
        for task in &tasks {
            let found = find(&task.spec().name).unwrap();
            assert_eq!(found.spec(), task.spec());
        }
    }

    #[test]
    fn the_nearest_task_is_suggested() {
        for (typed, meant) in [
            ("cheetah", "cheetah-run"),
            ("Walker-Run", "walker-run"),
            ("cartpole_balance", "cartpole-balance"),
            ("halfcheetah", "HalfCheetah-v5"),
            ("gridworld", "gridworld-c_shape"),
            ("two_walls", "gridworld-two_walls"),
            ("bandit-two_nodes", "bandit-two_modes"),
        ] {
            let message = find(typed)
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default();
            assert!(message.contains(&format!("did you mean `{meant}`?")), "{message}");
        }
    }
}
