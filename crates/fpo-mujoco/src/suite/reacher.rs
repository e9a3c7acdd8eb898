//! A planar arm with two links.

use super::domain::Domain;
use super::randomize;
use super::rewards::Tolerance;
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;
use std::f64::consts::TAU;

pub(super) const TASKS: &[Definition] = &[
    definition(
        "reacher-easy",
        "hold the finger in a target of 5 cm; reward 0 or 1",
        |model| Reacher::build(model, 0.05),
    ),
    definition(
        "reacher-hard",
        "hold the finger in a target of 1.5 cm; reward 0 or 1",
        |model| Reacher::build(model, 0.015),
    ),
];

/// The common part of the tasks' definitions.
const fn definition(
    name: &'static str,
    summary: &'static str,
    build: fn(&mut Model) -> Result<Box<dyn Rules>, MakeError>,
) -> Definition {
    Definition {
        name,
        summary,
        model: "reacher.xml",
        observation: &[("position", 2), ("to_target", 2), ("velocity", 2)],
        actions: 2,
        control_timestep: 0.02,
        moves_targets: true,
        build,
    }
}

struct Reacher {
    finger: usize,
    target: usize,
    target_height: f64,
    touching: Tolerance,
}

impl Reacher {
    fn build(model: &mut Model, target_radius: f64) -> Result<Box<dyn Rules>, MakeError> {
        let (finger, target) = (model.geom("finger")?, model.geom("target")?);
        model.set_geom_radius(target, target_radius);
        Ok(Box::new(Self {
            finger,
            target,
            target_height: model.geom_pos(target)[2],
            touching: Tolerance::within(0.0, target_radius + model.geom_size(finger)[0]),
        }))
    }

    /// From the finger to the target, in the plane.
    fn to_target(&self, physics: &Physics) -> [f64; 2] {
        let finger = row(physics.geom_xpos(), self.finger);
        let target = row(physics.geom_xpos(), self.target);
        [target[0] - finger[0], target[1] - finger[1]]
    }
}

impl Domain for Reacher {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::joints(physics, rng);
        let angle = uniform(rng, 0.0, TAU);
        let radius = uniform(rng, 0.05, 0.20);
        let target = [
            radius * libm::sin(angle),
            radius * libm::cos(angle),
            self.target_height,
        ];
        physics.set_geom_pos(self.target, target);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(physics.qpos());
        out.extend(&self.to_target(physics));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let [x, y] = self.to_target(physics);
        self.touching.at((x * x + y * y).sqrt())
    }
}
