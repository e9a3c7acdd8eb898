//! A finger that turns a body on a hinge.

use super::domain::Domain;
use super::randomize;
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;
use std::f64::consts::PI;

pub(super) const TASKS: &[Definition] = &[
    Definition {
        name: "finger-spin",
        summary: "keep the body spinning at 15 rad/s; reward 0 or 1",
        model: "finger.xml",
        observation: &[("position", 4), ("velocity", 3), ("touch", 2)],
        actions: 2,
        control_timestep: 0.02,
        moves_targets: false,
        build: |model| Ok(Box::new(Spin::new(model)?)),
    },
    definition(
        "finger-turn_easy",
        "turn the tip of the body into a target of 7 cm; reward 0 or 1",
        |model| Turn::build(model, 0.07),
    ),
    definition(
        "finger-turn_hard",
        "turn the tip of the body into a target of 3 cm; reward 0 or 1",
        |model| Turn::build(model, 0.03),
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
        model: "finger.xml",
        observation: &[
            ("position", 4),
            ("velocity", 3),
            ("touch", 2),
            ("target_position", 2),
            ("dist_to_target", 1),
        ],
        actions: 2,
        control_timestep: 0.02,
        moves_targets: true,
        build,
    }
}

/// Damping of the hinge while spinning.
const SPIN_DAMPING: f64 = 0.03;
const SPIN_VELOCITY: f64 = 15.0;

/// The sensors that both tasks read.
struct Finger {
    proximal: usize,
    distal: usize,
    velocities: [usize; 3],
    touch: [usize; 2],
    tip: usize,
    spinner: usize,
}

impl Finger {
    fn new(model: &mut Model) -> Result<Self, MakeError> {
        Ok(Self {
            proximal: model.sensor("proximal")?,
            distal: model.sensor("distal")?,
            velocities: [
                model.sensor("proximal_velocity")?,
                model.sensor("distal_velocity")?,
                model.sensor("hinge_velocity")?,
            ],
            touch: [model.sensor("touchtop")?, model.sensor("touchbottom")?],
            tip: model.sensor("tip")?,
            spinner: model.sensor("spinner")?,
        })
    }

    /// Draws joint angles until there are no contacts.
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        randomize::until_free(physics, rng, randomize::joints)
    }

    /// The reading of the position sensor at `sensor`, relative to the hinge, along x and z.
    fn relative_to_hinge(&self, physics: &Physics, sensor: usize) -> [f64; 2] {
        let readings = physics.sensordata();
        [
            readings[sensor] - readings[self.spinner],
            readings[sensor + 2] - readings[self.spinner + 2],
        ]
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        let readings = physics.sensordata();
        out.push(readings[self.proximal]);
        out.push(readings[self.distal]);
        out.extend(&self.relative_to_hinge(physics, self.tip));
        out.extend(&self.velocities.map(|sensor| readings[sensor]));
        out.extend(&self.touch.map(|sensor| libm::log1p(readings[sensor])));
    }
}

struct Spin(Finger);

impl Spin {
    fn new(model: &mut Model) -> Result<Self, MakeError> {
        let hinge = model.joint("hinge")?;
        model.set_damping(model.joint_dof()[hinge] as usize, SPIN_DAMPING);
        // This task has neither target nor tip.
        model.hide_site(model.site("target")?);
        model.hide_site(model.site("tip")?);
        Ok(Self(Finger::new(model)?))
    }
}

impl Domain for Spin {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        self.0.reset(physics, rng)
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        self.0.observe(physics, out);
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let [.., hinge] = self.0.velocities;
        f64::from(physics.sensordata()[hinge] <= -SPIN_VELOCITY)
    }
}

struct Turn {
    finger: Finger,
    /// The sensor of the target's position.
    target: usize,
    /// The target's site.
    site: usize,
    site_y: f64,
    target_radius: f64,
    hinge: usize,
    /// Distance from the hinge to the tip.
    reach: f64,
}

impl Turn {
    fn build(model: &mut Model, target_radius: f64) -> Result<Box<dyn Rules>, MakeError> {
        let site = model.site("target")?;
        model.set_site_radius(site, target_radius);
        Ok(Box::new(Self {
            finger: Finger::new(model)?,
            target: model.sensor("target")?,
            site,
            site_y: model.site_pos(site)[1],
            target_radius,
            hinge: model.joint("hinge")?,
            reach: model.geom_size(model.geom("cap1")?).iter().sum(),
        }))
    }

    /// Distance from the tip to the surface of the target; negative inside.
    fn distance(&self, physics: &Physics) -> f64 {
        let target = self.finger.relative_to_hinge(physics, self.target);
        let tip = self.finger.relative_to_hinge(physics, self.finger.tip);
        let (x, z) = (target[0] - tip[0], target[1] - tip[1]);
        (x * x + z * z).sqrt() - self.target_radius
    }
}

impl Domain for Turn {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        let (sin, cos) = libm::sincos(uniform(rng, -PI, PI));
        let [x, _, z] = row(physics.xanchor(), self.hinge);
        physics.set_site_pos(
            self.site,
            [x + self.reach * sin, self.site_y, z + self.reach * cos],
        );
        self.finger.reset(physics, rng)
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        self.finger.observe(physics, out);
        out.extend(&self.finger.relative_to_hinge(physics, self.target));
        out.push(self.distance(physics));
    }

    fn reward(&self, physics: &Physics) -> f64 {
        f64::from(self.distance(physics) <= 0.0)
    }
}
