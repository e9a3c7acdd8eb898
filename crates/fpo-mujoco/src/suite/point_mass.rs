//! A point mass on a plane.

use super::domain::Domain;
use super::geometry::distance;
use super::randomize;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::task::{Definition, Observation};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[Definition {
    name: "point_mass-easy",
    summary: "push the mass to the target and stop there",
    model: "point_mass.xml",
    observation: &[("position", 2), ("velocity", 2)],
    actions: 2,
    control_timestep: 0.02,
    moves_targets: false,
    build: |model| Ok(Box::new(PointMass::new(model)?)),
}];

const SMALL_CONTROL: Tolerance = Tolerance::within(0.0, 0.0)
    .margin(1.0)
    .sigmoid(Sigmoid::Quadratic, 0.0);

struct PointMass {
    mass: usize,
    target: usize,
    near: Tolerance,
}

impl PointMass {
    fn new(model: &Model) -> Result<Self, MakeError> {
        let target = model.geom("target")?;
        let radius = model.geom_size(target)[0];
        Ok(Self {
            mass: model.geom("pointmass")?,
            target,
            near: Tolerance::within(0.0, radius).margin(radius),
        })
    }
}

impl Domain for PointMass {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::joints(physics, rng);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(physics.qpos());
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let mass = row(physics.geom_xpos(), self.mass);
        let target = row(physics.geom_xpos(), self.target);
        let near = self.near.at(distance(mass, target));
        near * (SMALL_CONTROL.mean(physics.ctrl()) + 4.0) / 5.0
    }
}
