//! Settings of a run that takes milliseconds, for tests of folders and files; the fuzz targets use
//! them, too.

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
