//! The rules of Gymnasium's planar runners.
//!
//! Their first three coordinates are the horizontal position, the height and the inclination of the
//! torso.

use crate::physics::{Physics, PhysicsError};
use crate::random::{normal, uniform};
use crate::task::{Observation, Rules, Transition};
use fpo_rng::Philox;

/// A robot that is rewarded for its speed and for staying healthy, with a cost on its control.
pub(super) struct Runner {
    /// Weight of the squared norm of the action.
    pub(super) control_cost: f64,
    /// Bound on observed velocities.
    pub(super) velocity_limit: f64,
    /// The initial positions differ from the model's by up to this much, uniformly.
    pub(super) position_noise: f64,
    /// The initial velocities.
    pub(super) velocity_noise: ResetNoise,
    /// Conditions of health, whose violation ends an episode. Each healthy step has a reward of 1.
    pub(super) health: Option<Health>,
}

/// A distribution about zero.
pub(super) enum ResetNoise {
    /// With this standard deviation.
    Normal(f64),
    /// Between this far below and above.
    Uniform(f64),
}

/// Open intervals of a healthy robot's coordinates.
pub(super) struct Health {
    /// The torso's height.
    pub(super) height: Bounds,
    /// The torso's inclination.
    pub(super) angle: Bounds,
    /// Every position from the inclination on, and every velocity.
    pub(super) state: Bounds,
}

/// An open interval.
#[derive(Clone, Copy)]
pub(super) struct Bounds(pub(super) f64, pub(super) f64);

impl Bounds {
    fn contain(self, value: f64) -> bool {
        self.0 < value && value < self.1
    }
}

impl Health {
    fn is_good(&self, physics: &Physics) -> bool {
        let (qpos, qvel) = (physics.qpos(), physics.qvel());
        self.height.contain(qpos[1])
            && self.angle.contain(qpos[2])
            && qpos[2..].iter().chain(qvel).all(|&x| self.state.contain(x))
    }
}

impl Rules for Runner {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        for position in physics.qpos_mut() {
            *position += uniform(rng, -self.position_noise, self.position_noise);
        }
        for velocity in physics.qvel_mut() {
            *velocity = match self.velocity_noise {
                ResetNoise::Normal(deviation) => deviation * normal(rng),
                ResetNoise::Uniform(size) => uniform(rng, -size, size),
            };
        }
        Ok(())
    }

    fn step(&self, physics: &mut Physics, sub_steps: u32) -> Result<Transition, PhysicsError> {
        let start = physics.qpos()[0];
        physics.step_state(sub_steps)?;
        let seconds = physics.model().timestep() * f64::from(sub_steps);
        let speed = (physics.qpos()[0] - start) / seconds;
        let control: f64 = physics.ctrl().iter().map(|u| u * u).sum();
        let healthy = self.health.as_ref().map(|health| health.is_good(physics));
        let survival = if healthy == Some(true) { 1.0 } else { 0.0 };
        Ok(Transition {
            reward: speed + survival - self.control_cost * control,
            terminal: healthy == Some(false),
        })
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        // The horizontal position is not observed.
        out.extend(&physics.qpos()[1..]);
        for velocity in physics.qvel() {
            out.push(velocity.clamp(-self.velocity_limit, self.velocity_limit));
        }
    }
}
