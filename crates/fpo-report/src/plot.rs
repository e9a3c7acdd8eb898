//! Results as SVG pictures, readable at the width of a page (880 pixels) on a white or dark
//! background.

mod chart;
mod curves;
mod intervals;
mod scale;

pub use curves::{Curve, Panel, aggregate, panel, panels, tasks};
pub use intervals::{improvement, intervals};
pub use scale::Unit;

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text, Title};

/// Width of a picture.
const WIDTH: f64 = 880.0;
const INK: &str = "#1f2933";
const FAINT: &str = "#5d6975";
const GRID: &str = "#e4e7eb";
const FONT: &str = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";

/// Colors that people with any color vision can distinguish (Okabe and Ito, *Color universal
/// design*, 2008), without the yellow, which is too light for lines on white.
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333",
];

/// The look of one method, the same in every picture.
#[derive(Clone, Copy, Debug)]
struct Style {
    color: &'static str,
    /// Dashes of its line; when the colors repeat, the dashes differ.
    dashes: &'static str,
}

fn style(method: usize) -> Style {
    Style {
        color: COLORS[method % COLORS.len()],
        dashes: ["none", "6 3", "2 2.5", "8 3 2 3"][method / COLORS.len() % 4],
    }
}

/// An empty picture on white.
fn document(title: &str, width: f64, height: f64) -> Document {
    Document::new()
        .set("viewBox", format!("0 0 {} {}", n(width), n(height)))
        .set("width", n(width))
        .set("height", n(height))
        .set("font-family", FONT)
        .set("role", "img")
        .add(Title::new(title))
        .add(
            Rectangle::new()
                .set("width", n(width))
                .set("height", n(height))
                .set("rx", 6)
                .set("fill", "#ffffff"),
        )
}

/// A coordinate in tenths of a pixel.
fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn text(x: f64, y: f64, size: f64, color: &str, anchor: &str, content: &str) -> Text {
    Text::new(content)
        .set("x", n(x))
        .set("y", n(y))
        .set("font-size", n(size))
        .set("fill", color)
        .set("text-anchor", anchor)
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64, color: &str) -> Line {
    Line::new()
        .set("x1", n(x1))
        .set("y1", n(y1))
        .set("x2", n(x2))
        .set("y2", n(y2))
        .set("stroke", color)
}

fn moved(x: f64, y: f64) -> Group {
    Group::new().set("transform", format!("translate({} {})", n(x), n(y)))
}

/// The approximate width of a text in this size.
fn text_width(content: &str, size: f64) -> f64 {
    let wide = |c: char| match c {
        'i' | 'l' | 'j' | 't' | 'f' | 'r' | ' ' | '.' | ',' | '-' | '(' | ')' => 0.36,
        'm' | 'w' | 'M' | 'W' => 0.9,
        c if c.is_uppercase() || "+=<>".contains(c) => 0.7,
        _ => 0.58,
    };
    content.chars().map(wide).sum::<f64>() * size
}

/// Names with their lines, in rows of at most `width`. Returns them and their height.
fn legend(entries: &[(String, Style)], width: f64) -> (Group, f64) {
    const ROW: f64 = 20.0;
    let mut group = Group::new();
    let (mut x, mut y) = (0.0, 0.0);
    for (name, style) in entries {
        let wide = 26.0 + text_width(name, 12.5) + 22.0;
        if x > 0.0 && x + wide - 22.0 > width {
            (x, y) = (0.0, y + ROW);
        }
        group = group
            .add(
                line(x, y + 10.0, x + 20.0, y + 10.0, style.color)
                    .set("stroke-width", 2.5)
                    .set("stroke-dasharray", style.dashes),
            )
            .add(text(x + 26.0, y + 14.3, 12.5, INK, "start", name));
        x += wide;
    }
    (group, y + ROW)
}
