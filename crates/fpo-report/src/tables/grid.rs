//! A table of any content, and text as Markdown.

/// A table: its header and its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Its content, in a sentence.
    pub caption: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// As Markdown, without the caption.
    pub fn markdown(&self) -> String {
        let row = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| escape(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = "|---".repeat(self.header.len());
        let rows: String = self.rows.iter().map(|cells| row(cells)).collect();
        format!("{}{rule}|\n{rows}", row(&self.header))
    }
}

/// Text escaped for Markdown.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '<' | '\\' | '`' | '*' | '[' | ']' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
