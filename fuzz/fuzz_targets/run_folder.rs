//! A run's folder in which one file is untrusted: its settings, its metrics or its evaluations. A
//! resumed run has each row exactly once.
#![no_main]

use fpo_fuzz::{folder, run, task};
use fpo_run::config::load_recorded;
use fpo_run::run::{RunFolder, Session};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let run = run(folder.path(), 2);
    // As if it had been stopped after the first of two iterations.
    fs::remove_dir_all(run.join("checkpoints/step-000000000016")).unwrap();
    (folder, run)
});

const FILES: [&str; 3] = ["config.toml", "metrics.jsonl", "eval.csv"];
/// The complete original files.
static GOOD: LazyLock<[Vec<u8>; 3]> =
    LazyLock::new(|| FILES.map(|name| fs::read(RUN.1.join(name)).unwrap()));

fuzz_target!(|input: &[u8]| {
    let Some((&which, content)) = input.split_first() else {
        return;
    };
    let path = &RUN.1;
    let which = usize::from(which) % FILES.len();
    for (k, (name, good)) in FILES.iter().zip(GOOD.iter()).enumerate() {
        let content = if k == which { content } else { good };
        fs::write(path.join(name), content).unwrap();
    }
    let locked = RunFolder::open(path).unwrap();
    let resumed = load_recorded(&locked.config(), &[])
        .map(|config| Session::resume(locked, config, task(), 1));
    if let Ok(Ok(_)) = resumed {
        let metrics = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        assert!(metrics.is_empty() || metrics.ends_with('\n'));
        // The run resumes from iteration 1.
        assert!(metrics.lines().count() <= 1);
        let evaluations = fs::read_to_string(path.join("eval.csv")).unwrap();
        assert!(evaluations.starts_with("iteration,") && evaluations.ends_with('\n'));
        if which != 1 {
            assert_eq!(metrics.lines().count(), 1);
        }
    }
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("events.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
});
