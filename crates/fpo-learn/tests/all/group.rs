//! Group-relative advantages: training with them, and the configurations that are rejected.

use crate::toy::Toy;
use fpo_env::bandit::bumps;
use fpo_env::{StepEnd, Task};
use fpo_learn::trainer::{TrainError, Trainer};
use fpo_rng::{Key, Stream, fill_normal};
use fpo_run::config::{Config, ConfigError, resolve};
use std::sync::Arc;

const BANDIT: &str = "bandit-two_modes";

fn settings(task: &str, more: &[&str]) -> Result<Config, ConfigError> {
    let group = [
        "advantage.estimator=group",
        "train.precision=f32",
        "eval.episodes=64",
    ];
    let sets: Vec<String> = group.iter().chain(more).map(|s| s.to_string()).collect();
    resolve(task, Some("fast"), None, &sets, Some(0))
}

fn bandit() -> Arc<dyn Task> {
    fpo_env::tasks()
        .into_iter()
        .find(|task| task.spec().name == BANDIT)
        .unwrap()
}

/// Each mode's share of 1000 actions, and their mean reward.
fn modes(trainer: &Trainer) -> ([f64; 2], f64) {
    const N: usize = 1000;
    let (policy, bumps) = (trainer.policy(), bumps(BANDIT).unwrap());
    let (mut noise, mut actions) = (vec![0.0; N], vec![0.0; N]);
    fill_normal(Key::new(0, Stream::Test), &mut noise);
    policy
        .actor(N)
        .act(&[1.0; N], &noise, &mut actions)
        .unwrap();
    let mut counts = [0.0; 2];
    actions
        .iter()
        .for_each(|a| counts[bumps.nearest(&[*a])] += 1.0 / N as f64);
    let reward = actions
        .iter()
        .map(|a| f64::from(bumps.reward(&[*a])))
        .sum::<f64>();
    (counts, reward / N as f64)
}

/// A policy after 100 iterations.
fn networks(method: &str) -> Trainer {
    let more = [method, "optimizer.learning_rate=2e-3", "train.steps=200000"];
    let mut trainer = Trainer::new(&settings(BANDIT, &more).unwrap(), bandit(), 2).unwrap();
    while trainer.iteration() < trainer.total_iterations() {
        trainer.iterate().unwrap();
    }
    trainer
}

#[test]
fn fpo_learns_a_bandit_and_keeps_both_modes() {
    let before = modes(&Trainer::new(&settings(BANDIT, &[]).unwrap(), bandit(), 1).unwrap()).1;
    let (shares, reward) = modes(&networks("objective.method=fpo"));
    println!("reward {before:.3} to {reward:.3}, shares {shares:?}");
    assert!(before < 0.3 && reward > 0.6, "{before} to {reward}");
    assert!(shares.iter().all(|s| *s > 0.2), "{shares:?}");
}

/// AWFM learns only from its own samples, so the shares drift until one mode is left, with groups
/// as with a critic. It learns the remaining mode well.
#[test]
fn awfm_learns_a_bandit() {
    let (shares, reward) = modes(&networks("objective.method=awfm"));
    println!("reward {reward:.3}, shares {shares:?}");
    assert!(reward > 0.9, "{reward}");
}

/// Episodes of several steps, groups across rollout workers (32 environments in 16 of them),
/// resumed half-way on another number of threads; the critic never changes.
#[test]
fn training_on_whole_episodes_resumes_bit_for_bit() {
    let config = settings(
        "toy",
        &[
            "env.num_envs=32",
            "env.num_steps=8",
            "env.random_initial_length=false",
            "advantage.group_size=8",
            "policy.hidden=[32,32]",
            "critic.hidden=[8]",
            "optimizer.learning_rate=2e-3",
            "optimizer.minibatches=4",
            "optimizer.weight_decay=0.1",
            "train.steps=80000",
        ],
    )
    .unwrap();
    let task = || Arc::new(Toy::new(4));
    let mut straight = Trainer::new(&config, task(), 2).unwrap();
    let (before, critic) = (
        straight.evaluate().unwrap(),
        straight.networks().critic.parameters.clone(),
    );
    for _ in 0..3 {
        straight.iterate().unwrap();
    }
    let state = straight.state().unwrap();
    let mut resumed = Trainer::restore(&config, task(), 1, &state).unwrap();
    for _ in 0..3 {
        let values = |trainer: &mut Trainer| {
            let row = trainer.iterate().unwrap().row;
            row.values
                .into_iter()
                .map(|(_, x)| x.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&mut straight), values(&mut resumed));
    }
    assert!(straight.state().unwrap() == resumed.state().unwrap());
    while straight.iteration() < straight.total_iterations() {
        straight.iterate().unwrap();
    }
    assert_eq!(straight.networks().critic.parameters, critic);
    // The maximum is 4.
    let after = straight.evaluate().unwrap();
    println!("{before:?} to {after:?}");
    assert!(
        before.random_noise.mean < 2.0 && after.zero_noise.mean > 3.5,
        "{before:?} to {after:?}"
    );
}

#[test]
fn incomparable_episodes_are_rejected_in_one_line() {
    let refused = |config: Config, task: Arc<dyn Task>| {
        let error = Trainer::new(&config, task, 1)
            .and_then(|mut trainer| trainer.iterate())
            .unwrap_err();
        assert!(!error.to_string().contains('\n'));
        error
    };
    let small = [
        "env.num_envs=16",
        "optimizer.minibatches=1",
        "policy.hidden=[8]",
        "critic.hidden=[8]",
    ];
    let with = |more: &[&'static str]| settings("toy", &[&small, more].concat()).unwrap();
    let staggered = refused(with(&["env.num_steps=8"]), Arc::new(Toy::new(4)));
    assert!(matches!(staggered, TrainError::Groups(_)), "{staggered}");
    let cut = refused(
        with(&["env.num_steps=6", "env.random_initial_length=false"]),
        Arc::new(Toy::new(4)),
    );
    assert!(
        cut.to_string()
            .contains("6 is no multiple of toy's 4 steps"),
        "{cut}"
    );

    let endless = refused(
        with(&["env.num_steps=8", "env.random_initial_length=false"]),
        Arc::new(Toy::ending(4, StepEnd::Truncated)),
    );
    let expected = "advantage.estimator = \"group\" compares episodes of equal length, \
                    and toy has no step limit: use advantage.estimator = \"gae\" for this task";
    assert_eq!(endless.to_string(), expected);

    let grid = "gridworld-two_walls";
    let task = fpo_env::tasks()
        .into_iter()
        .find(|task| task.spec().name == grid)
        .unwrap();
    let more = [
        "env.num_envs=16",
        "env.num_steps=100",
        "env.random_initial_length=false",
        "optimizer.minibatches=1",
    ];
    let early = refused(settings(grid, &more).unwrap(), task);
    assert!(matches!(early, TrainError::UnequalEpisode(_)), "{early}");

    let error = settings(BANDIT, &["env.num_envs=24"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "advantage.group_size = 16 must divide env.num_envs = 24"
    );
}
