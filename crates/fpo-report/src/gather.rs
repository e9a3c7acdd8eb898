//! Runs that were not made by a benchmark, put together: their seeds, tasks and methods are read
//! from their settings.

use crate::record::Record;
use crate::results::{Results, Run, Status};
use crate::suite::{Method, Suite};
use fpo_files::quoted;
use std::collections::BTreeSet;
use std::path::Path;

/// Settings that do not tell one method from another: a run's own, and what follows from the
/// machine or changes nothing that is learned.
const OF_A_RUN: [&str; 7] = [
    "task",
    "seed",
    "preset",
    "objective.method",
    "train.checkpoint_every",
    "train.keep",
    "train.precision",
];

/// The results of `records`, in `folder`, and remarks for their readers. Runs of one method and
/// task that differ in settings other than the seed are shown as different methods. Of runs that
/// are equal but for their folder, the first counts.
pub fn gather(name: &str, folder: &Path, records: Vec<Record>) -> (Results, Vec<String>) {
    let labels: Vec<String> = records
        .iter()
        .map(|record| label(record, &records))
        .collect();
    let mut suite = Suite {
        name: name.to_owned(),
        tasks: distinct(records.iter().map(|r| r.text_setting("task").to_owned())),
        seeds: records
            .iter()
            .map(seed)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        score: None,
        set: Vec::new(),
        methods: distinct(labels.iter().cloned())
            .into_iter()
            .map(|label| Method {
                name: label.clone(),
                label,
                preset: None,
                set: Vec::new(),
                tasks: Vec::new(),
            })
            .collect(),
    };
    suite.tasks.sort();
    let methods: Vec<String> = suite.methods.iter().map(|m| m.label.clone()).collect();
    let (mut runs, mut remarks): (Vec<Run>, _) = (Vec::new(), Vec::new());
    for (record, label) in records.into_iter().zip(labels) {
        let run = Run {
            method: position(&methods, &label),
            task: position(&suite.tasks, record.text_setting("task")),
            seed: seed(&record),
            status: Status::of(&record),
            record: Some(record),
        };
        let place = |run: &Run| (run.method, run.task, run.seed);
        let twin = runs.iter().find(|other| place(other) == place(&run));
        if let Some((twin, run)) = twin.and_then(|t| t.record.as_ref().zip(run.record.as_ref())) {
            remarks.push(format!(
                "{} is the run of {} again (the same settings and seed), and is left out.",
                quoted(&run.folder),
                quoted(&twin.folder)
            ));
        } else {
            runs.push(run);
        }
    }
    runs.sort_by_key(|run| (run.method, run.task, run.seed));
    let results = Results {
        suite,
        folder: folder.to_owned(),
        runs,
    };
    (results, remarks)
}

fn position(names: &[String], name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or(0)
}

fn seed(record: &Record) -> u64 {
    let seed = record.setting("seed").and_then(|seed| seed.parse().ok());
    seed.unwrap_or(0)
}

/// What distinguishes a run's method from the others': its preset and method, and the settings in
/// which it differs from other runs of these on its task.
fn label(record: &Record, all: &[Record]) -> String {
    let method = |record: &Record| {
        ["preset", "objective.method"].map(|key| record.text_setting(key).to_owned())
    };
    let [preset, named] = method(record);
    let alike: Vec<&Record> = all
        .iter()
        .filter(|other| {
            method(other) == method(record)
                && other.text_setting("task") == record.text_setting("task")
        })
        .collect();
    // A preset of another method has its name; `fast` is one of `fpo`.
    let mut label = match all.iter().any(|other| {
        let [other_preset, other_named] = method(other);
        other_preset == preset && other_named != named
    }) {
        true => format!("{preset} {named}"),
        false => preset,
    };
    for (key, value) in &record.config {
        let differs = alike
            .iter()
            .any(|other| other.setting(key) != Some(value.as_str()));
        if differs && !OF_A_RUN.contains(&key.as_str()) {
            label += &format!(", {key} = {value}");
        }
    }
    label
}

/// Every name once, in the order in which it comes.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Noise;
    use crate::results::tests::example;
    use crate::stats::{mean, std};

    /// The runs of a suite, put together without it, give the suite's own numbers.
    #[test]
    fn runs_put_together_are_those_of_their_suite() {
        let (folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let records = || -> Vec<Record> {
            let records = results.runs.iter().rev();
            records.filter_map(|run| run.record.clone()).collect()
        };
        let (gathered, remarks) = gather("together", folder.path(), records());
        assert!(remarks.is_empty(), "{remarks:?}");
        assert_eq!(gathered.suite.seeds, [0, 1]);
        assert_eq!(gathered.suite.tasks, ["hop", "swim"]);
        let labels: Vec<&str> = gathered
            .suite
            .methods
            .iter()
            .map(|m| &m.label[..])
            .collect();
        assert_eq!(
            labels,
            ["fast, objective.clip = 0.2", "fast, objective.clip = 0.1"]
        );
        for task in [0, 1] {
            let [ours, of_suite] = [
                gathered.returns(1, task, Noise::Zero),
                results.returns(0, task, Noise::Zero),
            ];
            assert_eq!(ours, of_suite);
            assert_eq!((mean(&ours), std(&ours)), (mean(&of_suite), std(&of_suite)));
        }
        // The same run from another folder counts once.
        let twice = [records(), records()].concat();
        let (gathered, remarks) = gather("twice", folder.path(), twice);
        assert_eq!((gathered.runs.len(), remarks.len()), (8, 8));
    }
}
