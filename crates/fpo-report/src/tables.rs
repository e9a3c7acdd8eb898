//! Results as CSV and as Markdown.

use crate::machine::Machine;
use crate::number::{count, duration, figure};
use crate::results::{Noise, Results, Run, Status};
use crate::stats::{self, Aggregate, Estimate, mean, std};
use std::collections::BTreeSet;
use std::fmt::Write;

/// One row a run.
pub fn results_csv(results: &Results) -> String {
    let mut out = "method,task,seed,status,env_steps,zero_noise,zero_noise_std,random_noise,random_noise_std,zero_noise_score,\
                   random_noise_score,wall_seconds,steps_per_second,message\n"
        .to_owned();
    for run in &results.runs {
        let (method, task) = names(results, run);
        let _ = write!(
            out,
            "{},{},{},{},",
            field(method),
            field(task),
            run.seed,
            run.status.word()
        );
        let Some(record) = &run.record else {
            out.push_str("0,,,,,,,,,\n");
            continue;
        };
        let (steps, seconds) = (record.env_steps(), record.seconds());
        let _ = write!(out, "{steps},");
        match record.evaluations.last() {
            Some(last) => {
                let (zero, random) = (&last.zero, &last.random);
                let score = |mean| results.suite.score(mean);
                let _ = write!(
                    out,
                    "{},{},{},{},{},{},",
                    zero.mean,
                    zero.std,
                    random.mean,
                    random.std,
                    score(zero.mean),
                    score(random.mean)
                );
            }
            None => out.push_str(",,,,,,"),
        }
        let rate = if seconds > 0.0 {
            steps as f64 / seconds
        } else {
            0.0
        };
        let message = match &run.status {
            Status::Failed(why) => why,
            _ => "",
        };
        let _ = writeln!(out, "{seconds:.3},{rate:.1},{}", field(message));
    }
    out
}

/// One row an evaluation of a run.
pub fn curves_csv(results: &Results) -> String {
    let mut out =
        "method,task,seed,env_steps,wall_seconds,zero_noise,zero_noise_std,random_noise,random_noise_std\n"
            .to_owned();
    for run in &results.runs {
        let (method, task) = names(results, run);
        for e in run.record.iter().flat_map(|record| &record.evaluations) {
            let _ = writeln!(
                out,
                "{},{},{},{},{:.3},{},{},{},{}",
                field(method),
                field(task),
                run.seed,
                e.env_steps,
                e.seconds,
                e.zero.mean,
                e.zero.std,
                e.random.mean,
                e.random.std
            );
        }
    }
    out
}

fn names<'a>(results: &'a Results, run: &Run) -> (&'a str, &'a str) {
    (
        &results.suite.methods[run.method].name,
        &results.suite.tasks[run.task],
    )
}

/// A field of a CSV file, in quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A table: its header and its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// What it shows, in a sentence.
    pub caption: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// As Markdown, without the caption.
    pub fn markdown(&self) -> String {
        let row = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| escape(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = "|---".repeat(self.header.len());
        let rows: String = self.rows.iter().map(|cells| row(cells)).collect();
        format!("{}{rule}|\n{rows}", row(&self.header))
    }
}

