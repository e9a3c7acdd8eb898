//! `fpo bench`: a grid of runs, and their results.

mod plan;
mod progress;
mod work;

use crate::args;
use crate::failure::{Done, Failure};
use crate::format::count;
use crate::output::{log, print, unwritable};
use crate::policy::threads;
use crate::tasks::Tasks;
use crate::{interrupt, machine};
use fpo_files::{nearest, quoted, quoted_arg};
use fpo_report::results::Results;
use fpo_report::suite::Suite;
use fpo_report::tables::{self, Grid, ReportInfo};
use fpo_report::{files, results};
use fpo_run::config::{Kind, read_text};
use plan::Job;
use progress::Progress;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::Ordering;

/// The built-in suites: name and TOML text.
pub(crate) const SUITES: [(&str, &str); 5] = [
    ("ablations", include_str!("../suites/ablations.toml")),
    ("dmc10", include_str!("../suites/dmc10.toml")),
    ("dmc14", include_str!("../suites/dmc14.toml")),
    ("gridworld", include_str!("../suites/gridworld.toml")),
    ("q_gradients", include_str!("../suites/q_gradients.toml")),
];

/// Trains the missing runs of a suite and reports on all.
pub(crate) fn run(args: &args::Bench, tasks: &Tasks) -> Result<Done, Failure> {
    let (text, suite, name) = suite(args, tasks)?;
    let folder = args.out.join(name);
    let jobs = plan::plan(&suite, &folder, tasks)?;
    if args.list {
        list(&suite, &jobs);
        plan::damages(&jobs).for_each(|why| log(&format!("note: {why}")));
        return Ok(Done::Finished);
    }
    if args.report_only {
        // Reports also work on runs that were copied without their checkpoints.
        if jobs
            .iter()
            .all(|job| !job.folder.join("config.toml").is_file())
        {
            return Err(Failure::input(format!(
                "{} holds no run of {}",
                quoted(&folder),
                suite.name
            )));
        }
        let remarks = plan::remarks(&jobs);
        remarks
            .iter()
            .for_each(|remark| log(&format!("note: {remark}")));
        keep_suite(&folder, &text)?;
        report(&suite, &folder, remarks, tasks.program())?;
        return Ok(Done::Finished);
    }
    if !args.force {
        plan::same_settings(&jobs)?;
    }
    keep_suite(&folder, &text)?;
    let to_run: Vec<Job> = jobs
        .into_iter()
        .filter(|job| args.force || !job.state.is_over())
        .map(|job| if args.force { job.anew() } else { job })
        .collect();
    if to_run.is_empty() {
        log("every run is complete");
        report(&suite, &folder, Vec::new(), tasks.program())?;
        return Ok(Done::Finished);
    }
    let side_by_side = threads(args.jobs).min(to_run.len());
    let runs = if to_run.len() == 1 { "run" } else { "runs" };
    log(&format!(
        "{}: {} {runs} to go in {}, {side_by_side} in parallel",
        suite.name,
        to_run.len(),
        quoted(&folder)
    ));
    let stop = interrupt::stop_flag(
        "finishing the iterations in progress, then saving (Ctrl-C again quits at once)",
    )?;
    let progress = Progress::new(&suite, &to_run);
    let faults = work::train(&to_run, side_by_side, &stop, &progress);
    progress.finish();
    let reported = report(&suite, &folder, Vec::new(), tasks.program());
    if stop.load(Ordering::Relaxed) {
        print(&format!(
            "stopped; everything is saved. Continue with: {}",
            continuation(tasks.program())
        ));
        return Ok(Done::Stopped);
    }
    let Some(fault) = faults.first() else {
        return reported.map(|()| Done::Finished);
    };
    let message = format!(
        "{} of {} {runs} failed; the first: {fault}",
        faults.len(),
        to_run.len()
    );
    // A run that another process uses, or that cannot be read, is as wrong here as for `train`.
    let input = |fault: &Failure| matches!(fault, Failure::Input(_));
    Err(match faults.iter().all(input) {
        true => Failure::Input(message),
        false => Failure::Runtime(message),
    })
}

/// The requested suite, restricted by the options; its text; and the name of its folder.
fn suite(args: &args::Bench, tasks: &Tasks) -> Result<(String, Suite, OsString), Failure> {
    let path = args.suite.as_path();
    let named = SUITES.iter().find(|(name, _)| path.as_os_str() == *name);
    let (name, text, origin) = match named {
        Some((name, text)) => (
            (*name).to_owned(),
            (*text).to_owned(),
            format!("suite `{name}`"),
        ),
        None => {
            let looks_like_a_file =
                path.extension().is_some() || path.components().count() > 1 || path.exists();
            if !looks_like_a_file {
                let names = SUITES.map(|(name, _)| name);
                return Err(Failure::input(format!(
                    "unknown suite `{}`; did you mean `{}`? There are {}, and files: {} bench \
                    FILE.toml",
                    quoted(path),
                    nearest(&path.to_string_lossy(), names).map_or("", |(name, _)| name),
                    names.join(", "),
                    tasks.program()
                )));
            }
            let text = read_text(path)?;
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, text, quoted(path))
        }
    };
    let mut suite =
        Suite::parse(&name, &text, &origin).map_err(|error| match Kind::of_file(path) {
            Some(other) if named.is_none() && other != Kind::Suite => {
                Failure::input(format!("{origin} {other}, not a suite"))
            }
            _ => Failure::input(error),
        })?;
    for task in &suite.tasks {
        tasks
            .find(OsStr::new(task))
            .map_err(|e| Failure::input(format!("{origin}: {e}")))?;
    }
    suite.tasks = chosen("task", &suite.tasks, &args.tasks)?;
    let methods = suite
        .methods
        .iter()
        .map(|method| method.name.clone())
        .collect::<Vec<_>>();
    let methods = chosen("method", &methods, &args.methods)?;
    suite
        .methods
        .retain(|method| methods.contains(&method.name));
    if !args.seeds.is_empty() {
        let mut seeds: Vec<u64> = Vec::new();
        args.seeds.iter().for_each(|seed| {
            if !seeds.contains(seed) {
                seeds.push(*seed)
            }
        });
        suite.seeds = seeds;
    }
    let folder = path.file_stem().map(OsStr::to_owned);
    let folder = folder.filter(|_| named.is_none());
    Ok((text, suite, folder.unwrap_or_else(|| name.into())))
}

