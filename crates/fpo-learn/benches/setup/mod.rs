//! What the benchmarks of the learner share.

use fpo_flow::{embed_time, interpolate};
use fpo_learn::config::Config;
use fpo_learn::learner::TrainState;
use fpo_learn::rollout::Batch;
use fpo_nn::Mlp;
use fpo_rng::{Key, Stream, fill_normal, fill_uniform};

/// Entries of cheetah's observation.
pub const OBSERVATION: usize = 17;
/// Entries of its action.
pub const ACTION: usize = 6;

/// The `paper` settings with all of `sequences` in one minibatch.
pub fn config(sequences: usize) -> Config {
    let mut config = Config::default();
    config.env.num_envs = sequences;
    config.env.sequences = 1;
    config.optimizer.minibatches = 1;
    config
}

/// A network before its first step.
pub fn trained(config: &Config, network: &Mlp, index: u32) -> TrainState {
    let mut parameters = vec![0.0; network.parameter_count()];
    network.init(
        config.policy.initialization,
        1.0,
        Key::new(0, Stream::Init).index(index),
        &mut parameters,
    );
    TrainState::new(network, parameters, config.optimizer.adam())
}

/// A batch of random numbers in the right places; ℓ_old near the losses of an untrained network.
pub fn batch(config: &Config) -> Batch {
    let dims = config.dims(OBSERVATION, ACTION);
    let mut b = Batch::new(dims);
    let key = Key::new(1, Stream::Test);
    fill_normal(key.index(0), &mut b.observations);
    fill_normal(key.index(1), &mut b.actions);
    fill_uniform(key.index(2), &mut b.rewards);
    fill_normal(key.index(3), &mut b.sample_targets);
    fill_uniform(key.index(4), &mut b.sample_times);
    b.old_losses.fill(0.5);
    for (pair, row) in b
        .sample_inputs
        .chunks_exact_mut(dims.sample_input)
        .enumerate()
    {
        let (x, embedding) = row.split_at_mut(ACTION);
        let action = &b.actions[pair / dims.samples * ACTION..][..ACTION];
        interpolate(
            action,
            &b.sample_targets[pair * ACTION..][..ACTION],
            b.sample_times[pair],
            x,
        );
        embed_time(b.sample_times[pair], embedding);
    }
    b
}
