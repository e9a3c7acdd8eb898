//! The worker's protocol, as used by the harness.

use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Actions for four cartpoles.
fn write_inputs(path: &Path) {
    let numbers: Vec<u8> = (0..2 * 4)
        .flat_map(|i| (0.1 * i as f32 - 0.4).to_le_bytes())
        .collect();
    let actions =
        TensorView::new(Dtype::F32, vec![2, 4, 1], &numbers).expect("two rounds of four actions");
    serialize_to_file([("step.actions", actions)], None, path).expect("a writable folder");
}

/// The worker's answers to `requests`; it must exit by itself without an error.
fn answers(requests: &[Value]) -> Vec<Value> {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_fpo-compare"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    let mut input = worker.stdin.take().expect("it is piped");
    let mut output = BufReader::new(worker.stdout.take().expect("it is piped")).lines();
    let answers = requests.iter().map(|request| {
        writeln!(input, "{request}").expect("the worker listens");
        let line = output
            .next()
            .expect("an answer to every request")
            .expect("it is text");
        serde_json::from_str(&line).expect("it is JSON")
    });
    let answers = answers.collect();
    drop(input);
    assert!(worker.wait().expect("it ends").success());
    answers
}

fn step(inputs: &Path, task: &str) -> Value {
    json!({
        "cmd": "prepare", "work": "step", "task": task, "envs": 4, "steps": 3,
        "lockstep": false, "spread": true, "threads": 2, "inputs": inputs,
    })
}

#[test]
fn prepares_then_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = folder.path().join("inputs.safetensors");
    write_inputs(&inputs);
    let answers = answers(&[
        step(&inputs, "cartpole-balance"),
        json!({ "cmd": "run", "seconds": 0.0, "least": 3 }),
    ]);
    assert_eq!(answers[0]["items"], 12);
    assert_eq!(answers[0]["check"]["observation entries"], 5);
    // A hundred steps of a pole that begins upright, each with a reward of at most 1.
    let mean = answers[0]["check"]["return"]["mean"]
        .as_f64()
        .expect("a number");
    assert!(mean > 10.0 && mean <= 100.0, "{mean}");
    let seconds = answers[1]["seconds"].as_array().expect("a list");
    assert_eq!(seconds.len(), 3);
    assert!(seconds.iter().all(|s| s.as_f64().is_some_and(|s| s > 0.0)));
}

#[test]
fn impossible_requests_give_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = folder.path().join("inputs.safetensors");
    write_inputs(&inputs);
    let unknown = answers(&[step(&inputs, "cartpole-fall")]);
    assert_eq!(
        unknown[0]["unavailable"],
        "there is no task `cartpole-fall`"
    );
    let settings = answers(&[json!({
        "cmd": "prepare", "work": "iterate", "task": "cartpole-balance", "preset": "fast",
            "sets": ["train.steps=-1"],
        "threads": 1, "inputs": inputs,
    })]);
    let reason = settings[0]["unavailable"].as_str().expect("a reason");
    assert!(reason.contains("train.steps"), "{reason}");
}
