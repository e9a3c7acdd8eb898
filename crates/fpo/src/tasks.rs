//! The tasks of the program, built-in and user-defined: `fpo tasks`, and lookup by name.

use crate::args;
use crate::failure::Failure;
use crate::output::{print, print_json};
use fpo_env::{Task, check_task};
use fpo_files::{nearest, number, quoted};
use fpo_mujoco::task_file::FileTask;
use fpo_run::config::Kind;
use fpo_run::run::{RunFolder, is_checkpoint, task_file};
use serde_json::json;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

/// The tasks of a program, and the program's name for commands in messages.
pub(crate) struct Tasks {
    all: Vec<Arc<dyn Task>>,
    program: String,
}

impl Tasks {
    /// The tasks of `fpo` itself.
    pub(crate) fn built_in() -> Self {
        Self {
            all: [fpo_mujoco::tasks(), fpo_env::tasks()].concat(),
            program: "fpo".to_owned(),
        }
    }

    /// The built-in tasks and a user's `own`, for the program that was started as `program`.
    pub(crate) fn with(own: Vec<Arc<dyn Task>>, program: Option<&Path>) -> Result<Self, Failure> {
        let Self {
            mut all,
            program: usual,
        } = Self::built_in();
        let built_in = all.len();
        let mut names: HashSet<String> = all.iter().map(|task| task.spec().name.clone()).collect();
        for task in own {
            let spec = task.spec();
            let name = &spec.name;
            check_task(task.as_ref()).map_err(Failure::input)?;
            if !names.insert(name.clone()) {
                let of_the_program = all[..built_in].iter().any(|task| task.spec().name == *name);
                let taken = if of_the_program {
                    "the name of a built-in task"
                } else {
                    "the name of two of your tasks"
                };
                return Err(Failure::input(format!(
                    "`{name}` is {taken}; give yours another `EnvSpec::name`"
                )));
            }
            all.push(task);
        }
        let program = program.map_or(usual, quoted);
        Ok(Self { all, program })
    }

    /// All tasks.
    pub(crate) fn all(&self) -> &[Arc<dyn Task>] {
        &self.all
    }

    /// The program's name for commands in messages.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// The task that the user typed: its name, or the path of a task file, which ends in `.toml`.
    pub(crate) fn find(&self, typed: &OsStr) -> Result<Arc<dyn Task>, Failure> {
        if is_task_file(typed) {
            return Ok(self.read(Path::new(typed))?);
        }
        match typed.to_str() {
            Some(name) if self.is_known(name) => self.named(name),
            _ => Err(match no_task_file(Path::new(typed), &self.program) {
                Some(why) => Failure::input(why),
                None => match typed.to_str() {
                    Some(name) => self.unknown(name),
                    None => self.unknown(&quoted(Path::new(typed))),
                },
            }),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.all.iter().any(|task| task.spec().name == name)
    }

    /// The task of the file that `--task` names.
    pub(crate) fn file(&self, path: &Path) -> Result<Arc<FileTask>, Failure> {
        if is_task_file(path.as_os_str()) {
            return self.read(path);
        }
        let name = path.to_str().filter(|name| self.is_known(name));
        Err(match (name, no_task_file(path, &self.program)) {
            (Some(name), _) => Failure::input(format!(
                "--task names a task file, and `{name}` is a task of the program: leave --task out"
            )),
            (None, Some(why)) => Failure::input(format!("--task: {why}")),
            (None, None) => {
                Failure::input(format!("--task {}: there is no such file", quoted(path)))
            }
        })
    }

    /// The task of the file at `path`.
    pub(crate) fn read(&self, path: &Path) -> Result<Arc<FileTask>, Failure> {
        let task = FileTask::load(path).map_err(|error| match Kind::of_file(path) {
            Some(other) if other != Kind::Task => {
                Failure::input(format!("{} {other}, not a task", quoted(path)))
            }
            _ => Failure::input(error),
        })?;
        let name = &task.spec().name;
        if self.is_known(name) {
            return Err(Failure::input(format!(
                "{}: `{name}` is the name of a built-in task; give yours another `name`",
                quoted(path)
            )));
        }
        Ok(Arc::new(task))
    }

    /// The task called `name` of the run or the checkpoint at `path`, which may keep its task file.
    pub(crate) fn of_run(&self, path: &Path, name: &str) -> Result<Arc<dyn Task>, Failure> {
        let Some(file) = task_file(path) else {
            return self.named(name).map_err(|error| {
                Failure::input(format!(
                    "{error}; if it was trained on a task file, the copy of that in {} is missing",
                    quoted(&path.join("task"))
                ))
            });
        };
        let task = self.read(&file)?;
        if task.spec().name != name {
            return Err(Failure::input(format!(
                "{} is `{}`, but what was trained is `{name}`",
                quoted(&file),
                task.spec().name
            )));
        }
        Ok(task)
    }

    /// The task called `name`.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<dyn Task>, Failure> {
        let found = self.all.iter().find(|task| task.spec().name == name);
        found.cloned().ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        let names = self.all.iter().map(|task| task.spec().name.as_str());
        let program = &self.program;
        let message = match nearest(name, names) {
            Some((nearest, similarity)) if similarity >= SIMILAR => {
                format!(
                    "unknown task `{name}`; did you mean `{nearest}`? (`{program} tasks` lists all)"
                )
            }
            _ => format!("unknown task `{name}` (`{program} tasks` lists all)"),
        };
        Failure::input(message)
    }
}

