//! Kind: a file that grows with a run may have any length, and takes the same memory.
//!
//! `metrics.jsonl` or `eval.csv` is longer than 256 MiB here; `fpo doctor` and `fpo report` have
//! less memory than that, and a resume, which loads MuJoCo, twice as much.

use crate::cli::{PROGRAM, folder_with_run, stderr};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The size of a row; what is missing is spaces, which JSON allows.
const ROW: usize = 8192;
const ROWS: u64 = 36_000;
const STEPS: u64 = 128;

/// Extends the metrics of a run of ten rows as if it had gone on.
fn extend(run: &Path) {
    let path = run.join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let last = text.lines().last().unwrap();
    let (_, rest) = last
        .split_once(",\"episodes\"")
        .or(last.split_once(",\"reward\""))
        .unwrap();
    let name = if last.contains(",\"episodes\"") {
        "episodes"
    } else {
        "reward"
    };
    let mut out = BufWriter::new(File::options().append(true).open(&path).unwrap());
    for k in 11..=ROWS {
        let row = format!(
            "{{\"iteration\":{k},\"env_steps\":{},\"{name}\"{rest}",
            STEPS * k
        );
        writeln!(out, "{row:ROW$}").unwrap();
    }
    out.flush().unwrap();
    assert!(fs::metadata(path).unwrap().len() > 280 << 20);
}

/// The program with so many MiB of memory for data.
fn in_memory(mib: u64, folder: &TempDir, args: &[&str]) -> Output {
    let script = format!("ulimit -d {}; exec \"$0\" \"$@\"", mib << 10);
    Command::new("bash")
        .current_dir(folder.path())
        .args(["-c", &script])
        .arg(PROGRAM)
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn metrics_of_any_length_are_read_in_the_same_memory() {
    let (folder, run) = folder_with_run();
    extend(&run);
    // It is not healthy, or it is; it is read.
    let output = in_memory(200, &folder, &["doctor", "runs/run", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert!(text.contains(&format!("\"iterations\": {ROWS}")), "{text}");
    let output = in_memory(200, &folder, &["report", "runs/run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(
        page.contains("Means of neighboring iterations"),
        "it is thinned"
    );
    assert!(page.len() < 4 << 20, "{}", page.len());
    // Rows after the newest checkpoint are dropped on the way.
    let resume = [
        "train",
        "--resume",
        "runs/run",
        "--set",
        "train.steps=1536",
        "--threads",
        "1",
    ];
    let output = in_memory(512, &folder, &resume);
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 12);
}

#[test]
fn evaluations_of_any_length_are_read_in_the_same_memory() {
    let (folder, run) = folder_with_run();
    let path = run.join("eval.csv");
    let before = fs::read_to_string(&path).unwrap();
    let mut out = BufWriter::new(File::options().append(true).open(&path).unwrap());
    for k in 11..=ROWS / 2 {
        for noise in ["zero", "random"] {
            // Spaces at the end of a line are none of its fields.
            let row = format!("{k},{},{noise},2,{k}.5,0.25,0,1,0", STEPS * k);
            writeln!(out, "{row:ROW$}").unwrap();
        }
    }
    out.flush().unwrap();
    drop(out);
    assert!(fs::metadata(&path).unwrap().len() > 280 << 20);
    for command in ["doctor", "report"] {
        let output = in_memory(200, &folder, &[command, "runs/run"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert!(fs::metadata(run.join("report.html")).unwrap().len() < 4 << 20);
    let resume = ["train", "--resume", "runs/run", "--threads", "1"];
    let resume = [&resume[..], &["--set", "train.steps=1536"]].concat();
    let output = in_memory(512, &folder, &resume);
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = fs::read_to_string(&path).unwrap();
    assert!(
        rows.starts_with(&before) && rows.lines().count() < 20,
        "{}",
        rows.len()
    );
}
