//! Results of methods: over all tasks, for each task, and in comparison with each other.

use super::grid::Grid;
use crate::number::format_number;
use crate::results::{Noise, Results, Run};
use crate::stats::{Aggregate, Estimate, mean, std};
use fpo_files::count;

/// The statistics over all shared tasks.
pub fn aggregates(results: &Results) -> Grid {
    let name = results.suite.score_name();
    let digits = digits(results);
    let mut header = vec!["method".to_owned(), "runs".to_owned()];
    for noise in Noise::BOTH {
        header.push(format!("IQM, {}", noise.name()));
        header.push(format!("mean, {}", noise.name()));
    }
    header.extend(["seconds per run".to_owned(), "steps per second".to_owned()]);
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
                cells.push(estimate(
                    results.aggregate(method, noise, aggregate),
                    digits,
                ));
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
            "Over {} task{}: the interquartile mean (IQM) and the mean of the runs' final {name}s, \
            with 95 % intervals.",
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

/// For each pair of methods to compare, the probability that the first beats the second, from both
/// kinds of noise.
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
        caption: "The probability that a run of the first method has a higher return than one of \
            the second on the same task, with 95 % \
                  intervals; ties count half. That the second is higher is as likely as what is \
                  missing to 1."
            .to_owned(),
        header: ["probability of improvement".to_owned()]
            .into_iter()
            .chain(columns)
            .collect(),
        rows: results.pairs().into_iter().map(row).collect(),
    }
}

/// Final returns for each task: mean ± standard deviation over the seeds.
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

/// `0.71 [0.65, 0.77]`.
fn estimate(estimate: Option<Estimate>, digits: usize) -> String {
    estimate.map_or("–".to_owned(), |e| {
        format!(
            "{:.digits$} [{:.digits$}, {:.digits$}]",
            e.value, e.low, e.high
        )
    })
}

/// Decimals of scores.
fn digits(results: &Results) -> usize {
    if results.suite.score.is_some() {
        2
    } else {
        return_digits(results)
    }
}

/// Decimals of returns: none if they are in the hundreds.
fn return_digits(results: &Results) -> usize {
    let returns = results.runs.iter().filter_map(Run::result);
    let largest = returns
        .map(|e| e.zero.mean.abs().max(e.random.mean.abs()))
        .fold(0.0, f64::max);
    format_number(largest, 3)
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len().min(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn tables_contain_the_values() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        let task = per_task(&results, Noise::Zero);
        assert_eq!(task.rows[1], ["swim", "2.50 ± 0.71", "5.50 ± 0.71"]);
        let all = aggregates(&results);
        assert!(all.rows[0][2].starts_with("0.15 ["), "{:?}", all.rows[0]);
        assert_eq!(all.rows[1][6..], ["6", "50"]);
        let p = improvements(&results);
        assert_eq!(
            p.rows,
            [[
                "The <first> > two",
                "0.00 [0.00, 0.00]",
                "0.00 [0.00, 0.00]"
            ]]
        );
    }
}