/// Whether what the user typed for a task is the path of a task file.
pub(crate) fn is_task_file(typed: &OsStr) -> bool {
    let end = Path::new(typed).extension();
    end.is_some_and(|end| end.eq_ignore_ascii_case("toml"))
}

/// Why what is at `path`, and was meant as a task, is no task file, and what to do; none if nothing
/// is there.
fn no_task_file(path: &Path, program: &str) -> Option<String> {
    let at = quoted(path);
    if path.is_dir() {
        let run = RunFolder::holds_a_run(path) || is_checkpoint(path);
        return Some(match run {
            true => {
                format!("{at} is a run, not a task; `{program} train --resume {at}` continues it")
            }
            false => format!(
                "{at} is a folder; a task is a name (`{program} tasks` lists all) or a task file, \
                 which ends in .toml"
            ),
        });
    }
    if !path.exists() {
        return None;
    }
    let model = ["xml", "mjcf", "urdf"].map(OsStr::new);
    let end = path.extension().unwrap_or_default();
    Some(
        if model.iter().any(|model| end.eq_ignore_ascii_case(model)) {
            format!(
                "{at} is a model; a task file, which ends in .toml, says what of it is observed \
             and rewarded (docs/your-own-task.md)"
            )
        } else {
            format!("{at} is not a task file, which ends in .toml")
        },
    )
}

/// Minimum similarity (1 is equality) of a suggested name.
const SIMILAR: f64 = 0.3;

/// Lists the tasks, or those that are named.
pub(crate) fn run(args: &args::Tasks, tasks: &Tasks) -> Result<(), Failure> {
    let named = args.tasks.iter().map(|name| tasks.find(name));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    if args.explain {
        for name in &args.tasks {
            let lines = match is_task_file(name) {
                true => tasks.read(Path::new(name))?.explain(),
                false => explain(tasks.find(name)?.as_ref()),
            };
            lines.iter().for_each(|line| print(line));
        }
        return Ok(());
    }
    let tasks = if named.is_empty() { &tasks.all } else { &named };
    if args.json {
        let all: Vec<_> = tasks.iter().map(|task| describe(task.as_ref())).collect();
        print_json(&json!(all));
        return Ok(());
    }
    let width = tasks
        .iter()
        .map(|task| task.spec().name.len())
        .max()
        .unwrap_or(0);
    print(&format!("{:width$}  obs  act  summary", "task"));
    for task in tasks {
        let spec = task.spec();
        let (observation, action) = (spec.observation_dim(), spec.action_dim());
        print(&format!(
            "{:width$}  {observation:3}  {action:3}  {}",
            spec.name, spec.summary
        ));
    }
    Ok(())
}

/// A task of the program in lines of text.
fn explain(task: &dyn Task) -> Vec<String> {
    let spec = task.spec();
    let limit = spec
        .step_limit
        .map_or("no limit".to_owned(), |n| format!("{n} steps"));
    let mut lines = vec![
        format!("{}: {}", spec.name, spec.summary),
        format!("  step          {} s", number(spec.control_timestep)),
        format!("  episode       {limit}"),
        format!("observation, {} numbers", spec.observation_dim()),
    ];
    let part = |(name, size): &(String, usize)| format!("  {name:<14}{size}");
    lines.extend(spec.observation.iter().map(part));
    lines.push(format!("action, {} numbers", spec.action_dim()));
    let bounds = spec.action_min.iter().zip(&spec.action_max);
    lines.extend(bounds.map(|(min, max)| format!("  {} … {}", number(*min), number(*max))));
    lines
}

