//! The content of a run's folder: settings, evaluations and metrics.

use crate::machine::{self, Machine};
use crate::thin::Thinned;
use fpo_files::{LineError, absence, each_line, one_line, quoted, read_own};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file in a run's folder that records why it ended early.
pub const FAILURE: &str = "failed.txt";

/// Returns of the episodes of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Returns {
    /// Episodes run.
    pub episodes: u64,
    /// Mean of their returns.
    pub mean: f64,
    /// Standard deviation of their returns.
    pub std: f64,
    /// Smallest return.
    pub min: f64,
    /// Largest return.
    pub max: f64,
    /// Episodes whose simulation diverged.
    pub diverged: u64,
}

/// One evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Iterations done.
    pub iteration: u64,
    /// Environment steps taken.
    pub env_steps: u64,
    /// Seconds of learning so far: the sum of the iterations' times, without evaluations.
    pub seconds: f64,
    /// With actions from zero noise.
    pub zero: Returns,
    /// With actions from random noise.
    pub random: Returns,
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Iterations done.
    pub iteration: u64,
    /// Environment steps taken.
    pub env_steps: u64,
    /// Names and values; names of times begin with `time/`. Missing values are left out.
    pub values: Vec<(String, f64)>,
}

impl Row {
    /// Parses a line as a row.
    fn parse(line: &[u8]) -> Result<Self, String> {
        let object: Json = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let whole = |name: &str| {
            let number = object[name].as_u64();
            let number = number.ok_or_else(|| format!("it has no {name}"))?;
            match number < 1 << 62 {
                true => Ok(number),
                false => Err("a counter is impossibly large".to_owned()),
            }
        };
        let mut row = Self {
            iteration: whole("iteration")?,
            env_steps: whole("env_steps")?,
            values: Vec::new(),
        };
        for (name, value) in object.as_object().into_iter().flatten() {
            match value {
                Json::Object(times) => {
                    row.values.extend(times.iter().filter_map(|(inner, value)| {
                        Some((format!("{name}/{inner}"), value.as_f64()?))
                    }))
                }
                _ if name == "iteration" || name == "env_steps" => {}
                value => row
                    .values
                    .extend(value.as_f64().map(|value| (name.clone(), value))),
            }
        }
        Ok(row)
    }

    /// The value called `name`, if it exists.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| *value)
    }
}

/// The curves of a run's metrics, in the same memory for any number of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    of_metric: BTreeMap<String, Thinned>,
}

impl Curves {
    /// Adds a row's values of the metrics that `is_shown` accepts, and of those that environments
    /// report by name, of which the first [`MOST_EXTRAS`] by name are kept: an untrusted file may
    /// have any number.
    fn add(&mut self, row: &Row, is_shown: impl Fn(&str) -> bool) {
        for (name, value) in &row.values {
            let extra = name.starts_with(EXTRAS);
            if !extra && !is_shown(name) {
                continue;
            }
            if let Some(curve) = self.of_metric.get_mut(name) {
                curve.push(row.env_steps as f64, *value);
                continue;
            }
            let mut curve = Thinned::default();
            curve.push(row.env_steps as f64, *value);
            self.of_metric.insert(name.clone(), curve);
            if extra && self.extras().count() > MOST_EXTRAS {
                let last = self.extras().last().map(str::to_owned);
                last.and_then(|last| self.of_metric.remove(&last));
            }
        }
    }

    /// The curve of a metric, if a row has it.
    pub fn get(&self, name: &str) -> Option<&Thinned> {
        self.of_metric.get(name)
    }

    /// The metrics that the environments reported, sorted.
    pub fn extras(&self) -> impl Iterator<Item = &str> {
        let from = self.of_metric.range(EXTRAS.to_owned()..);
        from.map(|(name, _)| name.as_str())
            .take_while(|name| name.starts_with(EXTRAS))
    }
}

/// What the names of metrics begin with that environments report by name.
pub const EXTRAS: &str = "env/";
/// Most metrics of that kind whose curves are kept.
const MOST_EXTRAS: usize = 60;

/// Evaluations beyond which every second one is left out, the best and the newest aside.
const MOST_EVALUATIONS: usize = 1 << 16;

/// A run as its folder records it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The folder.
    pub folder: PathBuf,
    /// Dotted keys and values of its configuration, in the order of the file.
    pub config: Vec<(String, String)>,
    /// The text of its configuration.
    pub config_text: String,
    /// Rows of its metrics, one per iteration.
    pub iterations: u64,
    env_steps: u64,
    seconds: f64,
    /// The curves of its metrics, if they were asked for.
    pub curves: Curves,
    /// Its evaluations; of more than 65 536, some.
    pub evaluations: Vec<Evaluation>,
    /// Its machines, if recorded.
    pub machines: Vec<Machine>,
    /// Why it ended early, if it did.
    pub failure: Option<String>,
}