/// Text that Markdown leaves as it is.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '<' | '\\' | '`' | '*' | '[' | ']' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The statistics over all shared tasks.
pub fn aggregates(results: &Results) -> Grid {
    let name = results.suite.score_name();
    let digits = digits(results);
    let mut header = vec!["method".to_owned(), "runs".to_owned()];
    for noise in Noise::BOTH {
        header.push(format!("IQM, {}", noise.name()));
        header.push(format!("mean, {}", noise.name()));
    }
    header.extend(["seconds a run".to_owned(), "steps a second".to_owned()]);
    let shared = results.shared_tasks();
    let row = |method: usize| {
        let runs: Vec<&Run> = results
            .of_method(method)
            .filter(|run| run.result().is_some() && shared.contains(&run.task))
            .collect();
        let mut cells = vec![
            results.suite.methods[method].label.clone(),
            runs.len().to_string(),
        ];
        for noise in Noise::BOTH {
            for aggregate in [Aggregate::InterquartileMean, Aggregate::Mean] {
                cells.push(estimate(results.aggregate(method, noise, aggregate), digits));
            }
        }
        let records = || runs.iter().filter_map(|run| run.record.as_ref());
        let seconds: f64 = records().map(|record| record.seconds()).sum();
        let steps: u64 = records().map(|record| record.env_steps()).sum();
        cells.push(format!("{:.0}", seconds / runs.len() as f64));
        cells.push(count((steps as f64 / seconds).round() as u64));
        cells
    };
    Grid {
        caption: format!(
            "Over {} task{}: the interquartile mean (IQM) and the mean of the runs' final {name}s, with 95 % intervals.",
            shared.len(),
            if shared.len() == 1 { "" } else { "s" }
        ),
        header,
        rows: results
            .methods()
            .into_iter()
            .filter(|_| !shared.is_empty())
            .map(row)
            .collect(),
    }
}

/// For each pair of methods worth comparing the probability that the first beats the second, from both kinds of noise.
pub fn improvements(results: &Results) -> Grid {
    let label = |method: usize| &results.suite.methods[method].label;
    let row = |(x, y): (usize, usize)| {
        let cells = Noise::BOTH.map(|noise| estimate(results.improvement(x, y, noise), 2));
        [format!("{} > {}", label(x), label(y))]
            .into_iter()
            .chain(cells)
            .collect()
    };
    let columns = Noise::BOTH.map(|noise| format!("from {}", noise.name()));
    Grid {
        caption: "The probability that a run of the first method has a higher return than one of the second on the same task, with 95 % \
                  intervals; ties count half. That the second is higher is as likely as what is missing to 1."
            .to_owned(),
        header: ["probability of improvement".to_owned()].into_iter().chain(columns).collect(),
        rows: results.pairs().into_iter().map(row).collect(),
    }
}

/// Final returns task by task: mean ± standard deviation over the seeds.
pub fn per_task(results: &Results, noise: Noise) -> Grid {
    let methods = results.methods();
    let mut header = vec![format!("return from {}", noise.name())];
    header.extend(
        methods
            .iter()
            .map(|&method| results.suite.methods[method].label.clone()),
    );
    let digits = return_digits(results);
    let cell = |method: usize, task: usize| {
        let returns = results.returns(method, task, noise);
        match returns.len() {
            0 => "–".to_owned(),
            1 => format!("{:.digits$}", returns[0]),
            _ => format!("{:.digits$} ± {:.digits$}", mean(&returns), std(&returns)),
        }
    };
    let rows = results.suite.tasks.iter().enumerate().map(|(task, name)| {
        let cells = methods.iter().map(|&method| cell(method, task));
        [name.clone()].into_iter().chain(cells).collect()
    });
    Grid {
        caption: format!(
            "Final mean returns from {}, mean over the seeds ± their standard deviation.",
            noise.name()
        ),
        header,
        rows: rows.collect(),
    }
}

