//! The list of tasks, and their constants.

use super::runner::{Bounds, Health, ResetNoise, Runner};
use crate::task::Definition;

pub(super) const TASKS: &[Definition] = &[
    Definition {
        name: "HalfCheetah-v5",
        summary: "Gymnasium: run forwards as fast as possible",
        model: "half_cheetah.xml",
        observation: &[("position", 8), ("velocity", 9)],
        actions: 6,
        control_timestep: 0.05,
        moves_targets: false,
        build: |_| Ok(Box::new(HALF_CHEETAH)),
    },
    Definition {
        name: "Hopper-v5",
        summary: "Gymnasium: hop forwards as fast as possible, without falling",
        model: "hopper.xml",
        observation: &[("position", 5), ("velocity", 6)],
        actions: 3,
        control_timestep: 0.008,
        moves_targets: false,
        build: |_| Ok(Box::new(HOPPER)),
    },
    Definition {
        name: "Walker2d-v5",
        summary: "Gymnasium: walk forwards as fast as possible, without falling",
        model: "walker2d_v5.xml",
        observation: &[("position", 8), ("velocity", 9)],
        actions: 6,
        control_timestep: 0.008,
        moves_targets: false,
        build: |_| Ok(Box::new(WALKER)),
    },
];

const HALF_CHEETAH: Runner = Runner {
    control_cost: 0.1,
    velocity_limit: f64::INFINITY,
    position_noise: 0.1,
    velocity_noise: ResetNoise::Normal(0.1),
    health: None,
};

const HOPPER: Runner = Runner {
    control_cost: 1e-3,
    velocity_limit: 10.0,
    position_noise: 5e-3,
    velocity_noise: ResetNoise::Uniform(5e-3),
    health: Some(Health {
        height: Bounds(0.7, f64::INFINITY),
        angle: Bounds(-0.2, 0.2),
        state: Bounds(-100.0, 100.0),
    }),
};

const WALKER: Runner = Runner {
    health: Some(Health {
        height: Bounds(0.8, 2.0),
        angle: Bounds(-1.0, 1.0),
        state: Bounds(f64::NEG_INFINITY, f64::INFINITY),
    }),
    ..HOPPER
};
