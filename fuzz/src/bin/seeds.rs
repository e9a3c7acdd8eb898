//! Writes the first inputs of every target into `corpus/`.

use fpo_fuzz::{config, folder, network, parts, run};
use fpo_rl::config::documented;
use safetensors::tensor::{Dtype, TensorView};
use std::fs;
use std::path::Path;

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder).expect("the corpus");
    fs::write(folder.join(format!("seed-{name}")), bytes).expect("a seed");
}

fn main() {
    let network = network();
    let flat: Vec<f32> = (0..network.parameter_count()).map(|i| i as f32).collect();
    let records = network.store("policy.", &flat);
    let views = records.iter().map(|r| {
        let view = TensorView::new(Dtype::F32, r.shape.clone(), &r.bytes).expect("a tensor");
        (r.name.as_str(), view)
    });
    let file = safetensors::serialize(views, None).expect("a container");
    seed("tensors", "raw", &file);
    seed("tensors", "parts", &parts(&file));

    let folder = folder();
    let run = run(folder.path(), 2);
    let read = |name: &str| fs::read(run.join(name)).expect("a file of the run");
    let policy = read("checkpoints/step-16/policy.safetensors");
    seed("policy", "raw", &policy);
    seed("policy", "parts", &parts(&policy));
    let state = read("checkpoints/step-8/state.safetensors");
    seed("state", "raw", &state);
    seed("state", "parts", &parts(&state));
    seed("checkpoint", "manifest", &read("checkpoints/step-16/manifest.json"));
    seed("run_folder", "config", &[&[0], &read("config.toml")[..]].concat());
    seed("run_folder", "metrics", &[&[1], &read("metrics.jsonl")[..]].concat());
    seed("run_folder", "eval", &[&[2], &read("eval.csv")[..]].concat());

    seed("config", "complete", documented(&config()).as_bytes());
    for (name, text) in fpo_rl::config::PRESETS {
        seed("config", name, text.as_bytes());
    }
    let sets = "\0env.num_envs=16\npolicy.hidden=[64, 64]\noptimizer.learning_rate=1e-3\nadvantage.gae=once\n";
    seed("config", "sets", sets.as_bytes());
}
