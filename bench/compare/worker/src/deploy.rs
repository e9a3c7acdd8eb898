//! Workload: one action of a deployed policy, from an observation in the task's units to an action
//! in its units.

use crate::inputs::Inputs;
use crate::{Workload, c_interface};
use anyhow::{Context, Result};
use fpo_nn::{Moments, Normalizer, NormalizerConfig};
use fpo_onnx::NoiseInput;
use fpo_policy::{ActionMap, Policy};
use fpo_run::config;
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
pub struct Options {
    interface: Interface,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Interface {
    Rust,
    C,
}

pub fn prepare(options: &Options, inputs: &Inputs) -> Result<Workload> {
    let policy = policy(inputs)?;
    let (observations, _) = inputs.numbers("act.observations")?;
    let (noises, _) = inputs.numbers("act.noises")?;
    let observation = observations[..policy.observation_dim()].to_vec();
    let noise = noises[..policy.noise_dim()].to_vec();
    let mut action = vec![0.0; policy.action_dim()];
    match options.interface {
        Interface::Rust => {
            let mut buffers = policy.buffers(1);
            policy.act(&mut buffers, &observation, &noise, &mut action)?;
            let check = json!({ "actions": action });
            Ok(Workload::new(1, check, move || {
                let acted = policy.act(&mut buffers, &observation, &noise, &mut action);
                acted.expect("a finite action");
            }))
        }
        Interface::C => {
            let loaded = c_interface::Loaded::new(&policy.save()?)?;
            loaded.act(&observation, &noise, &mut action)?;
            let check = json!({ "actions": action });
            Ok(Workload::new(1, check, move || {
                let acted = loaded.act(&observation, &noise, &mut action);
                acted.expect("a finite action");
            }))
        }
    }
}

/// Writes the policy for the workers of others: an ONNX file if `out` ends so, otherwise a policy
/// file.
pub fn export(inputs: &Path, out: &Path) -> Result<()> {
    let policy = policy(&Inputs::read(inputs)?)?;
    let bytes = match out.extension() {
        Some(end) if end == "onnx" => fpo_onnx::export(&policy, NoiseInput::Input)?,
        _ => policy.save()?,
    };
    fs::write(out, bytes).with_context(|| format!("cannot write {}", out.display()))
}

/// The published policy of cheetah-run with the parameters of the inputs; its normalizer has seen
/// their observations.
fn policy(inputs: &Inputs) -> Result<Policy> {
    let task = fpo_mujoco::task("cheetah-run").context("no cheetah-run")?;
    let spec = task.spec();
    let config = config::resolve(&spec.name, Some("paper"), None, &[], None)?;
    let model = config.model(spec.observation_dim(), spec.action_dim())?;
    let parameters = inputs.parameters(model.network(), "policy.")?;
    let (observations, shape) = inputs.numbers("act.observations")?;
    let mut moments = Moments::new(shape[1]);
    moments.add_rows(&observations, shape[1]);
    let normalizer = Normalizer::from_moments(NormalizerConfig::default(), moments);
    let map = ActionMap::new(config.policy.squash, config.policy.action_bound, spec);
    Ok(Policy::new(
        &spec.name,
        &spec.observation,
        model,
        parameters,
        normalizer,
        map,
    ))
}
