//! A planar walker.

use super::domain::Domain;
use super::randomize;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[
    definition("walker-stand", "stand upright", |model| {
        Walker::build(model, None)
    }),
    definition("walker-walk", "walk at 1 m/s, upright", |model| {
        Walker::build(model, Some(1.0))
    }),
    definition("walker-run", "run at 8 m/s, upright", |model| {
        Walker::build(model, Some(8.0))
    }),
];

const fn definition(
    name: &'static str,
    summary: &'static str,
    build: fn(&mut Model) -> Result<Box<dyn Rules>, MakeError>,
) -> Definition {
    Definition {
        name,
        summary,
        model: "walker.xml",
        observation: &[("orientations", 14), ("height", 1), ("velocity", 9)],
        actions: 6,
        control_timestep: 0.025,
        moves_targets: false,
        build,
    }
}

const STANDING: Tolerance = Tolerance::at_least(1.2).margin(0.6);

struct Walker {
    torso: usize,
    /// The sensor of the torso's velocity.
    velocity: usize,
    /// The reward of the forward speed; none if standing is enough.
    moving: Option<Tolerance>,
}

impl Walker {
    fn build(model: &mut Model, speed: Option<f64>) -> Result<Box<dyn Rules>, MakeError> {
        Ok(Box::new(Self {
            torso: model.body("torso")?,
            velocity: model.sensor("torso_subtreelinvel")?,
            moving: speed.map(|speed| {
                Tolerance::at_least(speed)
                    .margin(speed / 2.0)
                    .sigmoid(Sigmoid::Linear, 0.5)
            }),
        }))
    }

    fn height(&self, physics: &Physics) -> f64 {
        physics.xpos()[3 * self.torso + 2]
    }
}

impl Domain for Walker {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::joints(physics, rng);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // The x axes of all bodies except the world, in the plane.
        for frame in physics.xmat().chunks_exact(9).skip(1) {
            out.push(frame[0]);
            out.push(frame[2]);
        }
        out.push(self.height(physics));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let upright = (1.0 + physics.xmat()[9 * self.torso + 8]) / 2.0;
        let standing = (3.0 * STANDING.at(self.height(physics)) + upright) / 4.0;
        match self.moving {
            None => standing,
            Some(moving) => {
                standing * (5.0 * moving.at(physics.sensordata()[self.velocity]) + 1.0) / 6.0
            }
        }
    }
}
