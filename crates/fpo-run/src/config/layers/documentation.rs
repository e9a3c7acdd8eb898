//! The configuration as commented TOML.

use super::keys::{ValueKind, keys, section_doc};
use super::{Config, lookup, table};
use crate::config::validate::range_of;

/// Every setting with its documentation, its valid values and its default, as TOML.
pub fn documentation() -> String {
    documented(&Config::default())
}

/// The complete `config` as TOML, every key with its documentation and its valid values.
pub fn documented(config: &Config) -> String {
    let table = table(config).unwrap_or_default();
    let mut out = String::new();
    let mut section = "";
    for key in keys() {
        let (in_section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        if in_section != section {
            section = in_section;
            let doc = section_doc(section).unwrap_or_default();
            out.push_str(&format!("# {doc}\n[{section}]\n"));
        }
        let Some(value) = lookup(&table, &key.path) else {
            continue;
        };
        for line in wrap(&key.doc, 108)
            .iter()
            .chain(&takes(&key.path, &key.kind))
        {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(&format!("{name} = {value}\n\n"));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The lines that list a key's valid values.
fn takes(path: &str, kind: &ValueKind) -> Vec<String> {
    match kind {
        ValueKind::Choice(choices) => {
            let width = choices
                .iter()
                .map(|(word, _)| word.len())
                .max()
                .unwrap_or(0);
            choices
                .iter()
                .map(|(word, doc)| format!("  {word:width$}  {doc}").trim_end().to_owned())
                .collect()
        }
        ValueKind::Bool => vec!["  true or false".to_owned()],
        ValueKind::Text => Vec::new(),
        ValueKind::Integer | ValueKind::Number | ValueKind::Integers => {
            let kind = match kind {
                ValueKind::Number => "number",
                ValueKind::Integer => "whole number",
                _ => "list of whole numbers",
            };
            let range = range_of(path)
                .map(|range| format!(", {range}"))
                .unwrap_or_default();
            vec![format!("  {kind}{range}")]
        }
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
