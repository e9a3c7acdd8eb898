//! `fpo reproduce`.

use crate::args;
use crate::failure::Failure;
use crate::output::print;
use crate::policy::threads;
use crate::tasks::Tasks;
use fpo_files::{one_line, quoted};
use fpo_run::run::{reproduce, run_of};

/// Re-runs the iteration in which a run failed; fails if the outcome differs.
pub(crate) fn run(args: &args::Reproduce, tasks: &Tasks) -> Result<(), Failure> {
    let run = run_of(&args.run);
    let result = reproduce(&run, threads(args.threads), |name| tasks.of_run(&run, name))?;
    print(&format!(
        "after {} iterations: {}",
        result.iteration,
        one_line(&result.recorded)
    ));
    if let Some(path) = &result.minibatch {
        print(&format!("  the minibatch: {}", quoted(path)));
    }
    match result.again {
        Some(again) if again == result.recorded => {
            print("  again: the same");
            Ok(())
        }
        again => Err(Failure::runtime(format!(
            "{} ended differently this time: {}; was it trained on a machine with other kernels, \
             or by another version?",
            quoted(&run),
            again.unwrap_or_else(|| "without an error".to_owned())
        ))),
    }
}
