//! The modules' numbers are this machine's: `tests/numbers.json` holds calls of the exported
//! functions with what they answered, for `site/test/numbers.mjs` to repeat in WebAssembly.
//!
//! They are recorded from kernels without fused multiply-add (`FPO_SIMD=scalar`), which
//! WebAssembly does not have either: the modules have to give the same bits. With it, sums are
//! rounded differently, and after some iterations the numbers are as close as [`TOLERANCE`] says.
//!
//! `FPO_RECORD=1 cargo test --release -p fpo-wasm numbers` records them anew.

use fpo_wasm::exports::{self, *};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// The largest difference between numbers with and without fused multiply-add, after the few
/// iterations of these calls.
const TOLERANCE: f64 = 2e-3;

/// A call, and what it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Call {
    name: String,
    args: Vec<f64>,
    input: Vec<f32>,
    value: f64,
    output: Vec<f32>,
}

/// All calls of the test: names, arguments and inputs.
fn calls() -> Vec<(&'static str, Vec<f64>, Vec<f32>)> {
    let modes = vec![1.0, -1.2, 0.3, 2.0, 0.9, 0.4];
    let mut calls = vec![("flow_to_modes", vec![], modes.clone())];
    // Every sampler; then both corrections and none.
    for [sampler, stochasticity, correction] in [
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [2.0, 0.0, 0.0],
        [3.0, 0.0, 0.0],
        [0.0, 0.5, 0.0],
        [0.0, 0.5, 1.0],
        [0.0, 1.0, 2.0],
    ] {
        let args = vec![12.0, 4.0, sampler, stochasticity, correction, 5.0];
        calls.push(("flow_walk", args, vec![]));
        calls.push(("flow_distance", vec![3.0], vec![]));
    }
    calls.push(("flow_density", vec![4.0, 5.0, -2.0, 2.0], vec![]));
    calls.push(("flow_velocity", vec![4.0, 5.0, -2.0, 2.0], vec![]));
    calls.push(("flow_curve", vec![0.3, 7.0, -2.0, 2.0], vec![]));
    calls.push(("flow_histogram", vec![4.0, 5.0, -3.0, 3.0], vec![]));
    calls.push(("flow_to_action", vec![0.7], vec![]));
    calls.push(("flow_walk", vec![6.0, 3.0, 0.0, 0.0, 0.0, 5.0], vec![]));

    // Trainings: [method, weight], on a line and one in the plane.
    let line: Vec<f32> = (0..9).map(|i| [0.0, 1.0, 0.2][i % 3]).collect();
    let plane: Vec<f32> = (0..9).map(|i| i as f32 / 8.0).collect();
    for (id, [method, weight, dim]) in [
        [0.0, 0.0, 1.0],
        [0.0, 1.0, 1.0],
        [0.0, 2.0, 1.0],
        [1.0, 0.0, 1.0],
        [2.0, 0.0, 2.0],
        [3.0, 0.0, 1.0],
    ]
    .into_iter()
    .enumerate()
    {
        let (id, reward) = (id as f64, if dim == 1.0 { &line } else { &plane });
        let points = if dim == 1.0 { 9.0 } else { 3.0 };
        let args = vec![method, weight, 0.5, 0.2, dim, points, 11.0];
        calls.push(("bandit", args, vec![]));
        calls.push(("draw", vec![id], reward.clone()));
        calls.push(("learn", vec![id, 2.0], vec![]));
        calls.push(("show", vec![id, 5.0, 3.0, 0.0], vec![]));
        calls.push(("show", vec![id, 5.0, 3.0, 1.0], vec![]));
    }
    calls.push(("peaks", vec![0.0, 40.0, 3.0], vec![]));
    calls.push(("end", vec![0.0], vec![]));

    let mut codes = vec![0.0; 625];
    codes[..50].fill(2.0);
    codes[300..310].fill(1.0);
    codes[600] = 3.0;
    codes[312] = 4.0;
    calls.push(("gridworld", vec![2.0, 4.0], codes));
    calls.push(("learn", vec![0.0, 2.0], vec![]));
    calls.push((
        "grid_moves",
        vec![0.0, 8.0, 1.0],
        vec![3.0, 20.0, 12.0, 12.0],
    ));
    calls.push(("grid_walks", vec![0.0, 12.0, 12.0, 1.0, 1.0], vec![]));
    calls.push(("grid_success", vec![0.0, 4.0, 1.0], vec![]));
    calls.push(("grid_layout", vec![3.0], vec![]));
    calls
}

