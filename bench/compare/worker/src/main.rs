//! This project's worker for `bench/compare`: runs a workload and reports its time.
//!
//! It reads one JSON object per line from standard input and writes one answer per line to standard
//! output, like the Python workers (`bench/compare/workers/protocol.py`): `prepare` selects the
//! workload, `run` times it.
//!
//! `fpo-compare export INPUTS FILE` writes the policy of the workload `deploy`, as an ONNX file if
//! FILE ends in .onnx.

#![deny(unsafe_code)]

mod act;
mod c_interface;
mod deploy;
mod inputs;
mod iterate;
mod step;
mod update;

use anyhow::{Context, Result};
use inputs::Inputs;
use rayon::ThreadPoolBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Minimum duration of a timing: shorter ones depend too much on the clock's resolution.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Request {
    Prepare {
        threads: usize,
        inputs: PathBuf,
        #[serde(flatten)]
        work: Work,
    },
    Run {
        /// Duration in seconds, and the minimum number of timings.
        seconds: f64,
        least: usize,
    },
}

#[derive(Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
enum Work {
    Update(update::Options),
    Act(act::Options),
    Deploy(deploy::Options),
    Step(step::Options),
    Iterate(iterate::Options),
}

/// A workload to time.
struct Workload {
    /// Runs it once.
    call: Box<dyn FnMut()>,
    /// Updates, actions or steps per call.
    items: usize,
    /// Values to compare with those of the other contenders.
    check: Value,
    /// Calls per timing.
    times: u32,
}

impl Workload {
    fn new(items: usize, check: Value, call: impl FnMut() + 'static) -> Self {
        Self {
            call: Box::new(call),
            items,
            check,
            times: 1,
        }
    }

    /// Warms up, and determines the number of calls per timing.
    fn calibrate(&mut self) {
        self.timed();
        let once = self.timed();
        self.times = ((SHORTEST.as_secs_f64() / once).round() as u32).max(1);
    }

    /// Seconds of one call.
    fn timed(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..self.times {
            (self.call)();
        }
        start.elapsed().as_secs_f64() / f64::from(self.times)
    }

    fn run(&mut self, seconds: f64, least: usize) -> Vec<f64> {
        let start = Instant::now();
        let mut timings = Vec::new();
        while timings.len() < least || start.elapsed().as_secs_f64() < seconds {
            timings.push(self.timed());
        }
        timings
    }
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match &arguments[..] {
        [] => {}
        [command, inputs, out] if command.as_os_str() == "export" => {
            return deploy::export(inputs, out);
        }
        _ => anyhow::bail!("usage: fpo-compare [export INPUTS FILE]"),
    }
    let mut workload = None;
    for line in io::stdin().lock().lines() {
        let request = serde_json::from_str(&line?).context("a request")?;
        let answer = match request {
            Request::Prepare {
                threads,
                inputs,
                work,
            } => match prepare(threads, inputs, work) {
                Ok(mut prepared) => {
                    prepared.calibrate();
                    let prepared = workload.insert(prepared);
                    json!({ "items": prepared.items, "check": prepared.check, "facts": {} })
                }
                Err(reason) => json!({ "unavailable": format!("{reason:#}") }),
            },
            Request::Run { seconds, least } => {
                let workload = workload.as_mut().context("`run` before `prepare`")?;
                json!({ "seconds": workload.run(seconds, least) })
            }
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn prepare(threads: usize, inputs: PathBuf, work: Work) -> Result<Workload> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    let inputs = Inputs::read(&inputs)?;
    match work {
        Work::Update(options) => update::prepare(&options, &inputs, pool),
        Work::Act(options) => act::prepare(&options, &inputs, pool),
        Work::Deploy(options) => deploy::prepare(&options, &inputs),
        Work::Step(options) => step::prepare(&options, &inputs, pool),
        Work::Iterate(options) => iterate::prepare(&options, threads),
    }
}

/// Maximum number of the trainer's rollout workers.
const SHARDS: usize = 16;
