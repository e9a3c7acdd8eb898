//! Learning curves: over all tasks, for each task, and for one run.

use super::chart::{Chart, Series};
use super::{FAINT, INK, Style, Unit, WIDTH, document, legend, moved, style, text};
use crate::results::{Axis, Noise, Results};
use svg::Document;
use svg::node::element::Group;

/// Space left of a chart for its labels.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;

fn names(results: &Results, methods: &[usize]) -> Vec<(String, Style)> {
    let entry = |&method: &usize| (results.suite.methods[method].label.clone(), style(method));
    methods.iter().map(entry).collect()
}

/// The range of all values, which begins at zero unless they are far away from it.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    let spare = 0.05 * (high - low);
    let low = if low >= 0.0 && low < 0.6 * high {
        0.0
    } else {
        low - spare
    };
    (low, high + spare)
}

/// The range of a run's values, without outliers: values that exceed the middle 95 % by more than
/// three times its extent are left out.
fn robust_range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return range(std::iter::empty());
    };
    let (low, high) = (sorted[last / 40], sorted[last - last / 40]);
    let reach = 3.0 * (high - low);
    let near = |v: &f64| reach <= 0.0 || (low - reach..=high + reach).contains(v);
    range(sorted.into_iter().filter(near))
}

fn y_range(results: &Results, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = range(values);
    match results.suite.score {
        // Use the whole range if the values nearly fill it.
        Some(_) if low >= 0.0 && high > 0.8 => (0.0, high.max(1.0)),
        _ => (low, high),
    }
}

/// The interquartile mean of all runs with its interval, from both kinds of noise, over steps and
/// over wall time.
pub fn aggregate(results: &Results) -> Document {
    let methods = if results.shared_tasks().is_empty() {
        Vec::new()
    } else {
        results.methods()
    };
    let gap = 34.0;
    let (width, height) = ((WIDTH - LEFT - RIGHT - gap) / 2.0, 190.0);
    let (names, legend_height) = legend(&names(results, &methods), WIDTH - LEFT - RIGHT);
    let top = 54.0 + legend_height + 30.0;
    let row_height = height + 74.0;
    let mut picture = document(
        "Learning curves over all tasks",
        WIDTH,
        top + 2.0 * row_height - 8.0,
    )
    .add(title(
        &format!(
            "Interquartile mean {} of all runs",
            results.suite.score_name()
        ),
        &format!(
            "{} tasks, {}",
            results.shared_tasks().len(),
            if results.crowded() {
                "without bands, which so many methods would hide"
            } else {
                "bands are 95 % bootstrap intervals"
            }
        ),
    ))
    .add(moved(LEFT, 50.0).add(names));
    let drawn: Vec<Vec<Vec<Series>>> = Noise::BOTH
        .map(|noise| {
            let of_axis = |axis| {
                methods
                    .iter()
                    .map(|&method| series(results, method, noise, axis))
                    .collect()
            };
            [Axis::Steps, Axis::Seconds].map(of_axis).to_vec()
        })
        .to_vec();
    let ends = drawn.iter().flatten().flatten().flat_map(|s| {
        s.band
            .iter()
            .flat_map(|(l, h)| [*l, *h])
            .chain(s.points.iter().map(|(_, y)| *y))
    });
    let y = y_range(results, ends);
    for (row, noise) in Noise::BOTH.into_iter().enumerate() {
        for (column, (unit, label)) in [
            (Unit::Count, "environment steps"),
            (Unit::Seconds, "wall time of learning, one run"),
        ]
        .into_iter()
        .enumerate()
        {
            let series = &drawn[row][column];
            let end = series
                .iter()
                .flat_map(|s| &s.points)
                .map(|(x, _)| *x)
                .fold(0.0, f64::max);
            let chart = Chart {
                width,
                height,
                x: (0.0, end),
                y,
                x_unit: unit,
                y_unit: Unit::Plain,
                x_label: label.to_owned(),
                title: format!("from {}", noise.name()),
                y_labels: column == 0,
            };
            let at = moved(
                LEFT + column as f64 * (width + gap),
                top + row as f64 * row_height,
            );
            picture = picture.add(at.add(chart.draw(series)));
        }
    }
    picture
}

