//! What is wrong with a task file: one line that names the file, the line and the term.

use fpo_files::shortened;
use std::fmt;

/// Why a task file cannot be used: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TaskFileError(pub(crate) String);

/// An error at a place in the text of a task file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The byte at which it is.
    pub(crate) at: usize,
    /// The term or the key in question, as `reward.run`; empty for the file itself.
    pub(crate) term: String,
    pub(crate) why: String,
}

impl Fault {
    pub(crate) fn new(at: usize, term: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            at,
            term: term.into(),
            why: why.to_string(),
        }
    }

    /// The line for the user, about the file called `name` with this `text`.
    pub(crate) fn in_file(&self, name: &str, text: &str) -> TaskFileError {
        let line = line(text, self.at);
        let Self { term, why, .. } = self;
        let colon = if term.is_empty() { "" } else { ": " };
        TaskFileError(shortened(
            &format!("{name}:{line}: {term}{colon}{why}"),
            LONGEST_LINE,
        ))
    }
}

/// The line, counted from 1, of a byte of a text.
pub(crate) fn line(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// Characters of a line for the user.
pub(crate) const LONGEST_LINE: usize = 500;

/// `; did you mean …?` with the nearest of some names, or what there is if none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    const SIMILAR: f64 = 0.5;
    const LISTED: usize = 12;
    let known = known.filter(|other| !other.is_empty());
    let compared = known.clone().take(5000).filter(|other| other.len() < 200);
    match fpo_files::nearest(name, compared) {
        Some((near, similarity)) if similarity >= SIMILAR => format!("; did you mean `{near}`?"),
        Some(_) => {
            let listed: Vec<_> = known.clone().take(LISTED).collect();
            let more = if known.count() > LISTED { ", …" } else { "" };
            format!("; there are {}{more}", listed.join(", "))
        }
        None => "; there are none".to_owned(),
    }
}
