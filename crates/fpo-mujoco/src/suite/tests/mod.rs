//! Tests of the suite that need more than the public interface.

mod golden;

use super::TASKS;
use super::env::SuiteEnv;

/// An environment of the task called `name`.
fn make(name: &str) -> SuiteEnv {
    let task = TASKS
        .iter()
        .find(|task| fpo_env::Task::spec(&***task).name == name);
    task.expect("a task of the suite")
        .make_suite()
        .expect("its model compiles")
}
