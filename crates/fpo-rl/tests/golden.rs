//! One whole FPO minibatch against numbers computed by the authors' JAX code: losses, ratios, GAE, every gradient,
//! the parameters after one Adam step, and an Euler sample; and FPO++'s policy loss from its paper's formulas. Sizes and settings
//! are in each file's metadata.

use fpo_flow::{CfmTarget, Reduction, embed_time, interpolate};
use fpo_nn::Mlp;
use fpo_rl::advantage::Follow;
use fpo_rl::batch::{Batch, Dims};
use fpo_rl::config::{AdvantageNormalisation, Config, GaeSchedule, RatioKind, TrustRegion};
use fpo_rl::critic::Critic;
use fpo_rl::learner::{Learner, Learnt, Trained};
use fpo_rl::policy::FlowPolicy;
use safetensors::SafeTensors;
use std::collections::HashMap;

struct Golden {
    metadata: HashMap<String, String>,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
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

    /// `[T, B, …]` → `[B, T, …]`: golden files run along time first, a batch along environments first.
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
            flat[layer.weight.clone()].copy_from_slice(self.tensor(&format!("{prefix}.{i}.weight")));
            flat[layer.bias.clone()].copy_from_slice(self.tensor(&format!("{prefix}.{i}.bias")));
        }
        flat
    }

    fn normalised(&self, observations: &[f32]) -> Vec<f32> {
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

fn config(golden: &Golden) -> Config {
    let mut c = Config::default();
    c.env.unroll = golden.tensors["reward"].0[0];
    c.env.num_envs = golden.tensors["reward"].0[1];
    c.policy.hidden = vec![16, 16];
    c.critic.hidden = vec![24, 24];
    c.policy.output_scale = golden.setting("policy_mlp_output_scale") as f32;
    c.policy.flow_steps = golden.setting("flow_steps") as usize;
    c.policy.time_embedding = golden.setting("timestep_embed_dim") as usize;
    c.objective.pairs = golden.setting("n_samples_per_action") as usize;
    c.objective.clip = golden.setting("clipping_epsilon") as f32;
    if golden.metadata["output_mode"] == "u" {
        c.objective.target = CfmTarget::Velocity;
    }
    if golden.metadata["average_losses_before_exp"] == "False" {
        c.objective.ratio = RatioKind::PerSample;
        c.objective.log_ratio_clamp = 3.0;
    }
    c.critic.loss_coefficient = golden.setting("value_loss_coeff") as f32;
    c.advantage.gamma = golden.setting("discounting");
    c.advantage.lambda = golden.setting("gae_lambda");
    c.optimizer.learning_rate = golden.setting("learning_rate") as f32;
    c.optimizer.minibatches = 1;
    c
}

fn batch(golden: &Golden, config: &Config) -> Batch {
    let (observation, action) = (golden.tensors["obs"].0[2], golden.tensors["action"].0[2]);
    let dims = Dims {
        sequences: config.env.num_envs,
        unrolls: 1,
        unroll: config.env.unroll,
        observation,
        action,
        pairs: config.objective.pairs,
        embedding: config.policy.time_embedding,
    };
    let mut batch = Batch::new(dims);
    let (obs, next) = (golden.by_sequence("obs"), golden.by_sequence("next_obs"));
    let sequence = dims.unroll * observation;
    batch.observations.clear();
    for (obs, next) in obs.chunks(sequence).zip(next.chunks(sequence)) {
        batch.observations.extend(golden.normalised(obs));
        batch
            .observations
            .extend(golden.normalised(&next[sequence - observation..]));
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
    batch.follow = ends
        .map(|(truncation, discount)| match (truncation, discount) {
            (1.0, _) => Follow::Truncated,
            (_, 0.0) => Follow::Terminal,
            _ => Follow::Next,
        })
        .collect();
    batch.pair_noises = golden.by_sequence("loss_eps");
    batch.pair_times = golden.by_sequence("loss_t");
    batch.old_losses = golden.by_sequence("initial_cfm_loss");
    fill_inputs(&mut batch);
    batch
}

/// x_t and embed(t) of every pair.
fn fill_inputs(batch: &mut Batch) {
    let (dims, action) = (batch.dims, batch.dims.action);
    for (pair, row) in batch.pair_inputs.chunks_exact_mut(dims.tail()).enumerate() {
        let (x, embedding) = row.split_at_mut(action);
        let (i, t) = (pair / dims.pairs, batch.pair_times[pair]);
        interpolate(
            &batch.actions[i * action..][..action],
            &batch.pair_noises[pair * action..][..action],
            t,
            x,
        );
        embed_time(t, embedding);
    }
}

fn check(name: &str) {
    let golden = Golden::open(name);
    let config = config(&golden);
    let mut batch = batch(&golden, &config);
    let dims = batch.dims;
    assert!(
        batch.follow.contains(&Follow::Truncated),
        "the file exercises truncation"
    );
    let policy = FlowPolicy::new(&config.policy, dims.observation, dims.action).unwrap();
    let critic = Critic::new(&config.critic, dims.observation, config.advantage.gamma).unwrap();
    let trained = |network: &Mlp, prefix: &str| {
        Trained::new(network, golden.flat(network, prefix), config.optimizer.adam())
    };
    let mut learnt = Learnt {
        policy: trained(&policy.network, "params.policy"),
        critic: trained(&critic.network, "params.value"),
    };

    let mut values = vec![0.0; dims.transitions() + dims.sequences];
    critic.values(
        &learnt.critic.weights,
        &batch.observations,
        &mut critic.network.scratch(7, false),
        &mut values,
    );
    let expected = golden.by_sequence("values");
    for (s, sequence) in values.chunks(dims.unroll + 1).enumerate() {
        close(
            "values",
            &sequence[..dims.unroll],
            &expected[s * dims.unroll..][..dims.unroll],
            1e-5,
        );
        close(
            "bootstrap",
            &sequence[dims.unroll..],
            &golden.tensor("bootstrap_value")[s..=s],
            1e-4,
        );
    }

    let mut learner = Learner::new(&config, &policy, &critic, dims.transitions());
    let units: Vec<u32> = (0..dims.sequences as u32).collect();
    let stats = learner.differentiate(&policy, &critic, &learnt, &mut batch, &units);

    close(
        "value targets",
        &batch.targets,
        &golden.by_sequence("value_targets"),
        1e-4,
    );
    let advantages = golden.by_sequence("advantages");
    let normalised = |x: &[f32]| {
        let (mean, std) = fpo_rl::advantage::mean_std(x.iter().copied());
        x.iter()
            .map(|a| ((f64::from(*a) - mean) / (std + 1e-8)) as f32)
            .collect::<Vec<_>>()
    };
    // Whether the file holds them before or after normalisation, normalising changes nothing more.
    close(
        "advantages",
        &normalised(&batch.advantages),
        &normalised(&advantages),
        1e-4,
    );
    let n = dims.transitions() as f64;
    let (policy_loss, value_loss) = ((stats.ratio.loss / n) as f32, (stats.value_loss / n) as f32);
    close("policy loss", &[policy_loss], golden.tensor("policy_loss"), 1e-4);
    close("value loss", &[value_loss], golden.tensor("value_loss"), 1e-4);
    close(
        "total loss",
        &[policy_loss + value_loss],
        golden.tensor("total_loss"),
        1e-4,
    );
    let ratios = stats.ratio.count as f64;
    close(
        "ratio mean",
        &[(stats.ratio.sum / ratios) as f32],
        golden.tensor("ratio_mean"),
        1e-4,
    );
    close("ratio min", &[stats.ratio.min], golden.tensor("ratio_min"), 1e-4);
    close("ratio max", &[stats.ratio.max], golden.tensor("ratio_max"), 1e-4);
    let clipped = stats.ratio.clipped as f64 / ratios;
    close(
        "clipped fraction",
        &[clipped as f32],
        golden.tensor("clipped_fraction"),
        1e-6,
    );
    assert!(
        (0.01..0.99).contains(&clipped),
        "both sides of the clip are tested"
    );

    let (for_policy, for_critic) = learner.gradient().split_at(policy.network.parameter_count());
    for (network, name, gradient) in [
        (&policy.network, "policy", for_policy),
        (&critic.network, "value", for_critic),
    ] {
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

    let rate = config.optimizer.learning_rate;
    let before = [learnt.policy.parameters.clone(), learnt.critic.parameters.clone()];
    learner.step(&policy, &critic, &mut learnt, stats.grad_norm, [rate; 2]);
    let after = [
        (&policy.network, "policy", &learnt.policy),
        (&critic.network, "value", &learnt.critic),
    ];
    for ((network, name, trained), before) in after.into_iter().zip(before) {
        let expected = golden.flat(network, &format!("after_adam.{name}"));
        close(
            &format!("{name} after Adam"),
            &trained.parameters,
            &expected,
            1e-5,
        );
        // The step itself, not just parameters it hardly moves. Where a gradient is rounding noise the first step has no sign.
        let gradient = golden.flat(network, &format!("grads.{name}"));
        for i in (0..before.len()).filter(|&i| gradient[i].abs() > 1e-5) {
            let (found, expected) = (trained.parameters[i] - before[i], expected[i] - before[i]);
            assert!(
                (found - expected).abs() < 2e-3 * rate,
                "{name} {i}: {found} against {expected}"
            );
        }
    }
}

#[test]
fn fpo_epsilon_loss_per_action() {
    check("fpo_eps_average");
}

#[test]
fn fpo_epsilon_loss_per_sample() {
    check("fpo_eps_per_sample");
}

#[test]
fn fpo_velocity_loss_per_action() {
    check("fpo_velocity_average");
}

#[test]
fn euler_sample() {
    for name in ["fpo_eps_average", "fpo_eps_per_sample", "fpo_velocity_average"] {
        let golden = Golden::open(name);
        let config = config(&golden);
        let (od, ad) = (golden.tensors["obs"].0[2], golden.tensors["action"].0[2]);
        let policy = FlowPolicy::new(&config.policy, od, ad).unwrap();
        let mut weights = policy.network.weights();
        policy
            .network
            .pack(&golden.flat(&policy.network, "params.policy"), &mut weights);
        let mut x = golden.tensor("sample_noise").to_vec();
        let observations = golden.normalised(golden.tensor("sample_obs"));
        let mut scratch = policy.scratch(x.len() / ad);
        policy.sample(&weights, &observations, &mut x, &mut scratch);
        close(name, &x, golden.tensor("sample_action"), 1e-5);
    }
}

/// FPO++'s policy loss and gradients, from advantages and normalised observations that are given: the same tiles, with a batch
/// whose sequences have one step each.
fn check_fpopp(name: &str, trust_region: TrustRegion) {
    let golden = Golden::open(name);
    let [rows, pairs, action] = golden.tensors["loss_eps"].0[..] else {
        panic!("[rows, pairs, action]")
    };
    let observation = golden.tensors["obs_norm"].0[1];
    let mut config = Config::default();
    config.env.num_envs = rows;
    config.env.unroll = 1;
    config.policy.hidden = vec![16, 16];
    config.policy.output_scale = 1.0;
    config.policy.time_embedding = 8;
    config.objective.pairs = pairs;
    config.objective.target = CfmTarget::Velocity;
    config.objective.reduction = Reduction::Sqrt;
    config.objective.ratio = RatioKind::PerSample;
    config.objective.trust_region = trust_region;
    config.objective.clip = golden.setting("clipping_epsilon") as f32;
    config.objective.log_ratio_max = 10.0;
    config.objective.loss_max = golden.setting("cfm_loss_clamp") as f32;
    config.advantage.gae = GaeSchedule::Once;
    config.advantage.normalize = AdvantageNormalisation::None;
    config.optimizer.minibatches = 1;

    let dims = Dims {
        sequences: rows,
        unrolls: 1,
        unroll: 1,
        observation,
        action,
        pairs,
        embedding: 8,
    };
    let mut batch = Batch::new(dims);
    for (to, from) in batch
        .observations
        .chunks_exact_mut(2 * observation)
        .zip(golden.tensor("obs_norm").chunks_exact(observation))
    {
        to[..observation].copy_from_slice(from);
    }
    batch.actions = golden.tensor("action").to_vec();
    batch.advantages = golden.tensor("advantage").to_vec();
    batch.pair_noises = golden.tensor("loss_eps").to_vec();
    batch.pair_times = golden.tensor("loss_t").to_vec();
    batch.old_losses = golden.tensor("old_cfm_loss").to_vec();
    fill_inputs(&mut batch);

    let policy = FlowPolicy::new(&config.policy, observation, action).unwrap();
    let critic = Critic::new(&config.critic, observation, config.advantage.gamma).unwrap();
    let learnt = Learnt {
        policy: Trained::new(
            &policy.network,
            golden.flat(&policy.network, "params.policy"),
            config.optimizer.adam(),
        ),
        critic: Trained::new(
            &critic.network,
            vec![0.0; critic.network.parameter_count()],
            config.optimizer.adam(),
        ),
    };
    let mut learner = Learner::new(&config, &policy, &critic, rows);
    let units: Vec<u32> = (0..rows as u32).collect();
    let stats = learner.differentiate(&policy, &critic, &learnt, &mut batch, &units);
    close(
        "policy loss",
        &[(stats.ratio.loss / rows as f64) as f32],
        golden.tensor("policy_loss"),
        1e-4,
    );
    let ratios = golden.tensor("ratio");
    let mean = ratios.iter().sum::<f32>() / ratios.len() as f32;
    close(
        "ratio mean",
        &[(stats.ratio.sum / stats.ratio.count as f64) as f32],
        &[mean],
        1e-4,
    );
    close(
        "ratio max",
        &[stats.ratio.max],
        &[ratios.iter().copied().fold(0.0, f32::max)],
        1e-4,
    );
    let expected = golden.flat(&policy.network, "grads.policy");
    for layer in policy.network.layers() {
        for part in [layer.weight.clone(), layer.bias.clone()] {
            close(
                &format!("gradient {part:?}"),
                &learner.gradient()[part.clone()],
                &expected[part],
                1e-4,
            );
        }
    }
}

#[test]
fn fpopp_clipping() {
    check_fpopp("fpopp_ppo", TrustRegion::Ppo);
}

#[test]
fn fpopp_spo() {
    check_fpopp("fpopp_spo", TrustRegion::Spo);
}

#[test]
fn fpopp_aspo() {
    check_fpopp("fpopp_aspo", TrustRegion::Aspo);
}
