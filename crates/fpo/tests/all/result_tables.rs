//! Tables of returns in the documents are generated from bench/results, each number from one place.
//!
//! A table stands between `<!-- begin table NAME … -->` and `<!-- end table -->`.
//! `FPO_RECORD=1 cargo test --release -p fpo --test all result_tables` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

/// Which table stands where.
const PLACES: [(&str, &str); 5] = [
    ("README.md", "returns"),
    ("docs/notes/learning.md", "returns in full"),
    ("docs/notes/learning.md", "returns of the second search"),
    ("docs/notes/fast-preset.md", "returns of both searches"),
    ("docs/notes/dmc10.md", "returns of dmc10"),
];
const END: &str = "<!-- end table -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of a file in bench/results, each with the names of its columns.
fn rows(file: &str) -> Vec<Vec<(String, String)>> {
    let text = fs::read_to_string(root().join("bench/results").join(file)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let names: Vec<String> = lines.next().unwrap().collect();
    lines
        .map(|row| names.iter().cloned().zip(row).collect())
        .collect()
}

fn field<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    let found = row.iter().find(|(column, _)| column == name);
    &found.unwrap_or_else(|| panic!("no column {name}")).1
}

/// The rows that have these values, in the file's order.
fn select<'a>(
    rows: &'a [Vec<(String, String)>],
    wanted: &[(&str, &str)],
) -> Vec<&'a [(String, String)]> {
    let has = |row: &&Vec<(String, String)>| wanted.iter().all(|(c, v)| field(row, c) == *v);
    rows.iter().filter(has).map(Vec::as_slice).collect()
}

/// The distinct values of a column, in the order of their first rows.
fn distinct<'a>(rows: &'a [Vec<(String, String)>], name: &str) -> Vec<&'a str> {
    let mut values: Vec<&str> = Vec::new();
    for row in rows {
        if !values.contains(&field(row, name)) {
            values.push(field(row, name));
        }
    }
    values
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| cell.to_string()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}{rows}", line(&head))
}

/// Task by task, the means of the seeds with both kinds of noise.
fn returns() -> String {
    let all = rows("fast.csv");
    let line = |task: &&str| {
        let of = |noise: &str| {
            let wanted = [("preset", "fast"), ("task", *task), ("noise", noise)];
            let found = select(&all, &wanted);
            let means: Vec<&str> = found.iter().map(|row| field(row, "mean")).collect();
            means.join(" / ")
        };
        let steps = field(select(&all, &[("task", *task)])[0], "million_steps");
        vec![
            task.to_string(),
            format!("{steps} M"),
            of("zero"),
            of("random"),
        ]
    };
    let head = [
        "task",
        "env steps",
        "from zero noise, seeds 0 / 1 / 2",
        "from random noise, seeds 0 / 1 / 2",
    ];
    table(&head, distinct(&all, "task").iter().map(line).collect())
}

/// The same with deviations and ranges over the episodes.
fn returns_in_full(preset: &str) -> String {
    let all = rows("fast.csv");
    let mut lines = Vec::new();
    for task in distinct(&all, "task") {
        for noise in ["zero", "random"] {
            let wanted = [("preset", preset), ("task", task), ("noise", noise)];
            let mut line = vec![task.to_owned(), format!("{noise} noise")];
            line.extend(select(&all, &wanted).iter().map(|row| {
                let [mean, std, smallest, largest] =
                    ["mean", "std", "smallest", "largest"].map(|name| field(row, name));
                match smallest {
                    "" => format!("{mean} ± {std}"),
                    _ => format!("{mean} ± {std} ({smallest} to {largest})"),
                }
            }));
            lines.push(line);
        }
    }
    table(&["task", "column", "seed 0", "seed 1", "seed 2"], lines)
}

/// What the preset of the second search reached, beside the first one's.
fn both_searches() -> String {
    let all = rows("fast.csv");
    let found = select(&all, &[("preset", "second search"), ("noise", "zero")]);
    let line = |row: &&[(String, String)]| {
        let (task, seed) = (field(row, "task"), field(row, "seed"));
        let mean = |preset, noise| {
            let wanted = [
                ("preset", preset),
                ("task", task),
                ("seed", seed),
                ("noise", noise),
            ];
            field(select(&all, &wanted)[0], "mean").to_owned()
        };
        vec![
            task.to_owned(),
            field(row, "million_steps").to_owned(),
            seed.to_owned(),
            mean("second search", "zero"),
            mean("second search", "random"),
            mean("first search", "zero"),
        ]
    };
    let head = [
        "task",
        "M steps",
        "seed",
        "zero noise",
        "random noise",
        "former preset, same seed, zero noise",
    ];
    table(&head, found.iter().map(line).collect())
}

/// Mean and standard deviation over the seeds, task by task.
fn returns_of_dmc10() -> String {
    let all = rows("dmc10.csv");
    let methods = ["fpo", "fpo++", "ppo", "dppo"];
    let line = |task: &&str| {
        let of = |method: &str| {
            let found = select(&all, &[("method", method), ("task", *task)]);
            let returns: Vec<f64> = found
                .iter()
                .map(|row| field(row, "random_noise").parse().unwrap())
                .collect();
            let n = returns.len() as f64;
            let mean = returns.iter().sum::<f64>() / n;
            let squares: f64 = returns.iter().map(|x| (x - mean).powi(2)).sum();
            format!("{mean:.0} ± {:.0}", (squares / (n - 1.0)).sqrt())
        };
        let mut line = vec![task.to_string()];
        line.extend(methods.map(of));
        line
    };
    let head = [
        "return from random noise",
        "FPO",
        "FPO++",
        "Gaussian PPO",
        "DPPO",
    ];
    table(&head, distinct(&all, "task").iter().map(line).collect())
}

fn generated(name: &str) -> String {
    match name {
        "returns" => returns(),
        "returns in full" => returns_in_full("fast"),
        "returns of the second search" => returns_in_full("second search"),
        "returns of both searches" => both_searches(),
        "returns of dmc10" => returns_of_dmc10(),
        other => panic!("no table {other}"),
    }
}

#[test]
fn tables_of_returns_are_those_of_bench_results() {
    let record = std::env::var_os("FPO_RECORD").is_some();
    for (file, name) in PLACES {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let begin = format!("<!-- begin table {name}: from bench/results/");
        let (before, rest) = text
            .split_once(&begin)
            .unwrap_or_else(|| panic!("{file} has no table {name}"));
        let (source, rest) = rest.split_once("-->\n").unwrap();
        let (shown, after) = rest.split_once(END).unwrap();
        let table = format!("\n{}\n", generated(name));
        if record {
            let text = format!("{before}{begin}{source}-->\n{table}{END}{after}");
            fs::write(&path, text).unwrap();
        } else {
            assert_eq!(
                shown, table,
                "{file}, {name}: FPO_RECORD=1 cargo test --release -p fpo --test all result_tables"
            );
        }
    }
}
