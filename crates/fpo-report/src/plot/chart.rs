//! One set of axes with curves in it.

use super::scale::{Scale, Unit};
use super::{FAINT, GRID, INK, Style, line, n, text};
use std::fmt::Write;
use svg::node::element::{Circle, Group, Path};

/// A curve: points and, optionally, a band around them.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) style: Style,
    pub(super) points: Vec<(f64, f64)>,
    /// Lower and upper ends at the same positions.
    pub(super) band: Vec<(f64, f64)>,
    pub(super) width: f64,
    pub(super) opacity: f64,
    /// Whether each point is marked.
    pub(super) marks: bool,
}

/// Axes of this size in pixels, without the labels around them.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) x_unit: Unit,
    pub(super) y_unit: Unit,
    pub(super) x_label: String,
    pub(super) title: String,
    pub(super) y_labels: bool,
}

impl Chart {
    /// Draws the axes and the curves; the origin is the top left corner of the area between the
    /// axes.
    pub(super) fn draw(&self, series: &[Series]) -> Group {
        let x = Scale::new(self.x.0, self.x.1, 0.0, self.width);
        let y = Scale::new(self.y.0, self.y.1, self.height, 0.0);
        let mut group = Group::new();
        for (value, label) in y.ticks((self.height / 38.0).round() as usize, self.y_unit) {
            let at = y.at(value);
            group = group.add(line(0.0, at, self.width, at, GRID));
            if self.y_labels {
                group = group.add(text(-7.0, at + 4.0, 11.0, FAINT, "end", &label));
            }
        }
        group = group.add(line(0.0, self.height, self.width, self.height, "#9aa5b1"));
        let ticks = x.ticks((self.width / 85.0).round().max(2.0) as usize, self.x_unit);
        for (value, label) in ticks {
            let at = x.at(value);
            group = group
                .add(line(at, self.height, at, self.height + 4.0, "#9aa5b1"))
                .add(text(at, self.height + 17.0, 11.0, FAINT, "middle", &label));
        }
        if !self.x_label.is_empty() {
            group = group.add(text(
                self.width / 2.0,
                self.height + 34.0,
                11.5,
                FAINT,
                "middle",
                &self.x_label,
            ));
        }
        if !self.title.is_empty() {
            group =
                group.add(text(0.0, -9.0, 12.5, INK, "start", &self.title).set("font-weight", 600));
        }
        // Draw all bands below all lines.
        for one in series.iter().filter(|one| !one.band.is_empty()) {
            group = group.add(
                Path::new()
                    .set("d", band(one, x, y))
                    .set("fill", one.style.color)
                    .set("fill-opacity", 0.15),
            );
        }
        for one in series {
            group = group.add(
                Path::new()
                    .set("d", polyline(&one.points, x, y))
                    .set("fill", "none")
                    .set("stroke", one.style.color)
                    .set("stroke-width", one.width)
                    .set("stroke-opacity", one.opacity)
                    .set("stroke-dasharray", one.style.dashes)
                    .set("stroke-linejoin", "round")
                    .set("stroke-linecap", "round"),
            );
            for &(px, py) in one.points.iter().filter(|_| one.marks) {
                let dot = Circle::new()
                    .set("cx", n(x.at(px)))
                    .set("cy", n(y.within(py)));
                group = group.add(dot.set("r", 2.2).set("fill", one.style.color));
            }
        }
        group
    }
}

/// The path through points; points beyond the axes are drawn at the edge.
fn polyline(points: &[(f64, f64)], x: Scale, y: Scale) -> String {
    let mut data = String::new();
    let mut pen = 'M';
    for &(px, py) in points {
        if py.is_finite() {
            let _ = write!(data, "{pen}{} {}", n(x.at(px)), n(y.within(py)));
            pen = 'L';
        } else {
            // A gap.
            pen = 'M';
        }
    }
    data
}

fn band(series: &Series, x: Scale, y: Scale) -> String {
    let ends = series.points.iter().zip(&series.band);
    let upper: Vec<_> = ends
        .clone()
        .map(|(point, band)| (point.0, band.1))
        .collect();
    let lower: Vec<_> = ends.rev().map(|(point, band)| (point.0, band.0)).collect();
    polyline(&[upper, lower].concat(), x, y) + "z"
}
