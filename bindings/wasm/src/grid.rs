//! GridWorld's layouts as numbers, and what a policy does in one.

use crate::training::Training;
use fpo_env::gridworld::{Cell, Layout, Position, SIZE};
use fpo_env::{StepEnd, Task};
use fpo_learn::evaluate::{Noise, evaluate};
use fpo_policy::Policy;
use fpo_rng::{Key, Stream, fill_normal};

/// The moves that shares are counted of: to the eight neighbors, counterclockwise from the right,
/// and none.
pub const MOVES: [[i8; 2]; 9] = [
    [1, 0],
    [1, 1],
    [0, 1],
    [-1, 1],
    [-1, 0],
    [-1, -1],
    [0, -1],
    [1, -1],
    [0, 0],
];

/// The cells of a layout, row by row from below: 0 free, 1 a wall, 2 a goal, 3 death, and 4 the
/// fork.
pub fn cell_codes(layout: &Layout) -> Vec<f32> {
    let positions = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| Position { x, y }));
    let code = |position| match layout.cell(position) {
        _ if position == layout.fork() => 4.0,
        Cell::Free => 0.0,
        Cell::Wall => 1.0,
        Cell::Goal => 2.0,
        Cell::Death => 3.0,
    };
    positions.map(code).collect()
}

/// The layout of such numbers.
///
/// # Errors
/// If they are not those of a layout.
pub fn layout(codes: &[f32]) -> Result<Layout, String> {
    let symbol = |code: &f32| match *code as i32 {
        0 => Some('.'),
        1 => Some('#'),
        2 => Some('G'),
        3 => Some('X'),
        4 => Some('o'),
        _ => None,
    };
    let unknown = || "a cell is a number from 0 to 4".to_owned();
    let rows = codes.chunks(SIZE).rev().map(|row| {
        let symbols = row.iter().map(symbol).collect::<Option<String>>();
        symbols.ok_or_else(unknown)
    });
    let map = rows.collect::<Result<Vec<_>, _>>()?.join("\n");
    Layout::parse(&map).map_err(|e| e.to_string())
}

/// A policy in a layout, as it is now.
pub struct Walker<'a> {
    policy: Policy,
    task: &'a dyn Task,
}

impl<'a> Walker<'a> {
    /// The policy of a training.
    pub fn new(training: &'a Training) -> Self {
        Self {
            policy: training.trainer().policy(),
            task: training.trainer().task(),
        }
    }

    /// Shares of [`MOVES`] among `samples` actions in each of the `cells`, `[cells, 9]`.
    ///
    /// # Errors
    /// If an action is not finite.
    pub fn moves(&self, cells: &[Position], samples: usize, seed: u64) -> Result<Vec<f32>, String> {
        let observations: Vec<f32> = cells
            .iter()
            .flat_map(|cell| cell.observation().repeat(samples))
            .collect();
        let actions = self.act(&observations, Key::new(seed, Stream::Particles))?;
        let mut shares = vec![0.0; cells.len() * MOVES.len()];
        let of_cells = actions.chunks_exact(2 * samples);
        for (shares, actions) in shares.chunks_exact_mut(MOVES.len()).zip(of_cells) {
            for action in actions.chunks_exact(2) {
                let direction = Layout::direction([action[0], action[1]]);
                let at = MOVES.iter().position(|&m| m == direction);
                shares[at.expect("all directions are listed")] += 1.0 / samples as f32;
            }
        }
        Ok(shares)
    }

    /// `count` walks from `start`, each a list of cells up to the end of the episode.
    ///
    /// # Errors
    /// If an action is not finite, or an environment cannot be made.
    pub fn walks(
        &self,
        start: Position,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Vec<Position>>, String> {
        let mut walks = Vec::new();
        for walk in 0..count {
            let mut env = self.task.make().map_err(|e| e.to_string())?;
            env.load_state(&[start.x as u8, start.y as u8])
                .map_err(|e| e.to_string())?;
            let (mut observation, mut cells) = (start.observation(), vec![start]);
            let key = Key::new(seed, Stream::EvalAction).index(walk as u32);
            for step in 0..self.task.spec().step_limit.unwrap_or(0) {
                let action = self.act(&observation, key.step(step.into()))?;
                let end = env.step(&action, &mut observation).end;
                cells.push(position(observation));
                if end != StepEnd::Running {
                    break;
                }
            }
            walks.push(cells);
        }
        Ok(walks)
    }

    /// The share of `episodes` from random cells that end in a goal.
    ///
    /// # Errors
    /// As an evaluation.
    pub fn success(&self, episodes: usize, seed: u64) -> Result<f64, String> {
        let returns = evaluate(&self.policy, self.task, seed, episodes, Noise::Random)
            .map_err(|e| e.to_string())?;
        let won = returns.each.iter().filter(|e| e.total_reward > 0.0).count();
        Ok(won as f64 / episodes as f64)
    }

    /// Actions in the environment's range.
    fn act(&self, observations: &[f32], key: Key) -> Result<Vec<f32>, String> {
        let rows = observations.len() / self.policy.observation_dim();
        let mut noise = vec![0.0; rows * self.policy.noise_dim()];
        fill_normal(key, &mut noise);
        let mut actions = vec![0.0; rows * self.policy.action_dim()];
        self.policy
            .actor(rows)
            .act(observations, &noise, &mut actions)
            .map_err(|e| e.to_string())?;
        Ok(actions)
    }
}

/// The cell with this observation.
fn position(observation: [f32; 2]) -> Position {
    let half = (SIZE / 2) as f32;
    let along = |x: f32| ((x + 1.0) * half).round() as usize;
    Position {
        x: along(observation[0]),
        y: along(observation[1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_survive_the_way_through_numbers() {
        for task in fpo_env::tasks() {
            let Some(known) = fpo_env::gridworld::layout(&task.spec().name) else {
                continue;
            };
            assert_eq!(layout(&cell_codes(known)).as_ref(), Ok(known));
        }
        assert!(layout(&[0.0; 625]).is_err(), "no fork");
        assert!(layout(&[5.0; 625]).is_err() && layout(&[]).is_err());
    }

    #[test]
    fn positions_are_found_again() {
        for (x, y) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (x, y))) {
            let at = Position { x, y };
            assert_eq!(position(at.observation()), at);
        }
    }
}
