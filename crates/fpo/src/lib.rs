//! The command-line program: `fpo tasks`, `fpo check`, `fpo train`, `fpo eval`, `fpo play`,
//! `fpo export`, `fpo policy`, `fpo doctor`, `fpo reproduce`, `fpo gridworld`, `fpo bench`,
//! `fpo report`, `fpo view`, `fpo cluster`.
//!
//! [`main_with`] is the same program with tasks of your own.

#![deny(unsafe_code)]

mod args;
mod bench;
mod check;
mod cluster;
mod display;
mod doctor;
pub mod embed;
mod eval;
mod export;
mod failure;
mod format;
mod gridworld;
mod interrupt;
mod machine;
mod output;
mod picture;
mod play;
mod policy;
mod ranks;
mod report;
mod reproduce;
mod summary;
mod tasks;
mod train;
pub mod video;
mod view;

use args::{Args, Command, PolicyCommand};
use clap::Parser;
use clap::error::ErrorKind;
use failure::{Done, Failure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tasks::Tasks;

// Re-exported so that a program with its own environments needs no other crate.
pub use fpo_env::{
    Env, EnvSpec, Episode, Episodes, Extras, MakeError, NoState, Outcome, Picture, RenderError,
    Resumed, SourceFile, StateError, Step, StepEnd, Task, VecEnv, VecEnvOptions, VecStep,
};
pub use fpo_rng::Philox;

/// Runs the program with the arguments of the process. Exit codes: 0 done, 1 something failed while
/// running or a run is not healthy, 2 the input is wrong, 75 stopped by a signal and saved, 130
/// interrupted a second time.
pub fn main() -> ExitCode {
    exit(run(Tasks::built_in(), std::env::args_os()))
}

/// The same program with tasks of your own beside the built-in ones: every subcommand finds them by
/// their [`EnvSpec::name`]. Exit codes are those of [`main`]; a task whose name is taken, or whose
/// [`EnvSpec`] is invalid, is rejected at the start as wrong input.
///
/// ```no_run
/// use fpo::{Env, EnvSpec, MakeError, Task};
/// use std::process::ExitCode;
/// use std::sync::Arc;
///
/// struct MyRobot {
///     spec: EnvSpec,
/// }
///
/// impl Task for MyRobot {
///     fn spec(&self) -> &EnvSpec {
///         &self.spec
///     }
///
///     fn make(&self) -> Result<Box<dyn Env>, MakeError> {
///         todo!("a `Box` of what implements `Env`")
///     }
/// }
///
/// fn main() -> ExitCode {
///     let spec = EnvSpec {
///         name: "my_robot-stand".into(),
///         summary: "keep my robot upright".into(),
///         observation: vec![("joint angles".into(), 2), ("joint velocities".into(), 2)],
///         action_min: vec![-3.0; 2],
///         action_max: vec![3.0; 2],
///         control_timestep: 0.02,
///         step_limit: Some(500),
///     };
///     // Now there is `cargo run --release -- train my_robot-stand`.
///     fpo::main_with(vec![Arc::new(MyRobot { spec })])
/// }
/// ```
pub fn main_with(tasks: Vec<Arc<dyn Task>>) -> ExitCode {
    // Commands in hints use the program's actual name, because `fpo` does not know these tasks.
    let program = std::env::args_os().next().map(PathBuf::from);
    let tasks = Tasks::with(tasks, program.as_deref());
    exit(tasks.and_then(|tasks| run(tasks, std::env::args_os())))
}

fn exit(result: Result<Done, Failure>) -> ExitCode {
    ExitCode::from(exit_code(result))
}

fn exit_code(result: Result<Done, Failure>) -> u8 {
    match result.and_then(|done| output::check_written().map(|()| done)) {
        Ok(done) => done.exit_code(),
        Err(failure) => {
            output::log(&format!("error: {}{failure}", ranks::prefix()));
            failure.exit_code()
        }
    }
}

/// `args` begin with the program's name.
fn run(tasks: Tasks, args: impl IntoIterator<Item = OsString>) -> Result<Done, Failure> {
    let tasks = &tasks;
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = Args::try_parse_from(&args).map_err(|error| misuse(&error, &args));
    let Args { command } = parsed?;
    fpo_rng::simd::check().map_err(Failure::Input)?;
    interrupt::survive_full_quota()?;
    match command {
        Command::Tasks(args) => tasks::run(&args, tasks),
        Command::Check(args) => check::run(&args, tasks),
        Command::Cluster(args) => cluster::run(&args, tasks),
        Command::Train(args) => return train::run(&args, tasks),
        Command::Bench(args) => return bench::run(&args, tasks),
        Command::Eval(args) => eval::run(&args, tasks),
        Command::Play(args) => return play::run(&args, tasks),
        Command::Export(args) => export::run(&args),
        Command::Policy(args) => match args.command {
            PolicyCommand::Show(args) => policy::show(&args),
        },
        Command::Reproduce(args) => reproduce::run(&args, tasks),
        Command::Doctor(args) => doctor::run(&args, tasks),
        Command::Gridworld(args) => gridworld::run(&args, tasks),
        Command::Report(args) => report::run(&args, tasks),
        Command::View(args) => view::run(&args, tasks),
    }
    .map(|()| Done::Finished)
}

/// The error of a wrong command line, of which `args` are the words, in one line.
fn misuse(error: &clap::Error, args: &[OsString]) -> Failure {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        error.exit();
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        // It names none, and paths among them may be anything.
        let odd = args.iter().filter(|arg| arg.to_str().is_none());
        let odd: Vec<String> = odd.map(|arg| fpo_files::quoted_arg(arg)).collect();
        return Failure::input(format!(
            "not UTF-8 text, where it has to be: {}",
            odd.join(" or ")
        ));
    }
    let text = error.render().to_string();
    let useful = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    // The tip to write `-- --option` for a file of that name does not help with a mistyped option.
    let useful = useful
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass "));
    let mut line = useful.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    // It helps if there is such a file.
    let meant = args.iter().skip(1).find(|arg| {
        let bytes = arg.as_encoded_bytes();
        bytes.starts_with(b"-") && bytes.len() > 1 && Path::new(arg).exists()
    });
    if let Some(path) = meant.filter(|_| error.kind() == ErrorKind::UnknownArgument) {
        let path = fpo_files::quoted(Path::new(path));
        line += &format!("; for the file or folder of that name write {path}");
    }
    Failure::input(line.trim_start_matches("error: "))
}

/// The program in README.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The program in docs/deploying.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/deploying.md")]
struct Deploying;
