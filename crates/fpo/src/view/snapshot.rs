//! What a page shows of a run: as JSON, made anew when the run's files have changed.

use super::library::{Library, Shelf};
use crate::report::findings;
use fpo_files::count;
use fpo_report::number::{duration, format_number};
use fpo_report::page::{Overview, Severity, is_shown};
use fpo_report::plot::{self, Panel};
use fpo_report::record::{FAILURE, Record};
use fpo_run::checkpoint::Checkpoints;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A run counts as training while its files are younger than this, or than a few iterations.
const QUIET: Duration = Duration::from_secs(60);
/// Iterations for the same.
const QUIET_ITERATIONS: f64 = 5.0;
/// A snapshot is not made again before this many times the time that it took: watching a run takes
/// at most a tenth of a core from its training.
const REST: u32 = 9;
/// Most snapshots of runs that are kept.
const KEPT: usize = 32;
/// Most runs of a list whose curves are in it.
const MOST_CURVES: usize = 60;

/// Files of a run that a snapshot is made of.
const FILES: [&str; 8] = [
    "config.toml",
    METRICS,
    "eval.csv",
    "events.jsonl",
    "machine.toml",
    "checkpoints",
    FAILURE,
    REPORT,
];

const METRICS: &str = "metrics.jsonl";
/// What a training leaves that ended because a number became non-finite.
const REPORT: &str = "failure/failure.json";

/// Lengths and times of files: a snapshot is good as long as they stay, however often it is asked
/// for.
type Stamp = Vec<Option<(u64, Option<SystemTime>)>>;

/// JSON, and a tag that changes with it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) json: Arc<Vec<u8>>,
    pub(super) tag: String,
}

impl Snapshot {
    fn new(json: &Json) -> Self {
        let json = json.to_string().into_bytes();
        let digest = blake3::hash(&json).to_hex();
        Self {
            tag: format!("\"{}\"", &digest[..20]),
            json: Arc::new(json),
        }
    }
}

/// A snapshot that was made.
#[derive(Debug)]
struct Kept<T> {
    stamp: Stamp,
    made: Instant,
    took: Duration,
    content: T,
}

impl<T> Kept<T> {
    fn make(stamp: Stamp, make: impl FnOnce() -> T) -> Self {
        let begin = Instant::now();
        let content = make();
        Self {
            stamp,
            made: Instant::now(),
            took: begin.elapsed(),
            content,
        }
    }

    /// Whether it may be shown when the files have this stamp.
    fn is_good(&self, stamp: &Stamp) -> bool {
        self.stamp == *stamp || self.made.elapsed() < self.took * REST
    }
}

/// A run's newest snapshot, and when it was asked for last. One thread makes it; those that ask for
/// the same run wait for it, others do not.
type Place = (Instant, Arc<Mutex<Option<Kept<Snapshot>>>>);

/// The newest snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    runs: Mutex<BTreeMap<String, Place>>,
    /// Made by one thread at a time.
    rows: Mutex<BTreeMap<String, Kept<Json>>>,
}

impl Snapshots {
    /// Everything about a run.
    pub(super) fn run(&self, shelf: &Shelf) -> Snapshot {
        let place = self.place(&shelf.name);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(shelf, true);
        if let Some(kept) = place.as_ref().filter(|kept| kept.is_good(&stamp)) {
            return kept.content.clone();
        }
        let kept = place.insert(Kept::make(stamp, || Snapshot::new(&about_run(shelf))));
        kept.content.clone()
    }

    /// Where the snapshot of the run with this name is kept.
    fn place(&self, name: &str) -> Arc<Mutex<Option<Kept<Snapshot>>>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        while runs.len() >= KEPT && !runs.contains_key(name) {
            let oldest = runs.iter().min_by_key(|(_, (asked, _))| *asked);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            runs.remove(&oldest);
        }
        let (asked, place) = runs
            .entry(name.to_owned())
            .or_insert_with(|| (Instant::now(), Arc::default()));
        *asked = Instant::now();
        Arc::clone(place)
    }

    /// The list of all runs.
    pub(super) fn list(&self, library: &Library) -> Snapshot {
        let runs = library.runs();
        if let Library::Run(_) = library {
            let names: Vec<&str> = runs.iter().map(|run| &*run.name).collect();
            return Snapshot::new(&json!({"single": true, "names": names}));
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|name, _| runs.iter().any(|run| run.name == *name));
        let mut list = Vec::new();
        for (k, run) in runs.iter().enumerate() {
            let stamp = stamp(run, false);
            let kept = rows.remove(&run.name).filter(|kept| kept.is_good(&stamp));
            let curve = k < MOST_CURVES;
            let kept = kept.unwrap_or_else(|| Kept::make(stamp, || row(run, curve)));
            list.push(kept.content.clone());
            rows.insert(run.name.clone(), kept);
        }
        let folder = crate::report::name_of(library.folder());
        Snapshot::new(&json!({"single": false, "folder": folder, "runs": list}))
    }
}

/// The stamp of a run's files. It also changes when the run is no longer training.
fn stamp(shelf: &Shelf, films: bool) -> Stamp {
    let of = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        Some((about.len(), about.modified().ok()))
    };
    let mut stamp: Stamp = FILES
        .iter()
        .map(|name| of(&shelf.folder.join(name)))
        .collect();
    // Doublings of its age: a quiet run's state is looked at again after each.
    let doublings = age(shelf).and_then(|age| age.as_secs().checked_ilog2());
    stamp.push(Some((doublings.unwrap_or(0).into(), None)));
    if films {
        let films = shelf.films();
        stamp.extend(films.iter().map(|film| Some((film.length, film.changed))));
    }
    stamp
}

