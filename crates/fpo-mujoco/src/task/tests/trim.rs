//! A trimmed model gives the same observations and rewards as the whole one.

use super::{ModelEnv, actions, reset};
use fpo_env::Task;

/// Observations and rewards of a random episode in full precision, and the state at its end, as
/// bits.
fn episode(env: &mut ModelEnv, seed: u64) -> Vec<u64> {
    reset(env, seed);
    let mut bits = Vec::new();
    for action in actions(env, 150, seed) {
        let ctrl = env.physics.ctrl_mut().iter_mut();
        ctrl.zip(action)
            .for_each(|(ctrl, action)| *ctrl = action.into());
        let transition = env.advance().expect("random actions are survived");
        bits.extend(env.observation.values().iter().map(|x| x.to_bits()));
        bits.extend([transition.reward.to_bits(), transition.terminal.into()]);
    }
    let mut state = Vec::new();
    env.physics.save_state(&mut state);
    bits.extend(state.iter().map(|x| x.to_bits()));
    bits
}

#[test]
fn trimming_changes_no_bit() {
    for task in crate::all() {
        let name = &task.spec().name;
        let whole = task.compile(|_| ()).expect("its model compiles");
        let mut whole = task.make_from(&whole).expect("there is memory");
        let mut trimmed = task.make_env().expect("its model compiles");
        for seed in 0..3 {
            assert!(
                episode(&mut whole, seed) == episode(&mut trimmed, seed),
                "{name}, episode {seed}"
            );
        }
    }
}
