//! The trainer's learner is a seam: a second one, written plainly, finds the same gradients and
//! trains in its place.

use crate::plain::PlainLearner;
use crate::toy::Toy;
use fpo_learn::config::Config;
use fpo_learn::learner::{CpuLearner, GradientSteps, Learner, Networks};
use fpo_learn::reduce::Alone;
use fpo_learn::trainer::{Trainer, cpu_learner};
use fpo_run::config::resolve;
use std::sync::Arc;

const METHODS: [&str; 3] = ["fpo", "dppo", "awfm"];

fn config(method: &str) -> Config {
    let sets = [
        format!("objective.method={method}"),
        "env.num_envs=32".into(),
        "env.num_steps=16".into(),
        "policy.hidden=[16,16]".into(),
        "critic.hidden=[16,16]".into(),
        "optimizer.learning_rate=5e-3".into(),
        "optimizer.minibatches=8".into(),
        "optimizer.max_grad_norm=0.5".into(),
        "train.precision=f32".into(),
        "train.steps=30000".into(),
    ];
    resolve("toy", Some("fast"), None, &sets, Some(1)).unwrap()
}

fn cpu(config: &Config, task: &Toy) -> CpuLearner {
    cpu_learner(config, task).unwrap()
}

fn plain(config: &Config, task: &Toy) -> PlainLearner {
    let trainer = Trainer::new(config, Arc::new(task.clone()), 1).unwrap();
    let (policy, critic) = (trainer.model().clone(), trainer.critic().clone());
    let networks = trainer.networks().clone();
    PlainLearner::new(config.learner(), policy, critic, networks)
}

fn close(what: &str, a: &[f32], b: &[f32], tolerance: f32) {
    let scale = a.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(scale > 0.0 && a.len() == b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what}: {a} against {b}"
        );
    }
}

/// A minibatch after an iteration, when ratios are no longer 1.
#[test]
fn two_learners_find_the_same_gradient() {
    for method in METHODS {
        let (config, task) = (config(method), Toy::new(20));
        let mut trainer = Trainer::new(&config, Arc::new(task.clone()), 2).unwrap();
        trainer.iterate().unwrap();
        let indices: Vec<u32> = (0..512).step_by(3).collect();
        let (mut cpu, mut plain) = (cpu(&config, &task), plain(&config, &task));
        let mut batch = trainer.batch().clone();
        cpu.load_state(trainer.networks().clone());
        plain.load_state(trainer.networks().clone());
        let a = cpu
            .differentiate(&mut batch, &indices, Networks::Both, &Alone)
            .unwrap();
        let b = plain
            .differentiate(&mut batch, &indices, Networks::Both, &Alone)
            .unwrap();
        assert!(a.ratio.max > 1.01 && a.ratio.min < 0.99, "{a:?}");
        close(method, cpu.gradient(), &plain.gradients.concat(), 2e-5);
        let losses = |s: fpo_learn::learner::MinibatchStats| {
            [s.ratio.loss, s.value_loss, s.moved, s.grad_norm].map(|x| x as f32)
        };
        close(method, &losses(a), &losses(b), 2e-5);
        assert_eq!(
            (a.rows, a.samples, a.outside),
            (b.rows, b.samples, b.outside)
        );
    }
}

