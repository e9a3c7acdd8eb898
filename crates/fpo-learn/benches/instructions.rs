//! Instruction counts of the hot paths by valgrind, which do not depend on the load of the machine.
//!
//! `cargo bench -p fpo-learn --bench instructions` compares with the counts in
//! `bench/results/instructions.json` and fails if one has changed by more than [`TOLERANCE`]; with
//! `-- --save` it writes them. Without valgrind it prints that and measures nothing. Valgrind
//! supports at most AVX2, so these are the AVX2 kernels, which are the AVX-512 ones compiled for
//! shorter vectors; the bfloat16 kernels cannot run in it.
//!
//! A case is run for a few rounds and for three times as many; the difference excludes the cost of
//! starting.

mod setup;

use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Networks};
use fpo_learn::reduce::Alone;
use fpo_nn::{Activation, Adam, AdamConfig, Initialization, Mlp, MlpSpec};
use fpo_rng::{Key, Stream, fill_normal};
use setup::{ACTION, OBSERVATION, batch, config, trained};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A larger change is significant: compiler versions change counts by less.
const TOLERANCE: f64 = 0.03;

/// Rounds of the shorter run.
const ROUNDS: usize = 3;

/// Makes the program run one case, given as `NAME=ROUNDS`.
const CASE_VARIABLE: &str = "FPO_INSTRUCTIONS_CASE";

/// A name, and a function that runs a number of rounds.
type Case = (&'static str, fn(usize));

const CASES: [Case; 6] = [
    ("actor 4x32: forward and backward of a tile", |rounds| {
        network(31, &[32; 4], 6, rounds)
    }),
    ("critic 5x256: forward and backward of a tile", |rounds| {
        network(17, &[256; 5], 1, rounds)
    }),
    ("one action of 10 flow steps", action),
    ("4096 normal numbers", |rounds| {
        let mut out = vec![0.0; 4096];
        for i in 0..rounds {
            fill_normal(
                Key::new(0, Stream::Test).step(i as u64),
                black_box(&mut out),
            );
        }
    }),
    ("Adam on 10,000 parameters", |rounds| {
        let (mut parameters, gradient) = (vec![0.5; 10_000], vec![0.1; 10_000]);
        let mut adam = Adam::new(AdamConfig::default(), parameters.len());
        for _ in 0..rounds {
            adam.step(black_box(&mut parameters), &gradient, 1e-3);
        }
    }),
    ("gradient step on 8 sequences of 30", gradient_step),
];

fn network(input: usize, hidden: &[usize], output: usize, rounds: usize) {
    let mlp = Mlp::new(MlpSpec {
        input,
        hidden: hidden.to_vec(),
        output,
        activation: Activation::Silu,
    })
    .expect("a network");
    let mut parameters = vec![0.0; mlp.parameter_count()];
    let key = Key::new(0, Stream::Test);
    mlp.init(Initialization::LecunUniform, 1.0, key, &mut parameters);
    let (mut weights, mut gradient) = (mlp.weights(), vec![0.0; parameters.len()]);
    mlp.pack(&parameters, &mut weights);
    let rows = mlp.tile_rows();
    let mut scratch = mlp.scratch(rows, true);
    fill_normal(key.step(1), scratch.input_mut(rows));
    for _ in 0..rounds {
        mlp.forward(&weights, &mut scratch, rows);
        let (output, d_output) = scratch.output_and_gradient_mut(rows);
        d_output.copy_from_slice(output);
        mlp.backward(&weights, &mut scratch, rows, black_box(&mut gradient));
    }
}

fn action(rounds: usize) {
    let config = config(1);
    let policy = config.model(OBSERVATION, ACTION).expect("published sizes");
    let weights = trained(&config, policy.network(), 0).weights;
    let mut scratch = policy.scratch(1);
    for _ in 0..rounds {
        let mut x = [0.0; ACTION];
        let noise = [0.3; ACTION];
        policy.sample(
            &weights,
            &[0.1; OBSERVATION],
            &noise,
            black_box(&mut x),
            &mut scratch,
        );
    }
}

fn gradient_step(rounds: usize) {
    const SEQUENCES: usize = 8;
    let config = config(SEQUENCES);
    let policy = config.model(OBSERVATION, ACTION).expect("published sizes");
    let critic =
        Critic::new(&config.critic, OBSERVATION, config.advantage.gamma).expect("published sizes");
    let networks = ActorCritic {
        policy: trained(&config, policy.network(), 0),
        critic: trained(&config, &critic.network, 1),
    };
    let mut batch = batch(&config);
    let indices: Vec<u32> = (0..SEQUENCES as u32).collect();
    let mut learner = CpuLearner::new(
        config.learner(),
        policy,
        critic,
        networks,
        batch.dims.transitions(),
    );
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    pool.install(|| {
        for _ in 0..rounds {
            let stats = learner
                .differentiate(&mut batch, &indices, Networks::Both, &Alone)
                .expect("alone");
            learner.step(stats.grad_norm, Networks::Both, [0.0; 2]);
        }
    });
}

/// Instructions of a process that runs `rounds` rounds of a case.
fn count(name: &str, rounds: usize) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .env(CASE_VARIABLE, format!("{name}={rounds}"))
        .env_remove(fpo_rng::simd::VARIABLE)
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("`{name}` did not run under valgrind: {}", text.trim()))
}

fn compare(save: bool) -> Result<bool, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/results/instructions.json");
    let before: BTreeMap<String, f64> = match std::fs::read(&file) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", file.display()))?
        }
        Err(_) if save => BTreeMap::new(),
        Err(e) => return Err(format!("{}: {e}; write it with -- --save", file.display())),
    };
    let (mut now, mut moved) = (BTreeMap::new(), false);
    println!(
        "{:48} {:>14} {:>14} {:>8}",
        "instructions of", "now", "before", "change"
    );
    for (name, _) in CASES {
        let each = (count(name, 3 * ROUNDS)? - count(name, ROUNDS)?) / (2 * ROUNDS) as f64;
        let each = each.round();
        let (before, change) = match before.get(name) {
            Some(before) => (format!("{before:.0}"), each / before - 1.0),
            None if save => ("-".into(), 0.0),
            None => {
                return Err(format!(
                    "`{name}` has no recorded count; write it with -- --save"
                ));
            }
        };
        moved |= change.abs() > TOLERANCE;
        println!(
            "{name:48} {each:>14.0} {before:>14} {:>+7.2}%",
            100.0 * change
        );
        now.insert(name.to_owned(), each);
    }
    if save {
        let text = serde_json::to_string_pretty(&now).expect("a table") + "\n";
        std::fs::create_dir_all(file.parent().expect("it has a folder"))
            .map_err(|e| e.to_string())?;
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        return Ok(false);
    }
    Ok(moved)
}

fn main() -> ExitCode {
    if let Ok(case) = std::env::var(CASE_VARIABLE) {
        let (name, rounds) = case.rsplit_once('=').expect("NAME=ROUNDS");
        let (_, run) = CASES
            .iter()
            .find(|(case, _)| *case == name)
            .expect("a case");
        run(rounds.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    if let Err(e) = Command::new("valgrind").arg("--version").output() {
        println!("skipped: valgrind does not start ({e}); it is in the package `valgrind`");
        return ExitCode::SUCCESS;
    }
    match compare(std::env::args().any(|arg| arg == "--save")) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => {
            eprintln!(
                "a count has changed by more than {:.0} %: explain it, then save it with -- --save",
                100.0 * TOLERANCE
            );
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
