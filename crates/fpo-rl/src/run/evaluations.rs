//! `eval.csv`: the evaluations of a run, one line for each kind of noise.

use super::{RunError, RunFolder};
use crate::evaluate::Evaluation;
use crate::metrics::Row;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

const FILE: &str = "eval.csv";
const HEADER: &str = "iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n";

/// The file, open at its end.
pub(super) struct Evaluations {
    path: PathBuf,
    file: File,
}

impl Evaluations {
    pub(super) fn create(folder: &RunFolder) -> Result<Self, RunError> {
        Self::with(folder, HEADER.to_owned())
    }

    /// Keeps the lines up to `iteration`.
    pub(super) fn resume(folder: &RunFolder, iteration: u64) -> Result<Self, RunError> {
        let path = folder.path().join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| RunError::Io {
                action: "read",
                path: path.clone(),
                source,
            })?,
        };
        let up_to = |line: &&str| {
            let number = line.split(',').next().and_then(|field| field.parse::<u64>().ok());
            line.ends_with('\n') && number.is_some_and(|number| number <= iteration)
        };
        Self::with(
            folder,
            HEADER.to_owned() + &text.split_inclusive('\n').filter(up_to).collect::<String>(),
        )
    }

    fn with(folder: &RunFolder, text: String) -> Result<Self, RunError> {
        let path = folder.write(FILE, text.as_bytes())?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(|source| RunError::Io {
            action: "open",
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, file })
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
        self.file.sync_all().map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> RunError {
        RunError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        }
    }
}
