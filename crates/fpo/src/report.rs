//! `fpo report`: one HTML page about a run, several runs or a benchmark.

use crate::args;
use crate::failure::Failure;
use crate::machine;
use crate::output::{check_ending, log, print, save};
use crate::tasks::Tasks;
use fpo_files::{quoted, read_own};
use fpo_report::files::SUITE;
use fpo_report::gather::gather;
use fpo_report::page::{self, Film};
use fpo_report::record::{Record, RecordError};
use fpo_report::results::Results;
use fpo_report::suite::Suite;
use fpo_report::tables::ReportInfo;
use fpo_run::config::read_text;
use fpo_run::health::{RunRecord, Severity, examine};
use fpo_run::run::{RunError, not_a_run, run_of, runs_in};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Maximum size of a film that is embedded in the page; a larger one is linked.
const EMBEDDED: u64 = 12 << 20;

/// The page's name in its folder.
const PAGE: &str = "report.html";

/// Writes the page.
pub(crate) fn run(args: &args::Report, tasks: &Tasks) -> Result<(), Failure> {
    let program = tasks.program();
    // A path into a run stands for the run.
    let folders: Vec<PathBuf> = args.folders.iter().map(|path| run_of(path)).collect();
    let out = |folder: &Path| args.out.clone().unwrap_or_else(|| folder.join(PAGE));
    if let Some(out) = &args.out {
        check_ending(out, "a report is a page of HTML", &["html", "htm", "xhtml"])?;
    }
    let (out, page) = match &folders[..] {
        [folder] if folder.join(SUITE).is_file() => (out(folder), of_suite(folder, program)?),
        [folder] => match &runs_in(folder)[..] {
            [] => (out(folder), of_run(folder, &out(folder))?),
            runs => {
                let page = of_runs(&folders, runs, folder, program)?;
                (out(folder), page)
            }
        },
        folders => {
            let runs: Vec<PathBuf> = folders
                .iter()
                .flat_map(|folder| match runs_in(folder) {
                    runs if runs.is_empty() => vec![folder.clone()],
                    runs => runs,
                })
                .collect();
            let here = Path::new("");
            (out(here), of_runs(folders, &runs, here, program)?)
        }
    };
    save(&out, args.out.is_some(), page.as_bytes())?;
    print(&format!("written: {}", quoted(&out)));
    Ok(())
}

/// The page about several runs; `asked` are the folders that the user named.
fn of_runs(
    asked: &[PathBuf],
    runs: &[PathBuf],
    folder: &Path,
    program: &str,
) -> Result<String, Failure> {
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for run in runs {
        match Record::read(run) {
            Ok(record) => records.push(record),
            // One run among many must not hide the others, unless the user named it.
            Err(error) if !asked.contains(run) => {
                let remark = format!("A run is left out: {error}.");
                log(&format!("note: {remark}"));
                damaged.push(remark);
            }
            Err(error) => return Err(unreadable(error)),
        }
    }
    let (results, mut remarks) = gather(&name_of(folder), folder, records);
    remarks.extend(damaged);
    if results.methods().is_empty() {
        return Err(Failure::input(format!(
            "none of these {} runs is complete yet, and only complete runs are put together",
            runs.len()
        )));
    }
    if results.suite.seeds.len() == 1 {
        remarks.push("All runs have the same seed, so there is no spread over seeds.".to_owned());
    }
    let asked: Vec<String> = asked.iter().map(|path| quoted(path)).collect();
    let about = ReportInfo {
        command: format!("{program} report {}", asked.join(" ")),
        here: machine::here(1, 0),
        remarks,
    };
    let list: String = runs
        .iter()
        .map(|run| format!("{}\n", quoted(run)))
        .collect();
    Ok(page::of_results(&results, &about, ("the runs", &list)))
}

