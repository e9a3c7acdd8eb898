//! The beginning of an episode: what is drawn, in which order.

use super::FileEnv;
use crate::physics::{ACTUATOR_PARAMETERS, Field, Physics, PhysicsError};
use crate::random::uniform;
use crate::suite::rotation;
use crate::task_file::description::{Place, Property, Rotation};
use crate::task_file::plan::{JointStart, RandomizePlan};
use fpo_rng::Philox;
use std::ops::Range;
use std::sync::Arc;

/// Maximum number of draws of a state without contacts.
const MAX_FREE_DRAWS: u32 = 1000;

impl FileEnv {
    /// Draws one initial state, and computes its observation.
    pub(crate) fn draw(&mut self, rng: &mut Philox) -> Result<(), PhysicsError> {
        let plan = Arc::clone(&self.plan);
        self.physics.reset_fields();
        for randomize in &plan.randomize {
            vary(&mut self.physics, randomize, rng);
        }
        if plan.randomize.iter().any(|r| r.property == Property::Mass) {
            self.add_up_masses();
        }
        for draw in 0.. {
            match plan.reset.keyframe {
                Some(key) => self.physics.reset_to_keyframe(key)?,
                None => self.physics.reset()?,
            }
            self.physics.forward()?;
            for joint in &plan.reset.joints {
                start(&mut self.physics, joint, rng);
            }
            if !plan.reset.without_contacts {
                break;
            }
            self.physics.forward()?;
            if self.physics.contacts() == 0 {
                break;
            }
            if draw == MAX_FREE_DRAWS {
                return Err(PhysicsError::Penetrating);
            }
        }
        for actuation in &plan.actuations {
            let control = actuation.default.clamp(actuation.low, actuation.high);
            self.physics.ctrl_mut()[actuation.actuator] = control;
        }
        if plan.reset.settle > 0 {
            // As in dm_control, from the quantities derived at the reference pose.
            self.physics.step(plan.reset.settle)?;
            self.physics.set_time(0.0);
        }
        self.episode.begin(&plan, rng);
        self.move_bodies();
        self.physics.forward()?;
        self.compute(0..plan.observing);
        Ok(())
    }

    /// Masses of bodies with all that they carry, after masses were changed.
    fn add_up_masses(&mut self) {
        let mut masses = self.physics.field_mut(Field::BodyMass).to_vec();
        let parents = self.plan.model.body_parents();
        // A parent has a lower number than its children.
        for body in (1..masses.len()).rev() {
            masses[parents[body] as usize] += masses[body];
        }
        self.physics
            .field_mut(Field::SubtreeMass)
            .copy_from_slice(&masses);
    }
}

/// Multiplies a physical parameter by what is drawn.
fn vary(physics: &mut Physics, randomize: &RandomizePlan, rng: &mut Philox) {
    let [low, high] = randomize.scale;
    let mut factor = uniform(rng, low, high);
    for (i, element) in randomize.elements.iter().enumerate() {
        if randomize.each && i > 0 {
            factor = uniform(rng, low, high);
        }
        let mut scale = |field, entries: Range<usize>| {
            for value in &mut physics.field_mut(field)[entries] {
                *value *= factor;
            }
        };
        let first = element.start;
        match randomize.property {
            // Sliding friction, the first of three.
            Property::Friction => scale(Field::GeomFriction, 3 * first..3 * first + 1),
            Property::Mass => {
                scale(Field::BodyMass, first..first + 1);
                scale(Field::BodyInertia, 3 * first..3 * first + 3);
            }
            Property::Damping => scale(Field::Damping, element.clone()),
            // A servo's bias holds the same gains with the other sign.
            Property::Gain => {
                let (gains, biases) = ACTUATOR_PARAMETERS;
                scale(Field::Gain, gains * first..gains * first + 1);
                scale(Field::Bias, biases * first + 1..biases * first + 3);
            }
        }
    }
}

/// Draws the state of one joint.
fn start(physics: &mut Physics, joint: &JointStart, rng: &mut Philox) {
    let positions = &mut physics.qpos_mut()[joint.start..][..joint.numbers];
    place(positions, joint.place, rng);
    let quaternion = match joint.rotation {
        Rotation::Kept => None,
        Rotation::Turn => {
            let half = uniform(
                rng,
                -std::f64::consts::FRAC_PI_2,
                std::f64::consts::FRAC_PI_2,
            );
            Some([libm::cos(half), 0.0, 0.0, libm::sin(half)])
        }
        Rotation::Any => Some(rotation(rng)),
    };
    if let Some(drawn) = quaternion {
        let own = &mut physics.qpos_mut()[joint.quaternion..][..4];
        let turned = match joint.rotation {
            // About the vertical axis, on top of what the pose is.
            Rotation::Turn => product(drawn, [own[0], own[1], own[2], own[3]]),
            _ => drawn,
        };
        own.copy_from_slice(&turned);
    }
    place(
        &mut physics.qvel_mut()[joint.dof..][..joint.dofs],
        joint.velocity,
        rng,
    );
}

/// Draws numbers.
fn place(numbers: &mut [f64], place: Place, rng: &mut Philox) {
    for number in numbers {
        match place {
            Place::Kept | Place::Limits => {}
            Place::Within([low, high]) => *number = uniform(rng, low, high),
            Place::Around([low, high]) => *number += uniform(rng, low, high),
        }
    }
}

/// The product of two quaternions.
fn product(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    ]
}
