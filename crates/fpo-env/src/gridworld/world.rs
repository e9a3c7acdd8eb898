//! The environment.

use super::layout::{Cell, Layout, Position, SIZE};
use super::picture;
use crate::{Env, EnvSpec, NoState, Picture, RenderError, StateError, Step, StepEnd};
use fpo_rng::Philox;
use rand::RngExt;
use std::sync::Arc;

/// Reward of a goal cell.
const GOAL: f32 = 20.0;
/// Reward of a death cell.
const DEATH: f32 = -10.0;

/// An agent on the grid.
pub(super) struct GridWorld {
    spec: EnvSpec,
    layout: Arc<Layout>,
    position: Position,
}

impl GridWorld {
    pub(super) fn new(spec: EnvSpec, layout: Arc<Layout>) -> Self {
        let position = layout.free()[0];
        Self {
            spec,
            layout,
            position,
        }
    }
}

impl Env for GridWorld {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        let free = self.layout.free();
        self.position = free[rng.random_range(0..free.len() as u32) as usize];
        observation.copy_from_slice(&self.position.observation());
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        let direction = Layout::direction([action[0], action[1]]);
        self.position = self.layout.go(self.position, direction);
        observation.copy_from_slice(&self.position.observation());
        let (reward, end) = match self.layout.cell(self.position) {
            Cell::Goal => (GOAL, StepEnd::Terminated),
            Cell::Death => (DEATH, StepEnd::Terminated),
            Cell::Free | Cell::Wall => (0.0, StepEnd::Running),
        };
        Step { reward, end }
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend([self.position.x as u8, self.position.y as u8]);
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let &[x, y] = bytes else {
            return Err(StateError(format!(
                "{} bytes are not a position",
                bytes.len()
            )));
        };
        let position = Position {
            x: x.into(),
            y: y.into(),
        };
        if position.x >= SIZE || position.y >= SIZE || self.layout.cell(position) == Cell::Wall {
            return Err(StateError(format!("the cell ({x}, {y}) is not free")));
        }
        self.position = position;
        Ok(())
    }

    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        Ok(picture::draw(&self.layout, self.position, width, height))
    }
}
