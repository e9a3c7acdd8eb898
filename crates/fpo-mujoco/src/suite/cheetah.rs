//! A planar running cheetah.

use super::domain::Domain;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[Definition {
    name: "cheetah-run",
    summary: "run forwards as fast as 10 m/s",
    model: "cheetah.xml",
    observation: &[("position", 8), ("velocity", 9)],
    actions: 6,
    control_timestep: 0.01,
    moves_targets: false,
    build: |model| Ok(Box::new(Cheetah::new(model)?)),
}];

/// Physics steps until an initial state has settled.
const SETTLING: u32 = 200;

const RUNNING: Tolerance = Tolerance::at_least(10.0)
    .margin(10.0)
    .sigmoid(Sigmoid::Linear, 0.0);

struct Cheetah {
    /// The sensor of the torso's velocity.
    velocity: usize,
}

impl Cheetah {
    fn new(model: &mut Model) -> Result<Self, MakeError> {
        Ok(Self {
            velocity: model.sensor("torso_subtreelinvel")?,
        })
    }
}

impl Domain for Cheetah {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        // Every joint has one degree of freedom, so joints and positions have the same numbers.
        for joint in 0..physics.qpos().len() {
            let model = physics.model();
            if model.joint_limited()[joint] {
                let range = &model.joint_ranges()[2 * joint..][..2];
                let (low, high) = (range[0], range[1]);
                physics.qpos_mut()[joint] = uniform(rng, low, high);
            }
        }
        physics.step(SETTLING)?;
        physics.set_time(0.0);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // The horizontal position is not observed.
        out.extend(&physics.qpos()[1..]);
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        RUNNING.at(physics.sensordata()[self.velocity])
    }
}
