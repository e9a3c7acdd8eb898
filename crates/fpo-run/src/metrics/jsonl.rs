//! `metrics.jsonl`: one row per line.

use fpo_files::{Cut, LineError, create_anew, sync};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{METRICS, MetricsError, Row, io_error};

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
        line.and_then(|line| self.file.write_all(line.as_bytes()))
            .map_err(io_error(&self.path))
    }

    pub(super) fn sync(&mut self) -> Result<(), MetricsError> {
        sync(&self.file).map_err(io_error(&self.path))
    }
}

/// The file of a run to resume, before it is truncated.
pub(super) struct Resumption {
    path: PathBuf,
    cut: Cut,
    /// The largest number of environment steps among the rows that are kept.
    env_steps: u64,
}

impl Resumption {
    /// Keeps the rows up to `iteration`. They must reach it without a gap, each exactly once; the
    /// first rows may be missing, if the run's file was moved away.
    pub(super) fn prepare(run_dir: &Path, iteration: u64) -> Result<Self, MetricsError> {
        let path = run_dir.join(METRICS);
        let (mut env_steps, mut rows, mut newest) = (0, 0, None);
        let cut = Cut::prepare(&path, "", |line| {
            let row = Position::of(line)?;
            if row.iteration > iteration {
                return Ok(false);
            }
            match newest {
                Some(before) if row.iteration <= before => {
                    return Err(format!("iteration {} comes after {before}", row.iteration));
                }
                Some(before) if row.iteration > before + 1 => {
                    return Err(format!("iteration {} is missing before it", before + 1));
                }
                _ => {}
            }
            (newest, rows) = (Some(row.iteration), rows + 1);
            env_steps = env_steps.max(row.env_steps);
            Ok(true)
        });
        let damaged = |line, reason| MetricsError::Damaged {
            path: path.clone(),
            line,
            reason,
        };
        match (cut, newest) {
            (Ok(_), Some(newest)) if newest < iteration => Err(damaged(
                rows,
                format!("it is the last, but the checkpoint is of iteration {iteration}"),
            )),
            (Ok(cut), _) => Ok(Self {
                cut,
                path,
                env_steps,
            }),
            (Err(LineError::Io(error)), _) => Err(io_error(&path)(error)),
            (Err(LineError::Damaged(line, reason)), _) => Err(damaged(line, reason)),
        }
    }

    /// Truncates it; also returns the number of environment steps of the rows that are kept.
    pub(super) fn commit(self) -> Result<(JsonLines, u64), MetricsError> {
        let Self {
            path,
            cut,
            env_steps,
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
        // Far beyond any run, and small enough that adding one does not overflow.
        if position.iteration < 1 << 62 && position.env_steps < 1 << 62 {
            Ok(position)
        } else {
            Err("a counter is impossibly large".into())
        }
    }
}
