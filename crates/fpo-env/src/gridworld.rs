//! GridWorld: a small world where several different actions are often equally good.
//!
//! An agent walks in a grid of 25 × 25 cells; the observation is its position, scaled to [−1, 1]².
//! Each entry of an action is rounded to −1, 0 or 1, a step to the right and upward. The reward is
//! 20 at a goal and −10 at death, which both end the episode, and 0 elsewhere, so only the discount
//! makes short paths better. Episodes are truncated after 100 steps. Walls stop moves
//! ([`Layout::go`]), and episodes begin in a uniformly random free cell.
//!
//! Midway between two goals both directions are equally good: optimal policies may have two modes
//! there, which flow policies can represent and Gaussian ones cannot (arXiv 2507.21053).

mod layout;
mod picture;
#[cfg(test)]
mod tests;
mod world;

pub use layout::{Cell, InvalidMap, Layout, Position, SIZE};

use crate::{Env, EnvSpec, MakeError, Task};
use layout::{LAYOUTS, PLANS};
use std::sync::Arc;
use world::GridWorld;

/// Steps until an episode is truncated, in every task.
pub const STEP_LIMIT: u32 = 100;

/// A layout as a task.
struct GridTask {
    spec: EnvSpec,
    layout: Arc<Layout>,
}

impl Task for GridTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        let layout = Arc::clone(&self.layout);
        Ok(Box::new(GridWorld::new(self.spec.clone(), layout)))
    }
}

/// The task called `name` in a layout of one's own.
pub fn task(name: &str, summary: &str, layout: Arc<Layout>) -> Arc<dyn Task> {
    let spec = EnvSpec {
        name: name.into(),
        summary: summary.into(),
        observation: vec![("position".into(), 2)],
        action_min: vec![-1.0; 2],
        action_max: vec![1.0; 2],
        // No time is simulated; films show ten steps a second.
        control_timestep: 0.1,
        step_limit: Some(STEP_LIMIT),
    };
    Arc::new(GridTask { spec, layout })
}

/// The five tasks.
pub(crate) fn tasks() -> impl Iterator<Item = Arc<dyn Task>> {
    PLANS
        .iter()
        .zip(LAYOUTS.iter())
        .map(|(plan, layout)| task(plan.name, plan.summary, Arc::clone(layout)))
}

/// The layout of the task called `task`, as in `gridworld-two_walls`.
pub fn layout(task: &str) -> Option<&'static Layout> {
    let index = PLANS.iter().position(|plan| plan.name == task)?;
    Some(&LAYOUTS[index])
}