/// When a run's file changed.
fn changed(shelf: &Shelf, name: &str) -> Option<SystemTime> {
    fs::metadata(shelf.folder.join(name)).ok()?.modified().ok()
}

/// The time since a run's files changed.
fn age(shelf: &Shelf) -> Option<Duration> {
    let newest = FILES.iter().filter_map(|name| changed(shelf, name)).max()?;
    // One from the future is new.
    Some(newest.elapsed().unwrap_or_default())
}

/// What a run is doing, in a word for programs.
fn state(record: &Record, shelf: &Shelf) -> &'static str {
    let iteration = record.seconds() / record.iterations.max(1) as f64;
    let iterations = Duration::try_from_secs_f64(QUIET_ITERATIONS * iteration);
    let quiet = QUIET.max(iterations.unwrap_or(Duration::MAX));
    // A run that was resumed after its failure has written rows since.
    let failure = changed(shelf, REPORT);
    let failed = failure.is_some() && failure >= changed(shelf, METRICS);
    match &record.failure {
        _ if record.is_complete() => "complete",
        Some(_) => "failed",
        None if failed => "failed",
        None if age(shelf).is_some_and(|age| age <= quiet) => "training",
        None => "stopped",
    }
}

/// How far a run is, and how long the rest takes at its rate so far.
fn progress(record: &Record) -> Json {
    let (done, planned) = (record.env_steps(), record.planned_steps());
    let rest = planned.saturating_sub(done) as f64 * record.seconds() / done.max(1) as f64;
    json!({
        "done": done,
        "planned": planned,
        "text": format!("{} of {} environment steps", count(done), count(planned)),
        "rest": (done > 0 && done < planned).then(|| duration(rest)),
    })
}

fn pictures(panels: &[Panel], steps: u64) -> Vec<Json> {
    let picture =
        |panel: &Panel| json!({"title": panel.title, "svg": plot::panel(panel, steps).to_string()});
    panels.iter().map(picture).collect()
}

/// Environment steps of the newest checkpoint.
pub(super) fn newest_checkpoint(shelf: &Shelf) -> Option<u64> {
    let all = Checkpoints::list(&shelf.folder.join("checkpoints")).ok()?;
    all.iter().filter_map(|path| Checkpoints::step(path)).max()
}

/// A run that cannot be read now: it is being moved, has vanished, or is damaged.
fn unreadable(shelf: &Shelf, why: &impl ToString) -> Json {
    let message = fpo_files::one_line(&why.to_string());
    json!({"name": shelf.name, "state": "unreadable", "message": message})
}

fn about_run(shelf: &Shelf) -> Json {
    let record = match Record::with_curves(&shelf.folder, is_shown) {
        Ok(record) => record,
        Err(error) => return unreadable(shelf, &error),
    };
    let overview = Overview::of(&record);
    let severity = |severity| match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Problem => "problem",
    };
    let findings = findings(&shelf.folder).map(|findings| {
        let finding = |f: &fpo_report::page::Finding| {
            json!({"severity": severity(f.severity), "title": f.title, "detail": f.detail})
        };
        findings.iter().map(finding).collect::<Vec<_>>()
    });
    let films = shelf.films();
    let films = films
        .iter()
        .map(|film| json!({"name": film.name, "length": film.length}));
    let steps = record.env_steps();
    json!({
        "name": shelf.name,
        "state": state(&record, shelf),
        "message": record.failure,
        "subtitle": overview.subtitle,
        "progress": progress(&record),
        "headlines": overview.headlines,
        "findings": findings,
        "evaluations": {
            "note": "Whole episodes with fixed parameters: the mean, and the band from the \
                     lowest to the highest return.",
            "pictures": pictures(&overview.evaluations, steps),
            "caption": overview.table.caption,
            "header": overview.table.header,
            "rows": overview.table.rows,
        },
        "training": {
            "note": overview.training_note,
            "pictures": pictures(&overview.training, steps),
        },
        "machines": overview.machines,
        "settings": record.config_text,
        "films": films.collect::<Vec<_>>(),
        "checkpoint": newest_checkpoint(shelf),
        "iterations": record.iterations,
    })
}

/// A run in a list, with or without its curve of returns.
fn row(shelf: &Shelf, curve: bool) -> Json {
    let record = match Record::read(&shelf.folder) {
        Ok(record) => record,
        Err(error) => return unreadable(shelf, &error),
    };
    let overview = Overview::of(&record);
    let last = record.evaluations.last();
    let mean = |mean: f64| format_number(mean, 4);
    let picture = overview.evaluations.first().filter(|_| curve);
    json!({
        "name": shelf.name,
        "state": state(&record, shelf),
        "message": record.failure,
        "subtitle": overview.subtitle,
        "progress": progress(&record),
        "zero": last.map(|last| mean(last.zero.mean)),
        "random": last.map(|last| mean(last.random.mean)),
        "title": picture.map(|panel| &panel.title),
        "svg": picture.map(|panel| plot::panel(panel, record.env_steps()).to_string()),
    })
}
