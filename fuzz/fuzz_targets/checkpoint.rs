//! A checkpoint's folder with an untrusted manifest: only the files beside it are read.
#![no_main]

use fpo_fuzz::{folder, run};
use fpo_run::checkpoint::{Checkpoint, Checkpoints};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let run = run(folder.path(), 2);
    (folder, run)
});

fuzz_target!(|input: &[u8]| {
    let all = RUN.1.join("checkpoints");
    let path = all.join("step-000000000016");
    fs::write(path.join("manifest.json"), input).unwrap();
    if let Ok(checkpoint) = Checkpoint::open(&path) {
        for name in ["state.safetensors", "policy.safetensors", "config.toml"] {
            if let Ok(bytes) = checkpoint.read(name) {
                assert_eq!(bytes, fs::read(path.join(name)).unwrap());
            }
        }
    }
    assert_eq!(Checkpoints::list(&all).unwrap().len(), 2);
    assert!(Checkpoints::best(&all).is_ok());
});
