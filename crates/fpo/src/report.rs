//! `fpo report`: one HTML page about a run or a benchmark.

use crate::args;
use crate::failure::Failure;
use crate::machine;
use crate::output::{print, save};
use crate::tasks::Tasks;
use fpo_files::{quoted, read_own};
use fpo_report::files::SUITE;
use fpo_report::page::{self, Film};
use fpo_report::record::{Record, RecordError};
use fpo_report::results::Results;
use fpo_report::suite::Suite;
use fpo_report::tables::ReportInfo;
use fpo_run::config::read_text;
use fpo_run::health::{RunRecord, Severity, examine};
use fpo_run::run::run_of;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Maximum size of a film that is embedded in the page; a larger one is linked.
const EMBEDDED: u64 = 12 << 20;

/// Writes the page.
pub(crate) fn run(args: &args::Report, tasks: &Tasks) -> Result<(), Failure> {
    let folder = &run_of(&args.folder);
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| folder.join("report.html"));
    let page = if folder.join(SUITE).is_file() {
        of_suite(folder, tasks.program())?
    } else {
        of_run(folder, &out)?
    };
    save(&out, args.out.is_some(), page.as_bytes())?;
    print(&format!("written: {}", quoted(&out)));
    Ok(())
}

fn of_run(folder: &Path, out: &Path) -> Result<String, Failure> {
    let record = Record::with_curves(folder, page::is_shown).map_err(|e| match e {
        RecordError::NotARun { folder, .. } if folder.is_dir() => Failure::input(format!(
            "{} is neither a run, which has a config.toml, nor a benchmark, which has a {SUITE}",
            quoted(&folder)
        )),
        e => Failure::input(e),
    })?;
    let findings = findings(folder);
    Ok(page::of_run(
        &record,
        findings.as_deref(),
        film(folder, out)?.as_ref(),
    ))
}

/// The findings of `fpo doctor`; none if it cannot read the run although the page can.
fn findings(folder: &Path) -> Option<Vec<page::Finding>> {
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
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut suite = Suite::parse(&name, &text, &quoted(&file)).map_err(Failure::input)?;
    suite.seeds = seeds(&suite, folder);
    let results = Results::read(&suite, folder).map_err(Failure::input)?;
    let about = ReportInfo {
        command: format!("{program} report {}", quoted(folder)),
        here: machine::here(1, 0),
        remarks: Vec::new(),
    };
    Ok(page::of_results(&results, &about, &text))
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
