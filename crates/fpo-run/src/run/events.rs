//! `events.jsonl`: the detector's findings during training, and rollbacks, one JSON object per
//! line.

use super::{RunError, RunFolder};
use crate::health::Finding;
use crate::metrics::is_torn_row;
use fpo_files::{Cut, remove, sync};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name; a run without events has no such file.
pub(crate) const EVENTS: &str = "events.jsonl";

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its iteration, counted from 1.
    pub iteration: u64,
    /// Environment steps at that time.
    pub env_steps: u64,
    /// Rollbacks before the event.
    pub rollbacks: u32,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Event {
    /// Parses a line as an event.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|e| e.to_string())
    }

    /// Whether it happened before the training state after `iteration` iterations and `rollbacks`
    /// rollbacks. A rollback may have undone a failed iteration, which is then repeated under the
    /// same number.
    fn is_before(&self, iteration: u64, rollbacks: u32) -> bool {
        self.rollbacks < rollbacks || self.iteration <= iteration
    }
}

/// The file, which is created with the first event.
pub(super) struct Events {
    path: PathBuf,
}

impl Events {
    /// For a new run, in a cleared folder.
    pub(super) fn create(folder: &RunFolder) -> Self {
        Self {
            path: folder.path().join(EVENTS),
        }
    }

    /// Prepares a cut that keeps the events before the state from which the run resumes.
    pub(super) fn resume(
        folder: &RunFolder,
        iteration: u64,
        rollbacks: u32,
    ) -> Result<Cut, RunError> {
        let path = folder.path().join(EVENTS);
        let keep = |line: &[u8]| Ok(Event::parse(line)?.is_before(iteration, rollbacks));
        Cut::prepare(&path, "", is_torn_row, keep)
            .map_err(|error| RunError::of_lines("truncate", &path, error))
    }

    /// Truncates the file; deletes it if it is empty.
    pub(super) fn commit(cut: Cut, folder: &RunFolder) -> Result<Self, RunError> {
        let events = Self::create(folder);
        let length = cut.commit().and_then(|file| Ok(file.metadata()?.len()));
        if length.map_err(|source| events.error("truncate", source))? == 0 {
            remove(&events.path).map_err(|source| events.error("delete", source))?;
        }
        Ok(events)
    }

    /// Appends an event; it is on disk when this returns.
    pub(super) fn write(&self, event: &Event) -> Result<(), RunError> {
        let written = serde_json::to_string(event)
            .map_err(io::Error::from)
            .and_then(|line| append(&self.path, line + "\n"));
        written.map_err(|source| self.error("write", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> RunError {
        RunError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

fn append(path: &Path, line: String) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())?;
    sync(&file)
}
