//! The report: all tables, pictures and notes, as one Markdown file.

use super::grid::{Grid, escape};
use super::notes::notes;
use super::runs::{exceptions, machines};
use super::scores::{aggregates, improvements, per_task};
use super::settings::differing_settings;
use crate::machine::Machine;
use crate::number::duration;
use crate::results::{Noise, Results, Status};
use std::fmt::Write;

/// Information in a report besides its results.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportInfo {
    /// The command that created it.
    pub command: String,
    /// The machine it was written on.
    pub here: Machine,
    /// Further remarks, one sentence each.
    pub remarks: Vec<String>,
}

/// The whole report as Markdown; the pictures are in the same folder.
pub fn report(results: &Results, about: &ReportInfo, pictures: &[(String, &str)]) -> String {
    let suite = &results.suite;
    let mut out = format!("# {}\n\n", escape(&suite.name));
    let finished = results
        .runs
        .iter()
        .filter(|run| run.status == Status::Finished)
        .count();
    let _ = writeln!(
        out,
        "{} methods × {} tasks × {} seeds; {finished} of {} runs are complete.\n",
        suite.methods.len(),
        suite.tasks.len(),
        suite.seeds.len(),
        results.runs.len()
    );
    let _ = writeln!(out, "- Command: `{}`", about.command.replace('`', "'"));
    let _ = writeln!(out, "- Seeds: {}", list(&suite.seeds));
    for machine in machines(results) {
        let _ = writeln!(out, "- Runs made on: {}", escape(&machine));
    }
    let _ = writeln!(
        out,
        "- Report written on: {}, {} cores, {}; fpo {}",
        escape(&about.here.processor),
        about.here.cores,
        escape(&about.here.system),
        about.here.version
    );
    let _ = writeln!(
        out,
        "- Learning took {} of single runs' time together, evaluations left out.\n",
        duration(results.seconds())
    );
    for remark in &about.remarks {
        let _ = writeln!(out, "**Note:** {}\n", escape(remark));
    }
    let mut section = |title: &str, grid: &Grid| {
        let caption = match grid.caption.as_str() {
            "" => String::new(),
            caption => escape(caption) + "\n\n",
        };
        if !grid.rows.is_empty() {
            let _ = writeln!(out, "## {title}\n\n{caption}{}", grid.markdown());
        }
    };
    section("Over all tasks", &aggregates(results));
    for noise in Noise::BOTH {
        section(
            &format!("Task by task, {}", noise.name()),
            &per_task(results, noise),
        );
    }
    section("Probability of improvement", &improvements(results));
    section("Runs that are not complete", &exceptions(results));
    out.push_str("## Pictures\n\n");
    for (file, caption) in pictures {
        let _ = writeln!(
            out,
            "{}\n\n![{}]({file})\n",
            escape(caption),
            escape(caption)
        );
    }
    out.push_str("## Settings\n\n");
    for (key, value) in &suite.set {
        let _ = writeln!(out, "- all runs: `{key} = {value}`");
    }
    for method in &suite.methods {
        let preset = method.preset.as_deref().unwrap_or("the default");
        let own: Vec<_> = method
            .set
            .iter()
            .map(|(key, value)| format!(", `{key} = {value}`"))
            .collect();
        let _ = writeln!(
            out,
            "- {}: preset {preset}{}",
            escape(&method.label),
            own.concat()
        );
        for (task, set) in &method.tasks {
            let own: Vec<_> = set
                .iter()
                .map(|(key, value)| format!("`{key} = {value}`"))
                .collect();
            let _ = writeln!(out, "  - {}: {}", escape(task), own.join(", "));
        }
    }
    out.push('\n');
    let settings = differing_settings(results);
    if !settings.rows.is_empty() {
        let _ = writeln!(out, "{}\n\n{}", settings.caption, settings.markdown());
    }
    out.push_str("## How to read it\n\n");
    for note in notes(results) {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// `1, 2, 3`.
fn list<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn a_report_has_all_parts_except_empty_ones() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let about = ReportInfo {
            command: "fpo bench example".to_owned(),
            here: Machine::here("0", 1, 0),
            remarks: vec!["read *me*".to_owned()],
        };
        let text = report(&results, &about, &[("curves.svg".to_owned(), "Curves")]);
        for part in [
            "8 of 8 runs are complete",
            "The \\<first>",
            "![Curves](curves.svg)",
            "`fpo bench example`",
            "**Note:** read \\*me\\*",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Runs that are not complete"));
    }
}
