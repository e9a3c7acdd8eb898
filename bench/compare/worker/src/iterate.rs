//! Workload: whole training iterations, rollout and learning.

use crate::Workload;
use anyhow::{Context, Result};
use fpo_learn::trainer::Trainer;
use fpo_run::config;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub struct Options {
    task: String,
    preset: String,
    /// Settings that differ from the preset.
    sets: Vec<String>,
}

pub fn prepare(options: &Options, threads: usize) -> Result<Workload> {
    let task = fpo_mujoco::task(&options.task)
        .with_context(|| format!("there is no task `{}`", options.task))?;
    let config = config::resolve(
        &options.task,
        Some(&options.preset),
        None,
        &options.sets,
        None,
    )?;
    let mut trainer = Trainer::new(&config, task, threads)?;
    let first = trainer.iterate()?.row;
    let steps = first
        .values
        .iter()
        .find(|(name, _)| *name == "gradient_steps");
    let transitions = trainer.env_steps();
    let check = json!({
        "transitions": transitions,
        "gradient steps": steps.context("an iteration without gradient steps")?.1,
    });
    Ok(Workload::new(transitions as usize, check, move || {
        trainer
            .iterate()
            .unwrap_or_else(|reason| panic!("training failed: {reason}"));
    }))
}
