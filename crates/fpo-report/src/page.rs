//! A self-contained HTML page about a run or a benchmark: styles and pictures are embedded, nothing
//! is fetched.

mod bench;
mod html;
mod run;

pub use bench::of_results;
pub use html::MARK;
pub use run::{Overview, is_shown, of_run};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Note,
    /// Likely to have a cost.
    Warning,
    /// Something is wrong.
    Problem,
}

/// A finding about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// The observation, in a few words.
    pub title: String,
    /// The meaning and what to do.
    pub detail: String,
}

/// A film of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Film {
    /// An MP4 file to embed in the page.
    Embedded(Vec<u8>),
    /// The address of a file: relative to the page, or with a scheme.
    Linked(String),
}