/// The name of a folder, also of the one that the program runs in.
pub(crate) fn name_of(folder: &Path) -> String {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(crate) fn unreadable(error: RecordError) -> Failure {
    match error {
        RecordError::NotARun { folder, .. } if folder.is_dir() => Failure::input(format!(
            "{} is neither a run, which has a config.toml, nor a benchmark, which has a {SUITE}, \
             nor a folder of runs",
            quoted(&folder)
        )),
        e => Failure::input(e),
    }
}

pub(crate) fn of_run(folder: &Path, out: &Path) -> Result<String, Failure> {
    // A copy of settings alone, that of a checkpoint or of a failure, is no run.
    if folder.join("config.toml").is_file()
        && let Some(reason) = not_a_run(folder)
    {
        let folder = folder.to_owned();
        return Err(RunError::NotARun { folder, reason }.into());
    }
    let record = Record::with_curves(folder, page::is_shown).map_err(unreadable)?;
    let findings = findings(folder);
    Ok(page::of_run(
        &record,
        findings.as_deref(),
        film(folder, out)?.as_ref(),
    ))
}

/// The findings of `fpo doctor`; none if it cannot read the run although the page can.
pub(crate) fn findings(folder: &Path) -> Option<Vec<page::Finding>> {
    let found = examine(&RunRecord::read(folder).ok()?);
    let for_page = found.into_iter().map(|finding| page::Finding {
        severity: match finding.severity {
            Severity::Note => page::Severity::Note,
            Severity::Warning => page::Severity::Warning,
            Severity::Failure => page::Severity::Problem,
        },
        title: finding.statement,
        detail: finding.advice,
    });
    Some(for_page.collect())
}

/// The film in a run's folder, for a page at `out`.
fn film(folder: &Path, out: &Path) -> Result<Option<Film>, Failure> {
    let file = folder.join("video.mp4");
    // Do not follow links: the target may not be meant for readers of the page.
    let Some(about) = file.symlink_metadata().ok().filter(|about| about.is_file()) else {
        return Ok(None);
    };
    if about.len() <= EMBEDDED {
        let read = read_own(&file, EMBEDDED);
        // A pointer to a film is none.
        if read
            .as_ref()
            .is_err_and(|e| e.kind() == ErrorKind::InvalidData)
        {
            return Ok(None);
        }
        let bytes =
            read.map_err(|e| Failure::runtime(format!("cannot read {}: {e}", quoted(&file))))?;
        return Ok(Some(Film::Embedded(bytes)));
    }
    let beside = out.parent() == Some(folder);
    let link = if beside {
        "video.mp4".to_owned()
    } else {
        address(&file)
    };
    Ok(Some(Film::Linked(link)))
}

/// The address of a file for a browser: absolute, with what has a meaning there as `%NN`.
fn address(file: &Path) -> String {
    let full = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let bytes = full.as_os_str().as_encoded_bytes().iter();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-~".contains(&b);
    let text = bytes.map(|&b| match b {
        b if plain(b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    });
    format!("file://{}", text.collect::<String>())
}

fn of_suite(folder: &Path, program: &str) -> Result<String, Failure> {
    let file = folder.join(SUITE);
    let text = read_text(&file)?;
    let name = name_of(folder);
    let mut suite = Suite::parse(&name, &text, &quoted(&file)).map_err(Failure::input)?;
    suite.seeds = seeds(&suite, folder);
    let results = Results::read(&suite, folder).map_err(Failure::input)?;
    let about = ReportInfo {
        command: format!("{program} report {}", quoted(folder)),
        here: machine::here(1, 0),
        remarks: Vec::new(),
    };
    Ok(page::of_results(&results, &about, ("the suite", &text)))
}

/// The suite's seeds, and others for which there are runs.
fn seeds(suite: &Suite, folder: &Path) -> Vec<u64> {
    let folders = suite
        .methods
        .iter()
        .filter_map(|method| fs::read_dir(folder.join(&method.name)).ok());
    let names = folders
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let seed = |name: String| -> Option<u64> {
        let (task, seed) = name.rsplit_once("-seed")?;
        suite
            .tasks
            .iter()
            .any(|known| known == task)
            .then(|| seed.parse().ok())?
    };
    let found: BTreeSet<u64> = names
        .filter_map(seed)
        .chain(suite.seeds.iter().copied())
        .collect();
    found.into_iter().collect()
}