/// Calls an exported function by its name.
fn call(name: &str, args: &[f64]) -> f64 {
    match (name, args) {
        ("flow_to_modes", []) => flow_to_modes(),
        ("flow_to_action", &[a]) => flow_to_action(a),
        ("flow_walk", &[a, b, c, d, e, f]) => flow_walk(a, b, c, d, e, f),
        ("flow_distance", &[a]) => flow_distance(a),
        ("flow_density", &[a, b, c, d]) => flow_density(a, b, c, d),
        ("flow_velocity", &[a, b, c, d]) => flow_velocity(a, b, c, d),
        ("flow_curve", &[a, b, c, d]) => flow_curve(a, b, c, d),
        ("flow_histogram", &[a, b, c, d]) => flow_histogram(a, b, c, d),
        ("bandit", &[a, b, c, d, e, f, g]) => bandit(a, b, c, d, e, f, g),
        ("gridworld", &[a, b]) => gridworld(a, b),
        ("draw", &[a]) => draw(a),
        ("learn", &[a, b]) => learn(a, b),
        ("show", &[a, b, c, d]) => show(a, b, c, d),
        ("peaks", &[a, b, c]) => peaks(a, b, c),
        ("end", &[a]) => end(a),
        ("grid_moves", &[a, b, c]) => grid_moves(a, b, c),
        ("grid_walks", &[a, b, c, d, e]) => grid_walks(a, b, c, d, e),
        ("grid_success", &[a, b, c]) => grid_success(a, b, c),
        ("grid_layout", &[a]) => grid_layout(a),
        other => panic!("no such call: {other:?}"),
    }
}

/// The answers of this process.
fn answers() -> Vec<Call> {
    let answer = |(name, args, input): (&str, Vec<f64>, Vec<f32>)| {
        let at = exports::input(input.len());
        // SAFETY: the module has made room for as many numbers there.
        unsafe { std::slice::from_raw_parts_mut(at, input.len()) }.copy_from_slice(&input);
        let value = call(name, &args);
        assert_eq!(message_length(), 0, "{name} {args:?}");
        // SAFETY: the output is as long as the module says, and is not written meanwhile.
        let output = unsafe { std::slice::from_raw_parts(exports::output(), output_length()) };
        Call {
            name: name.into(),
            args,
            input,
            value,
            output: output.to_vec(),
        }
    };
    calls().into_iter().map(answer).collect()
}

fn record() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numbers.json")
}

fn recorded() -> Vec<Call> {
    serde_json::from_str(&std::fs::read_to_string(record()).unwrap()).unwrap()
}

/// Run by the tests below in a process of its own; kernels are chosen once a process.
#[test]
#[ignore = "a part of other tests"]
fn scalar_numbers() {
    assert_eq!(std::env::var("FPO_SIMD").as_deref(), Ok("scalar"));
    let now = answers();
    if std::env::var_os("FPO_RECORD").is_some() {
        let lines: Vec<_> = now
            .iter()
            .map(|c| serde_json::to_string(c).unwrap())
            .collect();
        std::fs::write(record(), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    for (now, recorded) in now.iter().zip(recorded()) {
        assert_eq!(*now, recorded);
    }
    assert_eq!(now.len(), recorded().len());
}

#[test]
fn numbers_without_fused_multiply_add_are_as_recorded() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "numbers::scalar_numbers"])
        .env("FPO_SIMD", "scalar")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn numbers_of_this_machine_are_close() {
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * (1.0 + b.abs());
    for (now, recorded) in answers().iter().zip(recorded()) {
        // One walk may take another way where an action is just between two cells.
        if now.name.starts_with("grid_") {
            continue;
        }
        assert!(near(now.value, recorded.value), "{now:?}\n{recorded:?}");
        let pairs = now.output.iter().zip(&recorded.output);
        let far = pairs
            .filter(|(a, b)| !(near(f64::from(**a), f64::from(**b)) || a.is_nan() && b.is_nan()));
        assert_eq!(far.count(), 0, "{now:?}\n{recorded:?}");
    }
}
