//! Random initial states as in dm_control.

use crate::backend::joint::{BALL, FREE, HINGE, SLIDE};
use crate::physics::{Physics, PhysicsError};
use crate::random::{normal, uniform};
use fpo_rng::Philox;
use rand::RngExt;
use std::f64::consts::PI;

/// Maximum number of draws of a state without contacts, as in dm_control.
const MAX_DRAWS: u32 = 1000;

/// A rotation uniform over all rotations, as a quaternion.
pub(crate) fn rotation(rng: &mut Philox) -> [f64; 4] {
    unit([0; 4].map(|_| normal(rng)))
}

/// Draws every joint's position: uniform within its limits; without limits, hinges uniform over a
/// turn, balls uniform over all rotations, and slides stay. A free joint keeps its position and
/// gets an orientation with all four entries of its quaternion drawn from [0, 1], as in dm_control,
/// which is not uniform over rotations.
pub(super) fn joints(physics: &mut Physics, rng: &mut Philox) {
    for joint in 0..physics.model().joint_types().len() {
        let model = physics.model();
        let kind = model.joint_types()[joint];
        let limited = model.joint_limited()[joint];
        let (low, high) = (
            model.joint_ranges()[2 * joint],
            model.joint_ranges()[2 * joint + 1],
        );
        let start = model.joint_qpos()[joint] as usize;
        let qpos = &mut physics.qpos_mut()[start..];
        match (kind, limited) {
            (HINGE | SLIDE, true) => qpos[0] = uniform(rng, low, high),
            (HINGE, false) => qpos[0] = uniform(rng, -PI, PI),
            (BALL, true) => qpos[..4].copy_from_slice(&limited_rotation(rng, high)),
            (BALL, false) => qpos[..4].copy_from_slice(&rotation(rng)),
            (FREE, false) => qpos[3..7].copy_from_slice(&unit([0; 4].map(|_| rng.random::<f64>()))),
            _ => {}
        }
    }
}

/// Draws until there are no contacts.
///
/// # Errors
/// If that takes too many draws, or a drawn state cannot be simulated.
pub(super) fn until_free(
    physics: &mut Physics,
    rng: &mut Philox,
    draw: impl Fn(&mut Physics, &mut Philox),
) -> Result<(), PhysicsError> {
    for _ in 0..MAX_DRAWS {
        draw(physics, rng);
        physics.forward()?;
        if physics.contacts() == 0 {
            return Ok(());
        }
    }
    Err(PhysicsError::Penetrating)
}

/// A rotation about a random axis by an angle uniform between 0 and `limit`.
fn limited_rotation(rng: &mut Philox, limit: f64) -> [f64; 4] {
    let axis = unit([0; 3].map(|_| normal(rng)));
    let (sin, cos) = libm::sincos(uniform(rng, 0.0, limit) / 2.0);
    [cos, sin * axis[0], sin * axis[1], sin * axis[2]]
}

/// The unit vector in the direction of `v`.
fn unit<const N: usize>(v: [f64; N]) -> [f64; N] {
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.map(|x| x / norm)
}
