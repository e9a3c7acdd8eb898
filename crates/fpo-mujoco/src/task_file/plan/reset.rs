//! How episodes begin.

use super::keyframe;
use crate::model::Model;
use crate::task_file::description::{Description, Place, Rotation, Start};
use crate::task_file::fault::Fault;
use crate::task_file::quantities::World;

/// Bound on the physics steps before an episode.
const MOST_SETTLING: f64 = 100_000.0;

/// How an episode begins.
pub(crate) struct ResetPlan {
    pub(crate) keyframe: Option<usize>,
    /// In the order of the joints.
    pub(crate) joints: Vec<JointStart>,
    /// Physics steps of rest.
    pub(crate) settle: u32,
    pub(crate) without_contacts: bool,
}

/// How one joint begins.
pub(crate) struct JointStart {
    /// First entry of `qpos` and of `qvel`.
    pub(crate) start: usize,
    pub(crate) dof: usize,
    pub(crate) dofs: usize,
    /// Numbers that are drawn, 1 or the 3 coordinates of a free joint.
    pub(crate) numbers: usize,
    pub(crate) place: Place,
    /// First entry of the quaternion.
    pub(crate) quaternion: usize,
    pub(crate) rotation: Rotation,
    pub(crate) velocity: Place,
}

/// How episodes of `description` begin.
pub(super) fn plan(
    description: &Description,
    model: &Model,
    world: &World,
) -> Result<ResetPlan, Fault> {
    let reset = &description.reset;
    let key = reset.keyframe.as_ref();
    let keyframe = key
        .map(|name| keyframe(model, &name.is, name.at, "reset.keyframe"))
        .transpose()?;
    let kept = Start {
        place: Place::Kept,
        rotation: Rotation::Kept,
    };
    let mut positions = vec![kept; world.joints.len()];
    let mut velocities = vec![Place::Kept; world.joints.len()];
    for (pattern, start) in &reset.positions {
        let term = format!("reset.position.{}", pattern.is);
        let fault = |why: String| Fault::new(pattern.at, &term, why);
        for joint in world.find("joint", &pattern.is).map_err(fault)? {
            let is_pattern = pattern.is.contains('*');
            let (name, len) = (&world.joints[joint].name, world.joints[joint].len);
            let range = &model.joint_ranges()[2 * joint..][..2];
            let start = match *start {
                Start {
                    place: Place::Limits,
                    ..
                } => match (len == 1 && model.joint_limited()[joint], is_pattern) {
                    (true, _) => Start {
                        place: Place::Within([range[0], range[1]]),
                        ..kept
                    },
                    // `*` is all joints that have limits.
                    (false, true) => continue,
                    (false, false) => {
                        return Err(fault(format!("the joint `{name}` has no limits")));
                    }
                },
                Start { rotation, .. } if rotation != Rotation::Kept && len == 1 => {
                    return Err(fault(format!("the joint `{name}` has no rotation to draw")));
                }
                Start { place, .. } if place != Place::Kept && len == 4 => {
                    return Err(fault(format!(
                        "the ball joint `{name}` has a `rotation`, and no number"
                    )));
                }
                start => start,
            };
            positions[joint] = start;
        }
    }
    for (pattern, start) in &reset.velocities {
        let term = format!("reset.velocity.{}", pattern.is);
        let found = world.find("joint", &pattern.is);
        for joint in found.map_err(|why| Fault::new(pattern.at, &term, why))? {
            velocities[joint] = start.place;
        }
    }
    let settle = (reset.settle / model.timestep()).round();
    if settle > MOST_SETTLING {
        let why = format!(
            "{} s are more than {MOST_SETTLING} physics steps",
            fpo_files::number(reset.settle)
        );
        return Err(Fault::new(description.model.at, "reset.settle", why));
    }
    let joints = world.joints.iter().zip(positions).zip(velocities);
    let joints = joints.map(|((joint, start), velocity)| JointStart {
        start: joint.start,
        dof: joint.dof,
        dofs: joint.dofs,
        numbers: if joint.len == 7 { 3 } else { 1 },
        place: start.place,
        quaternion: joint.start + joint.len.saturating_sub(4),
        rotation: start.rotation,
        velocity,
    });
    Ok(ResetPlan {
        keyframe,
        joints: joints.collect(),
        settle: settle as u32,
        without_contacts: reset.without_contacts,
    })
}
