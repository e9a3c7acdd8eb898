//! The five layouts, as maps.

use std::array;
use std::sync::{Arc, LazyLock};

/// Cells along an edge of the grid.
pub const SIZE: usize = 25;

/// The kind of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The agent can be here; episodes begin in such cells.
    Free,
    /// Impassable.
    Wall,
    /// Gives a reward and ends the episode.
    Goal,
    /// Gives a penalty and ends the episode.
    Death,
}

/// A cell's column and row. Rows count upward, so that a positive second entry of an action moves
/// up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Column, from the left.
    pub x: usize,
    /// Row, from below.
    pub y: usize,
}

impl Position {
    /// The observation of this position: both coordinates scaled to [−1, 1].
    pub fn observation(self) -> [f32; 2] {
        let half = (SIZE / 2) as f32;
        [self.x as f32 / half - 1.0, self.y as f32 / half - 1.0]
    }
}

/// The kinds of all cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `[y][x]`
    cells: [[Cell; SIZE]; SIZE],
    /// The free cells, row by row from below.
    free: Vec<Position>,
    fork: Position,
}

/// A map that is not one of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMap {
    /// It has another shape.
    #[error("a map has {SIZE} lines of {SIZE} cells")]
    Shape,
    /// A cell is not one of the kinds that there are.
    #[error("a cell of a map is one of `.`, `#`, `G`, `X` and `o`, not {0:?}")]
    Cell(char),
    /// The fork is missing.
    #[error("a map marks one free cell with `o`")]
    Fork,
}

impl Layout {
    /// Reads a map: one line per row, from the top; `.` is free, `#` a wall, `G` a goal, `X` death,
    /// `o` the free cell that is the fork.
    ///
    /// # Errors
    /// If it has another shape, other cells, or not exactly one fork.
    pub fn parse(map: &str) -> Result<Self, InvalidMap> {
        let rows: Vec<&str> = map.split_whitespace().collect();
        let mut cells = [[Cell::Free; SIZE]; SIZE];
        if rows.len() != SIZE || rows.iter().any(|row| row.chars().count() != SIZE) {
            return Err(InvalidMap::Shape);
        }
        let mut forks = Vec::new();
        for ((y, cells), row) in cells.iter_mut().enumerate().rev().zip(rows) {
            for ((x, cell), symbol) in cells.iter_mut().enumerate().zip(row.chars()) {
                *cell = match symbol {
                    'o' => {
                        forks.push(Position { x, y });
                        Cell::Free
                    }
                    '.' => Cell::Free,
                    '#' => Cell::Wall,
                    'G' => Cell::Goal,
                    'X' => Cell::Death,
                    other => return Err(InvalidMap::Cell(other)),
                };
            }
        }
        let [fork] = forks[..] else {
            return Err(InvalidMap::Fork);
        };
        let positions = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| Position { x, y }));
        let free = positions
            .filter(|p| cells[p.y][p.x] == Cell::Free)
            .collect();
        Ok(Self { cells, free, fork })
    }

    /// The kind of the cell at `position`.
    ///
    /// # Panics
    /// If it is outside the grid.
    pub fn cell(&self, position: Position) -> Cell {
        self.cells[position.y][position.x]
    }

    /// The free cells, row by row from below.
    pub fn free(&self) -> &[Position] {
        &self.free
    }

    /// A cell from which paths in opposite directions are equally short, so that an optimal policy
    /// may have several modes there.
    pub fn fork(&self) -> Position {
        self.fork
    }

    /// The move of `action`: −1, 0 or 1 along each axis. ±0.5 rounds to 0, as in numpy.
    pub fn direction(action: [f32; 2]) -> [i8; 2] {
        action.map(|entry| entry.clamp(-1.0, 1.0).round_ties_even() as i8)
    }

    /// The end of a move from `from` by `[dx, dy]`, each −1, 0 or 1. The border stops each axis
    /// separately; a move into a wall, even a diagonal one, does not happen at all.
    pub fn go(&self, from: Position, [dx, dy]: [i8; 2]) -> Position {
        let along = |at: usize, by: i8| at.saturating_add_signed(by.into()).min(SIZE - 1);
        let to = Position {
            x: along(from.x, dx),
            y: along(from.y, dy),
        };
        if self.cell(to) == Cell::Wall {
            from
        } else {
            to
        }
    }
}

/// A task's name and its layout.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    map: &'static str,
}

/// The layouts in the order of [`PLANS`].
pub(super) static LAYOUTS: LazyLock<[Arc<Layout>; 5]> = LazyLock::new(|| {
    array::from_fn(|i| Arc::new(Layout::parse(PLANS[i].map).expect("the maps below are valid")))
});

/// The layouts of the GridWorld in the FPO paper (arXiv 2507.21053; cells as in its released code).
pub(super) const PLANS: [Plan; 5] = [
    Plan {
        name: "gridworld-two_walls",
        summary: "grid: reach the edge above or the edge below",
        map: "
        GGGGGGGGGGGGGGGGGGGGGGGGG
        GGGGGGGGGGGGGGGGGGGGGGGGG
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        ............o............
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        GGGGGGGGGGGGGGGGGGGGGGGGG
        GGGGGGGGGGGGGGGGGGGGGGGGG
        ",
    },
    Plan {
        name: "gridworld-three_goals",
        summary: "grid: reach one of three goals around a deadly block",
        map: "
        .........................
        .........................
        .........................
        .........................
        .........................
        ...........GGG...........
        ...........GGG...........
        ...........GGG...........
        .........................
        .........................
        .........................
        ...........XXX...........
        ...........XXX...........
        ...........XXX...........
        .........................
        .........................
        ......GGG.......GGG......
        ......GGG...o...GGG......
        ......GGG.......GGG......
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        ",
    },
    Plan {
        name: "gridworld-tree_in_the_middle",
        summary: "grid: walk around a deadly block to the goal behind it",
        map: "
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .............XXXXX.....GG
        .............XXXXX.....GG
        ............oXXXXX.....GG
        .............XXXXX.....GG
        .............XXXXX.....GG
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        ",
    },
    Plan {
        name: "gridworld-two_slits",
        summary: "grid: pass a wall through one of two slits",
        map: "
        ...............#........G
        ...............#........G
        ...............#........G
        ...............#........G
        ........................G
        ........................G
        ........................G
        ........................G
        ...............#........G
        ...............#........G
        ...............#........G
        ...............#........G
        ............o..#........G
        ...............#........G
        ...............#........G
        ...............#........G
        ...............#........G
        ........................G
        ........................G
        ........................G
        ........................G
        ...............#........G
        ...............#........G
        ...............#........G
        ...............#........G
        ",
    },
    Plan {
        name: "gridworld-c_shape",
        summary: "grid: find the opening of a walled yard",
        map: "
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .......###########.......
        .................#.......
        .................#.......
        ..........GGGGG..#.......
        ..........GGGGG..#.......
        ..........GGGGG..#..o....
        ..........GGGGG..#.......
        ..........GGGGG..#.......
        .................#.......
        .................#.......
        .......###########.......
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        .........................
        ",
    },
];
