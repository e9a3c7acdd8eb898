//! Learning allocates nothing once it is under way.

#[path = "../../../fpo-env/tests/counting/mod.rs"]
mod counting;

use counting::{allocations_in, count_this_thread};
use fpo_learn::config::{Config, Recompute};
use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, TrainState};
use fpo_learn::rollout::Batch;
use fpo_rng::{Key, Stream, fill_normal};

#[test]
fn a_gradient_step_allocates_nothing() {
    for gae in [Recompute::PerIteration, Recompute::PerMinibatch] {
        let mut config = Config::default();
        config.env.num_envs = 64;
        config.env.sequences = 1;
        config.env.num_steps = 10;
        config.critic.hidden = vec![64; 2];
        config.advantage.recompute = gae;
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
        let indices: Vec<u32> = match gae {
            Recompute::PerIteration => (0..640).collect(),
            Recompute::PerMinibatch => (0..64).collect(),
        };
        let mut learner = CpuLearner::new(config.learner(), policy, critic, networks, 640);
        // One thread: among several, who steals work allocates now and then, in the library and
        // when it likes.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .start_handler(|_| count_this_thread())
            .build()
            .unwrap();
        pool.install(|| {
            let mut step = || {
                let stats = learner.differentiate(&mut batch, &indices);
                learner.step(stats.grad_norm, [1e-3; 2]);
            };
            (0..3).for_each(|_| step());
            let count = allocations_in(|| (0..20).for_each(|_| step()));
            assert_eq!(count, 0, "{gae:?}");
        });
    }
}
