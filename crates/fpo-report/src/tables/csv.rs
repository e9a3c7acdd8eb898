//! Results for other programs, as comma-separated values.

use crate::results::{Results, Run, Status};
use std::fmt::Write;

/// One row per run.
pub fn results_csv(results: &Results) -> String {
    let mut out = "method,task,seed,status,env_steps,zero_noise,zero_noise_std,random_noise,\
         random_noise_std,zero_noise_score,\
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

/// One row per evaluation of a run.
pub fn curves_csv(results: &Results) -> String {
    let mut out = "method,task,seed,env_steps,wall_seconds,zero_noise,zero_noise_std,random_noise,\
             random_noise_std\n"
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

/// A field of a CSV file, quoted if necessary.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
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
}
