//! The metrics of a run: one JSON object per line in `metrics.jsonl`, and the same scalars for
//! TensorBoard.

mod jsonl;
mod order;
mod tensorboard;

use std::io;
use std::path::{Path, PathBuf};

use fpo_files::quoted;
use fpo_learn::trainer::Row;
use jsonl::JsonLines;
pub(crate) use order::{Order, counter, lacks};
use tensorboard::EventFile;

/// The file of a run's rows, one JSON object per line.
pub(crate) const METRICS: &str = "metrics.jsonl";

/// What a row begins with, and an event (`events.jsonl`).
const ROW: &[u8] = b"{\"iteration\":";

/// Whether an interrupted write of a row, or of an event, may have left `tail`.
pub(crate) fn is_torn_row(tail: &[u8]) -> bool {
    let common = tail.len().min(ROW.len());
    tail[..common] == ROW[..common] && tail.get(common).is_none_or(u8::is_ascii_digit)
}

/// Metrics that could not be written or resumed.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A file system error: a full disk, a missing folder, no permission.
    #[error("cannot write metrics to {}: {source}", quoted(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line that is not a row, other than a last one truncated by a crash.
    #[error(
        "{} is damaged in line {line}: {reason}; move the file away to resume without its \
        records",
        quoted(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The parser's message.
        reason: String,
    },
}

/// Writes the metrics of a run into its folder.
///
/// Rows are not buffered: both files can be followed during the run, and a crash loses at most the
/// row being written.
pub struct MetricsWriter {
    lines: JsonLines,
    events: EventFile,
}

impl MetricsWriter {
    /// Starts the metrics of a new run in the existing folder `run_dir`; a `metrics.jsonl` already
    /// there is emptied.
    ///
    /// # Errors
    /// If the files cannot be created.
    pub fn create(run_dir: impl AsRef<Path>) -> Result<Self, MetricsError> {
        let run_dir = run_dir.as_ref();
        Ok(Self {
            lines: JsonLines::create(run_dir)?,
            events: EventFile::create(run_dir)?,
        })
    }

    /// Prepares the metrics of a run that resumes after `iteration`: [`Resumption::commit`] will
    /// drop later rows, and a last line truncated by a crash, from `metrics.jsonl`. Nothing changes
    /// before that.
    ///
    /// # Errors
    /// If the file cannot be read, an earlier line is damaged, or a row is missing or duplicated.
    pub fn resume(run_dir: impl AsRef<Path>, iteration: u64) -> Result<Resumption, MetricsError> {
        let run_dir = run_dir.as_ref().to_owned();
        let lines = jsonl::Resumption::prepare(&run_dir, iteration)?;
        Ok(Resumption { run_dir, lines })
    }

    /// Writes one row. A value that is not finite becomes `null` in `metrics.jsonl`. In TensorBoard
    /// the step is [`Row::env_steps`]. The tag of what an environment reported begins with `env/`,
    /// that of a timing with `time/`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&mut self, row: &Row) -> Result<(), MetricsError> {
        self.lines.write(row)?;
        self.events.write(row)
    }

    /// Waits until everything written so far is on disk.
    ///
    /// # Errors
    /// If the system reports an error.
    pub fn flush(&mut self) -> Result<(), MetricsError> {
        self.lines.sync()?;
        self.events.sync()
    }
}

/// The metrics of a run to resume, before they change.
pub struct Resumption {
    run_dir: PathBuf,
    lines: jsonl::Resumption,
}

impl Resumption {
    /// The rows that are kept.
    pub(crate) fn order(&self) -> &Order {
        self.lines.order()
    }

    /// Truncates `metrics.jsonl` atomically, and starts a new event file that makes TensorBoard
    /// discard later events.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn commit(self) -> Result<MetricsWriter, MetricsError> {
        let (lines, env_steps) = self.lines.commit()?;
        let mut events = EventFile::create(&self.run_dir)?;
        events.restart_after(env_steps)?;
        Ok(MetricsWriter { lines, events })
    }
}

/// Turns a file's error into [`MetricsError::Io`].
fn io_error(path: &Path) -> impl FnOnce(io::Error) -> MetricsError + use<'_> {
    |source| MetricsError::Io {
        path: path.to_owned(),
        source,
    }
}
