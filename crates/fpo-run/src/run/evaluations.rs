//! `eval.csv`: the evaluations of a run, one line per kind of noise.

use super::{RunError, RunFolder};
use fpo_files::{Cut, shortened, still_at, sync};
use fpo_learn::evaluate::Evaluation;
use fpo_learn::trainer::Row;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

pub(crate) const EVALUATIONS: &str = "eval.csv";
const HEADER: &str = "iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n";

/// Whether an interrupted write of a line may have left `tail`: the header is written with the
/// file, so it is numbers, and the kind of noise in the third place.
pub(crate) fn is_torn(tail: &[u8]) -> bool {
    let fields = tail.split(|byte| *byte == b',').enumerate();
    let number = |byte: &u8| byte.is_ascii_digit() || b"+-.aefinN".contains(byte);
    let mut fields = fields.map(|(k, field)| match k {
        0 | 1 => field.iter().all(u8::is_ascii_digit),
        2 => b"zero".starts_with(field) || b"random".starts_with(field),
        _ => field.iter().all(number),
    });
    fields.all(|fits| fits)
}

/// Checks the cells of a line below the header.
///
/// # Errors
/// Which of them is none of its column's, as one that was edited by hand or by a spreadsheet.
fn check_cells(line: &str) -> Result<(), String> {
    let columns: Vec<&str> = HEADER.trim_end().split(',').collect();
    let cells: Vec<&str> = line.trim_end().split(',').collect();
    if cells.len() != columns.len() {
        let (found, wanted) = (cells.len(), columns.len());
        return Err(format!("it has {found} columns instead of {wanted}"));
    }
    for (column, cell) in columns.into_iter().zip(cells) {
        let fits = match column {
            "noise" => matches!(cell, "zero" | "random"),
            "mean" | "std" | "min" | "max" => cell.parse::<f64>().is_ok(),
            _ => cell.parse::<u64>().is_ok(),
        };
        if !fits {
            return Err(format!("`{}` is no {column}", shortened(cell, 40)));
        }
    }
    Ok(())
}

/// The lines of the file, as they come.
#[derive(Clone, Debug)]
pub(crate) struct Evaluated {
    /// The first and the last iteration that count.
    between: (u64, u64),
    /// Evaluations that count.
    pub(crate) count: u64,
    header: bool,
    newest: u64,
}

impl Evaluated {
    pub(crate) fn between(from: u64, until: u64) -> Self {
        Self {
            between: (from, until),
            count: 0,
            header: false,
            newest: 0,
        }
    }

    /// Reads the next line. Returns whether a resumed run keeps it below a header of its own.
    ///
    /// # Errors
    /// Why it is no evaluation, or cannot be the next.
    pub(crate) fn next(&mut self, line: &[u8]) -> Result<bool, String> {
        let line = str::from_utf8(line).map_err(|_| "it is not text".to_owned())?;
        let mut fields = line.trim_end().split(',');
        let first = fields.next().unwrap_or_default();
        if !self.header {
            self.header = first == "iteration";
            return match self.header {
                true => Ok(false),
                false => Err("it is no header, which begins with `iteration`".to_owned()),
            };
        }
        let iteration: u64 = first
            .parse()
            .map_err(|_| format!("`{}` is no iteration", shortened(first, 40)))?;
        if iteration < self.newest {
            return Err(format!("iteration {iteration} comes after {}", self.newest));
        }
        check_cells(line)?;
        self.newest = iteration;
        let (from, until) = self.between;
        if iteration >= from && iteration <= until && fields.nth(1) == Some("zero") {
            self.count += 1;
        }
        Ok(iteration <= until)
    }
}

/// The file, open at its end.
pub(super) struct Evaluations {
    path: PathBuf,
    file: File,
}

impl Evaluations {
    pub(super) fn create(folder: &RunFolder) -> Result<Self, RunError> {
        let path = folder.path().join(EVALUATIONS);
        let cut = Cut::prepare(&path, HEADER, is_torn, |_| Ok(false))
            .map_err(|error| RunError::of_lines("truncate", &path, error))?;
        Self::commit(cut, folder)
    }

    /// Prepares a cut that keeps the lines up to `iteration`; also returns what they are.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no evaluation.
    pub(super) fn resume(
        folder: &RunFolder,
        iteration: u64,
        from: u64,
    ) -> Result<(Cut, Evaluated), RunError> {
        let path = folder.path().join(EVALUATIONS);
        let mut evaluated = Evaluated::between(from, iteration);
        let cut = Cut::prepare(&path, HEADER, is_torn, |line| evaluated.next(line))
            .map_err(|error| RunError::of_lines("truncate", &path, error))?;
        Ok((cut, evaluated))
    }

    /// Truncates the file.
    pub(super) fn commit(cut: Cut, folder: &RunFolder) -> Result<Self, RunError> {
        let path = folder.path().join(EVALUATIONS);
        match cut.commit() {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(RunError::of_lines("truncate", &path, error.into())),
        }
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
        still_at(&self.file, &self.path)
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|source| self.error(source))
    }

    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        still_at(&self.file, &self.path)
            .and_then(|()| sync(&self.file))
            .map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> RunError {
        RunError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a spreadsheet or a hand makes of a line is no evaluation.
    #[test]
    fn every_cell_is_of_its_column() {
        let good = "4,512,zero,2,437.18,9.5,430,444.4,0\n";
        assert_eq!(check_cells(good), Ok(()));
        for wrong in [
            "4,512,zero,2,n.a.,9.5,430,444.4,0\n",
            "4,512,zero,2,437,18,9.5,430,444.4,0\n",
            "4,512,zero,2,437.18,9.5,430,444.4\n",
            "4,512,zero,2,\"437.18\",9.5,430,444.4,0\n",
            "4,512,some,2,437.18,9.5,430,444.4,0\n",
            "4,512.0,zero,2,437.18,9.5,430,444.4,0\n",
        ] {
            let why = check_cells(wrong).unwrap_err();
            assert!(!why.contains('\n'), "{why}");
            let mut lines = Evaluated::between(0, 10);
            lines.next(HEADER.as_bytes()).unwrap();
            assert!(lines.next(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
