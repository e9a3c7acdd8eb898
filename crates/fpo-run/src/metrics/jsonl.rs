//! `metrics.jsonl`: one row per line.

use fpo_files::{Cut, LineError, create_anew, still_at, sync};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{METRICS, MetricsError, Order, Row, counter, io_error, is_torn_row};

/// The file, open at its end.
pub(super) struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    pub(super) fn create(run_dir: &Path) -> Result<Self, MetricsError> {
        let path = run_dir.join(METRICS);
        let file = create_anew(&path).map_err(io_error(&path))?;
        Ok(Self { path, file })
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<(), MetricsError> {
        // In one write, so that a reader never sees part of a line.
        let line = serde_json::to_string(row)
            .map(|line| line + "\n")
            .map_err(Into::into);
        line.and_then(|line| {
            still_at(&self.file, &self.path)?;
            self.file.write_all(line.as_bytes())
        })
        .map_err(io_error(&self.path))
    }

    pub(super) fn sync(&mut self) -> Result<(), MetricsError> {
        still_at(&self.file, &self.path)
            .and_then(|()| sync(&self.file))
            .map_err(io_error(&self.path))
    }
}

/// The file of a run to resume, before it is truncated.
pub(super) struct Resumption {
    path: PathBuf,
    cut: Cut,
    /// The largest number of environment steps among the rows that are kept.
    env_steps: u64,
    order: Order,
}

impl Resumption {
    /// Keeps the rows up to `iteration`. They must reach it without a gap, each exactly once; the
    /// first rows may be missing, if the run's file was moved away.
    pub(super) fn prepare(run_dir: &Path, iteration: u64) -> Result<Self, MetricsError> {
        let path = run_dir.join(METRICS);
        let (mut env_steps, mut order) = (0, Order::until(iteration));
        let cut = Cut::prepare(&path, "", is_torn_row, |line| {
            let row = Position::of(line)?;
            let counts = order.next(row.iteration)?;
            if counts {
                env_steps = env_steps.max(row.env_steps);
            }
            Ok(counts)
        });
        let damaged = |line, reason| MetricsError::Damaged {
            path: path.clone(),
            line,
            reason,
        };
        let cut = cut.map_err(|error| match error {
            LineError::Io(error) => io_error(&path)(error),
            LineError::Damaged(line, reason) => damaged(line, reason),
        })?;
        if let Some((line, reason)) = order.cut() {
            return Err(damaged(line, reason));
        }
        Ok(Self {
            cut,
            path,
            env_steps,
            order,
        })
    }

    /// The rows that are kept.
    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// Truncates it; also returns the number of environment steps of the rows that are kept.
    pub(super) fn commit(self) -> Result<(JsonLines, u64), MetricsError> {
        let Self {
            path,
            cut,
            env_steps,
            ..
        } = self;
        let file = cut.commit().map_err(io_error(&path))?;
        Ok((JsonLines { path, file }, env_steps))
    }
}

/// A line's position in the run.
#[derive(Deserialize)]
struct Position {
    iteration: u64,
    env_steps: u64,
}

impl Position {
    fn of(line: &[u8]) -> Result<Self, String> {
        let position: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        counter(position.iteration)?;
        counter(position.env_steps)?;
        Ok(position)
    }
}