/// The requested ones of `all`, in their order; all if none was requested.
fn chosen(kind: &str, all: &[String], asked: &[String]) -> Result<Vec<String>, Failure> {
    if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
        let nearest = nearest(unknown, all.iter().map(String::as_str)).map_or("", |(name, _)| name);
        return Err(Failure::input(format!(
            "the suite has no {kind} `{unknown}`; did you mean `{nearest}`?"
        )));
    }
    let kept = all
        .iter()
        .filter(|name| asked.is_empty() || asked.contains(name));
    Ok(kept.cloned().collect())
}

/// Saves the suite beside its runs, for `fpo report`.
fn keep_suite(folder: &Path, text: &str) -> Result<(), Failure> {
    let file = folder.join(files::SUITE);
    fpo_files::create_folders(folder)
        .and_then(|()| fpo_files::replace(&file, text.as_bytes()))
        .map_err(|e| unwritable(&file, &e))
}

/// Prints the progress of each run.
fn list(suite: &Suite, jobs: &[Job]) {
    let width =
        |names: &mut dyn Iterator<Item = &String>| names.map(String::len).max().unwrap_or(0).max(6);
    let method_width = width(&mut suite.methods.iter().map(|method| &method.name));
    let task_width = width(&mut suite.tasks.iter());
    let seeds: String = suite
        .seeds
        .iter()
        .map(|seed| format!("{:>12}", format!("seed {seed}")))
        .collect();
    print(&format!(
        "{:method_width$}  {:task_width$}{seeds}",
        "method", "task"
    ));
    for method in &suite.methods {
        for task in &suite.tasks {
            let cells = jobs
                .iter()
                .filter(|job| job.method == method.name && job.task == *task);
            let cells: String = cells
                .map(|job| format!("{:>12}", job.state.word(&job.config)))
                .collect();
            print(&format!(
                "{:method_width$}  {task:task_width$}{cells}",
                method.name
            ));
        }
    }
    let over = jobs.iter().filter(|job| job.state.is_over()).count();
    let left: u64 = jobs.iter().map(Job::steps_left).sum();
    print(&format!(
        "{over} of {} runs are finished; {} environment steps to go",
        jobs.len(),
        count(left)
    ));
}

/// Writes tables and plots, and prints the main table.
fn report(
    suite: &Suite,
    folder: &Path,
    remarks: Vec<String>,
    program: &str,
) -> Result<(), Failure> {
    let results = Results::read(suite, folder).map_err(Failure::input)?;
    let about = ReportInfo {
        command: command(program),
        here: machine::here(1, 0),
        remarks,
    };
    let written = files::write(&results, &about).map_err(|e| {
        Failure::runtime(format!(
            "cannot write the report in {}: {e}",
            quoted(folder)
        ))
    })?;
    print_table(&tables::aggregates(&results));
    for run in &results.runs {
        if let results::Status::Failed(why) = &run.status {
            let run = Suite::run_name(&suite.tasks[run.task], run.seed);
            log(&format!("failed: {run}: {why}"));
        }
    }
    let files: Vec<String> = written.iter().map(|file| quoted(file)).collect();
    print(&format!("written: {}", files.join(", ")));
    let failed = results
        .runs
        .iter()
        .filter(|run| matches!(run.status, results::Status::Failed(_)))
        .count();
    match failed {
        0 => Ok(()),
        failed => Err(Failure::runtime(format!(
            "{failed} of {} runs failed; their last evaluations count as their results",
            results.runs.len()
        ))),
    }
}

/// A table on the terminal.
fn print_table(grid: &Grid) {
    let rows = || [&grid.header].into_iter().chain(&grid.rows);
    let width = |column: usize| {
        rows()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    for row in rows().filter(|_| !grid.rows.is_empty()) {
        let cells = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        print(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// The command of this process, as it can be typed.
fn command(program: &str) -> String {
    typed(program, std::env::args_os().skip(1))
}

/// The command that continues this process: the same without `--force`.
fn continuation(program: &str) -> String {
    typed(
        program,
        std::env::args_os().skip(1).filter(|arg| arg != "--force"),
    )
}

fn typed(program: &str, args: impl Iterator<Item = OsString>) -> String {
    let args = args.map(|arg| quoted_arg(&arg));
    let words = [program.to_owned()].into_iter().chain(args);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tasks, presets and settings of the built-in suites exist.
    #[test]
    fn suites_are_valid() {
        let tasks = Tasks::built_in();
        for (name, text) in SUITES {
            let suite = Suite::parse(name, text, name).unwrap();
            let jobs = plan::plan(&suite, Path::new("no/such/folder"), &tasks)
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(
                jobs.len(),
                suite.methods.len() * suite.tasks.len() * suite.seeds.len()
            );
            // No two methods are the same.
            for (k, job) in jobs.iter().enumerate() {
                let same = jobs[..k].iter().find(|other| other.config == job.config);
                assert!(
                    same.is_none(),
                    "{name}: {} repeats {}",
                    job.method,
                    same.unwrap().method
                );
            }
        }
    }
}
