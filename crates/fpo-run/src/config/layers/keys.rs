//! The keys of the configuration, read from the JSON schema of [`Config`].

use super::{Config, ConfigError};
use crate::config::validate::range_of;
use fpo_files::similarity;
use serde_json::Value as Json;
use std::sync::LazyLock;
use toml::Value;

/// The type of a key's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum ValueKind {
    /// `true` or `false`.
    Bool,
    /// An integer from zero up.
    Integer,
    /// Any number.
    Number,
    /// Free text.
    Text,
    /// One of a few words; each with its documentation.
    Choice(Vec<(String, String)>),
    /// A list of integers from zero up.
    Integers,
}

/// One setting.
#[derive(Clone, Debug)]
pub(in crate::config) struct Setting {
    /// Its name with its section: `optimizer.epochs`.
    pub path: String,
    /// The type of its values.
    pub kind: ValueKind,
    /// Its documentation: the field's doc comment.
    pub doc: String,
}

/// Every key, in the order of the struct tree.
pub(in crate::config) fn keys() -> &'static [Setting] {
    &TREE.keys
}

/// The documentation of a section, if `path` is one.
pub(super) fn section_doc(path: &str) -> Option<&'static str> {
    TREE.sections
        .iter()
        .find(|(section, _)| section == path)
        .map(|(_, doc)| doc.as_str())
}

pub(super) fn is_section(path: &str) -> bool {
    section_doc(path).is_some()
}

/// The schema, flattened.
#[derive(Default)]
struct Tree {
    keys: Vec<Setting>,
    /// Path and documentation of each group of keys.
    sections: Vec<(String, String)>,
}

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let schema = schemars::schema_for!(Config).to_value();
    let mut tree = Tree::default();
    collect(&schema, &schema, "", &mut tree);
    tree
});

fn collect(root: &Json, object: &Json, prefix: &str, tree: &mut Tree) {
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        // A field of a named type is a reference to it; its own doc comment is beside the
        // reference.
        let target = match property["$ref"].as_str() {
            Some(reference) => root
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or(&Json::Null),
            None => property,
        };
        let doc = text(property).or(text(target)).unwrap_or_default();
        if target["properties"].is_object() {
            tree.sections.push((path.clone(), doc));
            collect(root, target, &format!("{path}."), tree);
        } else {
            tree.keys.push(Setting {
                kind: kind(target),
                path,
                doc,
            });
        }
    }
}

fn text(schema: &Json) -> Option<String> {
    let words = schema["description"].as_str()?.split_whitespace();
    Some(words.collect::<Vec<_>>().join(" "))
}

fn kind(schema: &Json) -> ValueKind {
    let choices = choices(schema);
    match schema["type"].as_str() {
        _ if !choices.is_empty() => ValueKind::Choice(choices),
        Some("boolean") => ValueKind::Bool,
        Some("integer") => ValueKind::Integer,
        Some("number") => ValueKind::Number,
        Some("array") => ValueKind::Integers,
        _ => ValueKind::Text,
    }
}

fn choices(schema: &Json) -> Vec<(String, String)> {
    let doc = text(schema).unwrap_or_default();
    let plain = schema["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str);
    let documented = schema["const"]
        .as_str()
        .into_iter()
        .map(|word| (word.to_owned(), doc.clone()));
    let nested = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(choices);
    plain
        .map(|word| (word.to_owned(), String::new()))
        .chain(documented)
        .chain(nested)
        .collect()
}

impl Setting {
    /// `value` converted to this key's type: whole floats become integers where the key is an
    /// integer (`steps = 1e6`).
    pub(super) fn check(&self, value: Value, origin: &str) -> Result<Value, ConfigError> {
        let wrong =
            |value: &Value| ConfigError::wrong_type(&self.path, value, &self.takes(), origin);
        match (&self.kind, value) {
            (ValueKind::Bool, value @ Value::Boolean(_))
            | (ValueKind::Text, value @ Value::String(_)) => Ok(value),
            (ValueKind::Integer, value) => whole(&value)
                .map(Value::Integer)
                .ok_or_else(|| wrong(&value)),
            (ValueKind::Number, value @ (Value::Float(_) | Value::Integer(_))) => Ok(value),
            (ValueKind::Integers, Value::Array(values)) => {
                let whole: Option<Vec<_>> = values
                    .iter()
                    .map(|v| whole(v).map(Value::Integer))
                    .collect();
                whole
                    .map(Value::Array)
                    .ok_or_else(|| wrong(&Value::Array(values)))
            }
            (ValueKind::Choice(choices), Value::String(word)) => {
                if choices.iter().any(|(choice, _)| *choice == word) {
                    return Ok(Value::String(word));
                }
                let words: Vec<&str> = choices.iter().map(|(choice, _)| choice.as_str()).collect();
                let meant = fpo_files::nearest(&word, words.iter().copied());
                Err(ConfigError::UnknownChoice {
                    key: self.path.clone(),
                    allowed: words.join(", "),
                    nearest: meant.map_or("", |(choice, _)| choice).to_owned(),
                    value: super::brief(&word),
                    origin: origin.to_owned(),
                })
            }
            (_, value) => Err(wrong(&value)),
        }
    }

    /// Its type and its range, in words that follow "is not".
    fn takes(&self) -> String {
        let kind = self.kind.words();
        range_of(&self.path).map_or_else(|| kind.clone(), |range| format!("{kind} ({range})"))
    }

    /// What to write instead of giving the section `path` a value.
    pub(super) fn members(path: &str) -> String {
        let first = keys()
            .iter()
            .find(|key| key.path.starts_with(&format!("{path}.")));
        format!(
            "a setting but a group of them (such as `{}`)",
            first.map_or(path, |key| &key.path)
        )
    }
}

impl ValueKind {
    /// The type, in words that follow "is not".
    fn words(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Integer => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Text => "a text in quotes".into(),
            Self::Integers => "a list of whole numbers, such as [64, 64]".into(),
            Self::Choice(choices) => {
                let words: Vec<String> = choices
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                format!("one of {}", words.join(", "))
            }
        }
    }
}

/// A non-negative whole number; floats beyond 2⁵³ are inexact and rejected.
fn whole(value: &Value) -> Option<i64> {
    match *value {
        Value::Integer(i) if i >= 0 => Some(i),
        Value::Float(f) if (0.0..=9e15).contains(&f) && f.fract() == 0.0 => Some(f as i64),
        _ => None,
    }
}

/// The key nearest to an unknown one: by its whole path, or by its name alone if the section is
/// missing or wrong.
pub(super) fn nearest(unknown: &str) -> String {
    fn name(path: &str) -> &str {
        path.rsplit('.').next().unwrap_or(path)
    }
    let similarity = |path: &str| {
        let whole = similarity(unknown, path);
        let names = similarity(name(unknown), name(path));
        // A name in the wrong section outranks a similar path; a tie goes to the path.
        whole.max(names * 0.9 + whole * 0.1)
    };
    let sections = TREE.sections.iter().map(|(section, _)| section.as_str());
    let candidates = keys().iter().map(|key| key.path.as_str()).chain(sections);
    let best = candidates.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    best.unwrap_or_default().to_owned()
}
