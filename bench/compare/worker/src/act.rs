//! Workload: actions from noise.

use crate::inputs::Inputs;
use crate::{SHARDS, Workload};
use anyhow::{Result, ensure};
use fpo_policy::PolicyScratch;
use fpo_run::config;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub struct Options {
    /// Observations per batch.
    rows: usize,
}

/// A slice of the rows.
struct BatchSlice {
    observations: Vec<f32>,
    noises: Vec<f32>,
    actions: Vec<f32>,
    scratch: PolicyScratch,
}

pub fn prepare(options: &Options, inputs: &Inputs, pool: ThreadPool) -> Result<Workload> {
    let config = config::resolve("cheetah-run", Some("paper"), None, &[], None)?;
    let (observations, shape) = inputs.numbers("act.observations")?;
    let (noises, _) = inputs.numbers("act.noises")?;
    ensure!(options.rows <= shape[0], "more rows than the inputs have");
    let (od, ad) = (shape[1], noises.len() / shape[0]);
    let policy = config.model(od, ad)?;
    let mut weights = policy.network().weights();
    let parameters = inputs.parameters(policy.network(), "policy.")?;
    policy.network().pack(&parameters, &mut weights);

    let share = options.rows.div_ceil(SHARDS);
    let mut parts: Vec<BatchSlice> = observations[..options.rows * od]
        .chunks(share * od)
        .zip(noises[..options.rows * ad].chunks(share * ad))
        .map(|(observations, noises)| BatchSlice {
            observations: observations.to_vec(),
            noises: noises.to_vec(),
            actions: noises.to_vec(),
            scratch: policy.scratch(share),
        })
        .collect();
    let sample = move |part: &mut BatchSlice| {
        let BatchSlice {
            observations,
            noises,
            actions,
            scratch,
        } = part;
        policy.sample(&weights, observations, noises, actions, scratch);
    };
    parts.iter_mut().for_each(&sample);
    let actions: Vec<f32> = parts.iter().flat_map(|p| &p.actions).copied().collect();
    let check = json!({ "actions": actions });
    Ok(Workload::new(1, check, move || match &mut parts[..] {
        [part] => sample(part),
        parts => pool.install(|| parts.par_iter_mut().with_max_len(1).for_each(&sample)),
    }))
}
