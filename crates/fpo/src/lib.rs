//! The command-line program: `fpo tasks`, `fpo train`, `fpo eval`, `fpo play`.

mod args;
mod display;
mod eval;
mod failure;
mod format;
mod interrupt;
mod output;
mod play;
mod policy;
mod tasks;
mod train;
pub mod video;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

/// Runs the program with the arguments of the process. Exit codes: 0 done (or stopped and saved), 1 something failed
/// while running, 2 the input is wrong.
pub fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Tasks(args) => tasks::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Play(args) => play::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
