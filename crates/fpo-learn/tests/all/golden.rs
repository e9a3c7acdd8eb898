//! Whole minibatches against numbers computed by other implementations, a file for each method:
//! losses, ratios, advantages and every gradient. Sizes and settings are in each data file's
//! metadata.

mod denoising_mdp;
mod fpo;
mod fpopp;
mod gaussian_ppo;

use fpo_env::StepEnd;
use fpo_learn::config::Config;
use fpo_learn::critic::Critic;
use fpo_learn::learner::{
    ActorCritic, CpuLearner, GradientSteps, MinibatchStats, Networks, TrainState,
};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::{Batch, BatchDims};
use fpo_nn::Mlp;
use fpo_policy::Model;
use safetensors::SafeTensors;
use std::collections::HashMap;

struct Golden {
    metadata: HashMap<String, String>,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let path = format!(
            "{}/tests/golden/{name}.safetensors",
            env!("CARGO_MANIFEST_DIR")
        );
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, t)| {
            let numbers = t
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            (name, (t.shape().to_vec(), numbers.collect()))
        });
        Self {
            metadata: header.metadata().clone().unwrap(),
            tensors: tensors.collect(),
        }
    }

    fn setting(&self, key: &str) -> f64 {
        self.metadata[key].parse().unwrap()
    }

    fn tensor(&self, name: &str) -> &[f32] {
        &self.tensors[name].1
    }

    /// `[T, B, …]` → `[B, T, …]`: golden files run along time first, a batch along environments
    /// first.
    fn by_sequence(&self, name: &str) -> Vec<f32> {
        let (shape, x) = &self.tensors[name];
        let (t, b) = (shape[0], shape[1]);
        let row = x.len() / (t * b);
        let mut out = Vec::new();
        for j in 0..b {
            for i in 0..t {
                out.extend(&x[(i * b + j) * row..][..row]);
            }
        }
        out
    }

    /// A network's tensors under `prefix` as a flat vector in the layout of `network`.
    fn flat(&self, network: &Mlp, prefix: &str) -> Vec<f32> {
        let mut flat = vec![0.0; network.parameter_count()];
        for (i, layer) in network.layers().iter().enumerate() {
            flat[layer.weight.clone()]
                .copy_from_slice(self.tensor(&format!("{prefix}.{i}.weight")));
            flat[layer.bias.clone()].copy_from_slice(self.tensor(&format!("{prefix}.{i}.bias")));
        }
        flat
    }

    fn normalized(&self, observations: &[f32]) -> Vec<f32> {
        let (mean, std) = (self.tensor("obs_mean"), self.tensor("obs_std"));
        let columns = mean.iter().zip(std).cycle();
        observations
            .iter()
            .zip(columns)
            .map(|(x, (m, s))| (x - m) / s)
            .collect()
    }
}

/// Within `tolerance` of the largest expected entry, entry by entry.
fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * scale,
            "{what}[{i}]: {f} against {e} (scale {scale})"
        );
    }
}

/// The settings common to all files of the authors' JAX code; each test sets the rest.
fn config(golden: &Golden) -> Config {
    let mut c = Config::default();
    c.env.num_steps = golden.tensors["reward"].0[0];
    c.env.num_envs = golden.tensors["reward"].0[1];
    c.env.sequences = 1;
    c.policy.hidden = vec![16, 16];
    c.critic.hidden = vec![24, 24];
    c.objective.clip = golden.setting("clipping_epsilon") as f32;
    c.critic.loss_coefficient = 0.25;
    c.advantage.gamma = golden.setting("discounting");
    c.advantage.lambda = golden.setting("gae_lambda");
    c.optimizer.minibatches = 1;
    c
}