/// A folder that cannot be read as a run; one line.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no run.
    #[error("{} is not a run: {reason}", quoted(folder))]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A file exists but is invalid.
    #[error("{} is damaged: {reason}; {}", quoted(file), remedy(file))]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file system error.
    #[error("cannot read {}: {source}", quoted(file))]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// What to do about a damaged file.
fn remedy(file: &Path) -> &'static str {
    match file.ends_with("config.toml") {
        true => "each of the run's checkpoints has a copy of it",
        false => "move it away to go on without it",
    }
}

impl RecordError {
    /// The error of a file of lines.
    fn of_lines(file: PathBuf, error: LineError) -> Self {
        match error {
            LineError::Io(source) => Self::Io { file, source },
            LineError::Damaged(line, reason) => Self::Damaged {
                file,
                reason: format!("line {line}: {reason}"),
            },
        }
    }
}

impl Record {
    /// Reads the run in `folder`, which may still be in progress, without curves of its metrics.
    ///
    /// # Errors
    /// If there is no run, or one of its files is damaged; an incomplete last line is ignored.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        Self::read_with(folder, |_, _| {})
    }

    /// The same with the curves of the metrics that `is_shown` accepts, and of those that
    /// environments report by name.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn with_curves(
        folder: &Path,
        is_shown: impl Fn(&str) -> bool,
    ) -> Result<Self, RecordError> {
        Self::read_with(folder, |curves, row| curves.add(row, &is_shown))
    }

    fn read_with(
        folder: &Path,
        mut add: impl FnMut(&mut Curves, &Row),
    ) -> Result<Self, RecordError> {
        let not_a_run = |reason| RecordError::NotARun {
            folder: folder.to_owned(),
            reason,
        };
        if let Some(why) = absence(folder, "there is no such folder") {
            return Err(not_a_run(why));
        }
        if !folder.is_dir() {
            return Err(not_a_run("it is not a folder".to_owned()));
        }
        let text = |name: &str| read(&folder.join(name));
        let unreadable = |name: &str, error| RecordError::of_lines(folder.join(name), error);
        let config_text =
            text("config.toml")?.ok_or_else(|| not_a_run("it has no config.toml".to_owned()))?;
        let damaged = |name: &str, reason: String| RecordError::Damaged {
            file: folder.join(name),
            reason,
        };
        let config = settings(&config_text).map_err(|reason| damaged("config.toml", reason))?;
        let mut evaluations = read_evaluations(&folder.join("eval.csv"))
            .map_err(|error| unreadable("eval.csv", error))?;
        let (mut iterations, mut env_steps, mut seconds) = (0, 0, 0.0);
        let mut curves = Curves::default();
        let mut timed = evaluations.iter_mut().peekable();
        let each = each_line(&folder.join("metrics.jsonl"), |line| {
            let row = Row::parse(line)?;
            // Of evaluations whose iteration is missing, the time until then.
            while let Some(past) = timed.next_if(|e| e.iteration < row.iteration) {
                past.seconds = seconds;
            }
            seconds += row.get(SECONDS).unwrap_or(0.0);
            if let Some(now) = timed.next_if(|e| e.iteration == row.iteration) {
                now.seconds = seconds;
            }
            (iterations, env_steps) = (iterations + 1, row.env_steps);
            add(&mut curves, &row);
            Ok(())
        });
        each.map_err(|error| unreadable("metrics.jsonl", error))?;
        timed.for_each(|past| past.seconds = seconds);
        let machines = text(machine::FILE)?.unwrap_or_default();
        let machines =
            Machine::parse(&machines).map_err(|reason| damaged(machine::FILE, reason))?;
        let failure = text(FAILURE)?.map(|text| one_line(&text));
        Ok(Self {
            folder: folder.to_owned(),
            config,
            config_text,
            iterations,
            env_steps,
            seconds,
            curves,
            evaluations,
            machines,
            failure,
        })
    }

    /// The setting with this key, as TOML.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, value)| value.as_str())
    }

    /// A setting that is a text, without its quotes.
    pub fn text_setting(&self, key: &str) -> &str {
        self.setting(key).unwrap_or_default().trim_matches('"')
    }

    /// Environment steps taken.
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Seconds of learning: the sum of its iterations' times, without evaluations.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Its planned environment steps.
    pub fn planned_steps(&self) -> u64 {
        self.setting("train.steps")
            .and_then(|steps| steps.parse().ok())
            .unwrap_or(0)
    }

    /// Whether it has done all its steps and evaluated the final policy.
    pub fn is_complete(&self) -> bool {
        let evaluated = self.evaluations.last().map_or(0, |last| last.env_steps);
        (self.env_steps() >= self.planned_steps() || self.has_reached_its_return())
            && evaluated == self.env_steps()
            && evaluated > 0
    }

    /// Whether its last evaluation is the return that it was to reach (`train.stop_at`).
    fn has_reached_its_return(&self) -> bool {
        let stop_at = self.setting("train.stop_at").and_then(|x| x.parse().ok());
        let last = self.evaluations.last();
        stop_at.is_some_and(|stop_at: f64| {
            stop_at != 0.0 && last.is_some_and(|last| last.zero.mean >= stop_at)
        })
    }
}

