//! A ball on a string, and a cup to catch it with.

use super::domain::Domain;
use super::randomize::until_free;
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[Definition {
    name: "ball_in_cup-catch",
    summary: "swing the ball up and keep it in the cup; reward 0 or 1",
    model: "ball_in_cup.xml",
    observation: &[("position", 4), ("velocity", 4)],
    actions: 2,
    control_timestep: 0.02,
    moves_targets: false,
    build: |model| Ok(Box::new(BallInCup::new(model)?)),
}];

struct BallInCup {
    ball: usize,
    /// Indices of the ball's coordinates in `qpos`.
    ball_x: usize,
    ball_z: usize,
    target: usize,
    /// Maximum distance of the ball from the center of the cup, along x and z.
    room: [f64; 2],
}

impl BallInCup {
    fn new(model: &Model) -> Result<Self, MakeError> {
        let target = model.site("target")?;
        let [x, _, z] = model.site_size(target);
        let radius = model.geom_size(model.geom("ball")?)[0];
        let qpos = |joint| Ok(model.joint_qpos()[model.joint(joint)?] as usize);
        Ok(Self {
            ball: model.body("ball")?,
            ball_x: qpos("ball_x")?,
            ball_z: qpos("ball_z")?,
            target,
            room: [x - radius, z - radius],
        })
    }
}

impl Domain for BallInCup {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        until_free(physics, rng, |physics, rng| {
            physics.qpos_mut()[self.ball_x] = uniform(rng, -0.2, 0.2);
            physics.qpos_mut()[self.ball_z] = uniform(rng, 0.2, 0.5);
        })
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(physics.qpos());
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let target = row(physics.site_xpos(), self.target);
        let ball = row(physics.xpos(), self.ball);
        let inside = (target[0] - ball[0]).abs() < self.room[0]
            && (target[2] - ball[2]).abs() < self.room[1];
        f64::from(inside)
    }
}
