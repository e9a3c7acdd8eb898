//! Every setting as a page of Markdown: docs/settings.md.

use super::keys::{Setting, ValueKind, keys, section_doc};
use super::{ConfigError, is_changeable, lookup, resolve, table};
use crate::config::validate::range_of;
use toml::Table;

/// The text above the tables.
const HEAD: &str = "\
# Settings

This page is generated from the code. A test compares the two; after a change of settings,
`FPO_RECORD=1 cargo test --release -p fpo-run settings_page` writes it anew.

Change a setting on the command line with `--set optimizer.epochs=6`, or several in a TOML file for
`--config`. `fpo train --help-config` prints the same documentation as such a file, with the values
of the preset (`--preset`), task and method that the command line names.

Each table has the values of two presets: `fast`, the default, and `paper`, the published settings.
The other presets choose another method; the [last section](#the-other-presets) lists what they
change. Presets also hold values for single tasks, which are not shown here
([fast.toml](../crates/fpo-run/presets/fast.toml),
[paper.toml](../crates/fpo-run/presets/paper.toml)). *Resume*: a resumed run may change this
setting; the others stay as they were when the run began.
";

/// The presets that have a column, and those that are compared with one of them.
const SHOWN: [&str; 2] = ["fast", "paper"];
const DERIVED: [(&str, &str); 6] = [
    ("ppo-fast", "fast"),
    ("dppo-fast", "fast"),
    ("qfm-fast", "fast"),
    ("reppo-fast", "fast"),
    ("ppo", "paper"),
    ("dppo", "paper"),
];

/// Every setting with its documentation, what it takes and its values in the presets, as Markdown.
///
/// # Errors
/// None, as long as the presets are valid.
pub fn settings_page() -> Result<String, ConfigError> {
    let shown = [preset(SHOWN[0])?, preset(SHOWN[1])?];
    let mut out = HEAD.to_owned();
    let mut section = None;
    // The preset's name is no setting of its own.
    for key in keys().iter().filter(|key| key.path != "preset") {
        let of_key = key.path.rsplit_once('.').map_or("", |(section, _)| section);
        if section != Some(of_key) {
            section = Some(of_key);
            out.push_str(&section_head(of_key));
        }
        let values = shown.each_ref().map(|table| value(table, &key.path));
        out.push_str(&row(key, &values));
    }
    out.push_str("\n## The other presets\n\n| setting | value | instead of |\n|---|---|---|\n");
    for (name, base) in DERIVED {
        let (now, base) = (preset(name)?, preset(base)?);
        for key in keys().iter().filter(|key| key.path != "preset") {
            let (new, old) = (value(&now, &key.path), value(&base, &key.path));
            if new != old {
                out.push_str(&format!("| `{name}`: `{}` | {new} | {old} |\n", key.path));
            }
        }
    }
    Ok(out)
}

/// The settings of a preset, for a task that it does not know.
fn preset(name: &str) -> Result<Table, ConfigError> {
    table(&resolve("", Some(name), None, &[], None)?)
}

fn value(table: &Table, path: &str) -> String {
    match lookup(table, path) {
        Some(toml::Value::String(text)) if text.is_empty() => String::new(),
        value => value.map_or(String::new(), |value| format!("`{value}`")),
    }
}

fn section_head(section: &str) -> String {
    let title = match section {
        "" => "## General".to_owned(),
        name => format!(
            "## `{name}`\n\n{}",
            section_doc(name).unwrap_or_default().trim_end()
        ),
    };
    format!(
        "\n{title}\n\n| setting | `{}` | `{}` | takes | what it does |\n|---|---|---|---|---|\n",
        SHOWN[0], SHOWN[1]
    )
}

fn row(key: &Setting, values: &[String; 2]) -> String {
    let range = range_of(&key.path).map(|range| format!(", {range}"));
    let range = range.unwrap_or_default();
    let takes = match &key.kind {
        ValueKind::Bool => "true or false".to_owned(),
        ValueKind::Text => "text".to_owned(),
        ValueKind::Integer => format!("whole number{range}"),
        ValueKind::Number => format!("number{range}"),
        ValueKind::Integers => format!("list of whole numbers{range}"),
        ValueKind::Choice(_) => "a word".to_owned(),
    };
    let mut doc = key.doc.clone();
    if let ValueKind::Choice(choices) = &key.kind {
        for (word, meaning) in choices {
            doc.push_str(&format!("<br>`{word}`: {meaning}"));
        }
    }
    if is_changeable(&key.path) {
        doc.push_str(" *Resume*.");
    }
    let [fast, paper] = values;
    format!(
        "| `{}` | {fast} | {paper} | {takes} | {} |\n",
        key.path,
        doc.replace('|', "\\|")
    )
}
