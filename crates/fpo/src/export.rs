//! `fpo export`.

use crate::args;
use crate::failure::Failure;
use crate::format::count;
use crate::output::{check_ending, is_stdout, log, print, save};
use crate::policy::{PolicyFile, folder_of_results, read};
use fpo_files::quoted;
use fpo_onnx::{NoiseInput, OPSET};

/// Writes a policy as an ONNX file.
pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| {
        // Beside the run's films and pictures, never in a checkpoint.
        folder_of_results(&args.of.policy).join("policy.onnx")
    });
    if args.out.is_some() {
        check_ending(&out, "what is exported is ONNX", &["onnx"])?;
    }
    let PolicyFile { policy, source, .. } = read(&args.of)?;
    let noise = NoiseInput::from(args.noise);
    let bytes = fpo_onnx::export(&policy, noise)
        .map_err(|e| Failure::input(format!("{}: {e}", quoted(&source))))?;
    save(&out, args.out.is_some(), &bytes)?;
    let inputs = match noise {
        NoiseInput::Input => format!(
            "observation [batch, {}], noise [batch, {}]",
            policy.observation_dim(),
            policy.noise_dim()
        ),
        NoiseInput::Zero => format!("observation [batch, {}]", policy.observation_dim()),
    };
    // Not among the bytes of the file.
    let say = if is_stdout(&out) { log } else { print };
    say(&format!(
        "{}: {} bytes, ONNX opset {OPSET}; {inputs} → action [batch, {}] of {} ({})",
        quoted(&out),
        count(bytes.len() as u64),
        policy.action_dim(),
        policy.task(),
        quoted(&source)
    ));
    Ok(())
}
