//! `fpo doctor`.

use crate::args;
use crate::failure::Failure;
use crate::format::count;
use crate::machine;
use crate::output::{print, print_json};
use crate::tasks::Tasks;
use fpo_files::{as_text, one_line, quoted};
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::label;
use fpo_run::health::{Finding, FindingKind, Metrics, RunRecord, Severity, examine};
use fpo_run::run::{another, digest, run_of, task_file, trained_on};
use serde_json::json;
use std::path::Path;

/// Prints the findings about a run; fails if it is unhealthy.
pub(crate) fn run(args: &args::Doctor, tasks: &Tasks) -> Result<(), Failure> {
    let run = run_of(&args.run);
    let record = RunRecord::read(&run)?;
    let mut findings = examine(&record);
    let damages = [
        machine::damage(&run),
        other_task(&run, &record, tasks).map(|damage| (damage, "undo the change")),
    ];
    for (damage, remedy) in damages.into_iter().flatten() {
        let advice = format!("the run cannot be resumed with it; {remedy}");
        let finding = Finding::new(FindingKind::Records, Severity::Warning, damage, advice);
        findings.insert(0, finding);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
    let problems = findings
        .iter()
        .filter(|finding| finding.is_unhealthy())
        .count();
    let (iterations, env_steps) = record
        .rows
        .last()
        .map_or((0, 0), |row| (row.iteration(), row.env_steps()));
    if args.json {
        let result = json!({
            "run": as_text(&run),
            "task": record.config.task,
            "preset": record.config.preset,
            "seed": record.config.seed,
            "iterations": iterations,
            "env_steps": env_steps,
            "healthy": problems == 0,
            "findings": findings,
        });
        print_json(&result);
    } else {
        print(&format!(
            "{} ({}, seed {}): {iterations} iterations, {} of {} environment steps",
            record.config.task,
            label(&record.config),
            record.config.seed,
            count(env_steps),
            count(record.config.train.steps)
        ));
        findings.iter().for_each(print_finding);
        if problems == 0 {
            print("  healthy");
        }
        // Advice to begin a new run says with which settings; this is the command.
        if findings
            .iter()
            .any(|finding| finding.advice.contains("new run"))
        {
            let command = another(tasks.program(), &run, &record.config.task);
            print(&format!("  a new run: {command}"));
        }
    }
    match problems {
        0 => Ok(()),
        1 => Err(Failure::runtime(format!(
            "{} is not healthy: 1 problem",
            quoted(&run)
        ))),
        n => Err(Failure::runtime(format!(
            "{} is not healthy: {n} problems",
            quoted(&run)
        ))),
    }
}

/// That the run's task is not the one that its newest checkpoint was trained on, if it is known.
fn other_task(run: &Path, record: &RunRecord, tasks: &Tasks) -> Option<String> {
    let newest = Checkpoints::list(&run.join("checkpoints")).ok()?.pop()?;
    match tasks.of_run(run, &record.config.task) {
        Ok(task) => {
            let trained = trained_on(&newest)?;
            let changed = digest(task.files()).as_ref() != Some(&trained);
            changed.then(|| format!("the files of the task {} have changed", record.config.task))
        }
        // A task of another program is none of the run's faults; a damaged copy is.
        Err(error) => task_file(run).map(|_| error.to_string()),
    }
}

/// Prints a finding in one line, or in two with its advice.
fn print_finding(finding: &Finding) {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "WARNING",
        Severity::Failure => "FAILURE",
    };
    print(&format!("  {severity:8} {}", one_line(&finding.statement)));
    if !finding.advice.is_empty() {
        print(&format!("  {:8} {}", "", one_line(&finding.advice)));
    }
}
