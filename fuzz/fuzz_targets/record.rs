//! Read-only use of a run's folder: `fpo doctor` and the page of `fpo report`. Untrusted text must
//! not become markup of the page.
#![no_main]

use fpo_fuzz::{FILES_OF_A_RECORD, folder};
use fpo_report::page;
use fpo_report::record::Record;
use fpo_run::health::{RunRecord, examine};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let run = fpo_fuzz::run(folder.path(), 2);
    (folder, run)
});

/// The original files; empty if the run does not have the file.
static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let read = |name: &&str| fs::read(RUN.1.join(name)).unwrap_or_default();
    FILES_OF_A_RECORD.iter().map(read).collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((&which, content)) = input.split_first() else {
        return;
    };
    let which = usize::from(which) % FILES_OF_A_RECORD.len();
    for (k, (name, good)) in FILES_OF_A_RECORD.iter().zip(GOOD.iter()).enumerate() {
        let content = if k == which { content } else { good };
        if content.is_empty() {
            let _ = fs::remove_file(RUN.1.join(name));
        } else {
            fs::write(RUN.1.join(name), content).unwrap();
        }
    }
    let findings = match RunRecord::read(&RUN.1) {
        Ok(record) => examine(&record),
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            Vec::new()
        }
    };
    let findings: Vec<page::Finding> = findings
        .into_iter()
        .map(|finding| page::Finding {
            severity: page::Severity::Warning,
            title: finding.statement,
            detail: finding.advice,
        })
        .collect();
    match Record::with_curves(&RUN.1, page::is_shown) {
        Ok(record) => assert!(!page::of_run(&record, Some(&findings), None).contains("<fz")),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
