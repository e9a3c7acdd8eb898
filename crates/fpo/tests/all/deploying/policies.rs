//! Policies of five tasks that were trained for one iteration.

use fpo_env::Task;
use fpo_learn::trainer::Trainer;
use fpo_policy::Policy;
use std::sync::Arc;

#[path = "../../../../fpo-run/tests/all/tiny.rs"]
mod tiny;

/// Tasks of DM Control, Gymnasium, and without MuJoCo.
pub const TASKS: [&str; 5] = [
    "cartpole-balance",
    "cheetah-run",
    "fish-swim",
    "Hopper-v5",
    "bandit-two_modes",
];

/// Methods with a policy of each kind: a flow, a Gaussian, a flow whose steps add noise.
pub const METHODS: [&str; 3] = ["fpo", "ppo", "dppo"];

fn task(name: &str) -> Arc<dyn Task> {
    let tasks = [fpo_mujoco::tasks(), fpo_env::tasks()].concat();
    let found = tasks.into_iter().find(|task| task.spec().name == name);
    found.unwrap_or_else(|| panic!("no task {name}"))
}

/// The policy file of one iteration of `method` on `task_name`.
pub fn trained(task_name: &str, method: &str) -> Vec<u8> {
    let method = format!("objective.method={method}");
    let more = [&method[..], "policy.hidden=16,16", "policy.flow_steps=5"];
    let config = tiny::config(task_name, &more);
    let mut trainer = Trainer::new(&config, task(task_name), 1).unwrap();
    trainer.iterate().unwrap();
    trainer.policy().save().unwrap()
}

/// Observations and noise of `rows` actions of `policy`, normal numbers.
pub fn inputs(policy: &Policy, rows: usize) -> (Vec<f32>, Vec<f32>) {
    use fpo_rng::{Key, Stream, fill_normal};
    let mut observations = vec![0.0; rows * policy.observation_dim()];
    let mut noise = vec![0.0; rows * policy.noise_dim()];
    fill_normal(Key::new(1, Stream::Test), &mut observations);
    fill_normal(Key::new(2, Stream::Test), &mut noise);
    (observations, noise)
}
