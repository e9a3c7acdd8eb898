//! A flow policy can represent two equally good actions, a Gaussian cannot.
//!
//!     cargo run --release --example two_modes
//!
//! trains both on the same bandit, with the trainer as a library and without files, and prints
//! after about 10 seconds
//!
//!     shares of 4000 actions      near -0.6   near 0.6  elsewhere   mean reward
//!     flow (FPO)                      48.5 %     41.5 %     10.0 %         0.834
//!     Gaussian (PPO)                  99.8 %      0.0 %      0.2 %         0.844
//!
//! The rewards are about equal. The Gaussian gets them from one randomly chosen peak; the flow from
//! both, at the cost of some actions elsewhere.
use fpo_env::bandit::bumps;
use fpo_learn::trainer::Trainer;
use fpo_rng::{Key, Stream, fill_normal};
use fpo_run::config;
use std::error::Error;

/// A built-in bandit: a one-dimensional action, with two equal peaks of reward, at −0.6 and 0.6.
const TASK: &str = "bandit-two_modes";
/// Actions to sample from a policy.
const SAMPLES: usize = 4000;
/// An action this close to a peak counts for it: two widths of a peak, where the reward is exp(−2).
const NEAR: f32 = 0.2;

fn main() -> Result<(), Box<dyn Error>> {
    println!("shares of {SAMPLES} actions      near -0.6   near 0.6  elsewhere   mean reward");
    for (name, method) in [("flow (FPO)", "fpo"), ("Gaussian (PPO)", "ppo")] {
        let actions = learn_and_sample(method)?;
        let share = |mode: f32| {
            let near = actions.iter().filter(|a| (**a - mode).abs() < NEAR).count();
            100.0 * near as f64 / SAMPLES as f64
        };
        let (left, right) = (share(-0.6), share(0.6));
        let reward = bumps(TASK).ok_or("no such bandit")?;
        let mean = actions
            .iter()
            .map(|a| f64::from(reward.reward(&[*a])))
            .sum::<f64>()
            / SAMPLES as f64;
        println!(
            "{name:26}{left:10.1} %{right:9.1} %{:9.1} %{mean:14.3}",
            100.0 - left - right
        );
    }
    Ok(())
}

/// Trains a policy and samples actions from it.
fn learn_and_sample(method: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let task = fpo_env::task(TASK).ok_or("no such task")?;
    // As in `fpo train`: a preset, then single settings. In f32 all x86-64 processors agree.
    let sets = [
        format!("objective.method={method}"),
        "train.steps=300_000".to_owned(),
        "policy.hidden=[64,64,64]".to_owned(),
        "critic.hidden=[64,64,64]".to_owned(),
        "train.precision=f32".to_owned(),
    ];
    let config = config::resolve(TASK, None, None, &sets, None)?;
    let mut trainer = Trainer::new(&config, task, 1)?;
    while trainer.iteration() < trainer.total_iterations() {
        trainer.iterate()?;
    }

    let policy = trainer.policy();
    // The observation is the constant 1. Each action has its own noise.
    let observations = vec![1.0; SAMPLES * policy.observation_dim()];
    let mut noise = vec![0.0; SAMPLES * policy.noise_dim()];
    fill_normal(Key::new(0, Stream::Test), &mut noise);
    let mut actions = vec![0.0; SAMPLES * policy.action_dim()];
    policy
        .actor(SAMPLES)
        .act(&observations, &noise, &mut actions)?;
    Ok(actions)
}
