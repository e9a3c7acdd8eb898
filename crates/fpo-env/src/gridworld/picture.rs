//! A picture of the grid and the agent.

use super::layout::{Cell, Layout, Position, SIZE};
use crate::Picture;

type Rgb = [f32; 3];

const PAPER: Rgb = [247.0, 247.0, 244.0];
const FREE: Rgb = [255.0, 255.0, 255.0];
const WALL: Rgb = [74.0, 85.0, 101.0];
const GOAL: Rgb = [94.0, 186.0, 125.0];
const DEATH: Rgb = [224.0, 96.0, 88.0];
const AGENT: Rgb = [37.0, 78.0, 219.0];

/// Width of the gap on each side of a cell, as a fraction of its edge.
const GAP: f32 = 0.03;
/// Radius of the agent, in cells.
const RADIUS: f32 = 0.36;
/// Samples along each axis of a pixel, for antialiasing.
const SAMPLES: u32 = 3;

/// Draws the grid as a square in the middle of a `width` × `height` picture.
pub(super) fn draw(layout: &Layout, agent: Position, width: u32, height: u32) -> Picture {
    let side = width.min(height) as f32;
    let (left, top) = ((width as f32 - side) / 2.0, (height as f32 - side) / 2.0);
    // Coordinates of the grid, in cells and from below, of a point of the picture; a half cell of
    // margin surrounds the grid.
    let scale = (SIZE as f32 + 1.0) / side;
    let column = |px: f32| (px - left) * scale - 0.5;
    let row = |py: f32| SIZE as f32 + 0.5 - (py - top) * scale;
    let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
    for py in 0..height {
        for px in 0..width {
            let mut sum = [0.0; 3];
            for sample in 0..SAMPLES * SAMPLES {
                let inside = |k: u32| (k as f32 + 0.5) / SAMPLES as f32;
                let x = column(px as f32 + inside(sample % SAMPLES));
                let y = row(py as f32 + inside(sample / SAMPLES));
                let color = color(layout, agent, x, y);
                sum.iter_mut().zip(color).for_each(|(s, c)| *s += c);
            }
            rgb.extend(sum.map(|s| (s / (SAMPLES * SAMPLES) as f32).round() as u8));
        }
    }
    Picture { width, height, rgb }
}

/// The color at a point of the plane.
fn color(layout: &Layout, agent: Position, x: f32, y: f32) -> Rgb {
    let size = SIZE as f32;
    if !(0.0..size).contains(&x) || !(0.0..size).contains(&y) {
        return PAPER;
    }
    let (dx, dy) = (x - agent.x as f32 - 0.5, y - agent.y as f32 - 0.5);
    if dx * dx + dy * dy < RADIUS * RADIUS {
        return AGENT;
    }
    let cell = layout.cell(Position {
        x: x as usize,
        y: y as usize,
    });
    let in_gap = |z: f32| !(GAP..1.0 - GAP).contains(&z.fract());
    match cell {
        // Walls have no gaps.
        Cell::Wall => WALL,
        _ if in_gap(x) || in_gap(y) => [226.0, 226.0, 222.0],
        Cell::Free => FREE,
        Cell::Goal => GOAL,
        Cell::Death => DEATH,
    }
}
