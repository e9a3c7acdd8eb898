//! `fpo export`.

use crate::args;
use crate::failure::Failure;
use crate::format::count;
use crate::output::{print, save};
use crate::policy::{PolicyFile, read};
use fpo_onnx::{NoiseInput, OPSET};
use std::path::PathBuf;

/// Writes a policy as an ONNX file.
pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| {
        if args.policy.is_dir() {
            args.policy.join("policy.onnx")
        } else {
            PathBuf::from("policy.onnx")
        }
    });
    let PolicyFile { policy, source, .. } = read(&args.policy, args.checkpoint)?;
    let noise = NoiseInput::from(args.noise);
    let bytes = fpo_onnx::export(&policy, noise)
        .map_err(|e| Failure::input(format!("{}: {e}", source.display())))?;
    save(&out, args.out.is_some(), &bytes)?;
    let inputs = match noise {
        NoiseInput::Input => format!(
            "observation [batch, {}], noise [batch, {}]",
            policy.observation_dim(),
            policy.noise_dim()
        ),
        NoiseInput::Zero => format!("observation [batch, {}]", policy.observation_dim()),
    };
    print(&format!(
        "{}: {} bytes, ONNX opset {OPSET}; {inputs} → action [batch, {}] of {} ({})",
        out.display(),
        count(bytes.len() as u64),
        policy.action_dim(),
        policy.task(),
        source.display()
    ));
    Ok(())
}
