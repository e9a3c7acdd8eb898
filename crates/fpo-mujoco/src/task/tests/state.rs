//! Saved states.

use super::{actions, make, reset};
use crate::task::ModelEnv;
use fpo_env::{Env, StepEnd};

/// The results of `actions` as bytes: observations, rewards, ends and the final state.
fn continue_with(env: &mut ModelEnv, actions: &[Vec<f32>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut observation = vec![0.0; env.spec().observation_dim()];
    for action in actions {
        let step = env.step(action, &mut observation);
        assert_ne!(step.end, StepEnd::Diverged);
        bytes.extend(observation.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(step.reward.to_le_bytes());
        bytes.push((step.end == StepEnd::Terminated).into());
    }
    env.save_state(&mut bytes).expect("it gives one");
    bytes
}

fn saved(env: &ModelEnv) -> Vec<u8> {
    let mut state = Vec::new();
    env.save_state(&mut state).expect("it gives one");
    state
}

#[test]
fn every_task_continues_bit_for_bit() {
    for task in crate::tasks() {
        let name = &task.spec().name;
        let mut original = make(name);
        reset(&mut original, 0);
        let actions = actions(&original, 70, 3);
        continue_with(&mut original, &actions[..20]);
        let state = saved(&original);

        let mut fresh = make(name);
        fresh.load_state(&state).expect("its own state");
        assert_eq!(saved(&fresh), state, "{name}");
        // A used environment must not keep its old state.
        let mut used = make(name);
        reset(&mut used, 1);
        continue_with(&mut used, &actions[..7]);
        used.load_state(&state).expect("its own state");

        let expected = continue_with(&mut original, &actions[20..]);
        assert!(
            continue_with(&mut fresh, &actions[20..]) == expected,
            "{name}: a fresh environment differs"
        );
        assert!(
            continue_with(&mut used, &actions[20..]) == expected,
            "{name}: a used environment differs"
        );
    }
}

#[test]
fn the_state_of_a_reset_continues_too() {
    for name in [
        "cheetah-run",
        "hopper-hop",
        "reacher-hard",
        "cartpole-balance",
        "HalfCheetah-v5",
    ] {
        let mut original = make(name);
        reset(&mut original, 5);
        let mut fresh = make(name);
        fresh.load_state(&saved(&original)).expect("its own state");
        let actions = actions(&original, 50, 4);
        assert!(
            continue_with(&mut fresh, &actions) == continue_with(&mut original, &actions),
            "{name}"
        );
    }
}

#[test]
fn foreign_states_are_refused() {
    let mut env = make("walker-run");
    reset(&mut env, 0);
    let state = saved(&env);
    let mut other = make("walker-walk");
    reset(&mut other, 0);
    let cases = [
        (saved(&other), "it is one of `walker-walk`"),
        (state[..state.len() - 1].to_vec(), "bytes instead of"),
        (state[..9].to_vec(), "it is too short"),
        (vec![], "it does not begin like one"),
        (
            [&state[..23], &f64::NAN.to_le_bytes(), &state[31..]].concat(),
            "numbers that are not finite or too large",
        ),
    ];
    for (bytes, expected) in cases {
        let error = env
            .load_state(&bytes)
            .expect_err("not a state of this task")
            .to_string();
        assert!(
            error.starts_with("this is not a state of `walker-run`: ") && error.contains(expected),
            "{error}"
        );
    }
    // A rejected state leaves the environment unchanged.
    assert_eq!(saved(&env), state);
}
