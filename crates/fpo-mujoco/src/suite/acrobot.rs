//! A double pendulum with a motor at the elbow only.

use super::domain::Domain;
use super::geometry::distance;
use super::rewards::Tolerance;
use crate::model::{Model, row};
use crate::physics::{Physics, PhysicsError};
use crate::random::uniform;
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;
use std::f64::consts::PI;

pub(super) const TASKS: &[Definition] = &[
    definition(
        "acrobot-swingup",
        "swing the tip up to the target",
        |model| Acrobot::build(model, 1.0),
    ),
    definition(
        "acrobot-swingup_sparse",
        "swing the tip up to the target; reward 0 or 1",
        |model| Acrobot::build(model, 0.0),
    ),
];

const fn definition(
    name: &'static str,
    summary: &'static str,
    build: fn(&mut Model) -> Result<Box<dyn Rules>, MakeError>,
) -> Definition {
    Definition {
        name,
        summary,
        model: "acrobot.xml",
        observation: &[("orientations", 4), ("velocity", 2)],
        actions: 1,
        control_timestep: 0.01,
        moves_targets: false,
        build,
    }
}

struct Acrobot {
    arms: [usize; 2],
    tip: usize,
    target: usize,
    reached: Tolerance,
}

impl Acrobot {
    fn build(model: &Model, margin: f64) -> Result<Box<dyn Rules>, MakeError> {
        let target = model.site("target")?;
        Ok(Box::new(Self {
            arms: [model.body("upper_arm")?, model.body("lower_arm")?],
            tip: model.site("tip")?,
            target,
            reached: Tolerance::within(0.0, model.site_size(target)[0]).margin(margin),
        }))
    }
}

impl Domain for Acrobot {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        physics.qpos_mut().fill_with(|| uniform(rng, -PI, PI));
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // Sines of both arms' angles to the vertical, then the cosines.
        out.extend(&self.arms.map(|arm| physics.xmat()[9 * arm + 2]));
        out.extend(&self.arms.map(|arm| physics.xmat()[9 * arm + 8]));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let tip = row(physics.site_xpos(), self.tip);
        let target = row(physics.site_xpos(), self.target);
        self.reached.at(distance(tip, target))
    }
}