/// Settings that differ between methods, and what each has. A value that a method's tasks do not share is shown as such.
pub fn differing_settings(results: &Results) -> Grid {
    let methods: Vec<usize> = (0..results.suite.methods.len())
        .filter(|&method| results.of_method(method).any(|run| run.record.is_some()))
        .collect();
    // The values a method has for a key, task by task.
    let values = |method: usize, key: &str| -> Vec<(usize, String)> {
        let runs = results
            .of_method(method)
            .filter_map(|run| Some((run.task, run.record.as_ref()?)));
        let values = runs.map(|(task, record)| (task, record.setting(key).unwrap_or("(default)").to_owned()));
        values.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let records = results.runs.iter().filter_map(|run| run.record.as_ref());
    let keys: BTreeSet<&str> = records
        .flat_map(|record| record.config.iter().map(|(key, _)| key.as_str()))
        .collect();
    let mut rows = Vec::new();
    for key in keys.into_iter().filter(|key| !["task", "seed"].contains(key)) {
        let all: Vec<_> = methods.iter().map(|&method| values(method, key)).collect();
        // On the tasks that both have.
        let differs = |a: &[(usize, String)], b: &[(usize, String)]| {
            a.iter()
                .any(|(task, value)| b.iter().any(|(other, its)| other == task && its != value))
        };
        if all.iter().skip(1).any(|values| differs(&all[0], values)) {
            let cells = all.iter().map(|values| {
                let distinct: BTreeSet<&String> = values.iter().map(|(_, value)| value).collect();
                let distinct: Vec<&str> = distinct.into_iter().map(String::as_str).collect();
                match distinct[..] {
                    [one] => one.trim_matches('"').to_owned(),
                    _ => format!("by task: {}", distinct.join(", ")),
                }
            });
            rows.push([key.to_owned()].into_iter().chain(cells).collect());
        }
    }
    let mut header = vec!["setting".to_owned()];
    header.extend(
        methods
            .iter()
            .map(|&method| results.suite.methods[method].label.clone()),
    );
    Grid {
        caption: "Settings that differ between methods on the same task.".to_owned(),
        header,
        rows,
    }
}

/// Runs without a result, and those whose result is not that of a complete run.
pub fn exceptions(results: &Results) -> Grid {
    let runs = results
        .runs
        .iter()
        .filter(|run| matches!(run.status, Status::Failed(_) | Status::Unfinished));
    let row = |run: &Run| {
        let steps = run.record.as_ref().map_or(0, |record| record.env_steps());
        let what = match &run.status {
            Status::Failed(why) if run.result().is_some() => {
                format!("failed; its last evaluation counts as its result: {why}")
            }
            Status::Failed(why) => format!("failed before its first evaluation, so it has no result: {why}"),
            _ => "unfinished; left out".to_owned(),
        };
        let (method, task) = (
            &results.suite.methods[run.method].label,
            &results.suite.tasks[run.task],
        );
        vec![
            method.clone(),
            task.clone(),
            run.seed.to_string(),
            count(steps),
            what,
        ]
    };
    let missing = results
        .runs
        .iter()
        .filter(|run| run.status == Status::Missing)
        .count();
    Grid {
        caption: match missing {
            0 => String::new(),
            missing => format!(
                "Besides these, {missing} of {} runs are not there.",
                results.runs.len()
            ),
        },
        header: ["method", "task", "seed", "steps", "what became of it"]
            .map(str::to_owned)
            .to_vec(),
        rows: runs.map(row).collect(),
    }
}

/// Where the runs were made, each machine once, in words.
pub fn machines(results: &Results) -> Vec<String> {
    let records: Vec<_> = results
        .runs
        .iter()
        .filter_map(|run| run.record.as_ref())
        .collect();
    let mut told: Vec<String> = Vec::new();
    for line in records
        .iter()
        .flat_map(|record| &record.machines)
        .map(Machine::describe)
    {
        if !told.contains(&line) {
            told.push(line);
        }
    }
    let silent = records.iter().filter(|record| record.machines.is_empty()).count();
    if silent > 0 {
        told.push(format!("not recorded by {silent} of {} runs", records.len()));
    }
    told
}

/// What a report says besides its results.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The command that made it.
    pub command: String,
    /// The machine it was written on.
    pub here: Machine,
    /// What else readers must know, a sentence each.
    pub remarks: Vec<String>,
}

