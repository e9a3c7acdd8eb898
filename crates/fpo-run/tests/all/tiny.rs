//! Settings of a run of milliseconds, for the tests that a folder or a file is all that matters to;
//! the fuzz targets take them, too.

use fpo_run::config::{Config, resolve};

/// The settings of `task` with iterations of eight steps, and `more`.
pub fn config(task: &str, more: &[&str]) -> Config {
    let sets = [
        "env.num_envs=4",
        "env.num_steps=2",
        "env.sequences=1",
        "optimizer.minibatches=2",
        "optimizer.epochs=1",
        "policy.hidden=3",
        "policy.flow_steps=2",
        "critic.hidden=3",
        "objective.samples=2",
        "train.checkpoint_every=1",
        "train.precision=f32",
    ];
    let sets: Vec<String> = sets.iter().chain(more).map(|set| set.to_string()).collect();
    resolve(task, None, None, &sets, None).expect("valid settings")
}
