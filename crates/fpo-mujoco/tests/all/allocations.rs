//! Stepping allocates nothing.

#[path = "../../../fpo-env/tests/counting/mod.rs"]
mod counting;

use counting::{allocations_in, count_this_thread};
use fpo_env::Task;
use fpo_mujoco::task_file::FileTask;
use fpo_rng::{Key, Philox, Stream};
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_step_allocates_nothing() {
    count_this_thread();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    let files = ["walker-walk", "cart-follow", "arm-reach", "rover"].map(|name| {
        let task = FileTask::load(&examples.join(format!("{name}.toml")));
        Arc::new(task.expect("it loads")) as Arc<dyn Task>
    });
    for task in fpo_mujoco::tasks().into_iter().chain(files) {
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
