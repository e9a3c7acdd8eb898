//! What a run measured: one JSON object a line in `metrics.jsonl`, and the same scalars for
//! TensorBoard.

mod jsonl;
mod tensorboard;

use std::io;
use std::path::{Path, PathBuf};

use fpo_learn::trainer::Row;
use jsonl::JsonLines;
use tensorboard::EventFile;

/// The file of a run's rows, a JSON object a line.
pub(crate) const METRICS: &str = "metrics.jsonl";

/// Metrics that could not be written or taken up again.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file system refused: a full disk, a missing folder, no permission.
    #[error("cannot write metrics to `{}`: {source}", path.display())]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is not a row, other than a last one cut short by a crash.
    #[error("`{}` is damaged in line {line}: {reason}; move the file away to go on without what it \
        records", path.display())]
    Damaged {
        /// The file in question.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
}

/// Writes the metrics of a run into its folder.
///
/// Every row is on disk's way as soon as it is written: both files can be followed while the run
/// goes on, and a crash costs at most the row being written.
pub struct MetricsWriter {
    lines: JsonLines,
    events: EventFile,
}

impl MetricsWriter {
    /// Starts the metrics of a new run in the existing folder `run_dir`; a `metrics.jsonl` already
    /// there is emptied.
    ///
    /// # Errors
    /// If the files cannot be made.
    pub fn create(run_dir: impl AsRef<Path>) -> Result<Self, MetricsError> {
        let run_dir = run_dir.as_ref();
        Ok(Self {
            lines: JsonLines::create(run_dir)?,
            events: EventFile::create(run_dir)?,
        })
    }

    /// Takes up the metrics of a run that goes on after `iteration`: later rows, and a last line
    /// cut short by a crash, are to be dropped from `metrics.jsonl`. Nothing changes before
    /// [`Resumption::commit`].
    ///
    /// # Errors
    /// If the file cannot be read, an earlier line is damaged, or a row is missing or there twice.
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

    /// Waits until everything written so far is on the disk.
    ///
    /// # Errors
    /// If the system cannot promise it.
    pub fn flush(&mut self) -> Result<(), MetricsError> {
        self.lines.sync()?;
        self.events.sync()
    }
}

/// The metrics of a run that goes on, before anything of them changes.
pub struct Resumption {
    run_dir: PathBuf,
    lines: jsonl::Resumption,
}

impl Resumption {
    /// Cuts `metrics.jsonl` back, at once or not at all, and tells TensorBoard in a new event file
    /// to forget what came after.
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

/// Turns a file's refusal into [`MetricsError::Io`].
fn io_error(path: &Path) -> impl FnOnce(io::Error) -> MetricsError + use<'_> {
    |source| MetricsError::Io {
        path: path.to_owned(),
        source,
    }
}
