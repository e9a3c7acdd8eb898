//! What a trainer is made of: networks, the learner and environments as the settings describe them.

use super::TrainError;
use crate::config::Config;
use crate::critic::{ActionInput, Critic};
use crate::learner::{ActorCritic, CpuLearner, TrainState};
use crate::rollout::{BatchDims, RolloutWorker};
use fpo_env::{Task, VecEnvOptions, make_vec};
use fpo_nn::{Ema, Mlp, Normalizer, NormalizerConfig};
use fpo_policy::Model;
use fpo_rng::{Key, Stream};
use rayon::prelude::*;

/// Groups that the environments are cut into, at most; the number of threads and of ranks changes
/// nothing about them.
const MAX_WORKERS: usize = 16;

/// The learner of this machine's processor, before its first step.
///
/// # Errors
/// If the networks' sizes are impossible, or the machine lacks the precision.
pub fn cpu_learner(config: &Config, task: &dyn Task) -> Result<CpuLearner, TrainError> {
    let (policy, critic) = networks(config, task)?;
    let initial = initial_networks(config, &policy, &critic);
    let dims = dims(config, task);
    let rows = dims.transitions() / config.optimizer.minibatches;
    Ok(CpuLearner::new(
        config.learner(),
        policy,
        critic,
        initial,
        rows,
    ))
}

/// The sizes of an iteration's batch on `task`.
pub(super) fn dims(config: &Config, task: &dyn Task) -> BatchDims {
    let spec = task.spec();
    BatchDims {
        critic_observation: task.critic_observation_dim(),
        ..config.dims(spec.observation_dim(), spec.action_dim())
    }
}

/// Policy and critic, without their parameters.
pub(super) fn networks(config: &Config, task: &dyn Task) -> Result<(Model, Critic), TrainError> {
    let dims = dims(config, task);
    let precision = config.train.precision;
    let policy = config
        .model(dims.observation, dims.action)?
        .with_precision(precision.of_policy())?;
    let q = config.parts().q;
    let actions = q.map(|q| ActionInput {
        dim: dims.action,
        squash: q.squash,
        bound: q.bound,
    });
    let observations = dims.critic_input();
    let mut critic = Critic::of_actions(
        &config.critic,
        observations,
        actions,
        config.advantage.gamma,
    )?;
    critic.network = critic.network.with_precision(precision.of_critic())?;
    Ok((policy, critic))
}

/// The parameters that the seed gives, and optimizers before their first step.
pub(super) fn initial_networks(config: &Config, policy: &Model, critic: &Critic) -> ActorCritic {
    let train = |network: &Mlp, index: u32, init: &dyn Fn(Key, &mut [f32])| {
        let mut parameters = vec![0.0; network.parameter_count()];
        let key = Key::new(config.seed, Stream::Init).index(index);
        init(key, &mut parameters);
        TrainState::new(network, parameters, config.optimizer.adam())
    };
    ActorCritic {
        policy: train(policy.network(), 0, &|key, parameters| {
            policy.init(&config.policy, key, parameters);
        }),
        critic: train(&critic.network, 1, &|key, parameters| {
            let settings = &config.critic;
            let (initialization, gain) = (settings.initialization, settings.final_gain);
            critic.network.init(initialization, gain, key, parameters);
        }),
    }
}

/// Where the groups of environments begin, and where the last ends, in at most `most` groups.
pub(super) fn group_bounds(envs: usize, most: usize) -> Vec<usize> {
    let count = envs.min(MAX_WORKERS).min(most.max(1));
    (0..=count).map(|i| envs * i / count).collect()
}

/// The groups of environments between `bounds`, with what acts in them; on the threads of the
/// current pool.
pub(super) fn rollout_workers(
    config: &Config,
    task: &dyn Task,
    policy: &Model,
    bounds: &[usize],
) -> Result<Vec<RolloutWorker>, TrainError> {
    let options = VecEnvOptions {
        seed: config.seed,
        stream: Stream::Reset,
        random_initial_length: config.env.random_initial_length,
        group: config.advantage.envs_alike() as u32,
    };
    let dims = dims(config, task);
    bounds
        .par_windows(2)
        .map(|w| {
            let (first, count) = (w[0] as u32, w[1] - w[0]);
            let envs = make_vec(task, first, count, options)?;
            let neighbors = config.objective.knn(dims.action);
            Ok(RolloutWorker::new(envs, first, policy, &dims, neighbors))
        })
        .collect()
}

/// A normalizer that has seen nothing.
pub(super) fn normalizer(config: &Config, observation_dim: usize) -> Normalizer {
    let settings = &config.normalizer;
    let clip = (settings.enabled && settings.clip > 0.0).then_some(settings.clip);
    let settings = NormalizerConfig {
        clip,
        ..Default::default()
    };
    Normalizer::new(settings, observation_dim)
}

/// The moving average of the policy's parameters, if there is to be one.
pub(super) fn average(config: &Config, policy: &TrainState) -> Option<Ema> {
    let decay = config.train.ema_decay;
    (decay > 0.0).then(|| Ema::new(decay, &policy.parameters))
}
