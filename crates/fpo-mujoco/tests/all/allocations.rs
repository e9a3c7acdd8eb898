//! Stepping allocates nothing.

#[path = "../../../fpo-env/tests/counting/mod.rs"]
mod counting;

use counting::{allocations_in, count_this_thread};
use fpo_rng::{Key, Philox, Stream};

#[test]
fn a_step_allocates_nothing() {
    count_this_thread();
    for task in fpo_mujoco::tasks() {
        let mut env = task.make().expect("its model compiles");
        let mut observation = vec![0.0; task.spec().observation_dim()];
        let mut action = vec![0.0; task.spec().action_dim()];
        let mut rng = Philox::new(Key::new(1, Stream::Test));
        env.reset(&mut rng, &mut observation);
        let count = allocations_in(|| {
            for _ in 0..50 {
                action.fill_with(|| 2.0 * rng.unit() - 1.0);
                env.step(&action, &mut observation);
            }
        });
        assert_eq!(count, 0, "{}", task.spec().name);
    }
}
