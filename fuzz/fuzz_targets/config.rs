//! A TOML file and, after a zero byte, lines for `--set`: an accepted configuration is the same
//! after writing and reading it, and a rejected one gives a one-line error.
#![no_main]

use fpo_fuzz::{folder, split};
use fpo_run::config::{Config, ConfigError, documented, from_documented, resolve};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static FILE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let file = folder.path().join("config.toml");
    (folder, file)
});

fn check(result: Result<Config, ConfigError>) {
    match result {
        Ok(config) => {
            let text = documented(&config);
            assert_eq!(from_documented(&text, "text").unwrap(), config);
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.len() < 5000, "{line}");
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let (text, sets) = split(input, 0);
    fs::write(&FILE.1, text).unwrap();
    let sets = String::from_utf8_lossy(sets);
    let sets: Vec<String> = sets.lines().map(str::to_owned).collect();
    check(resolve("cheetah-run", None, Some(&FILE.1), &sets, None));
    if let Ok(text) = str::from_utf8(text) {
        check(from_documented(text, "text"));
    }
});
