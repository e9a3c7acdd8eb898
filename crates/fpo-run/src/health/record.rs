//! The metrics of a run, during training or from its folder.

use super::limits::PRESENT;
use super::{Detector, Finding, doctor};
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::config::{Config, check_continues, from_documented, load_recorded};
use crate::metrics::{METRICS, Order, counter, is_torn_row};
use crate::run::{
    CHECKPOINTS, CONFIG, EVALUATIONS, EVENTS, Evaluated, Event, LARGEST_POLICY, POLICY, RunError,
    checkpoints_gone, is_torn_evaluation, missing_records, not_a_run, read_whole, recorded_start,
    unusable,
};
use fpo_files::{each_line_or_torn, quoted};
use fpo_learn::trainer::{EXTRAS, Row};
use fpo_nn::Moments;
use fpo_policy::Policy;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A metric that a row has if the policy was evaluated after its iteration.
pub(crate) const EVALUATED: &str = "eval/zero_noise";

/// The metrics of one iteration.
pub trait Metrics {
    /// Iterations done, counted from 1.
    fn iteration(&self) -> u64;

    /// Environment steps done.
    fn env_steps(&self) -> u64;

    /// The metric of this name: none if the row does not have it, NaN if it is not finite.
    fn get(&self, name: &str) -> Option<f64>;
}

impl Metrics for Row {
    fn iteration(&self) -> u64 {
        self.iteration
    }

    fn env_steps(&self) -> u64 {
        self.env_steps
    }

    fn get(&self, name: &str) -> Option<f64> {
        let extra = |name| self.extras.iter().find(|(known, _)| known == name);
        let value = match name.strip_prefix(EXTRAS) {
            Some(name) => extra(name)?.1,
            None => self.values.iter().find(|(known, _)| *known == name)?.1,
        };
        // As it comes back from the file.
        Some(if value.is_finite() { value } else { f64::NAN })
    }
}

/// A row of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    iteration: u64,
    env_steps: u64,
    values: Map<String, Value>,
}

impl Recorded {
    /// Parses a line as a row.
    ///
    /// # Errors
    /// If it is not a row, with the parser's message.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let values: Map<String, Value> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let count = |name: &str| {
            let number = values.get(name).and_then(Value::as_u64);
            counter(number.ok_or_else(|| format!("it has no {name}"))?)
        };
        Ok(Self {
            iteration: count("iteration")?,
            env_steps: count("env_steps")?,
            values,
        })
    }

    /// The names of metrics that are null.
    pub fn nulls(&self) -> impl Iterator<Item = &str> {
        let nulls = self.values.iter().filter(|(_, value)| value.is_null());
        nulls.map(|(name, _)| name.as_str())
    }

    /// The timing called `name`, in seconds.
    pub fn seconds(&self, name: &str) -> Option<f64> {
        self.values.get("time")?.get(name)?.as_f64()
    }
}

impl Metrics for Recorded {
    fn iteration(&self) -> u64 {
        self.iteration
    }

    fn env_steps(&self) -> u64 {
        self.env_steps
    }

    fn get(&self, name: &str) -> Option<f64> {
        match self.values.get(name)? {
            Value::Null => Some(f64::NAN),
            value => value.as_f64(),
        }
    }
}

/// The normalizer of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizerState {
    /// Its checkpoint.
    pub checkpoint: PathBuf,
    /// The observation's parts and their sizes.
    pub observation: Vec<(String, usize)>,
    /// Its statistics.
    pub moments: Moments,
}

/// Calls `read` with each row of the run in `folder`, in order; there may be any number of them.
/// An incomplete last line, of a run in progress, is ignored.
///
/// # Errors
/// If the metrics cannot be read.
pub fn each_row(folder: &Path, mut read: impl FnMut(Recorded)) -> Result<(), RunError> {
    let path = folder.join(METRICS);
    let each = each_line_or_torn(&path, is_torn_row, |line| {
        read(Recorded::parse(line)?);
        Ok(())
    });
    each.map_err(|error| RunError::of_lines("read", &path, error))
}

/// The iteration of the newest checkpoint of the run in `folder`, from which it would resume; none
/// if there is none, or it is damaged, which another finding says.
fn resumes_after(folder: &Path) -> Result<Option<u64>, RunError> {
    let newest = Checkpoints::list(&folder.join(CHECKPOINTS))?.pop();
    let newest = newest.and_then(|path| Checkpoint::open(&path).ok());
    Ok(newest.map(|checkpoint| checkpoint.about().iteration))
}

