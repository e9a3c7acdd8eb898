//! A planar one-legged hopper.

use super::domain::Domain;
use super::randomize;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[
    definition("hopper-stand", "stand with little control", |model| {
        Hopper::build(model, false)
    }),
    definition("hopper-hop", "hop forwards at 2 m/s", |model| {
        Hopper::build(model, true)
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
        model: "hopper.xml",
        observation: &[("position", 6), ("velocity", 7), ("touch", 2)],
        actions: 4,
        control_timestep: 0.02,
        moves_targets: false,
        build,
    }
}

const STANDING: Tolerance = Tolerance::within(0.6, 2.0);
const HOPPING: Tolerance = Tolerance::at_least(2.0)
    .margin(1.0)
    .sigmoid(Sigmoid::Linear, 0.5);
const SMALL_CONTROL: Tolerance = Tolerance::within(0.0, 0.0)
    .margin(1.0)
    .sigmoid(Sigmoid::Quadratic, 0.0);

struct Hopper {
    torso: usize,
    foot: usize,
    /// The sensor of the torso's velocity.
    velocity: usize,
    touch: [usize; 2],
    hopping: bool,
}

impl Hopper {
    fn build(model: &mut Model, hopping: bool) -> Result<Box<dyn Rules>, MakeError> {
        Ok(Box::new(Self {
            torso: model.body("torso")?,
            foot: model.body("foot")?,
            velocity: model.sensor("torso_subtreelinvel")?,
            touch: [model.sensor("touch_toe")?, model.sensor("touch_heel")?],
            hopping,
        }))
    }
}

impl Domain for Hopper {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::joints(physics, rng);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // The horizontal position is not observed.
        out.extend(&physics.qpos()[1..]);
        out.extend(physics.qvel());
        out.extend(
            &self
                .touch
                .map(|sensor| libm::log1p(physics.sensordata()[sensor])),
        );
    }

    fn reward(&self, physics: &Physics) -> f64 {
        // The center of the torso above that of the foot.
        let height = physics.xipos()[3 * self.torso + 2] - physics.xipos()[3 * self.foot + 2];
        let standing = STANDING.at(height);
        if self.hopping {
            standing * HOPPING.at(physics.sensordata()[self.velocity])
        } else {
            standing * (SMALL_CONTROL.mean(physics.ctrl()) + 4.0) / 5.0
        }
    }
}
