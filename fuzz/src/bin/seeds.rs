//! Writes the first inputs of every target into `corpus/`, and the words in them into
//! `dictionaries/`.

use fpo_fuzz::{FILES_OF_A_RECORD, config, folder, network, parts, run};
use fpo_run::config::documented;
use fpo_run::health::{Finding, FindingKind, Severity};
use fpo_run::run::Event;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder).expect("the corpus");
    fs::write(folder.join(format!("seed-{name}")), bytes).expect("a seed");
}

/// The words of a target's seeds, which mutations then insert in other places.
fn dictionary(target: &str) {
    let mut words = BTreeSet::new();
    for seed in fs::read_dir(Path::new("corpus").join(target)).expect("the corpus") {
        let seed = seed.expect("a seed");
        if seed.file_name().to_string_lossy().starts_with("seed-") {
            let bytes = fs::read(seed.path()).expect("a seed");
            let parts = bytes.split(|b| !(b.is_ascii_alphanumeric() || b"_-./".contains(b)));
            let printable = parts.filter(|part| (2..40).contains(&part.len()));
            words.extend(printable.map(|part| String::from_utf8_lossy(part).into_owned()));
        }
    }
    fs::create_dir_all("dictionaries").expect("the dictionaries");
    let lines: String = words.iter().map(|word| format!("\"{word}\"\n")).collect();
    fs::write(Path::new("dictionaries").join(target), lines).expect("a dictionary");
}

fn main() {
    let network = network();
    let flat: Vec<f32> = (0..network.parameter_count()).map(|i| i as f32).collect();
    let records = network.store("policy.", &flat);
    let samples = records.iter().map(|r| {
        let sample = TensorView::new(Dtype::F32, r.shape.clone(), &r.bytes).expect("a tensor");
        (r.name.as_str(), sample)
    });
    let file = safetensors::serialize(samples, None).expect("a container");
    seed("tensors", "raw", &file);
    seed("tensors", "parts", &parts(&file));

    let folder = folder();
    let run = run(folder.path(), 2);
    let read = |name: &str| fs::read(run.join(name)).expect("a file of the run");
    let policy = read("checkpoints/step-000000000016/policy.safetensors");
    seed("policy", "raw", &policy);
    seed("policy", "parts", &parts(&policy));
    let state = read("checkpoints/step-000000000008/state.safetensors");
    seed("state", "raw", &state);
    seed("state", "parts", &parts(&state));
    seed(
        "checkpoint",
        "manifest",
        &read("checkpoints/step-000000000016/manifest.json"),
    );
    seed("run_folder", "config", &[&[0], &read("config.toml")[..]].concat());
    seed(
        "run_folder",
        "metrics",
        &[&[1], &read("metrics.jsonl")[..]].concat(),
    );
    seed("run_folder", "eval", &[&[2], &read("eval.csv")[..]].concat());

    seed("config", "complete", documented(&config()).as_bytes());
    for (name, text) in fpo_run::config::PRESETS {
        seed("config", name, text.as_bytes());
    }
    let sets =
        "\0env.num_envs=16\npolicy.hidden=[64, \
        64]\noptimizer.learning_rate=1e-3\nadvantage.recompute=per_iteration\n";
    seed("config", "sets", sets.as_bytes());

    seed(
        "failure",
        "report",
        b"\0{\"iteration\":1,\"error\":\"it failed\"}",
    );
    seed("failure", "state", &[&[1], &state[..]].concat());

    for (which, name) in FILES_OF_A_RECORD.iter().enumerate() {
        let which = [which as u8];
        match fs::read(run.join(name)) {
            Ok(content) => seed("record", name, &[&which, &content[..]].concat()),
            Err(_) if *name == "events.jsonl" => {
                let finding = Finding::new(
        FindingKind::NonFinite,
        Severity::Failure,
        "<fz>",
        "\u{1b}[31m",
    );
                let event = Event {
                    iteration: 1,
                    env_steps: 8,
                    rollbacks: 0,
                    finding,
                };
                let line = serde_json::to_vec(&event).expect("JSON");
                seed("record", name, &[&which, &line[..], b"\n"].concat());
            }
            Err(_) => seed("record", name, &[&which, &b"<fz> & it failed\n"[..]].concat()),
        }
    }
    let machine = "[[session]]\nfrom_iteration = 0\nversion = \"<fz>\"\nthreads = 2\nprocessor \
        = \"<fz>\"\ncores = 2\nsystem = \"<fz>\"\n";
    seed("record", "machine-tags", &[&[4], machine.as_bytes()].concat());
    let settings = documented(&config()).replace("bandit-two_modes", "<fz>");
    seed("record", "config-tags", &[&[0], settings.as_bytes()].concat());

    for (name, text) in SUITES {
        seed("suite", name, text.as_bytes());
    }
    for (name, task, model) in TASKS {
        let task = task.replace(&format!("models/{name}.xml"), "robot.xml");
        seed("task_file", name, &[task.as_bytes(), &[0], model.as_bytes()].concat());
    }
    for target in fs::read_dir("corpus").expect("the corpus") {
        dictionary(&target.expect("a target").file_name().to_string_lossy());
    }
}

/// Task files with models of our own.
const TASKS: [(&str, &str, &str); 3] = [
    (
        "cart",
        include_str!("../../../examples/tasks/cart-follow.toml"),
        include_str!("../../../examples/tasks/models/cart.xml"),
    ),
    (
        "arm",
        include_str!("../../../examples/tasks/arm-reach.toml"),
        include_str!("../../../examples/tasks/models/arm.xml"),
    ),
    (
        "rover",
        include_str!("../../../examples/tasks/rover.toml"),
        include_str!("../../../examples/tasks/models/rover.xml"),
    ),
];

/// The suites that come with the program.
const SUITES: [(&str, &str); 3] = [
    ("dmc10", include_str!("../../../crates/fpo/suites/dmc10.toml")),
    (
        "ablations",
        include_str!("../../../crates/fpo/suites/ablations.toml"),
    ),
    (
        "gridworld",
        include_str!("../../../crates/fpo/suites/gridworld.toml"),
    ),
];