/// Checks the records by which a run resumes, as resuming does.
struct Records {
    /// The newest checkpoint's iteration.
    until: Option<u64>,
    order: Order,
    rows: usize,
    /// The first line out of order, and why.
    wrong: Option<(usize, String)>,
    evaluated: u64,
}

impl Records {
    fn until(iteration: Option<u64>) -> Self {
        Self {
            until: iteration,
            order: Order::until(iteration.unwrap_or(u64::MAX)),
            rows: 0,
            wrong: None,
            evaluated: 0,
        }
    }

    fn row(&mut self, row: &Recorded) {
        self.rows += 1;
        if self.wrong.is_some() {
            return;
        }
        match self.order.next(row.iteration()) {
            Ok(counts) => {
                self.evaluated += u64::from(counts && row.get(EVALUATED).is_some());
            }
            Err(reason) => self.wrong = Some((self.rows, reason)),
        }
    }

    /// After the last row: findings about them, and about the evaluations.
    fn end(self, folder: &Path) -> Result<Vec<Finding>, RunError> {
        let cut = self.until.and_then(|_| self.order.cut());
        let metrics = folder.join(METRICS);
        let mut found = Vec::new();
        let mut damaged = |path: &Path, wrong: Option<(usize, String)>| {
            found.extend(wrong.map(|(line, reason)| doctor::damaged_record(path, line, &reason)));
        };
        damaged(&metrics, self.wrong.or(cut));
        let path = folder.join(EVALUATIONS);
        let mut evaluated = Evaluated::between(self.order.begins(), self.until.unwrap_or(u64::MAX));
        let next = |line: &[u8]| evaluated.next(line).map(drop);
        let each = each_line_or_torn(&path, is_torn_evaluation, next);
        match each.map_err(|error| RunError::of_lines("read", &path, error)) {
            Err(RunError::Damaged { path, line, reason }) => damaged(&path, Some((line, reason))),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if let (true, Some(_)) = (found.is_empty(), self.until) {
            let missing = self.order.missing();
            let lacks = missing_records(missing, self.evaluated, evaluated.count);
            let nothing_left = self.rows == 0 || evaluated.count == 0 && self.evaluated > 0;
            let finding = |lacks| doctor::missing_record(lacks, nothing_left);
            found.extend(lacks.into_iter().map(finding));
        }
        Ok(found)
    }
}

/// What is kept of the rows of a run, in the same memory for any number of them.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Their number.
    pub count: usize,
    /// The last of them, at most [`PRESENT`].
    pub present: VecDeque<Recorded>,
    /// A detector that has received all of them.
    pub detector: Detector,
    /// Whether one of them has an evaluation.
    pub evaluated: bool,
    /// Seconds of all iterations, without evaluations.
    pub training_seconds: f64,
    /// Seconds of all evaluations.
    pub evaluating_seconds: f64,
}

impl Rows {
    /// No rows yet of a run with these settings.
    fn new(config: &Config) -> Self {
        Self {
            count: 0,
            present: VecDeque::with_capacity(PRESENT),
            detector: Detector::new(config),
            evaluated: false,
            training_seconds: 0.0,
            evaluating_seconds: 0.0,
        }
    }

    fn add(&mut self, row: Recorded) {
        self.count += 1;
        self.detector.observe(&row);
        self.evaluated |= row.get(EVALUATED).is_some();
        self.training_seconds += row.seconds("iteration_seconds").unwrap_or(0.0);
        self.evaluating_seconds += row.seconds("eval_seconds").unwrap_or(0.0);
        if self.present.len() == PRESENT {
            self.present.pop_front();
        }
        self.present.push_back(row);
    }

    /// The newest row.
    pub fn last(&self) -> Option<&Recorded> {
        self.present.back()
    }
}

/// Most events that are kept, the newest; a run has a few.
const MOST_EVENTS: usize = 4096;

