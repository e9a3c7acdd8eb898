//! The frame of a page and its parts. All text from files goes through [`escaped`].

use crate::tables::Grid;
use std::fmt::Write;

/// Text escaped for HTML, in an element or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #ffffff; --ink: #1f2933; --faint: \
#5d6975; --line: #dfe3e8; --accent: #0072b2;
  --warning: #b35a00; --problem: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181d; --card: #1c2229; --ink: #e3e8ee; --faint: #9aa7b4; --line: #323b45; \
  --accent: #6cb8e6; --warning: #f0a860;
    --problem: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, 'Segoe \
UI', 'DejaVu Sans', sans-serif; }
main { max-width: 944px; margin: 0 auto; padding: 28px 32px 64px; }
h1 { font-size: 26px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 10px; }
p, li { max-width: 76ch; }
.faint, figcaption { color: var(--faint); }
code, pre { font: 13px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: \
8px; padding: 12px 14px; }
code { overflow-wrap: anywhere; }
a { color: var(--accent); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px; \
margin: 22px 0 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px \
16px; }
.card b { display: block; font-size: 23px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { color: var(--faint); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); white-space: \
nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
table.prose td { text-align: left; white-space: normal; }
table.prose th { text-align: left; }
th { font-weight: 600; white-space: normal; vertical-align: bottom; }
figure { margin: 18px 0; }
figure svg { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); \
border-radius: 8px; }
figcaption { font-size: 13px; margin-top: 4px; }
video { max-width: 100%; border-radius: 8px; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--accent); }
.finding { border-left: 4px solid var(--line); padding: 2px 0 2px 14px; margin: 12px 0; }
.finding.warning { border-color: var(--warning); }
.finding.problem { border-color: var(--problem); }
.finding.problem b { color: var(--problem); }
.finding.warning b { color: var(--warning); }
";

/// By which pages of this program are known.
pub const MARK: &str = "<meta name=\"generator\" content=\"fpo\">";

/// A page being written.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(super) fn new(title: &str, subtitle: &str) -> Self {
        let (title, subtitle) = (escaped(title), escaped(subtitle));
        Self {
            body: format!("<h1>{title}</h1>\n<p class=\"faint\">{subtitle}</p>\n"),
            title,
        }
    }

    /// Starts a section with a heading.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    pub(super) fn list(&mut self, items: &[String]) {
        let items: String = items
            .iter()
            .map(|item| format!("<li>{}</li>\n", escaped(item)))
            .collect();
        let _ = writeln!(self.body, "<ul>\n{items}</ul>");
    }

    /// Values in cards: name and value of each.
    pub(super) fn cards(&mut self, cards: &[(String, String)]) {
        self.body.push_str("<div class=\"cards\">\n");
        for (name, value) in cards {
            let (name, value) = (escaped(name), escaped(value));
            let _ = writeln!(
                self.body,
                "<div class=\"card\"><b>{value}</b><span>{name}</span></div>"
            );
        }
        self.body.push_str("</div>\n");
    }

    /// A table, or nothing if it has no row.
    pub(super) fn table(&mut self, grid: &Grid, prose: bool) {
        if grid.rows.is_empty() {
            return;
        }
        let row = |cells: &[String], tag: &str| {
            let cells: String = cells
                .iter()
                .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)))
                .collect();
            format!("<tr>{cells}</tr>\n")
        };
        let head = row(&grid.header, "th");
        let rows: String = grid.rows.iter().map(|cells| row(cells, "td")).collect();
        let class = if prose { " class=\"prose\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<div class=\"scroll\"><table{class}>\n<thead>{head}</thead>\n\
             <tbody>{rows}</tbody></table></div>"
        );
    }

    /// A picture with a caption.
    pub(super) fn picture(&mut self, picture: &svg::Document, caption: &str) {
        let caption = match caption {
            "" => String::new(),
            caption => format!("<figcaption>{}</figcaption>", escaped(caption)),
        };
        let _ = writeln!(self.body, "<figure>{picture}{caption}</figure>");
    }

    /// Text that can be unfolded.
    pub(super) fn folded(&mut self, summary: &str, text: &str) {
        let (summary, text) = (escaped(summary), escaped(text));
        let _ = writeln!(
            self.body,
            "<details><summary>{summary}</summary><pre>{text}</pre></details>"
        );
    }

    /// Trusted markup.
    pub(super) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    /// The whole document.
    pub(super) fn finish(self) -> String {
        let Self { title, body } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\">\n{MARK}\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

/// Bytes in base 64 (RFC 4648), for a `data:` address.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |k: usize| u32::from(group.get(k).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for k in 0..4 {
            if k <= group.len() {
                out.push(DIGITS[(bits >> (18 - 6 * k) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_is_escaped() {
        assert_eq!(
            escaped("<b a=\"x\" b='y'>&"),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
        );
        let bad = "</title><script>alert(1)</script>";
        let mut page = Page::new(bad, bad);
        page.heading(bad);
        page.paragraph(bad);
        page.list(&[bad.to_owned()]);
        page.cards(&[(bad.to_owned(), bad.to_owned())]);
        page.folded(bad, bad);
        let grid = Grid {
            caption: bad.to_owned(),
            header: vec![bad.to_owned()],
            rows: vec![vec![bad.to_owned()]],
        };
        page.table(&grid, false);
        page.picture(
            &svg::Document::new().add(svg::node::element::Text::new(bad)),
            bad,
        );
        let text = page.finish();
        assert!(
            !text.contains("<script") && text.matches("</title>").count() == 1,
            "{text}"
        );
    }

    /// The examples of RFC 4648.
    #[test]
    fn base64_of_the_standard() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
