//! One self-contained HTML page about a run or a benchmark: styles and pictures are in it, nothing
//! is fetched.

mod bench;
mod html;
mod run;

pub use bench::of_results;
pub use run::of_run;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely to cost something.
    Warning,
    /// Something is wrong.
    Problem,
}

/// Something that was found in a run: what, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// What was found, in a few words.
    pub title: String,
    /// What it means and what to do.
    pub detail: String,
}

/// A film of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Film {
    /// An MP4 file to put into the page.
    Embedded(Vec<u8>),
    /// The name of a file beside the page.
    Linked(String),
}