/// With `optimizer.policy_every`, the critic takes all gradient steps and the policy some; what the
/// policy reports is a mean over its own.
#[test]
fn a_delayed_policy_rests_while_the_critic_learns() {
    let steps = |every: u64| {
        let mut config = config("fpo");
        config.optimizer.policy_every = every as usize;
        config.optimizer.epochs = 3;
        config.optimizer.max_kl = 0.0;
        let mut trainer = Trainer::new(&config, Arc::new(Toy::new(20)), 2).unwrap();
        let row = trainer.iterate().unwrap().row;
        let ratio = row.values.iter().find(|(name, _)| *name == "ratio_mean");
        assert!((ratio.unwrap().1 - 1.0).abs() < 0.1, "{row:?}");
        let networks = trainer.networks();
        (networks.policy.adam.steps, networks.critic.adam.steps)
    };
    assert_eq!(steps(1), (24, 24), "3 epochs of 8 minibatches");
    assert_eq!(steps(5), (5, 24), "steps 0, 5, 10, 15 and 20");

    // A step of the critic alone has the critic's gradient of a step of both.
    let (config, task) = (config("fpo"), Toy::new(20));
    let mut trainer = Trainer::new(&config, Arc::new(task.clone()), 1).unwrap();
    trainer.iterate().unwrap();
    let mut learner = cpu(&config, &task);
    learner.load_state(trainer.networks().clone());
    let indices: Vec<u32> = (0..512).collect();
    let mut gradient = |networks| {
        let mut batch = trainer.batch().clone();
        let stats = learner.differentiate(&mut batch, &indices, networks, &Alone);
        (stats.unwrap(), learner.gradient().to_vec())
    };
    let (of_both, both) = gradient(Networks::Both);
    let (of_critic, critic) = gradient(Networks::Critic);
    let policy = trainer.networks().policy.parameters.len();
    assert!(both[..policy].iter().any(|g| *g != 0.0));
    assert!(critic[..policy].iter().all(|g| *g == 0.0));
    assert_eq!(both[policy..], critic[policy..]);
    assert_eq!((of_both.policy_rows, of_critic.policy_rows), (512, 0));
    assert_eq!(of_both.value_loss, of_critic.value_loss);
}

/// Old losses and values, part by part as rollout threads ask for them.
#[test]
fn two_learners_score_alike() {
    for method in METHODS {
        let (config, task) = (config(method), Toy::new(20));
        let mut trainer = Trainer::new(&config, Arc::new(task.clone()), 2).unwrap();
        trainer.iterate().unwrap();
        let scored = |learner: &dyn Learner| {
            let mut batch = trainer.batch().clone();
            let mut parts = batch.parts([5, 20, 7]);
            parts.iter_mut().for_each(|part| learner.score(part));
            let observations = batch.observations.clone();
            learner.values(&observations, &[], &mut batch.values);
            batch
        };
        let a = scored(&cpu(&config, &task));
        let b = scored(&plain(&config, &task));
        close(method, &a.old_losses, &b.old_losses, 2e-5);
        close(method, &a.old_velocities, &b.old_velocities, 2e-5);
        close(method, &a.values, &b.values, 2e-5);
        // The networks are those that the trainer began with, and so the numbers those it stored.
        assert!(a.old_losses == trainer.batch().old_losses, "{method}");
    }
}

#[test]
fn another_learner_trains() {
    let (config, task) = (config("fpo"), Toy::new(20));
    let learner = Box::new(plain(&config, &task));
    let task = Arc::new(task);
    let mut trainer = Trainer::with_learner(&config, task.clone(), 2, learner).unwrap();
    let mut usual = Trainer::new(&config, task.clone(), 2).unwrap();
    let before = trainer.evaluate().unwrap().zero_noise.mean;
    let (first, of_usual) = (trainer.iterate().unwrap().row, usual.iterate().unwrap().row);
    for (a, b) in first.values.iter().zip(&of_usual.values) {
        let (what, a, b) = (a.0, a.1, b.1);
        let close = (a - b).abs() <= 1e-3 * b.abs().max(0.1) || (a.is_nan() && b.is_nan());
        assert!(close, "{what}: {a} against {b}");
    }
    while trainer.iteration() < trainer.total_iterations() {
        trainer.iterate().unwrap();
    }
    let after = trainer.evaluate().unwrap().zero_noise.mean;
    assert!(after > 18.0 && before < 15.0, "{before}, then {after}");

    // Its state is a state like any other's.
    let state = trainer.state().unwrap();
    let resumed = Trainer::restore(&config, task, 1, &state).unwrap();
    assert!(resumed.state().unwrap() == state);
}
