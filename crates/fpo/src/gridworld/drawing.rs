//! The picture: actions, walks and the fork side by side.

use super::samples::{Action, Samples, Walk};
use crate::output::MARK;
use fpo_env::gridworld::{Cell, Layout, Position, SIZE};
use std::f32::consts::TAU;
use std::fmt::Write;
use svg::Document;
use svg::node::element::{Circle, Description, Group, Line, Path, Rectangle, Text, Title};

/// Pixels of a cell.
const CELL: f32 = 16.0;
/// Pixels of a grid's edge.
const GRID: f32 = CELL * SIZE as f32;
/// Space around and between the panels.
const MARGIN: f32 = 24.0;
/// Height of the titles above them.
const HEAD: f32 = 56.0;
/// Edge of the square of actions.
const FORK: f32 = 264.0;
/// Length in cells of the stroke for an action of 1 along an axis.
const STROKE: f32 = 1.35;
/// Number of colors for directions.
const HUES: usize = 24;

const INK: &str = "#1f2933";
const FAINT: &str = "#6b7785";
const FONT: &str = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";

/// Draws `samples` of a policy of `task`.
pub(super) fn document(task: &str, layout: &Layout, samples: &Samples) -> Document {
    let (width, height) = (4.0 * MARGIN + 2.0 * GRID + FORK, HEAD + GRID + MARGIN);
    let column = [MARGIN, 2.0 * MARGIN + GRID, 3.0 * MARGIN + 2.0 * GRID];
    Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", FONT)
        .add(Title::new(format!("Actions of a policy in {task}")))
        .add(Description::new().add(svg::node::Text::new(MARK)))
        .add(
            Rectangle::new()
                .set("width", width)
                .set("height", height)
                .set("fill", "#ffffff"),
        )
        .add(panel(
            column[0],
            task,
            "sampled actions, colored by direction",
            grid(layout).add(fields(samples)),
        ))
        .add(panel(
            column[1],
            "walks",
            &samples.ends_in_words(),
            grid(layout).add(paths(&samples.walks)),
        ))
        .add(panel(
            column[2],
            &format!("the cell ({}, {})", layout.fork().x, layout.fork().y),
            &format!(
                "{} actions; diagonals count both ways",
                samples.at_fork.len()
            ),
            fork(samples),
        ))
}

/// A panel at the horizontal position `x`, with its title.
fn panel(x: f32, title: &str, subtitle: &str, content: Group) -> Group {
    let line = |y: f32, size: f32, color: &str, text: &str| {
        Text::new(text)
            .set("y", y)
            .set("font-size", size)
            .set("fill", color.to_owned())
    };
    Group::new()
        .set("transform", format!("translate({x} {HEAD})"))
        .add(line(-27.0, 16.0, INK, title).set("font-weight", 600))
        .add(line(-9.0, 12.0, FAINT, subtitle))
        .add(content)
}

/// The top left corner of a cell.
fn corner(p: Position) -> (f32, f32) {
    (CELL * p.x as f32, GRID - CELL * (p.y as f32 + 1.0))
}

/// The middle of a cell.
fn middle(p: Position) -> (f32, f32) {
    let (x, y) = corner(p);
    (x + CELL / 2.0, y + CELL / 2.0)
}

/// The cells.
fn grid(layout: &Layout) -> Group {
    let mut group = Group::new().add(
        Rectangle::new()
            .set("width", GRID)
            .set("height", GRID)
            .set("fill", "#fafaf8"),
    );
    for (kind, color) in [
        (Cell::Goal, "#bfe5cc"),
        (Cell::Death, "#f3b9b3"),
        (Cell::Wall, "#4a5565"),
    ] {
        let mut data = String::new();
        for p in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| Position { x, y })) {
            if layout.cell(p) == kind {
                let (x, y) = corner(p);
                let _ = write!(data, "M{x} {y}h{CELL}v{CELL}h-{CELL}z");
            }
        }
        if !data.is_empty() {
            group = group.add(Path::new().set("d", data).set("fill", color));
        }
    }
    let mut lines = String::new();
    for k in 0..=SIZE {
        let at = CELL * k as f32;
        let _ = write!(lines, "M{at} 0V{GRID}M0 {at}H{GRID}");
    }
    group.add(
        Path::new()
            .set("d", lines)
            .set("stroke", "#1f2933")
            .set("stroke-opacity", 0.08)
            .set("fill", "none"),
    )
}

/// The index of a direction's hue.
fn hue([dx, dy]: Action) -> usize {
    let turn = libm::atan2f(dy, dx).rem_euclid(TAU) / TAU;
    (turn * HUES as f32).round() as usize % HUES
}

