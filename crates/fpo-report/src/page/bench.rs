//! The page about a benchmark.

use super::html::Page;
use crate::files::pictures;
use crate::number::duration;
use crate::results::{Noise, Results, Status};
use crate::tables::{self, Grid, ReportInfo};

/// The page about `results`; `source` is a name and the text of what says which runs they are.
pub fn of_results(results: &Results, about: &ReportInfo, source: (&str, &str)) -> String {
    let suite = &results.suite;
    let finished = results
        .runs
        .iter()
        .filter(|run| run.status == Status::Finished)
        .count();
    let subtitle = format!(
        "{} methods × {} tasks × {} seeds",
        suite.methods.len(),
        suite.tasks.len(),
        suite.seeds.len()
    );
    let mut page = Page::new(&suite.name, &subtitle);
    page.cards(&[
        (
            "runs complete".to_owned(),
            format!("{finished} of {}", results.runs.len()),
        ),
        (
            "of learning, all runs together".to_owned(),
            duration(results.seconds()),
        ),
    ]);
    about
        .remarks
        .iter()
        .for_each(|remark| page.paragraph(remark));
    let mut pictures = pictures(results).into_iter().peekable();
    let mut section = |page: &mut Page, title: &str, grids: &[Grid], shown: usize| {
        if grids.iter().all(|grid| grid.rows.is_empty()) {
            return;
        }
        page.heading(title);
        for _ in 0..shown {
            if let Some((_, caption, picture)) = pictures.next() {
                page.picture(&picture, caption);
            }
        }
        for grid in grids {
            page.paragraph(&grid.caption);
            page.table(grid, false);
        }
    };
    section(
        &mut page,
        "Over all tasks",
        &[tables::aggregates(results)],
        2,
    );
    section(
        &mut page,
        "Probability of improvement",
        &[tables::improvements(results)],
        1,
    );
    let tasks = Noise::BOTH.map(|noise| tables::per_task(results, noise));
    section(&mut page, "Task by task", &tasks, 2);
    let exceptions = tables::exceptions(results);
    if !exceptions.rows.is_empty() {
        page.heading("Runs that are not complete");
        page.paragraph(&exceptions.caption);
        page.table(&exceptions, true);
    }
    page.heading("How to read it");
    page.list(&tables::notes(results));
    page.heading("Settings");
    let settings = tables::differing_settings(results);
    if !settings.rows.is_empty() {
        page.paragraph(&settings.caption);
        page.table(&settings, false);
    }
    page.folded(source.0, source.1);
    page.heading("Machine");
    page.list(&tables::machines(results));
    page.paragraph(&format!(
        "This page was written by `{}`, fpo {}.",
        about.command, about.here.version
    ));
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::tests::example;

    #[test]
    fn a_page_has_tables_and_pictures() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let about = ReportInfo {
            command: "fpo report x".to_owned(),
            here: Machine::here("0", 1, 0),
            remarks: Vec::new(),
        };
        let page = of_results(&results, &about, ("the suite", "tasks = [] # </pre>"));
        for part in [
            "8 of 8",
            "The &lt;first&gt;",
            "objective.clip",
            "# &lt;/pre&gt;",
            "not recorded by 8 of 8 runs",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(!page.contains("<first>") && !page.contains("NaN"));
    }
}
