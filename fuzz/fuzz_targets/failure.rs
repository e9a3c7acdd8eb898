//! The files of a failed run, one of them untrusted: the iteration is repeated, or an error says
//! why not.
#![no_main]

use fpo_fuzz::{config, folder, run, task};
use fpo_run::config::documented;
use fpo_run::run::{RunError, reproduce};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let run = run(folder.path(), 2);
    fs::create_dir(run.join("failure")).unwrap();
    fs::write(run.join("failure/config.toml"), documented(&config())).unwrap();
    (folder, run)
});

const FILES: [&str; 2] = ["failure.json", "state.safetensors"];

static GOOD: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let state = fs::read(RUN.1.join("checkpoints/step-000000000008/state.safetensors")).unwrap();
    [br#"{"iteration":1,"error":"it failed"}"#.to_vec(), state]
});

fuzz_target!(|input: &[u8]| {
    let Some((&which, content)) = input.split_first() else {
        return;
    };
    let which = usize::from(which) % FILES.len();
    for (k, (name, good)) in FILES.iter().zip(GOOD.iter()).enumerate() {
        let content = if k == which { content } else { good };
        fs::write(RUN.1.join("failure").join(name), content).unwrap();
    }
    match reproduce(&RUN.1, 1, |_| Ok::<_, RunError>(task())) {
        Ok(again) => assert!(which == 1 || again.again.is_none()),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
