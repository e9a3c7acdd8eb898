//! A training loop of your own: iteration by iteration, with your own output and stopping rule.
//!
//!     cargo run --release --example own_loop -- policy.safetensors 700
//!
//! trains cartpole-balance on one thread until its episodes return 700 (about 20 seconds; 500 by
//! default, at most 1000), prints a line every 20 iterations and an evaluation, and saves the
//! policy to the file (by default a temporary one), which `load_and_act` and `fpo eval` can read.
use fpo_learn::trainer::Trainer;
use fpo_run::config;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const TASK: &str = "cartpole-balance";
/// The target for the mean return of the episodes that end in an iteration, by default.
const ENOUGH: f64 = 500.0;

fn main() -> ExitCode {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let path = path.unwrap_or_else(|| std::env::temp_dir().join("own_loop.safetensors"));
    let enough = match std::env::args().nth(2).map(|text| text.parse()) {
        None => ENOUGH,
        Some(Ok(enough)) => enough,
        Some(Err(_)) => {
            eprintln!("error: the second argument is the return to stop at, for example 700");
            return ExitCode::from(2);
        }
    };
    match learn(path, enough) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn learn(path: PathBuf, enough: f64) -> Result<(), Box<dyn Error>> {
    let task = fpo_mujoco::task(TASK).ok_or("no such task")?;
    // As in `fpo train`: the preset `fast`, then single settings.
    let sets = [
        "env.num_envs=64",
        "optimizer.minibatches=4",
        "train.precision=f32",
    ];
    let config = config::resolve(TASK, None, None, &sets.map(String::from), Some(0))?;
    let mut trainer = Trainer::new(&config, task, 1)?;

    while trainer.iteration() < trainer.total_iterations() {
        let row = trainer.iterate()?.row;
        let value = |name| {
            row.values
                .iter()
                .find(|(n, _)| *n == name)
                .map_or(f64::NAN, |v| v.1)
        };
        // NaN if no whole episode has ended, for which every comparison is false.
        let episode_return = value("episode_return");
        if row.iteration % 20 == 0 {
            println!(
                "{:8} steps: return {episode_return:6.1}, the critic explains {:.2}",
                row.env_steps,
                value("explained_variance")
            );
        }
        if episode_return >= enough {
            println!(
                "{:8} steps: return {episode_return:6.1}: enough",
                row.env_steps
            );
            break;
        }
    }

    let evaluation = trainer.evaluate()?;
    println!(
        "return from zero noise {:.1}, from random noise {:.1}",
        evaluation.zero_noise.mean, evaluation.random_noise.mean
    );
    std::fs::write(&path, trainer.policy().save()?)
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    println!("saved {}", path.display());
    Ok(())
}
