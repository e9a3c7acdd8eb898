//! Converts text in a drawing to outlines of letters. The drawings have plain lines of text, for
//! which the advance of each letter is enough layout; a full text-shaping library takes longer to
//! compile than all other code for pictures.

use roxmltree::{Document, Node};
use std::fmt::Write;
use ttf_parser::{Face, OutlineBuilder};

/// The SVG `drawing` with every `<text>` replaced by a path, always in DejaVu Sans. Supported
/// attributes are `x`, `y`, `font-size`, `font-weight`, `text-anchor`, `fill` and `transform`; all
/// but the first two may be inherited.
///
/// # Errors
/// If the drawing is not XML.
pub(super) fn outlined(drawing: &str) -> Result<String, String> {
    let document = Document::parse(drawing).map_err(|e| e.to_string())?;
    let mut out = String::with_capacity(drawing.len());
    let mut from = 0;
    for text in document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
    {
        // Skip texts inside other texts; they are part of those.
        let range = text.range();
        if range.start < from {
            continue;
        }
        out.push_str(&drawing[from..range.start]);
        out.push_str(&path(text));
        from = range.end;
    }
    out.push_str(&drawing[from..]);
    Ok(out)
}

/// The `<path>` of `text`.
fn path(text: Node) -> String {
    let content: String = text
        .descendants()
        .filter_map(|node| node.text().filter(|_| node.is_text()))
        .collect();
    // As in SVG, surrounding spaces are dropped and repeated ones collapse.
    let content = content
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let number =
        |value: Option<&str>, default: f32| value.and_then(|n| n.parse().ok()).unwrap_or(default);
    let bold = inherited(text, "font-weight")
        .is_some_and(|weight| weight == "bold" || weight.parse().is_ok_and(|w: u32| w > 500));
    let font = if bold {
        dejavu::sans::bold()
    } else {
        dejavu::sans::regular()
    };
    let face = Face::parse(font, 0).expect("the font comes with the program");
    let scale = number(inherited(text, "font-size"), 16.0) / f32::from(face.units_per_em());
    // A letter missing from the font becomes the font's box for unknown letters.
    let glyphs: Vec<_> = content
        .chars()
        .map(|c| face.glyph_index(c).unwrap_or_default())
        .collect();
    let advance = |glyph| scale * f32::from(face.glyph_hor_advance(glyph).unwrap_or(0));
    let width: f32 = glyphs.iter().map(|&glyph| advance(glyph)).sum();
    let start = match inherited(text, "text-anchor") {
        Some("middle") => -width / 2.0,
        Some("end") => -width,
        _ => 0.0,
    };
    let mut outline = Outline {
        scale,
        x: number(text.attribute("x"), 0.0) + start,
        y: number(text.attribute("y"), 0.0),
        data: String::new(),
    };
    for glyph in glyphs {
        face.outline_glyph(glyph, &mut outline);
        outline.x += advance(glyph);
    }
    let mut out = format!("<path d=\"{}\"", outline.data);
    // Inherited attributes are inherited by the path, too.
    for name in ["fill", "transform"] {
        if let Some(value) = text.attribute(name) {
            let value = value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;");
            write!(out, " {name}=\"{value}\"").expect("writing to a string cannot fail");
        }
    }
    out + "/>"
}

/// An attribute of a node or of its nearest ancestor that has it.
fn inherited<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.ancestors().find_map(|node| node.attribute(name))
}

/// Path data of letters: converts font units (y up) to those of the drawing (y down), at the
/// letter's origin.
struct Outline {
    scale: f32,
    x: f32,
    y: f32,
    data: String,
}

impl Outline {
    fn add(&mut self, command: char, points: &[[f32; 2]]) {
        self.data.push(command);
        for [x, y] in points {
            write!(
                self.data,
                "{:.2} {:.2} ",
                self.x + self.scale * x,
                self.y - self.scale * y
            )
            .expect("writing to a string cannot fail");
        }
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add('M', &[[x, y]]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.add('L', &[[x, y]]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add('Q', &[[x1, y1], [x, y]]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add('C', &[[x1, y1], [x2, y2], [x, y]]);
    }

    fn close(&mut self) {
        self.data.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leftmost and the rightmost coordinate of the first path.
    fn extent(svg: &str) -> [f32; 2] {
        let data = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        let numbers = data
            .split(|c: char| c.is_ascii_alphabetic() || c == ' ')
            .filter(|n| !n.is_empty());
        let x = numbers.step_by(2).map(|n| n.parse::<f32>().unwrap());
        x.fold([f32::INFINITY, f32::NEG_INFINITY], |[a, b], x| {
            [a.min(x), b.max(x)]
        })
    }

    #[test]
    fn texts_become_paths_in_the_same_place() {
        let svg = |anchor: &str| {
            format!(
                "<svg><g text-anchor=\"{anchor}\"><text x=\"100\" y=\"9\" font-size=\"20\" \
                fill=\"#123\">\na &lt;  b\n</text></g><b/></svg>"
            )
        };
        let [start, middle, end] = ["start", "middle", "end"].map(|anchor| {
            let text = outlined(&svg(anchor)).unwrap();
            assert!(
                text.starts_with("<svg><g") && text.ends_with("fill=\"#123\"/></g><b/></svg>"),
                "{text}"
            );
            extent(&text)
        });
        assert!(start[0] > 100.0 && end[1] < 100.0 && (middle[0] + middle[1] - 200.0).abs() < 2.0);
        assert!((start[1] - start[0] - (end[1] - end[0])).abs() < 0.1);
        // Five letters, each about 0.6 × the font size wide.
        assert!((50.0..65.0).contains(&(start[1] - start[0])), "{start:?}");
        let bold = outlined(&svg("start").replace("<text", "<text font-weight=\"600\"")).unwrap();
        assert!(extent(&bold)[1] > start[1] + 2.0);
        assert!(outlined("<svg>").is_err());
    }
}