/// The metric of an iteration's time.
const SECONDS: &str = "time/iteration_seconds";

/// Bound on the size of a file of settings or notes, 1 MiB, far above that of any real one.
const LARGEST_FILE: u64 = 1 << 20;

/// The text of a file, if it exists. Links are not followed, because the text becomes part of a
/// page.
fn read(file: &Path) -> Result<Option<String>, RecordError> {
    match read_own(file, LARGEST_FILE) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(RecordError::Damaged {
                file: file.to_owned(),
                reason: "it is not text".to_owned(),
            }),
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordError::Io {
            file: file.to_owned(),
            source,
        }),
    }
}

/// Dotted keys and values of a configuration.
fn settings(text: &str) -> Result<Vec<(String, String)>, String> {
    fn walk(prefix: &str, table: &toml::Table, out: &mut Vec<(String, String)>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            match value {
                toml::Value::Table(inner) => walk(&format!("{path}."), inner, out),
                value => out.push((path, value.to_string())),
            }
        }
    }
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| one_line(e.message()))?;
    let mut out = Vec::new();
    walk("", &table, &mut out);
    Ok(out)
}

/// The evaluations of `eval.csv`, without their times.
fn read_evaluations(path: &Path) -> Result<Vec<Evaluation>, LineError> {
    let mut columns: Option<Vec<String>> = None;
    let mut first: Option<(u64, u64, bool, Returns)> = None;
    let mut evaluations: Vec<Evaluation> = Vec::new();
    let (mut best, mut best_iteration) = (f64::NEG_INFINITY, 0);
    each_line(path, |line| {
        let line = str::from_utf8(line).map_err(|_| "it is not text".to_owned())?;
        let line = line.trim_end();
        let Some(columns) = &columns else {
            let header: Vec<String> = line.split(',').map(str::to_owned).collect();
            let missing = COLUMNS
                .iter()
                .find(|name| !header.iter().any(|it| it == *name));
            columns = Some(header);
            return missing.map_or(Ok(()), |name| Err(format!("it has no {name}")));
        };
        let second = parse_evaluation(columns, line)?;
        let Some((iteration, env_steps, from_zero, zero)) = first.take() else {
            first = Some(second);
            return Ok(());
        };
        let (again, _, second_from_zero, random) = second;
        if iteration != again || !from_zero || second_from_zero {
            return Err(format!(
                "iteration {iteration} has no evaluation from random noise after that from zero \
                 noise"
            ));
        }
        if zero.mean > best {
            (best, best_iteration) = (zero.mean, iteration);
        }
        if evaluations.len() == MOST_EVALUATIONS {
            let mut k = 0;
            evaluations.retain(|e| {
                k += 1;
                k % 2 == 1 || e.iteration == best_iteration
            });
        }
        evaluations.push(Evaluation {
            iteration,
            env_steps,
            seconds: 0.0,
            zero,
            random,
        });
        Ok(())
    })?;
    Ok(evaluations)
}

/// The columns of `eval.csv` that are read.
const COLUMNS: [&str; 9] = [
    "iteration",
    "env_steps",
    "noise",
    "episodes",
    "mean",
    "std",
    "min",
    "max",
    "diverged",
];

