//! A humanoid with 21 joints.

use super::domain::Domain;
use super::geometry::from_to_in;
use super::randomize;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[
    definition("humanoid-stand", "stand still, upright", |model| {
        Humanoid::build(model, None)
    }),
    definition("humanoid-walk", "walk at 1 m/s, upright", |model| {
        Humanoid::build(model, Some(1.0))
    }),
    definition("humanoid-run", "run at 10 m/s, upright", |model| {
        Humanoid::build(model, Some(10.0))
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
        model: "humanoid.xml",
        observation: &[
            ("joint_angles", 21),
            ("head_height", 1),
            ("extremities", 12),
            ("torso_vertical", 3),
            ("com_velocity", 3),
            ("velocity", 27),
        ],
        actions: 21,
        control_timestep: 0.025,
        moves_targets: false,
        build,
    }
}

const STANDING: Tolerance = Tolerance::at_least(1.4).margin(0.35);
const UPRIGHT: Tolerance = Tolerance::at_least(0.9)
    .margin(1.9)
    .sigmoid(Sigmoid::Linear, 0.0);
const SMALL_CONTROL: Tolerance = Tolerance::within(0.0, 0.0)
    .margin(1.0)
    .sigmoid(Sigmoid::Quadratic, 0.0);
const STILL: Tolerance = Tolerance::within(0.0, 0.0).margin(2.0);

struct Humanoid {
    torso: usize,
    head: usize,
    extremities: [usize; 4],
    /// The sensor of the velocity of the center of mass.
    velocity: usize,
    /// The reward of the horizontal speed; none if it should stand still.
    moving: Option<Tolerance>,
}

impl Humanoid {
    fn build(model: &mut Model, speed: Option<f64>) -> Result<Box<dyn Rules>, MakeError> {
        Ok(Box::new(Self {
            torso: model.body("torso")?,
            head: model.body("head")?,
            extremities: [
                model.body("left_hand")?,
                model.body("left_foot")?,
                model.body("right_hand")?,
                model.body("right_foot")?,
            ],
            velocity: model.sensor("torso_subtreelinvel")?,
            moving: speed.map(|speed| {
                Tolerance::at_least(speed)
                    .margin(speed)
                    .sigmoid(Sigmoid::Linear, 0.0)
            }),
        }))
    }

    fn head_height(&self, physics: &Physics) -> f64 {
        physics.xpos()[3 * self.head + 2]
    }
}

impl Domain for Humanoid {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::until_free(physics, rng, randomize::joints)
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // The joints, without the position and orientation of the root.
        out.extend(&physics.qpos()[7..]);
        out.push(self.head_height(physics));
        let torso = row(physics.xpos(), self.torso);
        for limb in self.extremities {
            out.extend(&from_to_in(
                torso,
                row(physics.xpos(), limb),
                physics.xmat(),
                self.torso,
            ));
        }
        // The world's vertical in the torso's frame.
        out.extend(&physics.xmat()[9 * self.torso + 6..][..3]);
        out.extend(&physics.sensordata()[self.velocity..][..3]);
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let standing =
            STANDING.at(self.head_height(physics)) * UPRIGHT.at(physics.xmat()[9 * self.torso + 8]);
        let small_control = (4.0 + SMALL_CONTROL.mean(physics.ctrl())) / 5.0;
        let velocity = &physics.sensordata()[self.velocity..][..2];
        let motion = match self.moving {
            None => STILL.mean(velocity),
            Some(moving) => (5.0 * moving.at(libm::hypot(velocity[0], velocity[1])) + 1.0) / 6.0,
        };
        small_control * standing * motion
    }
}
