//! `events.jsonl`: what the detector found while a run was trained, and what was done about it, one
//! JSON object a line.

use super::{RunError, RunFolder};
use crate::health::Finding;
use fpo_files::{Cut, remove};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name; a run in which nothing happened has none.
pub(crate) const EVENTS: &str = "events.jsonl";

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The iteration it happened in, counted from 1.
    pub iteration: u64,
    /// Environment steps at that time.
    pub env_steps: u64,
    /// Rollbacks before it.
    pub rollbacks: u32,
    /// What happened.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Event {
    /// The event in a line, or why there is none.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|e| e.to_string())
    }

    /// Whether it lies behind a training state after `iteration` iterations and `rollbacks`
    /// rollbacks. A rollback may have undone an iteration that failed, which then is repeated under
    /// the same number.
    fn is_before(&self, iteration: u64, rollbacks: u32) -> bool {
        self.rollbacks < rollbacks || self.iteration <= iteration
    }
}

/// The file, which appears with the first event.
pub(super) struct Events {
    path: PathBuf,
}

impl Events {
    /// Of a new run, in a folder that was cleared.
    pub(super) fn create(folder: &RunFolder) -> Self {
        Self {
            path: folder.path().join(EVENTS),
        }
    }

    /// Keeps the events that lie behind the state from which the run goes on, once it is committed.
    pub(super) fn resume(
        folder: &RunFolder,
        iteration: u64,
        rollbacks: u32,
    ) -> Result<Cut, RunError> {
        let path = folder.path().join(EVENTS);
        let keep = |line: &[u8]| Ok(Event::parse(line)?.is_before(iteration, rollbacks));
        Cut::prepare(&path, "", keep).map_err(|error| RunError::of_lines("cut back", &path, error))
    }

    /// Cuts the file back; nothing is left of an empty one.
    pub(super) fn commit(cut: Cut, folder: &RunFolder) -> Result<Self, RunError> {
        let events = Self::create(folder);
        let length = cut.commit().and_then(|file| Ok(file.metadata()?.len()));
        if length.map_err(|source| events.error("cut back", source))? == 0 {
            remove(&events.path).map_err(|source| events.error("delete", source))?;
        }
        Ok(events)
    }

    /// Adds an event; it is on the disk when this returns.
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
    file.sync_data()
}
