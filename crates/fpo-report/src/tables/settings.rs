//! Settings in which methods differ.

use super::grid::Grid;
use crate::results::Results;
use std::collections::BTreeSet;

/// Settings that differ between methods, and their values. A value that differs between a method's
/// tasks is marked.
pub fn differing_settings(results: &Results) -> Grid {
    let methods: Vec<usize> = (0..results.suite.methods.len())
        .filter(|&method| results.of_method(method).any(|run| run.record.is_some()))
        .collect();
    // The values a method has for a key, task by task.
    let values = |method: usize, key: &str| -> Vec<(usize, String)> {
        let runs = results
            .of_method(method)
            .filter_map(|run| Some((run.task, run.record.as_ref()?)));
        let values = runs
            .map(|(task, record)| (task, record.setting(key).unwrap_or("(default)").to_owned()));
        values.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let records = results.runs.iter().filter_map(|run| run.record.as_ref());
    let keys: BTreeSet<&str> = records
        .flat_map(|record| record.config.iter().map(|(key, _)| key.as_str()))
        .collect();
    let mut rows = Vec::new();
    for key in keys
        .into_iter()
        .filter(|key| !["task", "seed"].contains(key))
    {
        let all: Vec<_> = methods.iter().map(|&method| values(method, key)).collect();
        // Compare on the tasks that both have.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn settings_that_methods_share_are_left_out() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let settings = differing_settings(&results);
        assert_eq!(settings.rows, [["objective.clip", "0.1", "0.2"]]);
    }
}
