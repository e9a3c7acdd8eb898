//! `fpo reproduce`.

use crate::args;
use crate::failure::Failure;
use crate::output::{log, print};
use crate::policy::{other_task_files, threads};
use crate::tasks::Tasks;
use fpo_files::{one_line, quoted};
use fpo_run::checkpoint::Checkpoints;
use fpo_run::run::{RunError, folder_of_runs, reproduce, run_of};

/// Re-runs the iteration in which a run failed; fails if the outcome differs.
pub(crate) fn run(args: &args::Reproduce, tasks: &Tasks) -> Result<(), Failure> {
    let run = run_of(&args.run);
    if let Some(reason) = folder_of_runs(&run) {
        return Err(RunError::NotARun {
            folder: run,
            reason,
        }
        .into());
    }
    let task = |name: &str| -> Result<_, Failure> {
        let task = tasks.of_run(&run, name)?;
        let all = Checkpoints::list(&run.join("checkpoints")).unwrap_or_default();
        let note = all
            .last()
            .and_then(|newest| other_task_files(newest, task.as_ref()));
        note.iter().for_each(|note| log(note));
        Ok(task)
    };
    let result = reproduce(&run, threads(args.threads), task)?;
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
