//! The summary that is printed after a training.

use crate::display::Display;
use crate::eval;
use crate::format::{count, duration, rate};
use crate::output::print;
use fpo_files::{number, quoted};
use fpo_run::run::Session;

/// After the run's last iteration: prints its evaluation, and commands for the next steps.
pub(crate) fn finished(session: &Session, display: &Display, program: &str) {
    let config = session.config();
    let (steps, seconds) = display.trained();
    let (steps_done, time, speed) = (
        count(steps),
        duration(seconds),
        rate(steps as f64 / seconds),
    );
    print(&format!(
        "trained {} for {steps_done} environment steps in {time} ({speed} a second)",
        config.task
    ));
    let ended_early = session.trainer().iteration() < session.trainer().total_iterations();
    if ended_early {
        print(&format!(
            "ended before its {} environment steps: the return has reached train.stop_at = {}",
            count(config.train.steps),
            number(config.train.stop_at)
        ));
    }
    if let Some(evaluation) = display.evaluation() {
        print(&format!(
            "evaluation of the final policy, {} episodes each:",
            config.eval.episodes
        ));
        eval::table(evaluation).iter().for_each(|line| print(line));
    }
    let folder = quoted(session.folder().path());
    let longer = 2 * config.train.steps.max(session.trainer().env_steps());
    let (rate_now, rate_longer) = (
        session.learning_rate_fraction(config.train.steps),
        session.learning_rate_fraction(longer),
    );
    let train_longer = if rate_now == rate_longer {
        "train it longer".to_owned()
    } else {
        let percent = 100.0 * rate_longer;
        format!(
            "train it longer (the learning rate rises to {percent:.0}% again before it decreases)"
        )
    };
    let next = [
        (format!("{program} play {folder}"), "film it"),
        (
            format!("{program} eval {folder}"),
            "evaluate it on other episodes",
        ),
        match ended_early {
            true => (
                format!("{program} train --resume {folder} --set train.stop_at=0"),
                "train it to its planned end",
            ),
            false => (
                format!("{program} train --resume {folder} --set train.steps={longer}"),
                &train_longer,
            ),
        },
    ];
    let width = next
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    print("next:");
    for (command, what) in next {
        print(&format!("  {command:width$}  # {what}"));
    }
}

/// After Ctrl-C: prints how to resume.
pub(crate) fn stopped(session: &Session, program: &str) {
    let trainer = session.trainer();
    let (done, total) = (
        count(trainer.env_steps()),
        count(session.config().train.steps),
    );
    print(&format!(
        "stopped after {done} of {total} environment steps; saved"
    ));
    print(&format!(
        "resume with: {program} train --resume {}",
        quoted(session.folder().path())
    ));
}