fn title(title: &str, subtitle: &str) -> Group {
    Group::new()
        .add(text(20.0, 28.0, 16.0, INK, "start", title).set("font-weight", 600))
        .add(text(20.0, 45.0, 12.0, FAINT, "start", subtitle))
}

fn series(results: &Results, method: usize, noise: Noise, axis: Axis) -> Series {
    let curve = results.curve(method, noise, axis);
    Series {
        style: style(method),
        points: curve.iter().map(|(x, e)| (*x, e.value)).collect(),
        band: if results.crowded() {
            Vec::new()
        } else {
            curve.iter().map(|(_, e)| (e.low, e.high)).collect()
        },
        width: 2.2,
        opacity: 1.0,
        marks: false,
    }
}

/// Returns for each task: a thin line per run, and a thick one for the mean of a method's runs at
/// the steps at which all were evaluated.
pub fn tasks(results: &Results, noise: Noise) -> Document {
    const COLUMNS: usize = 3;
    let methods = results.methods();
    let gap = 50.0;
    let (width, height) = ((WIDTH - LEFT - RIGHT - 2.0 * gap) / 3.0, 122.0);
    let rows = results.suite.tasks.len().div_ceil(COLUMNS);
    let (names, legend_height) = legend(&names(results, &methods), WIDTH - LEFT - RIGHT);
    let (top, row_height) = (54.0 + legend_height + 30.0, height + 58.0);
    let heading = format!("Return from {}, task by task", noise.name());
    let mut picture = document(&heading, WIDTH, top + rows as f64 * row_height - 18.0)
        .add(title(
            &heading,
            "thin: single runs; thick: their mean; over environment steps",
        ))
        .add(moved(LEFT, 50.0).add(names));
    for (task, name) in results.suite.tasks.iter().enumerate() {
        let mut series = Vec::new();
        let mut means = Vec::new();
        for &method in &methods {
            let runs = results.of_method(method).filter(|run| run.task == task);
            let curves = runs.map(|run| results.run_curve(run, noise, Axis::Steps, false));
            let curves: Vec<_> = curves.filter(|curve| !curve.is_empty()).collect();
            let line = |points, width, opacity| Series {
                style: style(method),
                points,
                band: Vec::new(),
                width,
                opacity,
                marks: false,
            };
            means.extend(mean_curve(&curves).map(|mean| line(mean, 2.2, 1.0)));
            if curves.len() > 1 {
                series.extend(curves.into_iter().map(|curve| line(curve, 1.0, 0.4)));
            }
        }
        series.extend(means);
        let points = || series.iter().flat_map(|s| &s.points);
        let y = range(points().map(|(_, y)| *y));
        let chart = Chart {
            width,
            height,
            x: (0.0, points().map(|(x, _)| *x).fold(0.0, f64::max)),
            y: match results.suite.score {
                Some(score) if score.min == 0.0 => (0.0, score.max),
                Some(score) => (score.min, score.max + 0.03 * (score.max - score.min)),
                None => y,
            },
            x_unit: Unit::Count,
            y_unit: Unit::Plain,
            x_label: String::new(),
            title: name.clone(),
            y_labels: true,
        };
        let (column, row) = (task % COLUMNS, task / COLUMNS);
        let at = moved(
            LEFT + column as f64 * (width + gap),
            top + row as f64 * row_height,
        );
        picture = picture.add(at.add(chart.draw(&series)));
    }
    picture
}

/// The mean of curves at their common positions; empty if there are none.
fn mean_curve(curves: &[Vec<(f64, f64)>]) -> Option<Vec<(f64, f64)>> {
    let (first, others) = curves.split_first()?;
    let shared = first.iter().filter_map(|&(x, y)| {
        let at =
            |curve: &Vec<(f64, f64)>| curve.iter().find(|(other, _)| *other == x).map(|(_, y)| *y);
        let others = others.iter().map(at).collect::<Option<Vec<f64>>>()?;
        Some((x, (y + others.iter().sum::<f64>()) / curves.len() as f64))
    });
    Some(shared.collect::<Vec<_>>()).filter(|curve| !curve.is_empty())
}

/// A curve of a run.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Positions and values; a gap where a value is not finite.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper ends of the band around it, at the same positions, or nothing.
    pub band: Vec<(f64, f64)>,
    /// Whether its points are marked.
    pub marks: bool,
}

/// A chart of some curves of a run over its environment steps.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// Its curves.
    pub curves: Vec<Curve>,
    /// Unit of the vertical axis.
    pub unit: Unit,
}

