//! Resets of every task.

use super::{make, reset};
use fpo_env::Env;

#[test]
fn every_reset_is_fresh_and_a_function_of_its_key() {
    for task in crate::tasks() {
        let name = &task.spec().name;
        let (mut a, mut b) = (make(name), make(name));
        let first = reset(&mut a, 0);
        let second = reset(&mut a, 1);
        assert_ne!(first, second, "{name}");
        // The same key gives the same state, bit for bit, independently of the past.
        let action = vec![1.0; task.spec().action_dim()];
        let mut observation = reset(&mut b, 9);
        for _ in 0..30 {
            b.step(&action, &mut observation);
        }
        assert_eq!(reset(&mut b, 0), first, "{name}");
        let (mut state_a, mut state_b) = (Vec::new(), Vec::new());
        reset(&mut a, 0);
        a.save_state(&mut state_a).expect("it gives one");
        b.save_state(&mut state_b).expect("it gives one");
        assert!(
            state_a == state_b,
            "{name}: the state after a reset depends on what was before"
        );
        assert_eq!(
            (a.physics.time(), a.physics.ctrl()),
            (0.0, &*vec![0.0; action.len()]),
            "{name}"
        );
    }
}
