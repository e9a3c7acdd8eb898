//! The metrics of a run, during training or from its folder.

use super::Finding;
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::config::{Config, load_recorded};
use crate::metrics::METRICS;
use crate::run::{CHECKPOINTS, CONFIG, EVENTS, Event, LARGEST_POLICY, POLICY, RunError};
use fpo_files::parse_lines;
use fpo_learn::trainer::{EXTRAS, Row};
use fpo_nn::Moments;
use fpo_policy::Policy;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

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
            number.ok_or_else(|| format!("it has no {name}"))
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

/// The contents of a run's folder.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Its settings.
    pub config: Config,
    /// Its rows, in order.
    pub rows: Vec<Recorded>,
    /// The events recorded during training.
    pub events: Vec<Event>,
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
        let not_a_run = |reason: String| RunError::NotARun {
            folder: folder.to_owned(),
            reason,
        };
        if !folder.is_dir() {
            return Err(not_a_run("there is no such folder".into()));
        }
        let config = folder.join(CONFIG);
        if !config.is_file() {
            return Err(not_a_run("it has no config.toml".into()));
        }
        let config = load_recorded(&config, &[])?;
        let unreadable = |name: &str, error| RunError::of_lines("read", &folder.join(name), error);
        let rows = parse_lines(&folder.join(METRICS), Recorded::parse)
            .map_err(|e| unreadable(METRICS, e))?;
        let events =
            parse_lines(&folder.join(EVENTS), Event::parse).map_err(|e| unreadable(EVENTS, e))?;
        let mut record = Self {
            config,
            rows,
            events,
            normalizers: Vec::new(),
            damage: Vec::new(),
        };
        record.read_checkpoints(folder)?;
        Ok(record)
    }

    fn read_checkpoints(&mut self, folder: &Path) -> Result<(), RunError> {
        let all = Checkpoints::list(&folder.join(CHECKPOINTS))?;
        let ends = [all.first(), all.last().filter(|_| all.len() > 1)];
        for path in ends.into_iter().flatten() {
            let policy = Checkpoint::open(path)
                .and_then(|checkpoint| checkpoint.read_capped(POLICY, LARGEST_POLICY))
                .map_err(|error| error.to_string())
                .and_then(|bytes| {
                    Policy::load(&bytes).map_err(|error| format!("{}: {error}", path.display()))
                });
            match policy {
                Ok(policy) => self.normalizers.push(NormalizerState {
                    checkpoint: path.clone(),
                    observation: policy.observation().to_vec(),
                    moments: policy.normalizer().moments().clone(),
                }),
                // The run itself may have deleted it in the meantime.
                Err(_) if !path.exists() => {}
                Err(error) => self.damage.push(super::doctor::damaged_checkpoint(&error)),
            }
        }
        Ok(())
    }
}
