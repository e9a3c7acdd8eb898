//! The files of a benchmark's report.

use crate::plot;
use crate::results::{Noise, Results};
use crate::tables::{self, ReportInfo};
use fpo_files::replace;
use std::io;
use std::path::PathBuf;

/// The suite's file, saved beside its runs.
pub const SUITE: &str = "suite.toml";

/// A picture of a report: its file name, its caption, and the drawing.
pub type Picture = (String, &'static str, svg::Document);

/// All pictures of `results`, in the order of the report.
pub fn pictures(results: &Results) -> Vec<Picture> {
    let mut pictures = vec![(
        "curves.svg".to_owned(),
        "Learning curves over all tasks",
        plot::aggregate(results),
    )];
    pictures.push((
        "intervals.svg".to_owned(),
        "Final aggregates of each method",
        plot::intervals(results),
    ));
    if results.methods().len() > 1 {
        pictures.push((
            "improvement.svg".to_owned(),
            "Probability of improvement",
            plot::improvement(results),
        ));
    }
    for noise in Noise::BOTH {
        let (file, caption) = match noise {
            Noise::Zero => (
                "tasks-zero-noise.svg",
                "Returns task by task, from zero noise",
            ),
            Noise::Random => (
                "tasks-random-noise.svg",
                "Returns task by task, from random noise",
            ),
        };
        pictures.push((file.to_owned(), caption, plot::tasks(results, noise)));
    }
    pictures
}

/// Writes `results.csv`, `curves.csv`, `report.md` and the pictures into the results' folder;
/// returns the files' names.
///
/// # Errors
/// If a file cannot be written.
pub fn write(results: &Results, about: &ReportInfo) -> io::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut put = |name: &str, text: &str| {
        let file = results.folder.join(name);
        replace(&file, text.as_bytes())?;
        written.push(file);
        io::Result::Ok(())
    };
    let pictures = pictures(results);
    let captions: Vec<_> = pictures
        .iter()
        .map(|(file, caption, _)| (file.clone(), *caption))
        .collect();
    put("report.md", &tables::report(results, about, &captions))?;
    put("results.csv", &tables::results_csv(results))?;
    put("curves.csv", &tables::curves_csv(results))?;
    for (file, _, picture) in &pictures {
        put(file, &format!("{picture}\n"))?;
    }
    Ok(written)
}