fn describe(task: &dyn Task) -> serde_json::Value {
    let spec = task.spec();
    let parts = |observation: &[(String, usize)]| -> Vec<_> {
        let part = |(name, size): &(String, usize)| json!({ "name": name, "size": size });
        observation.iter().map(part).collect()
    };
    json!({
        "name": spec.name,
        "summary": spec.summary,
        "observation": parts(&spec.observation),
        "observation_dim": spec.observation_dim(),
        "critic_observation": parts(task.critic_observation()),
        "action_dim": spec.action_dim(),
        "action_min": spec.action_min,
        "action_max": spec.action_max,
        "control_timestep": spec.control_timestep,
        "step_limit": spec.step_limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_env::{Env, EnvSpec, MakeError};
    use fpo_run::config::PRESETS;

    #[test]
    fn presets_name_tasks_that_exist() {
        let known = Tasks::built_in();
        for (preset, text) in PRESETS {
            let tables = text
                .lines()
                .filter_map(|line| line.strip_prefix("[task.\"")?.split('"').next());
            for name in tables {
                assert!(known.named(name).is_ok(), "{preset}: {name}");
            }
        }
    }

    /// A user-defined task without a step limit.
    struct Endless(EnvSpec);

    impl Task for Endless {
        fn spec(&self) -> &EnvSpec {
            &self.0
        }
        fn make(&self) -> Result<Box<dyn Env>, MakeError> {
            Err(MakeError("this test creates no environments".into()))
        }
    }

    #[test]
    fn a_step_limit_is_a_number_or_null() {
        let mut spec = Tasks::built_in()
            .named("cartpole-balance")
            .unwrap()
            .spec()
            .clone();
        assert_eq!(describe(&Endless(spec.clone()))["step_limit"], 1000);
        spec.step_limit = None;
        assert!(describe(&Endless(spec))["step_limit"].is_null());
    }

    #[test]
    fn names_are_unique_and_found() {
        let tasks = Tasks::built_in();
        let names: HashSet<_> = tasks
            .all
            .iter()
            .map(|task| task.spec().name.clone())
            .collect();
        assert_eq!(names.len(), tasks.all.len());
        for task in &tasks.all {
            let found = tasks.named(&task.spec().name).unwrap();
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
            let message = Tasks::built_in()
                .find(OsStr::new(typed))
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default();
            assert!(
                message.contains(&format!("did you mean `{meant}`?")),
                "{message}"
            );
        }
    }

    struct Own(EnvSpec);

    impl Task for Own {
        fn spec(&self) -> &EnvSpec {
            &self.0
        }

        fn make(&self) -> Result<Box<dyn fpo_env::Env>, fpo_env::MakeError> {
            Err(fpo_env::MakeError("never made".into()))
        }
    }

    /// A user-defined task, after `change`.
    fn own(change: impl Fn(&mut EnvSpec)) -> Arc<dyn Task> {
        let mut spec = EnvSpec {
            name: "mine".into(),
            summary: "of a test".into(),
            observation: vec![("x".into(), 1)],
            action_min: vec![-1.0],
            action_max: vec![1.0],
            control_timestep: 0.1,
            step_limit: Some(10),
        };
        change(&mut spec);
        Arc::new(Own(spec))
    }

    #[test]
    fn own_tasks_are_found_beside_the_others() {
        let tasks = Tasks::with(vec![own(|_| ())], Some(Path::new("my robots/run"))).unwrap();
        assert_eq!(tasks.named("mine").unwrap().spec().summary, "of a test");
        assert!(tasks.named("cheetah-run").is_ok());
        let error = tasks.named("mime").err().unwrap().to_string();
        assert!(
            error.contains("`mine`") && error.contains("'my robots/run' tasks"),
            "{error}"
        );
    }

    #[test]
    fn invalid_own_tasks_are_rejected() {
        let refused = |tasks: Vec<Arc<dyn Task>>| match Tasks::with(tasks, None).err() {
            Some(Failure::Input(message)) => message,
            other => panic!("{other:?}"),
        };
        let built_in = refused(vec![own(|spec| spec.name = "cheetah-run".into())]);
        assert!(
            built_in.contains("`cheetah-run` is the name of a built-in task"),
            "{built_in}"
        );
        let twice = refused(vec![own(|_| ()), own(|_| ())]);
        assert!(
            twice.contains("`mine` is the name of two of your tasks"),
            "{twice}"
        );
        for (change, says) in [
            (
                (|spec| spec.name = "a/b".into()) as fn(&mut EnvSpec),
                "`name`",
            ),
            (|spec| spec.name = "..".into(), "`name`"),
            (|spec| spec.name.clear(), "`name`"),
            (|spec| spec.observation.clear(), "observation"),
            (
                |spec| (spec.action_min, spec.action_max) = (vec![], vec![]),
                "empty",
            ),
            (|spec| spec.action_max.push(1.0), "as many"),
            (|spec| spec.action_max[0] = -1.0, "below"),
            (|spec| spec.action_min[0] = f32::NAN, "NaN"),
            (|spec| spec.action_min[0] = f32::NEG_INFINITY, "finite"),
            (|spec| spec.control_timestep = 0.0, "control_timestep"),
            (|spec| spec.step_limit = Some(0), "step_limit"),
        ] {
            let message = refused(vec![own(change)]);
            assert!(message.contains(says), "{message}");
        }
    }
}