/// The color of a hue: right is blue, up purple to red, left orange to yellow, down green. As
/// `#rrggbb`, which every SVG renderer supports.
fn color(hue: usize) -> String {
    let turn = 215.0 / 360.0 + hue as f32 / HUES as f32;
    // Each channel of a color wheel is a trapezoid: full for a third of a turn, zero for a third,
    // with ramps between.
    let part = |shift: f32| {
        let at = (turn + shift).rem_euclid(1.0);
        let tooth = ((6.0 * at - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        (255.0 * (0.10 + 0.68 * tooth)).round() as u8
    };
    format!(
        "#{:02x}{:02x}{:02x}",
        part(0.0),
        part(-1.0 / 3.0),
        part(1.0 / 3.0)
    )
}

/// Strokes from the centers of cells, one path per hue.
fn fields(samples: &Samples) -> Group {
    let mut strokes = vec![String::new(); HUES];
    for (p, actions) in &samples.fields {
        let (x, y) = middle(*p);
        for &[dx, dy] in actions {
            let (dx, dy) = (dx * STROKE * CELL, -dy * STROKE * CELL);
            let _ = write!(strokes[hue([dx, -dy])], "M{x} {y}l{dx:.1} {dy:.1}");
        }
    }
    let mut group = Group::new()
        .set("fill", "none")
        .set("stroke-width", 0.9)
        .set("stroke-opacity", 0.55)
        .set("stroke-linecap", "round");
    for (hue, data) in strokes.into_iter().enumerate() {
        if !data.is_empty() {
            group = group.add(Path::new().set("d", data).set("stroke", color(hue)));
        }
    }
    let mut dots = Group::new().set("fill", INK);
    for (p, _) in &samples.fields {
        let (x, y) = middle(*p);
        dots = dots.add(Circle::new().set("cx", x).set("cy", y).set("r", 1.2));
    }
    Group::new().add(group).add(dots)
}

/// Walks as lines with their starts and ends, slightly offset from the centers of cells so that
/// lines on the same way remain visible.
fn paths(walks: &[Walk]) -> Group {
    let mut lines = Group::new()
        .set("fill", "none")
        .set("stroke-width", 1.4)
        .set("stroke-opacity", 0.75)
        .set("stroke-linejoin", "round")
        .set("stroke-linecap", "round");
    let mut dots = Group::new();
    for (k, walk) in walks.iter().enumerate() {
        let lane = ((k * 7) % 11) as f32 - 5.0;
        let at = |p: &Position| {
            let (x, y) = middle(*p);
            (x + 0.9 * lane, y + 0.9 * lane)
        };
        let mut data = String::new();
        for (i, p) in walk.cells.iter().enumerate() {
            let (x, y) = at(p);
            let _ = write!(data, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        let stroke = match walk.end {
            Cell::Goal => "#2563c9",
            Cell::Death => "#c0352b",
            Cell::Free | Cell::Wall => "#9a6b00",
        };
        lines = lines.add(Path::new().set("d", data).set("stroke", stroke));
        if let Some(p) = walk.cells.last() {
            let (x, y) = at(p);
            dots = dots.add(
                Circle::new()
                    .set("cx", x)
                    .set("cy", y)
                    .set("r", 2.2)
                    .set("fill", stroke),
            );
        }
    }
    for walk in walks {
        let (x, y) = middle(walk.cells[0]);
        dots = dots.add(
            Circle::new()
                .set("cx", x)
                .set("cy", y)
                .set("r", 5.0)
                .set("fill", "#ffffff")
                .set("stroke", INK)
                .set("stroke-width", 1.5),
        );
    }
    Group::new().add(lines).add(dots)
}

/// The action square with the actions at the fork, and their shares of moves.
fn fork(samples: &Samples) -> Group {
    let half = FORK / 2.0;
    let rule = |x1: f32, y1: f32, x2: f32, y2: f32| {
        Line::new()
            .set("x1", x1)
            .set("y1", y1)
            .set("x2", x2)
            .set("y2", y2)
            .set("stroke", INK)
            .set("stroke-opacity", 0.2)
            .set("stroke-dasharray", "3 3")
    };
    let mut group = Group::new().add(
        Rectangle::new()
            .set("width", FORK)
            .set("height", FORK)
            .set("fill", "#fafaf8")
            .set("stroke", INK)
            .set("stroke-opacity", 0.25),
    );
    // An entry beyond one half moves by a cell.
    for at in [0.5 * half, 1.5 * half] {
        group = group
            .add(rule(at, 0.0, at, FORK))
            .add(rule(0.0, at, FORK, at));
    }
    let mut dots = Group::new().set("fill-opacity", 0.45);
    for &[dx, dy] in &samples.at_fork {
        dots = dots.add(
            Circle::new()
                .set("cx", format!("{:.1}", half * (1.0 + dx)))
                .set("cy", format!("{:.1}", half * (1.0 - dy)))
                .set("r", 2.2)
                .set("fill", color(hue([dx, dy]))),
        );
    }
    group = group.add(dots);
    let shares = samples.shares();
    let rows = [
        ("up", shares.up),
        ("down", shares.down),
        ("left", shares.left),
        ("right", shares.right),
    ];
    for (k, (name, share)) in rows.into_iter().enumerate() {
        let y = FORK + 30.0 + 22.0 * k as f32;
        let text = |x: f32, anchor: &str, text: String| {
            Text::new(text)
                .set("x", x)
                .set("y", y)
                .set("font-size", 13)
                .set("fill", INK)
                .set("text-anchor", anchor.to_owned())
        };
        group = group
            .add(text(0.0, "start", name.to_owned()))
            .add(
                Rectangle::new()
                    .set("x", 48)
                    .set("y", y - 10.0)
                    .set("width", (FORK - 108.0) * share as f32)
                    .set("height", 11)
                    .set("rx", 2)
                    .set("fill", color(HUES * [1, 3, 2, 0][k] / 4)),
            )
            .add(text(FORK, "end", format!("{:.1} %", 100.0 * share)));
    }
    group
}
