//! Exceptional runs, and the machines of all runs.

use super::grid::Grid;
use crate::machine::Machine;
use crate::results::{Results, Run, Status};
use fpo_files::count;

/// Runs without a result, and those whose result is not that of a complete run.
pub fn exceptions(results: &Results) -> Grid {
    let runs = results
        .runs
        .iter()
        .filter(|run| matches!(run.status, Status::Failed(_) | Status::Unfinished));
    let row = |run: &Run| {
        let steps = run.record.as_ref().map_or(0, |record| record.env_steps());
        let what = match &run.status {
            Status::Failed(why) if run.result().is_some() => {
                format!("failed; its last evaluation counts as its result: {why}")
            }
            Status::Failed(why) => {
                format!("failed before its first evaluation, so it has no result: {why}")
            }
            _ => "unfinished; left out".to_owned(),
        };
        let (method, task) = (
            &results.suite.methods[run.method].label,
            &results.suite.tasks[run.task],
        );
        vec![
            method.clone(),
            task.clone(),
            run.seed.to_string(),
            count(steps),
            what,
        ]
    };
    let missing = results
        .runs
        .iter()
        .filter(|run| run.status == Status::Missing)
        .count();
    Grid {
        caption: match missing {
            0 => String::new(),
            missing => format!(
                "In addition, {missing} of {} runs are missing.",
                results.runs.len()
            ),
        },
        header: ["method", "task", "seed", "steps", "status"]
            .map(str::to_owned)
            .to_vec(),
        rows: runs.map(row).collect(),
    }
}

/// The machines of the runs, each once, in words.
pub fn machines(results: &Results) -> Vec<String> {
    let records: Vec<_> = results
        .runs
        .iter()
        .filter_map(|run| run.record.as_ref())
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for line in records
        .iter()
        .flat_map(|record| &record.machines)
        .map(Machine::describe)
    {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let silent = records
        .iter()
        .filter(|record| record.machines.is_empty())
        .count();
    if silent > 0 {
        lines.push(format!(
            "not recorded by {silent} of {} runs",
            records.len()
        ));
    }
    lines
}
