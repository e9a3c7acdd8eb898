//! Values with their intervals, side by side: aggregates of each method, and the probability of
//! improvement of each pair.

use super::scale::{Scale, Unit};
use super::{FAINT, GRID, INK, Style, WIDTH, document, line, moved, n, style, text, text_width};
use crate::results::{Noise, Results};
use crate::stats::{Aggregate, Estimate};
use svg::Document;
use svg::node::element::{Circle, Group};

/// A row: its name, and its content for each panel.
struct Row {
    style: Style,
    label: String,
    cells: Vec<Option<Estimate>>,
}

/// Panels of intervals next to each other, with the rows' names at the left.
struct Intervals<'a> {
    title: String,
    subtitle: String,
    panels: &'a [String],
    range: (f64, f64),
    unit: Unit,
    /// A value to mark by a dashed line.
    mark: Option<f64>,
    rows: Vec<Row>,
}

impl Intervals<'_> {
    fn draw(&self) -> Document {
        const ROW: f64 = 26.0;
        let left = self
            .rows
            .iter()
            .map(|row| text_width(&row.label, 12.5))
            .fold(60.0, f64::max)
            .min(300.0)
            + 34.0;
        let gap = 38.0;
        let panels = self.panels.len().max(1) as f64;
        let width = (WIDTH - left - 26.0 - (panels - 1.0) * gap) / panels;
        let (top, height) = (88.0, ROW * self.rows.len() as f64);
        let mut picture = document(&self.title, WIDTH, top + height + 40.0)
            .add(text(20.0, 28.0, 16.0, INK, "start", &self.title).set("font-weight", 600))
            .add(text(20.0, 45.0, 12.0, FAINT, "start", &self.subtitle));
        for (k, row) in self.rows.iter().enumerate() {
            let y = top + ROW * (k as f64 + 0.5) + 4.3;
            picture = picture.add(text(left - 14.0, y, 12.5, INK, "end", &row.label));
        }
        for (p, title) in self.panels.iter().enumerate() {
            let scale = Scale::new(self.range.0, self.range.1, 0.0, width);
            let mut group = moved(left + p as f64 * (width + gap), top)
                .add(text(0.0, -12.0, 12.5, INK, "start", title).set("font-weight", 600));
            for (value, label) in scale.ticks((width / 34.0).round().max(2.0) as usize, self.unit) {
                let x = scale.at(value);
                group = group.add(line(x, -2.0, x, height, GRID)).add(text(
                    x,
                    height + 16.0,
                    11.0,
                    FAINT,
                    "middle",
                    &label,
                ));
            }
            if let Some(mark) = self.mark {
                let x = scale.at(mark);
                group =
                    group.add(line(x, -2.0, x, height, "#7b8794").set("stroke-dasharray", "4 3"));
            }
            for (k, row) in self.rows.iter().enumerate() {
                if let Some(estimate) = row.cells.get(p).copied().flatten() {
                    group = group.add(interval(estimate, scale, ROW * (k as f64 + 0.5), row.style));
                }
            }
            picture = picture.add(group);
        }
        picture
    }
}

fn interval(estimate: Estimate, scale: Scale, y: f64, style: Style) -> Group {
    let [low, value, high] = [estimate.low, estimate.value, estimate.high].map(|v| scale.at(v));
    Group::new()
        .add(
            line(low, y, high, y, style.color)
                .set("stroke-width", 9)
                .set("stroke-opacity", 0.32),
        )
        .add(
            Circle::new()
                .set("cx", n(value))
                .set("cy", n(y))
                .set("r", 4.4)
                .set("fill", style.color)
                .set("stroke", "#ffffff")
                .set("stroke-width", 1.2),
        )
}

/// The interquartile mean and the mean of every method, from both kinds of noise.
pub fn intervals(results: &Results) -> Document {
    let name = results.suite.score_name();
    let mut panels = Vec::new();
    let mut columns = Vec::new();
    for noise in Noise::BOTH {
        for (aggregate, short) in [
            (Aggregate::InterquartileMean, "IQM"),
            (Aggregate::Mean, "mean"),
        ] {
            panels.push(format!("{short}, {}", noise.name()));
            columns.push((noise, aggregate));
        }
    }
    let row = |method: usize| Row {
        style: style(method),
        label: results.suite.methods[method].label.clone(),
        cells: columns
            .iter()
            .map(|&(noise, aggregate)| results.aggregate(method, noise, aggregate))
            .collect(),
    };
    let rows: Vec<Row> = results.methods().into_iter().map(row).collect();
    let ends = || {
        rows.iter()
            .flat_map(|row| row.cells.iter().flatten())
            .flat_map(|e| [e.low, e.high])
    };
    let (low, high) = (
        ends().fold(f64::INFINITY, f64::min),
        ends().fold(f64::NEG_INFINITY, f64::max),
    );
    let spare = 0.06 * (high - low).max(1e-3 * high.abs());
    Intervals {
        title: format!("Final {name} over all tasks"),
        subtitle: format!(
            "dot: all runs of {} tasks; bar: 95 % bootstrap interval",
            results.shared_tasks().len()
        ),
        panels: &panels,
        range: (low - spare, high + spare),
        unit: Unit::Plain,
        mark: None,
        rows,
    }
    .draw()
}

/// For each pair of methods to compare, the probability that the first beats the second, from both
/// kinds of noise.
pub fn improvement(results: &Results) -> Document {
    let label = |method: usize| &results.suite.methods[method].label;
    let row = |(x, y): (usize, usize)| Row {
        style: style(x),
        label: format!("{} > {}", label(x), label(y)),
        cells: Noise::BOTH
            .map(|noise| results.improvement(x, y, noise))
            .to_vec(),
    };
    let rows = results.pairs().into_iter().map(row).collect();
    Intervals {
        title: "Probability of improvement".to_owned(),
        subtitle: "that a run of the first method has a higher return than one of the second on \
            the same task; bar: 95 % bootstrap interval"
            .to_owned(),
        panels: &Noise::BOTH.map(|noise| format!("from {}", noise.name())),
        range: (0.0, 1.0),
        unit: Unit::Share,
        mark: Some(0.5),
        rows,
    }
    .draw()
}