/// A line of `eval.csv`: its iteration, its environment steps, whether it is from zero noise, and
/// the returns.
fn parse_evaluation(columns: &[String], line: &str) -> Result<(u64, u64, bool, Returns), String> {
    let fields: Vec<&str> = line.split(',').collect();
    let field = |name: &str| {
        let at = columns.iter().position(|column| column == name);
        at.and_then(|at| fields.get(at).copied())
            .ok_or_else(|| format!("it has no {name}"))
    };
    let number = |name: &str| -> Result<f64, String> {
        let text = field(name)?;
        text.parse()
            .map_err(|_| format!("`{text}` is not a number"))
    };
    let returns = Returns {
        episodes: number("episodes")? as u64,
        mean: number("mean")?,
        std: number("std")?,
        min: number("min")?,
        max: number("max")?,
        diverged: number("diverged")? as u64,
    };
    let noise = field("noise")?;
    let zero = noise == "zero";
    if !zero && noise != "random" {
        return Err(format!("`{noise}` is no kind of noise"));
    }
    Ok((
        number("iteration")? as u64,
        number("env_steps")? as u64,
        zero,
        returns,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thin::Merge;
    use std::fs;
    use tempfile::TempDir;

    const CONFIG: &str = "task = \"t\"\n[train]\nsteps = 200\n[env]\nnum_envs = 2\n";
    const METRICS: &str = "{\"iteration\":1,\"env_steps\":100,\"reward\":0.5,\
             \"episode_return\":null,\"time\":{\"iteration_seconds\":2.0}}\n\
         {\"iteration\":2,\"env_steps\":200,\"reward\":0.75,\
             \"time\":{\"iteration_seconds\":3.0}}\n";
    const EVAL: &str = "iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n\
         1,100,zero,4,1.5,0.5,1,2,0\n1,100,random,4,1.25,0.5,1,2,1\n\
2,200,zero,4,3,0,3,3,0\n2,200,random,4,2,0,2,2,0\n";

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_run_is_read() {
        let folder = folder(&[
            ("config.toml", CONFIG),
            ("metrics.jsonl", METRICS),
            ("eval.csv", EVAL),
        ]);
        let record = Record::read(folder.path()).unwrap();
        assert!(record.is_complete());
        assert_eq!(
            (record.env_steps(), record.planned_steps(), record.seconds()),
            (200, 200, 5.0)
        );
        assert_eq!(record.text_setting("task"), "t");
        assert!(
            record.curves.get("reward").is_none(),
            "it was not asked for"
        );
        let record = Record::with_curves(folder.path(), |name| name == "reward").unwrap();
        let curve = |name: &str| Some(record.curves.get(name)?.points(Merge::Mean));
        assert_eq!(curve("reward").unwrap(), [(100.0, 0.5), (200.0, 0.75)]);
        assert_eq!((curve("episode_return"), curve("other")), (None, None));
        let [first, last] = record.evaluations[..] else {
            panic!("two evaluations")
        };
        assert_eq!((first.seconds, first.random.diverged), (2.0, 1));
        assert_eq!(
            (last.seconds, last.zero.mean, last.random.mean),
            (5.0, 3.0, 2.0)
        );
        assert!(record.machines.is_empty() && record.failure.is_none());
    }

    /// An incomplete line of a run in progress is ignored.
    #[test]
    fn an_incomplete_line_is_ignored() {
        let metrics = format!("{METRICS}{{\"iteration\":3,\"env");
        let (eval, _) = EVAL.split_at(EVAL.find("2,200,random").unwrap() + 5);
        let folder = folder(&[
            ("config.toml", CONFIG),
            ("metrics.jsonl", &metrics),
            ("eval.csv", eval),
        ]);
        let record = Record::read(folder.path()).unwrap();
        assert_eq!((record.iterations, record.evaluations.len()), (2, 1));
        assert!(!record.is_complete());
    }

    #[test]
    fn damage_is_one_line() {
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[], "it has no config.toml"),
            (&[("config.toml", "task = ")], "config.toml is damaged"),
            (
                &[
                    ("config.toml", CONFIG),
                    ("metrics.jsonl", "{\"iteration\":1}\n{}\n"),
                ],
                "metrics.jsonl is damaged: line 1: it has no env_steps",
            ),
            (
                &[
                    ("config.toml", CONFIG),
                    ("eval.csv", "iteration,env_steps\n1,2\n"),
                ],
                "eval.csv is damaged: line 1: it has no noise",
            ),
            (
                &[("config.toml", CONFIG), ("metrics.jsonl", "nonsense\n{}\n")],
                "metrics.jsonl is damaged: line 1",
            ),
        ];
        for (files, message) in cases {
            let folder = folder(files);
            let error = Record::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains('\n'), "{error}");
        }
        let error = Record::read(Path::new("no/such/run"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "no/such/run is not a run: there is no such folder");
    }
}
