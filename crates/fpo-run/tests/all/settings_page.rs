//! docs/settings.md is what the code says. `FPO_RECORD=1 cargo test --release -p fpo-run
//! settings_page` writes it anew.

use std::fs;

#[test]
fn the_page_of_settings_is_current() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let text = fpo_run::config::settings_page().unwrap();
    if std::env::var_os("FPO_RECORD").is_some() {
        fs::write(page, &text).unwrap();
    }
    let written = fs::read_to_string(page).unwrap_or_default();
    let differing = text.lines().zip(written.lines()).find(|(a, b)| a != b);
    assert!(
        text == written,
        "docs/settings.md is not current ({differing:?}): \
         FPO_RECORD=1 cargo test --release -p fpo-run settings_page"
    );
}
