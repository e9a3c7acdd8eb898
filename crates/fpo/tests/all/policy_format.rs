//! The kind: a file that only its own program can read. `examples/read_policy.py` reads every kind
//! of policy with NumPy alone, as docs/policy-format.md describes it, and acts as the program does.
//!
//! It needs Python 3 with NumPy: `$FPO_PYTHON`, or `python3`.

use fpo_env::EnvSpec;
use fpo_flow::Sampler;
use fpo_nn::{Activation, Moments, Normalizer, NormalizerConfig};
use fpo_policy::{ActionMap, Model, Policy, PolicyConfig, PolicyKind, Squash, StdKind};
use fpo_rng::{Key, Stream, fill_normal};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Python with NumPy.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("FPO_PYTHON").map(PathBuf::from);
    let program = named.clone().unwrap_or_else(|| "python3".into());
    let imports = Command::new(&program).args(["-c", "import numpy"]).output();
    let works = imports.is_ok_and(|output| output.status.success());
    assert!(
        works || named.is_none(),
        "{} has no NumPy",
        program.display()
    );
    works.then_some(program)
}

const OBSERVATION: usize = 5;
const ACTION: usize = 3;
const ROWS: usize = 16;

/// A policy of random numbers.
fn policy(kind: PolicyKind, config: &PolicyConfig, clip: Option<f32>, seen: u64) -> Policy {
    let model = Model::new(kind, config, OBSERVATION, ACTION).unwrap();
    let mut parameters = vec![0.0; model.network().parameter_count()];
    fill_normal(Key::new(1, Stream::Test), &mut parameters);
    parameters.iter_mut().for_each(|p| *p *= 0.3);
    let mut moments = Moments::new(OBSERVATION);
    if seen > 0 {
        moments.count = seen;
        // The last column never changed: its variance is the floor.
        moments.mean = vec![0.3, -2.0, 0.0, 10.0, 1.0];
        moments.m2 = [4.0, 0.25, 1.0, 9.0, 0.0].map(|v| v * seen as f64).to_vec();
    }
    let settings = NormalizerConfig {
        clip,
        ..NormalizerConfig::default()
    };
    let spec = EnvSpec {
        name: "any".into(),
        summary: String::new(),
        observation: vec![("a".into(), 2), ("b".into(), 3)],
        action_min: vec![-1.0, 0.0, -3.0],
        action_max: vec![1.0, 4.0, -1.0],
        control_timestep: 0.1,
        step_limit: None,
    };
    Policy::new(
        "any",
        &spec.observation,
        model,
        parameters,
        Normalizer::from_moments(settings, moments),
        ActionMap::new(config.squash, config.action_bound, &spec),
    )
}

/// Expects the same actions of the program and of Python for random observations and noise.
fn compare(python: &Path, policy: &Policy, about: &str) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("policy.safetensors");
    fs::write(&file, policy.save().unwrap()).unwrap();
    let mut observations = vec![0.0; ROWS * OBSERVATION];
    let mut noise = vec![0.0; ROWS * policy.noise_dim()];
    fill_normal(Key::new(2, Stream::Test), &mut observations);
    fill_normal(Key::new(3, Stream::Test), &mut noise);
    // The first are the deterministic actions.
    noise[..2 * policy.noise_dim()].fill(0.0);
    let rows = observations
        .chunks(OBSERVATION)
        .zip(noise.chunks(policy.noise_dim()));
    let lines: String = rows
        .map(|row| serde_json::to_string(&row).unwrap() + "\n")
        .collect();
    let mut expected = vec![0.0; ROWS * ACTION];
    policy
        .actor(ROWS)
        .act(&observations, &noise, &mut expected)
        .unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/read_policy.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{about}");
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<f64> = text
        .lines()
        .flat_map(|line| serde_json::from_str::<Vec<f64>>(line).unwrap())
        .collect();
    assert_eq!(found.len(), expected.len(), "{about}");
    let mut distinct = expected.clone();
    distinct.dedup();
    assert!(distinct.len() > ROWS, "{about}: {expected:?}");
    for (found, expected) in found.iter().zip(&expected) {
        let error = (found - f64::from(*expected)).abs();
        assert!(error < 2e-5, "{about}: {found} in Python, {expected} here");
    }
}

#[test]
fn numpy_acts_as_the_program_does() {
    let Some(python) = python() else {
        eprintln!("skipped: python3 has no NumPy; name one that has in FPO_PYTHON");
        return;
    };
    let config = PolicyConfig {
        hidden: vec![16, 12],
        ..PolicyConfig::default()
    };
    for sampler in [
        Sampler::Euler,
        Sampler::Midpoint,
        Sampler::Heun,
        Sampler::Rk4,
    ] {
        let config = PolicyConfig {
            sampler,
            ..config.clone()
        };
        let flow = policy(PolicyKind::Flow, &config, Some(1.0), 100);
        compare(&python, &flow, &format!("{sampler:?}"));
    }
    for activation in [
        Activation::Silu,
        Activation::Elu,
        Activation::Relu,
        Activation::Tanh,
    ] {
        let config = PolicyConfig {
            activation,
            ..config.clone()
        };
        let flow = policy(PolicyKind::Flow, &config, None, 100);
        compare(&python, &flow, &format!("{activation:?}"));
    }
    let noisy = PolicyConfig {
        time_embedding: 4,
        flow_steps: 3,
        squash: Squash::Clip,
        action_bound: 0.5,
        ..config.clone()
    };
    let chain = policy(PolicyKind::NoisyFlow, &noisy, Some(10.0), 100);
    compare(&python, &chain, "noisy steps, clipped actions");
    let unseen = policy(PolicyKind::Flow, &config, Some(10.0), 0);
    compare(&python, &unseen, "a normalizer that has seen nothing");
    for std in [StdKind::StateDependent, StdKind::StateIndependent] {
        let config = PolicyConfig {
            std,
            action_bound: 2.0,
            ..config.clone()
        };
        let gaussian = policy(PolicyKind::Gaussian, &config, Some(10.0), 100);
        compare(&python, &gaussian, &format!("{std:?}"));
    }
}

/// A reader is short enough to be read.
#[test]
fn the_reader_is_short() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/read_policy.py");
    let text = fs::read_to_string(script).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 80, "{lines} lines");
}
