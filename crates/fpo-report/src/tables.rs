//! Results as CSV and as Markdown.

mod csv;
mod grid;
mod notes;
mod report;
mod runs;
mod scores;
mod settings;

pub use csv::{curves_csv, results_csv};
pub use grid::Grid;
pub use notes::notes;
pub use report::{ReportInfo, report};
pub use runs::{exceptions, machines};
pub use scores::{aggregates, improvements, per_task};
pub use settings::differing_settings;
