//! `eval.csv`: the evaluations of a run, one line per kind of noise.

use super::{RunError, RunFolder};
use fpo_files::{Cut, sync};
use fpo_learn::evaluate::Evaluation;
use fpo_learn::trainer::Row;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

pub(super) const EVALUATIONS: &str = "eval.csv";
const HEADER: &str = "iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n";

/// The file, open at its end.
pub(super) struct Evaluations {
    path: PathBuf,
    file: File,
}

impl Evaluations {
    pub(super) fn create(folder: &RunFolder) -> Result<Self, RunError> {
        Self::commit(Self::keeping(folder, |_| false)?, folder)
    }

    /// Prepares a cut that keeps the lines up to `iteration`.
    pub(super) fn resume(folder: &RunFolder, iteration: u64) -> Result<Cut, RunError> {
        Self::keeping(folder, |line| {
            let line = str::from_utf8(line).unwrap_or_default();
            let number = line
                .split(',')
                .next()
                .and_then(|field| field.parse::<u64>().ok());
            number.is_some_and(|number| number <= iteration)
        })
    }

    /// Truncates the file.
    pub(super) fn commit(cut: Cut, folder: &RunFolder) -> Result<Self, RunError> {
        let path = folder.path().join(EVALUATIONS);
        match cut.commit() {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(RunError::of_lines("truncate", &path, error.into())),
        }
    }

    fn keeping(folder: &RunFolder, mut keep: impl FnMut(&[u8]) -> bool) -> Result<Cut, RunError> {
        let path = folder.path().join(EVALUATIONS);
        Cut::prepare(&path, HEADER, |line| Ok(keep(line)))
            .map_err(|error| RunError::of_lines("truncate", &path, error))
    }

    pub(super) fn write(&mut self, row: &Row, evaluation: &Evaluation) -> Result<(), RunError> {
        let mut text = String::new();
        for (noise, returns) in [
            ("zero", &evaluation.zero_noise),
            ("random", &evaluation.random_noise),
        ] {
            text += &format!(
                "{},{},{noise},{},{},{},{},{},{}\n",
                row.iteration,
                row.env_steps,
                returns.episodes,
                returns.mean,
                returns.std,
                returns.min,
                returns.max,
                returns.diverged
            );
        }
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| self.error(source))
    }

    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        sync(&self.file).map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> RunError {
        RunError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        }
    }
}
