//! The machine of a run: processor, system and program.

use fpo_files::{if_there, one_line, read_capped, replace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The file in a run's folder that records its machines.
pub const FILE: &str = "machine.toml";

/// Bound on the size of such a file, 1 MiB, far above that of any real one.
const LARGEST_FILE: u64 = 1 << 20;

/// Most sessions that are recorded.
const MOST_SESSIONS: usize = 500;

/// A machine and the program that ran on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Machine {
    /// Iterations of the run before it continued on this machine.
    pub from_iteration: u64,
    /// Version of the program.
    pub version: String,
    /// Threads that the run used.
    pub threads: usize,
    /// The processor's name.
    pub processor: String,
    /// Logical cores.
    pub cores: usize,
    /// The operating system.
    pub system: String,
    /// Names and versions of what decides how the task's environments behave.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}

/// The format of the file.
#[derive(Serialize, Deserialize)]
struct Sessions {
    #[serde(default)]
    session: Vec<Machine>,
}

impl Machine {
    /// This machine, running `version` of the program.
    pub fn here(version: &str, threads: usize, from_iteration: u64) -> Self {
        Self {
            from_iteration,
            version: version.to_owned(),
            threads,
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            system: system(),
            versions: BTreeMap::new(),
        }
    }

    /// The same for a task with these `versions`.
    pub fn with_versions(mut self, versions: impl IntoIterator<Item = (String, String)>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Appends this machine to those recorded for the run in `folder`, unless the last one is the
    /// same.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or cannot be written.
    pub fn record(&self, folder: &Path) -> io::Result<()> {
        let file = folder.join(FILE);
        let mut session = Self::recorded(folder)?;
        if session
            .last()
            .is_some_and(|last| last.describe() == self.describe())
        {
            return Ok(());
        }
        session.push(self.clone());
        // A run that is moved between machines all the time; the first and the newest are kept.
        if session.len() > MOST_SESSIONS {
            session.drain(1..=session.len() - MOST_SESSIONS);
        }
        let text = toml::to_string(&Sessions { session }).map_err(io::Error::other)?;
        replace(&file, text.as_bytes())
    }

    /// The machines that the run in `folder` recorded; none if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged ([`io::ErrorKind::InvalidData`]).
    pub fn recorded(folder: &Path) -> io::Result<Vec<Self>> {
        let bytes = if_there(read_capped(&folder.join(FILE), LARGEST_FILE))?;
        let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".to_owned()))?;
        Self::parse(&text).map_err(damaged)
    }

    /// Parses the machines that a run recorded.
    pub(crate) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let sessions: Result<Sessions, _> = toml::from_str(text);
        sessions
            .map(|sessions| sessions.session)
            .map_err(|e| one_line(e.message()))
    }

    /// A description in one line.
    pub fn describe(&self) -> String {
        let versions = self.versions.iter();
        let versions: String = versions
            .map(|(name, version)| format!("; {name} {version}"))
            .collect();
        format!(
            "{}, {} cores, {}; fpo {}, {} thread{} a run{versions}",
            self.processor,
            self.cores,
            self.system,
            self.version,
            self.threads,
            if self.threads == 1 { "" } else { "s" }
        )
    }
}

/// The processor's name, if the system provides it.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The system's name and the version of its kernel.
fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let name = name.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    format!("{name} {}", kernel.trim()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    #[test]
    fn sessions_are_added() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("config.toml"), "").unwrap();
        let versions = [("simulator", "3"), ("models", "a digest")];
        let versions = versions.map(|(name, version)| (name.to_owned(), version.to_owned()));
        let here = Machine::here("1.2.3", 1, 0).with_versions(versions);
        assert!(here.describe().ends_with("; models a digest; simulator 3"));
        assert!(!here.processor.is_empty() && !here.system.is_empty());
        here.record(folder.path()).unwrap();
        // The same machine is not added twice.
        Machine {
            from_iteration: 7,
            ..here.clone()
        }
        .record(folder.path())
        .unwrap();
        let moved = Machine {
            threads: 2,
            from_iteration: 9,
            ..here.clone()
        };
        moved.record(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap().machines, [here, moved]);
    }
}