/// Height of a panel's axes.
const PANEL_HEIGHT: f64 = 150.0;

/// Panels, two per row, over environment steps up to `steps`.
pub fn panels(heading: &str, panels: &[Panel], steps: u64) -> Document {
    let gap = 62.0;
    let width = (WIDTH - LEFT - RIGHT - gap) / 2.0;
    let row_height = PANEL_HEIGHT + 84.0;
    let rows = panels.len().div_ceil(2);
    let mut picture = document(heading, WIDTH, rows as f64 * row_height + 14.0);
    for (k, panel) in panels.iter().enumerate() {
        let title = text(0.0, -30.0, 13.0, INK, "start", &panel.title).set("font-weight", 600);
        let at = moved(
            LEFT + (k % 2) as f64 * (width + gap),
            54.0 + (k / 2) as f64 * row_height,
        );
        picture = picture.add(at.add(title).add(draw_panel(panel, width, steps)));
    }
    picture
}

/// One panel as a picture of its own, for a narrow column (376 pixels). Its title stands beside it;
/// in the picture only programs find it.
pub fn panel(panel: &Panel, steps: u64) -> Document {
    let width = 300.0;
    let top = if panel.curves.len() > 1 { 30.0 } else { 12.0 };
    let (whole, height) = (LEFT + width + RIGHT, top + PANEL_HEIGHT + 26.0);
    let at = moved(LEFT, top);
    document(&panel.title, whole, height).add(at.add(draw_panel(panel, width, steps)))
}

/// A panel's legend and chart; the origin is the top left corner between its axes.
fn draw_panel(panel: &Panel, width: f64, steps: u64) -> Group {
    let series = |(k, curve): (usize, &Curve)| Series {
        style: style(k),
        points: curve.points.clone(),
        band: curve.band.clone(),
        width: 1.8,
        opacity: 1.0,
        marks: curve.marks,
    };
    let series: Vec<_> = panel.curves.iter().enumerate().map(series).collect();
    let bands = panel
        .curves
        .iter()
        .flat_map(|c| c.band.iter().flat_map(|(l, h)| [*l, *h]));
    let values = panel
        .curves
        .iter()
        .flat_map(|c| c.points.iter().map(|(_, y)| *y));
    let chart = Chart {
        width,
        height: PANEL_HEIGHT,
        x: (0.0, steps as f64),
        y: robust_range(values.chain(bands)),
        x_unit: Unit::Count,
        y_unit: panel.unit,
        x_label: String::new(),
        title: String::new(),
        y_labels: true,
    };
    let named: Vec<_> = match &panel.curves[..] {
        [_] => Vec::new(),
        curves => curves
            .iter()
            .enumerate()
            .map(|(k, c)| (c.name.clone(), style(k)))
            .collect(),
    };
    Group::new()
        .add(moved(0.0, -24.0).add(legend(&named, width).0))
        .add(chart.draw(&series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_taken_where_all_were_evaluated() {
        let curves = [
            vec![(1.0, 2.0), (2.0, 4.0), (3.0, 9.0)],
            vec![(1.0, 4.0), (2.0, 8.0)],
        ];
        assert_eq!(mean_curve(&curves), Some(vec![(1.0, 3.0), (2.0, 6.0)]));
        assert_eq!(mean_curve(&[vec![(1.0, 1.0)], vec![(2.0, 1.0)]]), None);
        assert_eq!(mean_curve(&[]), None);
    }

    #[test]
    fn ranges_begin_at_zero_where_that_costs_little() {
        assert_eq!(range([0.0, 10.0].into_iter()), (0.0, 10.5));
        assert_eq!(range([5.0, 10.0].into_iter()).0, 0.0);
        assert_eq!(range([90.0, 100.0].into_iter()), (89.5, 100.5));
        assert_eq!(range([-10.0, f64::NAN, 10.0].into_iter()), (-11.0, 11.0));
        // One in a hundred is an outlier.
        let values = (0..100).map(|k| if k == 50 { 1e6 } else { 1.0 + f64::from(k) });
        assert_eq!(robust_range(values).1, 100.0 + 0.05 * 99.0);
        assert_eq!(robust_range([1.0, 1.0, 5.0].into_iter()).0, 0.0);
    }
}