/// How figures come about: notes for readers.
pub fn notes(results: &Results) -> Vec<String> {
    let suite = &results.suite;
    let mut notes = vec![
        "A run's result is the evaluation of its final policy, not of its best: whole episodes from fresh initial states, once with actions from \
         zero noise and once from random noise. A run that failed counts with its last evaluation."
            .to_owned(),
        match suite.score {
            Some(range) => format!(
                "A score is (return − {0}) / ({1} − {0}).",
                subtracted(range.min),
                range.max
            ),
            None => "Aggregates are of raw returns: the suite gives no range of scores.".to_owned(),
        },
        format!(
            "The interquartile mean leaves out the lowest and the highest quarter of all runs. Intervals are 95 % percentile intervals of {} \
             bootstrap resamples ({} for curves) that draw the seeds of each task anew, with a fixed seed. They speak of other seeds of these tasks, \
             not of other tasks.",
            count(stats::RESAMPLES as u64),
            count(stats::CURVE_RESAMPLES as u64)
        ),
        "Wall time is the sum of the iterations' times, without evaluations. In curves a run's score is linear between evaluations and stays \
         after its last."
            .to_owned(),
    ];
    if suite.seeds.len() < 5 {
        notes.push(format!(
            "With {} seed{} a task there are few distinct resamples, and intervals tend to be too narrow.",
            suite.seeds.len(),
            if suite.seeds.len() == 1 { "" } else { "s" }
        ));
    }
    let (shared, all) = (results.shared_tasks().len(), suite.tasks.len());
    if shared < all {
        notes.push(format!(
            "Aggregates and improvements are over the {shared} of {all} tasks on which every method has a result."
        ));
    }
    notes
}

/// A number after a minus sign.
fn subtracted(x: f64) -> String {
    if x < 0.0 { format!("({x})") } else { x.to_string() }
}

/// The whole report as Markdown, beside whose file the pictures lie.
pub fn report(results: &Results, about: &About, pictures: &[(String, &str)]) -> String {
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
        let _ = writeln!(out, "{}\n\n![{}]({file})\n", escape(caption), escape(caption));
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
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// `0.71 [0.65, 0.77]`.
fn estimate(estimate: Option<Estimate>, digits: usize) -> String {
    estimate.map_or("–".to_owned(), |e| {
        format!("{:.digits$} [{:.digits$}, {:.digits$}]", e.value, e.low, e.high)
    })
}

/// Decimals that scores are told with.
fn digits(results: &Results) -> usize {
    if results.suite.score.is_some() {
        2
    } else {
        return_digits(results)
    }
}

/// Decimals that returns are told with: none where they go into the hundreds.
fn return_digits(results: &Results) -> usize {
    let returns = results.runs.iter().filter_map(Run::result);
    let largest = returns
        .map(|e| e.zero.mean.abs().max(e.random.mean.abs()))
        .fold(0.0, f64::max);
    figure(largest, 3)
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len().min(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn csv_has_a_row_for_every_run() {
        let (folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let csv = results_csv(&results);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 1 + 8);
        assert_eq!(
            rows[2],
            "one,hop,1,finished,300,1,0.5,0.5,0.5,0.1,0.05,3.000,100.0,"
        );
        assert_eq!(curves_csv(&results).lines().count(), 1 + 8 * 3);
        let width = rows[0].split(',').count();
        std::fs::remove_dir_all(folder.path().join("one/hop-seed0")).unwrap();
        let results = Results::read(&results.suite, folder.path()).unwrap();
        let csv = results_csv(&results);
        let missing = csv.lines().nth(1).unwrap();
        assert!(missing.starts_with("one,hop,0,missing,0,"), "{missing}");
        assert_eq!(missing.split(',').count(), width);
        assert_eq!(field("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }

    #[test]
    fn tables_hold_the_figures() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let task = per_task(&results, Noise::Zero);
        assert_eq!(task.rows[1], ["swim", "2.50 ± 0.71", "5.50 ± 0.71"]);
        let all = aggregates(&results);
        assert!(all.rows[0][2].starts_with("0.15 ["), "{:?}", all.rows[0]);
        assert_eq!(all.rows[1][6..], ["6", "50"]);
        let p = improvements(&results);
        assert_eq!(
            p.rows,
            [["The <first> > two", "0.00 [0.00, 0.00]", "0.00 [0.00, 0.00]"]]
        );
        let settings = differing_settings(&results);
        assert_eq!(settings.rows, [["objective.clip", "0.1", "0.2"]]);
        let about = About {
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
