//! Trainings, and their operations on numbers.

use crate::grid::{self, Walker, cell_codes};
use crate::page::Answer;
use crate::reward::DrawnReward;
use crate::settings::{self, Approach};
use crate::training::Training;
use fpo_env::gridworld::{self, Position, SIZE};
use std::sync::Arc;

/// The trainings of a page. Each is named by the number that made it.
///
/// As those of [`crate::Page`], operations read `input`, write `output` and return one number.
#[derive(Default)]
pub struct Trainings {
    /// Written before an operation.
    pub input: Vec<f32>,
    /// Written by the latest operation.
    pub output: Vec<f32>,
    all: Vec<Option<Watched>>,
}

/// A training, and the reward where it is drawn.
struct Watched {
    training: Training,
    reward: Option<DrawnReward>,
}

/// Metrics of an iteration, in the order of [`Trainings::learn`]'s output.
pub const METRICS: [&str; 6] = [
    "reward",
    "ratio_mean",
    "ratio_min",
    "ratio_max",
    "approx_kl",
    "grad_norm",
];

impl Trainings {
    /// A training on a reward to be drawn, over actions of `dim` entries with `points` points an
    /// axis, with this weight of the policy's entropy; its number.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn bandit(
        &mut self,
        approach: Approach,
        bonus: f32,
        (dim, points): (usize, usize),
        seed: u64,
    ) -> Answer {
        let reward = DrawnReward::new(dim, points)?;
        let config = settings::bandit(approach, bonus, seed);
        let training = Training::new(&config, Arc::new(reward.clone()))?;
        self.watch(training, Some(reward))
    }

    /// A training in the layout of the input; its number.
    ///
    /// # Errors
    /// If it is not a layout, or the training cannot be made.
    pub fn gridworld(&mut self, approach: Approach, seed: u64) -> Answer {
        let layout = Arc::new(grid::layout(&self.input)?);
        if layout.free().len() < 2 {
            return Err("walkers need free cells to begin in".into());
        }
        let task = gridworld::task("gridworld-drawn", "a map drawn by hand", layout);
        let training = Training::new(&settings::gridworld(approach, seed), task)?;
        self.watch(training, None)
    }

    fn watch(&mut self, training: Training, reward: Option<DrawnReward>) -> Answer {
        let watched = Some(Watched { training, reward });
        let free = self.all.iter().position(Option::is_none);
        let number = free.unwrap_or(self.all.len());
        match free {
            Some(at) => self.all[at] = watched,
            None => self.all.push(watched),
        }
        Ok(number as f64)
    }

    /// Ends a training; its number may name another later.
    ///
    /// # Errors
    /// If there is none of this number.
    pub fn end(&mut self, training: usize) -> Answer {
        self.watched(training)?;
        self.all[training] = None;
        Ok(0.0)
    }

    fn watched(&mut self, training: usize) -> Result<&mut Watched, String> {
        let found = self.all.get_mut(training).and_then(Option::as_mut);
        found.ok_or_else(|| format!("there is no training {training}"))
    }

    /// Draws the reward of a bandit anew, from the input.
    ///
    /// # Errors
    /// If it has none, or the numbers are not as many as its points.
    pub fn draw(&mut self, training: usize) -> Answer {
        let input = std::mem::take(&mut self.input);
        let reward = self.watched(training)?.reward.as_ref();
        reward.ok_or("its reward is not drawn")?.draw(&input)?;
        self.input = input;
        Ok(0.0)
    }

    /// Iterations of a training; the output is its latest [`METRICS`], the result how many
    /// iterations it has done.
    ///
    /// # Errors
    /// If learning fails; the training is then over.
    pub fn learn(&mut self, training: usize, iterations: usize) -> Answer {
        let watched = &mut self.watched(training)?.training;
        for _ in 0..iterations {
            watched.iterate()?;
        }
        let (metrics, done) = (
            METRICS.map(|name| watched.metric(name) as f32),
            watched.trainer().iteration(),
        );
        self.output = metrics.to_vec();
        Ok(done as f64)
    }

    /// The ratios of all samples of the latest batch, after learning from it.
    ///
    /// # Errors
    /// If there is no such training.
    pub fn ratios(&mut self, training: usize) -> Answer {
        self.output = self.watched(training)?.training.ratios();
        Ok(0.0)
    }

    /// Advantages of the latest batch and, where the method has them, their weights:
    /// `[actions]`, then `[actions]` or nothing.
    ///
    /// # Errors
    /// If there is no such training.
    pub fn weights(&mut self, training: usize) -> Answer {
        let watched = &self.watched(training)?.training;
        let mut output = watched.trainer().batch().advantages.clone();
        output.extend(watched.weights());
        self.output = output;
        Ok(0.0)
    }

    /// The way of `count` actions of a bandit from the noise of `seed`, by the policy as it is or
    /// as it was before the latest iteration. The output is the states from the noise to the
    /// unbounded action, `[steps + 1, count, dim]`, then rewards and advantages, `[count]` each;
    /// the result is the number of states.
    ///
    /// # Errors
    /// If it is no bandit.
    pub fn show(&mut self, training: usize, count: usize, seed: u64, before: bool) -> Answer {
        let watched = self.watched(training)?;
        let reward = watched.reward.as_ref().ok_or("its reward is not drawn")?;
        let shown = watched
            .training
            .show(count, seed, before, |u| reward.at(u))?;
        let dim = watched.training.trainer().model().action_dim();
        let states = shown.states.len() / (count * dim).max(1);
        self.output = [shown.states, shown.rewards, shown.advantages].concat();
        Ok(states as f64)
    }

    /// Where the reward of a bandit on a line is high, and what share of `count` actions is on each
    /// such part or within its width beside it: first place, last place and share of each.
    ///
    /// # Errors
    /// If it is no bandit.
    pub fn peaks(&mut self, training: usize, count: usize, seed: u64) -> Answer {
        let watched = self.watched(training)?;
        let reward = watched.reward.as_ref().ok_or("its reward is not drawn")?;
        let shown = watched
            .training
            .show(count, seed, false, |u| reward.at(u))?;
        let dim = watched.training.trainer().model().action_dim();
        let actions = &shown.states[shown.states.len() - count * dim..];
        let mut output = Vec::new();
        for [first, last] in reward.peaks() {
            let beside = last - first;
            let near = first - beside..=last + beside;
            let on = actions.iter().step_by(dim).filter(|u| near.contains(u));
            output.extend([first, last, on.count() as f32 / count as f32]);
        }
        self.output = output;
        Ok(0.0)
    }

    /// The cells of layout number `index`, row by row from below; the result is how many layouts
    /// there are.
    ///
    /// # Errors
    /// If there is none of this number.
    pub fn grid_layout(&mut self, index: usize) -> Answer {
        let tasks = fpo_env::tasks();
        let mut layouts: Vec<_> = tasks
            .iter()
            .filter_map(|t| gridworld::layout(&t.spec().name))
            .collect();
        let count = layouts.len();
        if index >= count {
            return Err(format!("there are {count} layouts"));
        }
        self.output = cell_codes(layouts.swap_remove(index));
        Ok(count as f64)
    }

    /// Shares of the nine moves in the cells of the input (x, y of each), `[cells, 9]`.
    ///
    /// # Errors
    /// If a cell is not in the grid, or the policy's actions are not finite.
    pub fn grid_moves(&mut self, training: usize, samples: usize, seed: u64) -> Answer {
        let cells = self.input.as_chunks().0.iter().map(|&cell| at(cell));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let walker = Walker::new(&self.watched(training)?.training);
        self.output = walker.moves(&cells, samples.max(1), seed)?;
        Ok(0.0)
    }

    /// Walks from a cell: the output is the number of cells of the first walk, their x and y, and
    /// so on.
    ///
    /// # Errors
    /// If the cell is not one to walk from.
    pub fn grid_walks(
        &mut self,
        training: usize,
        start: [f32; 2],
        count: usize,
        seed: u64,
    ) -> Answer {
        let walker = Walker::new(&self.watched(training)?.training);
        let walks = walker.walks(at(start)?, count, seed)?;
        self.output.clear();
        for walk in walks {
            self.output.push(walk.len() as f32);
            let numbers = walk.iter().flat_map(|p| [p.x as f32, p.y as f32]);
            self.output.extend(numbers);
        }
        Ok(0.0)
    }

    /// The share of `episodes` from random cells that end in a goal.
    ///
    /// # Errors
    /// As an evaluation.
    pub fn grid_success(&mut self, training: usize, episodes: usize, seed: u64) -> Answer {
        let walker = Walker::new(&self.watched(training)?.training);
        walker.success(episodes.max(1), seed)
    }
}

/// The cell at these coordinates.
fn at([x, y]: [f32; 2]) -> Result<Position, String> {
    let inside = 0.0..SIZE as f32;
    if inside.contains(&x) && inside.contains(&y) {
        Ok(Position {
            x: x as usize,
            y: y as usize,
        })
    } else {
        Err(format!("({x}, {y}) is not a cell"))
    }
}
