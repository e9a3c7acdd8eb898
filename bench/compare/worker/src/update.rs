//! Workload: one gradient step at the published sizes.

use crate::Workload;
use crate::inputs::Inputs;
use anyhow::{Result, ensure};
use fpo_env::StepEnd;
use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Learner, Networks, TrainState};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_nn::{Mlp, global_norm};
use fpo_run::config::{self, Config};
use rayon::ThreadPool;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub struct Options {
    /// Settings that differ from the `paper` preset.
    sets: Vec<String>,
}

/// The data of an update.
struct Update {
    learner: CpuLearner,
    batch: Batch,
    indices: Vec<u32>,
    rates: [f32; 2],
    pool: ThreadPool,
}

impl Update {
    fn new(config: &Config, inputs: &Inputs, pool: ThreadPool) -> Result<Self> {
        let batch = batch(config, inputs)?;
        let precision = config.train.precision;
        let policy = config
            .model(batch.dims.observation, batch.dims.action)?
            .with_precision(precision.of_policy())?;
        let mut critic = Critic::new(
            &config.critic,
            batch.dims.observation,
            config.advantage.gamma,
        )?;
        critic.network = critic.network.with_precision(precision.of_critic())?;
        let trained = |network: &Mlp, prefix| -> Result<TrainState> {
            let parameters = inputs.parameters(network, prefix)?;
            Ok(TrainState::new(
                network,
                parameters,
                config.optimizer.adam(),
            ))
        };
        let networks = ActorCritic {
            policy: trained(policy.network(), "policy.")?,
            critic: trained(&critic.network, "critic.")?,
        };
        let rows = batch.dims.transitions();
        Ok(Self {
            learner: CpuLearner::new(config.learner(), policy, critic, networks, rows),
            indices: (0..batch.dims.sequences as u32).collect(),
            rates: [
                config.optimizer.learning_rate,
                config.optimizer.critic_learning_rate,
            ],
            batch,
            pool,
        })
    }

    /// Runs a step; returns the losses of the policy and the critic before it.
    fn call(&mut self) -> [f64; 2] {
        let Self {
            learner,
            batch,
            indices,
            rates,
            pool,
        } = self;
        let stats = pool.install(|| {
            let stats = learner
                .differentiate(batch, indices, Networks::Both, &Alone)
                .expect("one rank exchanges nothing");
            learner.step(stats.grad_norm, Networks::Both, *rates);
            stats
        });
        [stats.ratio.loss, stats.value_loss].map(|sum| sum / stats.rows as f64)
    }
}

pub fn prepare(options: &Options, inputs: &Inputs, pool: ThreadPool) -> Result<Workload> {
    let config = config::resolve("cheetah-run", Some("paper"), None, &options.sets, None)?;
    let mut update = Update::new(&config, inputs, pool)?;
    let start = update.learner.state().clone();
    let [policy_loss, value_loss] = update.call();
    let (for_policy, for_critic) = update
        .learner
        .gradient()
        .split_at(start.policy.parameters.len());
    let gradients = [for_policy, for_critic].map(|gradient| global_norm(&[gradient]));
    update.call();
    update.call();
    let networks = update.learner.state();
    let changes = [
        (&networks.policy, &start.policy),
        (&networks.critic, &start.critic),
    ]
    .map(|(now, then)| {
        let change = now
            .parameters
            .iter()
            .zip(&then.parameters)
            .map(|(a, b)| a - b);
        global_norm(&[&change.collect::<Vec<f32>>()])
    });
    let check = json!({
        "policy loss": policy_loss,
        "value loss": value_loss,
        "policy gradient": gradients[0],
        "critic gradient": gradients[1],
        "policy change in three updates": changes[0],
        "critic change in three updates": changes[1],
    });
    Ok(Workload::new(1, check, move || {
        update.call();
    }))
}

/// The minibatch of the inputs.
fn batch(config: &Config, inputs: &Inputs) -> Result<Batch> {
    let (observations, shape) = inputs.numbers("update.observations")?;
    let (actions, action_shape) = inputs.numbers("update.actions")?;
    let mut batch = Batch::new(config.dims(shape[2], action_shape[2]));
    for (field, name, numbers) in [
        (&mut batch.observations, "observations", Some(observations)),
        (&mut batch.actions, "actions", Some(actions)),
        (&mut batch.rewards, "rewards", None),
        (&mut batch.sample_inputs, "pair_inputs", None),
        (&mut batch.sample_targets, "noises", None),
        (&mut batch.sample_times, "times", None),
        (&mut batch.old_losses, "old_losses", None),
    ] {
        let numbers = match numbers {
            Some(numbers) => numbers,
            None => inputs.numbers(&format!("update.{name}"))?.0,
        };
        let (found, expected) = (numbers.len(), field.len());
        ensure!(
            found == expected,
            "`update.{name}` has {found} numbers, the settings need {expected}"
        );
        *field = numbers;
    }
    for (end, byte) in batch.ends.iter_mut().zip(inputs.bytes("update.follow")?) {
        *end = match byte {
            0 => StepEnd::Running,
            1 => StepEnd::Terminated,
            _ => StepEnd::Truncated,
        };
    }
    Ok(batch)
}
