//! `metrics.jsonl`: a row a line.

use fpo_files::{Cut, LineError, create_anew};
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

/// The file of a run that goes on, before it is cut back.
pub(super) struct Resumption {
    path: PathBuf,
    cut: Cut,
    /// The greatest number of environment steps among the rows that stay.
    env_steps: u64,
}

impl Resumption {
    /// Keeps the rows up to `iteration`. They must lead there without a gap and each be there once;
    /// those of the beginning may be missing, of a run whose file was moved away.
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

    /// Cuts it back; also returns the number of environment steps of the rows that stay.
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

/// Where in a run a line belongs.
#[derive(Deserialize)]
struct Position {
    iteration: u64,
    env_steps: u64,
}

impl Position {
    fn of(line: &[u8]) -> Result<Self, String> {
        let position: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        // Far beyond any run, and far from overflowing where one is added.
        if position.iteration < 1 << 62 && position.env_steps < 1 << 62 {
            Ok(position)
        } else {
            Err("a counter is impossibly large".into())
        }
    }
}
