//! Learning allocates nothing once it is under way.

#[path = "../../../fpo-env/tests/counting/mod.rs"]
mod counting;

use crate::toy::Toy;
use counting::{allocations_in, count_this_thread};
use fpo_learn::config::{Config, Recompute};
use fpo_learn::critic::Critic;
use fpo_learn::learner::{
    ActorCritic, CpuLearner, GradientSteps, LearnPlan, Learner, Networks, TrainState,
};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_learn::trainer::{Trainer, cpu_learner};
use fpo_rng::{Key, Stream, fill_normal};
use fpo_run::config::resolve;
use std::sync::Arc;

/// A learner and a batch of 64 sequences of 10 steps.
fn setup(recompute: Recompute) -> (CpuLearner, Batch) {
    let mut config = Config::default();
    config.env.num_envs = 64;
    config.env.sequences = 1;
    config.env.num_steps = 10;
    config.critic.hidden = vec![64; 2];
    config.advantage.recompute = recompute;
    let policy = config.model(5, 2).unwrap();
    let critic = Critic::new(&config.critic, 5, config.advantage.gamma).unwrap();
    let train = |network: &fpo_nn::Mlp| {
        let mut parameters = vec![0.0; network.parameter_count()];
        fill_normal(Key::new(0, Stream::Test), &mut parameters);
        parameters.iter_mut().for_each(|p| *p *= 0.1);
        TrainState::new(network, parameters, config.optimizer.adam())
    };
    let networks = ActorCritic {
        policy: train(policy.network()),
        critic: train(&critic.network),
    };
    let mut batch = Batch::new(config.dims(5, 2));
    fill_normal(Key::new(1, Stream::Test), &mut batch.observations);
    let learner = CpuLearner::new(config.learner(), policy, critic, networks, 640);
    (learner, batch)
}

/// What `work` allocates once it has been done a few times.
fn allocations_of(mut work: impl FnMut()) -> usize {
    (0..3).for_each(|_| work());
    allocations_in(|| (0..20).for_each(|_| work()))
}

/// On one thread: among several, who steals work allocates now and then, in the library and when it
/// likes. And on the same for both: a thread that ends allocates, too.
#[test]
fn gradient_steps_and_scoring_allocate_nothing() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .start_handler(|_| count_this_thread())
        .build()
        .unwrap();
    pool.install(|| {
        a_gradient_step_allocates_nothing();
        following_q_allocates_nothing();
        scoring_allocates_nothing();
    });
}

fn a_gradient_step_allocates_nothing() {
    for recompute in [Recompute::PerIteration, Recompute::PerMinibatch] {
        let (mut learner, mut batch) = setup(recompute);
        let indices: Vec<u32> = match recompute {
            Recompute::PerIteration => (0..640).collect(),
            Recompute::PerMinibatch => (0..64).collect(),
        };
        let count = allocations_of(|| {
            let stats = learner
                .differentiate(&mut batch, &indices, Networks::Both, &Alone)
                .unwrap();
            learner.step(stats.grad_norm, Networks::Both, [1e-3; 2]);
        });
        assert_eq!(count, 0, "{recompute:?}");
    }
}

fn following_q_allocates_nothing() {
    let sets = [
        "objective.method=qfm",
        "critic.head=hl_gauss",
        "env.num_envs=64",
        "env.num_steps=10",
        "optimizer.minibatches=1",
    ];
    let config = resolve("toy", Some("fast"), None, &sets.map(String::from), Some(1)).unwrap();
    let task = Toy::new(20);
    let mut learner = cpu_learner(&config, &task).unwrap();
    let mut trainer = Trainer::new(&config, Arc::new(task), 1).unwrap();
    trainer.iterate().unwrap();
    let mut batch = trainer.batch().clone();
    let plan = LearnPlan {
        iteration: 0,
        policy_lr: 0.0,
        critic_lr: 0.0,
        q_slope: 1.0,
    };
    learner.learn(&mut batch, &plan, &Alone).unwrap();
    let indices: Vec<u32> = (0..640).collect();
    let count = allocations_of(|| {
        let stats = learner
            .differentiate(&mut batch, &indices, Networks::Both, &Alone)
            .unwrap();
        assert!(stats.q.entries > 0);
        learner.step(stats.grad_norm, Networks::Both, [1e-3; 2]);
    });
    assert_eq!(count, 0);
}

fn scoring_allocates_nothing() {
    let (learner, mut batch) = setup(Recompute::PerIteration);
    let mut parts = batch.parts([40, 24]);
    let count = allocations_of(|| {
        for part in &mut parts {
            learner.values(part.observations, &[], part.values);
            learner.score(part);
        }
    });
    assert_eq!(count, 0);
    assert!(batch.old_losses.iter().all(|loss| *loss != 0.0));
}