/// The contents of a run's folder.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Its settings.
    pub config: Config,
    /// Its rows.
    pub rows: Rows,
    /// The events recorded during training, the newest 4096 of them.
    pub events: VecDeque<Event>,
    /// The normalizers of the oldest and the newest checkpoint, if there are checkpoints that can
    /// be read.
    pub normalizers: Vec<NormalizerState>,
    /// Findings about the folder itself.
    pub damage: Vec<Finding>,
}

impl RunRecord {
    /// Reads the folder of a run, without changing it. The run may be in progress: an incomplete
    /// last line is ignored.
    ///
    /// # Errors
    /// If it is not the folder of a run, or its settings or metrics cannot be read.
    pub fn read(folder: &Path) -> Result<Self, RunError> {
        if let Some(reason) = not_a_run(folder) {
            return Err(RunError::NotARun {
                folder: folder.to_owned(),
                reason,
            });
        }
        let config = load_recorded(&folder.join(CONFIG), &[])?;
        // First, since a run in progress saves it after its rows.
        let until = resumes_after(folder)?;
        let mut rows = Rows::new(&config);
        let mut records = Records::until(until);
        each_row(folder, |row| {
            records.row(&row);
            rows.add(row);
        })?;
        let damage = records.end(folder)?;
        let (mut events, path) = (VecDeque::new(), folder.join(EVENTS));
        let each = each_line_or_torn(&path, is_torn_row, |line| {
            if events.len() == MOST_EVENTS {
                events.pop_front();
            }
            events.push_back(Event::parse(line)?);
            Ok(())
        });
        each.map_err(|error| RunError::of_lines("read", &path, error))?;
        let mut record = Self {
            config,
            rows,
            events,
            normalizers: Vec::new(),
            damage,
        };
        record.read_checkpoints(folder)?;
        Ok(record)
    }

    /// Checks what a resumed run begins with: the newest checkpoint as a whole, the settings with
    /// which that was trained, and what the run itself began with.
    fn check_resumes(&mut self, folder: &Path, newest: &Path, older: &[PathBuf]) {
        let found = match read_whole(newest) {
            // The run itself may have deleted it in the meantime.
            Err(_) if !newest.exists() => None,
            Err(error) => {
                let error = unusable(error, newest, older);
                Some(doctor::unusable_checkpoint(&error))
            }
            Ok((_, _, trained)) => {
                let origin = quoted(&newest.join(CONFIG));
                let trained = from_documented(&String::from_utf8_lossy(&trained), &origin);
                let continues = trained.and_then(|trained| check_continues(&self.config, &trained));
                let settings = continues.err().map(|error| doctor::other_settings(&error));
                let start = recorded_start(&self.config, folder).err();
                settings.or_else(|| start.map(|error| doctor::lost_start(&error)))
            }
        };
        self.damage.extend(found);
    }

    fn read_checkpoints(&mut self, folder: &Path) -> Result<(), RunError> {
        let checkpoints = folder.join(CHECKPOINTS);
        let link = Checkpoints::refuse_link(&checkpoints).err();
        let link = link.map(|error| doctor::refuses(&error.into()));
        self.damage.extend(link);
        let all = Checkpoints::list(&checkpoints)?;
        match all.split_last() {
            Some((newest, older)) => self.check_resumes(folder, newest, older),
            None => {
                let last = self.rows.last().map_or(0, Metrics::iteration);
                let gone = checkpoints_gone(folder, &self.config, last);
                let gone = gone.map(|error| doctor::refuses(&error));
                self.damage.extend(gone);
            }
        }
        let ends = [all.first(), all.last().filter(|_| all.len() > 1)];
        for path in ends.into_iter().flatten() {
            let policy = Checkpoint::open(path)
                .and_then(|checkpoint| checkpoint.read_capped(POLICY, LARGEST_POLICY))
                .map_err(|error| error.to_string())
                .and_then(|bytes| {
                    Policy::load(&bytes).map_err(|error| format!("{}: {error}", quoted(path)))
                });
            match policy {
                Ok(policy) => self.normalizers.push(NormalizerState {
                    checkpoint: path.clone(),
                    observation: policy.observation().to_vec(),
                    moments: policy.normalizer().moments().clone(),
                }),
                // The run itself may have deleted it in the meantime.
                Err(_) if !path.exists() => {}
                // The newest was read before.
                Err(_) if Some(path) == all.last() => {}
                Err(error) => self.damage.push(doctor::unusable_older(&error)),
            }
        }
        Ok(())
    }
}
