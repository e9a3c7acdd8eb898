//! Loads a policy and acts with it, as a robot's control loop would: observe, act, step.
//!
//!     cargo run --release --example load_and_act -- \
//!         runs/cartpole-balance-fast-seed0/checkpoints/step-000002007040/policy.safetensors
//!
//! prints the task, the sizes, and the return of one episode. The file comes from a run of `fpo
//! train` or from the example `own_loop`; it holds everything needed to act, including the
//! normalization of observations.
use fpo_env::{StepEnd, Task};
use fpo_policy::Policy;
use fpo_rng::{Key, Philox, Stream};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("error: name a policy file: load_and_act policy.safetensors");
        return ExitCode::from(2);
    };
    match act(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(path: &str) -> Result<(), Box<dyn Error>> {
    let policy = Policy::load(&std::fs::read(path)?)?;
    let task = find(policy.task())
        .ok_or_else(|| format!("its task `{}` is not a built-in one", policy.task()))?;
    if policy.observation() != task.spec().observation || !policy.action_map().spans(task.spec()) {
        return Err("it was trained on another version of its task".into());
    }
    println!(
        "{}: {} observations, {} actions",
        policy.task(),
        policy.observation_dim(),
        policy.action_dim()
    );

    let mut env = task.make()?;
    let mut observation = vec![0.0; policy.observation_dim()];
    let mut action = vec![0.0; policy.action_dim()];
    // Zero noise gives the deterministic action; standard normal numbers would give a sample.
    let noise = vec![0.0; policy.noise_dim()];
    let mut actor = policy.actor(1);

    // The key selects the initial state: another index gives another episode.
    let key = Key::new(0, Stream::EvalReset).index(0);
    env.reset(&mut Philox::new(key), &mut observation);
    let (mut total, mut steps) = (0.0, 0);
    // A task without a limit ends its episodes itself.
    for _ in 0..task.spec().step_limit.unwrap_or(u32::MAX) {
        actor.act(&observation, &noise, &mut action)?;
        let step = env.step(&action, &mut observation);
        total += f64::from(step.reward);
        steps += 1;
        if step.end != StepEnd::Running {
            break;
        }
    }
    println!("return {total:.2} in {steps} steps");
    Ok(())
}

/// The built-in task called `name`.
fn find(name: &str) -> Option<Arc<dyn Task>> {
    fpo_env::task(name).or_else(|| fpo_mujoco::task(name))
}
