//! A pole on a cart.

use super::domain::Domain;
use super::rewards::{Sigmoid, Tolerance};
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use crate::random::{normal, uniform};
use crate::task::{Definition, Observation, Rules};
use fpo_env::MakeError;
use fpo_rng::Philox;
use std::f64::consts::PI;

pub(super) const TASKS: &[Definition] = &[
    definition(
        "cartpole-balance",
        "keep the pole upright, the cart centered and the control small",
        |model| Cartpole::build(model, false, false),
    ),
    definition(
        "cartpole-balance_sparse",
        "keep the pole upright and the cart centered; reward 0 or 1",
        |model| Cartpole::build(model, false, true),
    ),
    definition(
        "cartpole-swingup",
        "swing the pole up from below and balance it",
        |model| Cartpole::build(model, true, false),
    ),
    definition(
        "cartpole-swingup_sparse",
        "swing the pole up from below and balance it; reward 0 or 1",
        |model| Cartpole::build(model, true, true),
    ),
];

/// What the tasks have in common.
const fn definition(
    name: &'static str,
    summary: &'static str,
    build: fn(&mut Model) -> Result<Box<dyn Rules>, MakeError>,
) -> Definition {
    Definition {
        name,
        summary,
        model: "cartpole.xml",
        observation: &[("position", 3), ("velocity", 2)],
        actions: 1,
        control_timestep: 0.01,
        moves_targets: false,
        build,
    }
}

const CART_IN_BOUNDS: Tolerance = Tolerance::within(-0.25, 0.25);
const UPRIGHT: Tolerance = Tolerance::within(0.995, 1.0);
const CENTRED: Tolerance = Tolerance::within(0.0, 0.0).margin(2.0);
const SMALL_CONTROL: Tolerance = Tolerance::within(0.0, 0.0)
    .margin(1.0)
    .sigmoid(Sigmoid::Quadratic, 0.0);
const SMALL_VELOCITY: Tolerance = Tolerance::within(0.0, 0.0).margin(5.0);

struct Cartpole {
    pole: usize,
    swing_up: bool,
    sparse: bool,
}

impl Cartpole {
    fn build(model: &Model, swing_up: bool, sparse: bool) -> Result<Box<dyn Rules>, MakeError> {
        Ok(Box::new(Self {
            pole: model.body("pole_1")?,
            swing_up,
            sparse,
        }))
    }

    /// Cosine of the pole's angle to the vertical.
    fn cosine(&self, physics: &Physics) -> f64 {
        physics.xmat()[9 * self.pole + 8]
    }

    /// Sine of the pole's angle to the vertical.
    fn sine(&self, physics: &Physics) -> f64 {
        physics.xmat()[9 * self.pole + 2]
    }
}

impl Domain for Cartpole {
    fn reset(&self, physics: &mut Physics, rng: &mut Philox) -> Result<(), PhysicsError> {
        let state = if self.swing_up {
            [0.01 * normal(rng), PI + 0.01 * normal(rng)]
        } else {
            [uniform(rng, -0.1, 0.1), uniform(rng, -0.034, 0.034)]
        };
        physics.qpos_mut().copy_from_slice(&state);
        physics.qvel_mut().fill_with(|| 0.01 * normal(rng));
        Ok(())
    }

    fn observe(&self, physics: &Physics, out: &mut Observation) {
        out.push(physics.qpos()[0]);
        out.push(self.cosine(physics));
        out.push(self.sine(physics));
        out.extend(physics.qvel());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let (position, cosine) = (physics.qpos()[0], self.cosine(physics));
        if self.sparse {
            return CART_IN_BOUNDS.at(position) * UPRIGHT.at(cosine);
        }
        let upright = (cosine + 1.0) / 2.0;
        let centered = (1.0 + CENTRED.at(position)) / 2.0;
        let small_control = (4.0 + SMALL_CONTROL.at(physics.ctrl()[0])) / 5.0;
        let small_velocity = (1.0 + SMALL_VELOCITY.at(physics.qvel()[1])) / 2.0;
        upright * small_control * small_velocity * centered
    }
}
