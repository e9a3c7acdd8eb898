//! A fish in a tank.

use super::domain::Domain;
use super::geometry::from_to_in;
use super::randomize::rotation;
use super::rewards::Tolerance;
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation};
use fpo_env::MakeError;
use fpo_rng::Philox;

pub(super) const TASKS: &[Definition] = &[
    Definition {
        name: "fish-upright",
        summary: "turn upright and stay so",
        model: "fish.xml",
        observation: &[("joint_angles", 7), ("upright", 1), ("velocity", 13)],
        actions: 5,
        control_timestep: 0.04,
        moves_targets: false,
        build: |model| {
            // This task has no target.
            model.hide_geom(model.geom("target")?);
            Ok(Box::new(Upright {
                torso: model.body("torso")?,
            }))
        },
    },
    Definition {
        name: "fish-swim",
        summary: "swim to the target, upright",
        model: "fish.xml",
        observation: &[
            ("joint_angles", 7),
            ("upright", 1),
            ("target", 3),
            ("velocity", 13),
        ],
        actions: 5,
        control_timestep: 0.04,
        moves_targets: true,
        build: |model| Ok(Box::new(Swim::new(model)?)),
    },
];

const UPRIGHT: Tolerance = Tolerance::within(1.0, 1.0).margin(1.0);

/// Entries of `qpos` that place the body; the joints of tail and fins follow.
const FREE: usize = 7;

/// Draws a rotation of the body and small angles of tail and fins.
fn draw_pose(physics: &mut Physics, rng: &mut Philox) {
    let qpos = physics.qpos_mut();
    qpos[3..FREE].copy_from_slice(&rotation(rng));
    qpos[FREE..].fill_with(|| uniform(rng, -0.2, 0.2));
}

/// Cosine of the angle between the body's vertical and the world's.
fn upright(physics: &Physics, torso: usize) -> f64 {
    physics.xmat()[9 * torso + 8]
}

struct Upright {
    torso: usize,
}

impl Domain for Upright {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        draw_pose(physics, rng);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(&physics.qpos()[FREE..]);
        out.push(upright(physics, self.torso));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        UPRIGHT.at(upright(physics, self.torso))
    }
}

struct Swim {
    torso: usize,
    mouth: usize,
    target: usize,
    reached: Tolerance,
}

impl Swim {
    fn new(model: &Model) -> Result<Self, MakeError> {
        let (mouth, target) = (model.geom("mouth")?, model.geom("target")?);
        let radii = model.geom_size(mouth)[0] + model.geom_size(target)[0];
        let reached = Tolerance::within(0.0, radii).margin(2.0 * radii);
        Ok(Self {
            torso: model.body("torso")?,
            mouth,
            target,
            reached,
        })
    }

    /// From the mouth to the target, in the mouth's frame.
    fn to_target(&self, physics: &Physics) -> [f64; 3] {
        let mouth = row(physics.geom_xpos(), self.mouth);
        let target = row(physics.geom_xpos(), self.target);
        from_to_in(mouth, target, physics.geom_xmat(), self.mouth)
    }
}

impl Domain for Swim {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        draw_pose(physics, rng);
        let (x, y) = (uniform(rng, -0.4, 0.4), uniform(rng, -0.4, 0.4));
        physics.set_geom_pos(self.target, [x, y, uniform(rng, 0.1, 0.3)]);
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.extend(&physics.qpos()[FREE..]);
        out.push(upright(physics, self.torso));
        out.extend(&self.to_target(physics));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let distance = self
            .to_target(physics)
            .iter()
            .map(|x| x * x)
            .sum::<f64>()
            .sqrt();
        let upright = 0.5 * (upright(physics, self.torso) + 1.0);
        (7.0 * self.reached.at(distance) + upright) / 8.0
    }
}
