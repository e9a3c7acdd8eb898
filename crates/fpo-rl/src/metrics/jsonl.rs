//! `metrics.jsonl`: a row a line.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{MetricsError, Row, io_error};

const FILE: &str = "metrics.jsonl";

/// The file, open at its end.
pub(super) struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    pub(super) fn create(run_dir: &Path) -> Result<Self, MetricsError> {
        let path = run_dir.join(FILE);
        let file = File::create(&path).map_err(io_error(&path))?;
        Ok(Self { path, file })
    }

    /// Keeps the rows up to `iteration`; also returns the environment steps of the last of them.
    pub(super) fn resume(run_dir: &Path, iteration: u64) -> Result<(Self, u64), MetricsError> {
        let path = run_dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let (kept, env_steps) =
            rows_until(&text, iteration).map_err(|(line, error)| MetricsError::Damaged {
                path: path.clone(),
                line,
                reason: error.to_string(),
            })?;
        if kept.len() < text.len() {
            replace(&path, &kept).map_err(io_error(&path))?;
        }
        let file = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io_error(&path))?;
        Ok((Self { path, file }, env_steps))
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<(), MetricsError> {
        // In one piece, so that a reader never sees half a line.
        let line = serde_json::to_string(row)
            .map(|line| line + "\n")
            .map_err(Into::into);
        line.and_then(|line| self.file.write_all(line.as_bytes()))
            .map_err(io_error(&self.path))
    }

    pub(super) fn sync(&mut self) -> Result<(), MetricsError> {
        self.file.sync_data().map_err(io_error(&self.path))
    }
}

/// The lines of `text` whose iteration is at most `last`, and the greatest number of environment steps among them; or the
/// number of a damaged line. A last line that is no row, or lacks its line feed, is what a crash left: it goes.
fn rows_until(text: &[u8], last: u64) -> Result<(Vec<u8>, u64), (usize, serde_json::Error)> {
    #[derive(serde::Deserialize)]
    struct Position {
        iteration: u64,
        env_steps: u64,
    }

    let (mut kept, mut env_steps) = (Vec::new(), 0);
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        match serde_json::from_slice::<Position>(line) {
            _ if !line.ends_with(b"\n") => break,
            Ok(row) if row.iteration <= last => {
                kept.extend_from_slice(line);
                env_steps = env_steps.max(row.env_steps);
            }
            Ok(_) => {}
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err((index + 1, error)),
        }
    }
    Ok((kept, env_steps))
}

/// Gives a file new content: after a crash it holds all of the old or all of the new.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("jsonl.tmp");
    let mut file = File::create(&temporary)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iteration", &self.iteration)?;
        map.serialize_entry("env_steps", &self.env_steps)?;
        for (name, value) in &self.values {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("time", &Named(&self.timing))?;
        map.end()
    }
}

/// Names and values as a JSON object, in their order.
struct Named<'a>(&'a [(&'static str, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
