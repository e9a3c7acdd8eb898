//! Initial and terminal states of Gymnasium's tasks. Steps are tested with Gymnasium's
//! trajectories.

use crate::task::ModelEnv;
use crate::task::tests::distributions::{assert_normal, assert_uniform, draws};
use crate::task::tests::{Golden, make, reset};
use fpo_env::{Env, StepEnd, Task};

/// The deviation of the position from the model's, and the velocity.
fn state<const N: usize, const M: usize>(env: &ModelEnv) -> [f64; M] {
    let start = env.physics.model().start();
    let position = env
        .physics
        .qpos()
        .iter()
        .zip(start)
        .map(|(x, start)| x - start);
    let mut values = position.chain(env.physics.qvel().iter().copied());
    assert_eq!(start.len(), N);
    std::array::from_fn(|_| values.next().expect("as many as M"))
}

#[test]
fn initial_states_are_near_the_models() {
    let cheetah: [_; 18] = draws("HalfCheetah-v5", 2000, state::<9, 18>);
    for (i, column) in cheetah.iter().enumerate() {
        match i {
            0..9 => assert_uniform("position", column, -0.1, 0.1),
            _ => assert_normal("velocity", column, 0.0, 0.1),
        }
    }
    let hopper: [_; 12] = draws("Hopper-v5", 2000, state::<6, 12>);
    let walker: [_; 18] = draws("Walker2d-v5", 2000, state::<9, 18>);
    for column in hopper.iter().chain(&walker) {
        assert_uniform("coordinate", column, -0.005, 0.005);
    }
}

/// Like Gymnasium, a reset derives the first state with a solver that starts from zero.
#[test]
fn a_reset_leaves_the_solver_as_gymnasium_does() {
    for task in super::TASKS.iter() {
        let name = &task.spec().name;
        let golden = Golden::open(&format!("{name}-0.safetensors"));
        let mut env = make(name);
        // The state before must not matter.
        reset(&mut env, 0);
        let physics = &mut env.physics;
        physics.reset().expect("it has a reference pose");
        let (positions, velocities) = (physics.qpos().len(), physics.qvel().len());
        physics
            .qpos_mut()
            .copy_from_slice(&golden.rows("qpos", positions)[0]);
        physics
            .qvel_mut()
            .copy_from_slice(&golden.rows("qvel", velocities)[0]);
        physics.forward().expect("Gymnasium could");
        let theirs = golden
            .get("qacc_warmstart")
            .expect("every trajectory has it");
        assert_eq!(physics.warmstart_mut(), theirs, "{name}");
    }
}

#[test]
fn a_fall_is_terminal_and_a_half_cheetah_never_falls() {
    for (name, end) in [
        ("HalfCheetah-v5", StepEnd::Running),
        ("Hopper-v5", StepEnd::Terminated),
        ("Walker2d-v5", StepEnd::Terminated),
    ] {
        let mut env = make(name);
        let mut observation = reset(&mut env, 0);
        let action = vec![0.0; env.spec().action_dim()];
        assert_eq!(
            env.step(&action, &mut observation).end,
            StepEnd::Running,
            "{name}"
        );
        // An inclination of 1.5.
        env.physics.qpos_mut()[2] = 1.5;
        let step = env.step(&action, &mut observation);
        assert_eq!(step.end, end, "{name}");
        assert!(
            (observation[1] - 1.5).abs() < 0.2,
            "{name}: the terminal observation"
        );
    }
}