/// The environments' part of the batch, without samples and their losses.
fn batch(golden: &Golden, config: &Config) -> Batch {
    let (observation, action) = (golden.tensors["obs"].0[2], golden.tensors["action"].0[2]);
    let dims = config.dims(observation, action);
    let mut batch = Batch::new(dims);
    let (obs, next) = (golden.by_sequence("obs"), golden.by_sequence("next_obs"));
    let sequence = dims.num_steps * observation;
    batch.observations.clear();
    for (obs, next) in obs.chunks(sequence).zip(next.chunks(sequence)) {
        batch.observations.extend(golden.normalized(obs));
        batch
            .observations
            .extend(golden.normalized(&next[sequence - observation..]));
    }
    batch.actions = golden.by_sequence("action");
    let reward_scale = golden.setting("reward_scaling") as f32;
    batch.rewards = golden
        .by_sequence("reward")
        .iter()
        .map(|r| r * reward_scale)
        .collect();
    let ends = golden
        .by_sequence("truncation")
        .into_iter()
        .zip(golden.by_sequence("discount"));
    batch.ends = ends
        .map(|(truncation, discount)| match (truncation, discount) {
            (1.0, _) => StepEnd::Truncated,
            (_, 0.0) => StepEnd::Terminated,
            _ => StepEnd::Running,
        })
        .collect();
    assert!(
        batch.ends.contains(&StepEnd::Truncated),
        "the file exercises truncation"
    );
    batch
}

/// A policy and a critic with the file's parameters, and their learner.
struct Setup {
    policy: Model,
    critic: Critic,
    learner: CpuLearner,
}

impl Setup {
    fn new(golden: &Golden, config: &Config, dims: BatchDims) -> Self {
        let policy = config.model(dims.observation, dims.action).unwrap();
        let critic = Critic::new(&config.critic, dims.observation, config.advantage.gamma).unwrap();
        let trained = |network: &Mlp, prefix: &str| {
            TrainState::new(
                network,
                golden.flat(network, prefix),
                config.optimizer.adam(),
            )
        };
        let networks = ActorCritic {
            policy: trained(policy.network(), "params.policy"),
            critic: trained(&critic.network, "params.value"),
        };
        Self {
            learner: CpuLearner::new(
                config.learner(),
                policy.clone(),
                critic.clone(),
                networks,
                dims.transitions(),
            ),
            policy,
            critic,
        }
    }

    /// Differentiates the whole batch and compares losses and every gradient with the file.
    fn check_gradients(&mut self, golden: &Golden, batch: &mut Batch) -> MinibatchStats {
        let indices: Vec<u32> = (0..batch.dims.sequences as u32).collect();
        let Self {
            policy,
            critic,
            learner,
        } = self;
        let stats = learner
            .differentiate(batch, &indices, Networks::Both, &Alone)
            .unwrap();
        let n = batch.dims.transitions() as f64;
        let (policy_loss, value_loss) =
            ((stats.ratio.loss / n) as f32, (stats.value_loss / n) as f32);
        close(
            "policy loss",
            &[policy_loss],
            golden.tensor("policy_loss"),
            1e-4,
        );
        close(
            "value loss",
            &[value_loss],
            golden.tensor("value_loss"),
            1e-4,
        );
        close(
            "total loss",
            &[policy_loss + value_loss],
            golden.tensor("total_loss"),
            1e-4,
        );
        let (for_policy, for_critic) = learner
            .gradient()
            .split_at(policy.network().parameter_count());
        close_gradient(golden, policy.network(), "policy", for_policy);
        close_gradient(golden, &critic.network, "value", for_critic);
        stats
    }
}

/// Every weight's and bias's gradient against the file's `grads.NAME`.
fn close_gradient(golden: &Golden, network: &Mlp, name: &str, gradient: &[f32]) {
    let expected = golden.flat(network, &format!("grads.{name}"));
    for layer in network.layers() {
        for part in [layer.weight.clone(), layer.bias.clone()] {
            close(
                &format!("gradient of {name} {part:?}"),
                &gradient[part.clone()],
                &expected[part],
                1e-4,
            );
        }
    }
}
