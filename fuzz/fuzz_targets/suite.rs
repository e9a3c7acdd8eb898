//! The description of a benchmark: it is a suite, or a one-line error says why not.
#![no_main]

use fpo_report::suite::Suite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    match Suite::parse("name", text, "suite.toml") {
        Ok(suite) => assert!(!suite.methods.is_empty() && !suite.tasks.is_empty()),
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.len() < 5000, "{line}");
        }
    }
});
