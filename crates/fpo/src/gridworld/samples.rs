//! A policy's actions and walks in a grid.

use fpo_env::gridworld::{Cell, Layout, Position, SIZE};
use fpo_policy::{NonFiniteAction, Policy};
use fpo_rng::{Key, Stream, fill_normal};
use std::iter::repeat_n;

/// Spacing of the cells, in both directions, in which actions are sampled; the center of the grid
/// is one of them.
const SPACING: usize = 3;
/// Actions sampled in each of them.
const ACTIONS: usize = 64;
/// Actions sampled at the fork.
const AT_FORK: usize = 1000;
/// Walks from the fork, and from each of [`NEAR_CORNERS`].
const WALKS: [usize; 2] = [8, 3];
/// Starts that are free in every layout.
const NEAR_CORNERS: [Position; 4] = [
    Position { x: 4, y: 4 },
    Position { x: 20, y: 4 },
    Position { x: 4, y: 20 },
    Position { x: 20, y: 20 },
];

/// An action of the environment.
pub(super) type Action = [f32; 2];

/// A walk: the cells from its start to its end.
pub(super) struct Walk {
    pub(super) cells: Vec<Position>,
    pub(super) end: Cell,
}

/// All data of the drawing.
pub(super) struct Samples {
    /// Actions of each cell.
    pub(super) fields: Vec<(Position, Vec<Action>)>,
    pub(super) at_fork: Vec<Action>,
    pub(super) walks: Vec<Walk>,
}

/// Shares of moves, for each axis separately: the shares of all actions that go up and down (the
/// rest does neither), and likewise left and right. A diagonal move counts along both axes.
pub(super) struct Shares {
    pub(super) up: f64,
    pub(super) down: f64,
    pub(super) left: f64,
    pub(super) right: f64,
}

/// How walks ended.
pub(super) struct Ends {
    pub(super) goal: usize,
    pub(super) death: usize,
    pub(super) time: usize,
}

impl Samples {
    /// Samples `policy` in `layout`; walks have at most `step_limit` steps. All noise is a
    /// function of `seed`.
    ///
    /// # Errors
    /// If an action is not finite.
    pub(super) fn draw(
        policy: &Policy,
        layout: &Layout,
        step_limit: u32,
        seed: u64,
    ) -> Result<Self, NonFiniteAction> {
        // Every cell, every walk and the fork have an index of their own for their noise.
        let mut index = 0;
        let mut key = || {
            index += 1;
            Key::new(seed, Stream::EvalAction).index(index)
        };
        // Skip the border, where strokes would leave the grid.
        let chosen = |z: usize| z.is_multiple_of(SPACING) && z > 0 && z < SIZE - 1;
        let on_grid = |p: &&Position| chosen(p.x) && chosen(p.y);
        let fields = layout.free().iter().filter(on_grid);
        let fields = fields
            .map(|&p| Ok((p, actions(policy, p, ACTIONS, key())?)))
            .collect::<Result<_, _>>()?;
        let at_fork = actions(policy, layout.fork(), AT_FORK, key())?;
        let starts = [layout.fork()].into_iter().chain(NEAR_CORNERS);
        let walks = starts
            .enumerate()
            .flat_map(|(k, start)| repeat_n(start, WALKS[k.min(1)]))
            .map(|start| walk(policy, layout, start, step_limit, key()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            fields,
            at_fork,
            walks,
        })
    }

    /// The shares of moves at the fork.
    pub(super) fn shares(&self) -> Shares {
        let moves: Vec<_> = self.at_fork.iter().map(|&a| Layout::direction(a)).collect();
        let share = |axis: usize, sign: i8| {
            moves.iter().filter(|m| m[axis] == sign).count() as f64 / moves.len() as f64
        };
        Shares {
            up: share(1, 1),
            down: share(1, -1),
            left: share(0, -1),
            right: share(0, 1),
        }
    }

    /// The number of walks for each kind of end.
    pub(super) fn ends(&self) -> Ends {
        let count = |end: Cell| self.walks.iter().filter(|walk| walk.end == end).count();
        Ends {
            goal: count(Cell::Goal),
            death: count(Cell::Death),
            time: count(Cell::Free),
        }
    }

    /// The same in words.
    pub(super) fn ends_in_words(&self) -> String {
        let Ends { goal, death, time } = self.ends();
        format!(
            "{} walks: {goal} to a goal, {death} to death, {time} out of time",
            self.walks.len()
        )
    }
}

/// `count` actions in the cell `position`.
fn actions(
    policy: &Policy,
    position: Position,
    count: usize,
    key: Key,
) -> Result<Vec<Action>, NonFiniteAction> {
    let observations = position.observation().repeat(count);
    let mut noise = vec![0.0; count * policy.noise_dim()];
    fill_normal(key, &mut noise);
    let mut actions = vec![0.0; 2 * count];
    policy
        .actor(count)
        .act(&observations, &noise, &mut actions)?;
    Ok(actions.chunks_exact(2).map(|a| [a[0], a[1]]).collect())
}

/// A walk from `start`.
fn walk(
    policy: &Policy,
    layout: &Layout,
    start: Position,
    step_limit: u32,
    key: Key,
) -> Result<Walk, NonFiniteAction> {
    let mut cells = vec![start];
    let mut position = start;
    'walk: for step in 0..step_limit {
        let action = actions(policy, position, 1, key.step(step.into()))?[0];
        // An action is held as in training.
        for _ in 0..policy.adaptation().action_repeat {
            position = layout.go(position, Layout::direction(action));
            cells.push(position);
            if layout.cell(position) != Cell::Free {
                break 'walk;
            }
        }
    }
    Ok(Walk {
        end: layout.cell(position),
        cells,
    })
}
