//! The command-line program: `fpo tasks`, `fpo train`, `fpo eval`, `fpo play`, `fpo doctor`, `fpo reproduce`, `fpo gridworld`, `fpo bench`,
//! `fpo report`.

#![deny(unsafe_code)]

mod args;
mod bench;
mod display;
mod doctor;
mod eval;
mod failure;
mod format;
mod gridworld;
mod interrupt;
mod machine;
mod output;
mod picture;
mod play;
mod policy;
mod report;
mod reproduce;
mod summary;
mod tasks;
mod train;
pub mod video;

use args::{Args, Command};
use clap::Parser;
use clap::error::ErrorKind;
use failure::Failure;
use std::process::ExitCode;

/// Runs the program with the arguments of the process. Exit codes: 0 done (or stopped and saved), 1 something failed
/// while running or a run is not healthy, 2 the input is wrong, 130 interrupted a second time.
pub fn main() -> ExitCode {
    match run().and_then(|()| output::lost()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let Args { command } = Args::try_parse().map_err(|error| misuse(&error))?;
    fpo_rng::simd::check().map_err(Failure::Input)?;
    match command {
        Command::Tasks(args) => tasks::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Play(args) => play::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Gridworld(args) => gridworld::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Report(args) => report::run(&args),
    }
}

/// A wrong command line as one line. Help and the version are answered at once.
fn misuse(error: &clap::Error) -> Failure {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        error.exit();
    }
    let text = error.render().to_string();
    let useful = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    // That one could write `-- --option` to mean a file of that name helps nobody who mistyped an option.
    let useful = useful
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass "));
    let line = useful.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    Failure::input(line.trim_start_matches("error: "))
}
