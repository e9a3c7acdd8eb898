//! A pendulum with a weak motor.

use super::domain::Domain;
use super::rewards::Tolerance;
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation};
use fpo_env::MakeError;
use fpo_rng::Philox;
use std::f64::consts::PI;

pub(super) const TASKS: &[Definition] = &[Definition {
    name: "pendulum-swingup",
    summary: "swing up and stay within 8° of upright; reward 0 or 1",
    model: "pendulum.xml",
    observation: &[("orientation", 2), ("velocity", 1)],
    actions: 1,
    control_timestep: 0.02,
    moves_targets: false,
    build: |model| Ok(Box::new(Pendulum::new(model)?)),
}];

struct Pendulum {
    pole: usize,
    upright: Tolerance,
}

impl Pendulum {
    fn new(model: &Model) -> Result<Self, MakeError> {
        let upright = Tolerance::within(libm::cos(8_f64.to_radians()), 1.0);
        Ok(Self {
            pole: model.body("pole")?,
            upright,
        })
    }

    /// Cosine and sine of the pole's angle to the vertical.
    fn orientation(&self, physics: &Physics) -> [f64; 2] {
        [
            physics.xmat()[9 * self.pole + 8],
            physics.xmat()[9 * self.pole + 2],
        ]
    }
}

impl Domain for Pendulum {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        physics.qpos_mut()[0] = uniform(rng, -PI, PI);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(&self.orientation(physics));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        self.upright.at(self.orientation(physics)[0])
    }
}
