//! FPO++'s policy loss and gradients from its paper's formulas.

use super::fpo::fill_inputs;
use super::{Golden, close, close_gradient};
use fpo_flow::{CfmTarget, Reduction};
use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Networks, TrainState};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_run::config::{AdvantageNormalization, Config, RatioKind, Recompute, TrustRegion};

/// Advantages and normalized observations are given, so the batch has sequences of one step.
fn check(name: &str, trust_region: TrustRegion) {
    let golden = Golden::open(name);
    let [rows, pairs, action] = golden.tensors["loss_eps"].0[..] else {
        panic!("[rows, pairs, action]")
    };
    let observation = golden.tensors["obs_norm"].0[1];
    let mut config = Config::default();
    config.env.num_envs = rows;
    config.env.num_steps = 1;
    config.env.sequences = 1;
    config.policy.hidden = vec![16, 16];
    config.policy.output_scale = 1.0;
    config.policy.time_embedding = 8;
    config.objective.samples = pairs;
    config.objective.target = CfmTarget::Velocity;
    config.objective.reduction = Reduction::Sqrt;
    config.objective.ratio = RatioKind::PerSample;
    config.objective.trust_region = trust_region;
    config.objective.clip = golden.setting("clipping_epsilon") as f32;
    config.objective.log_ratio_max = 10.0;
    config.objective.loss_max = golden.setting("cfm_loss_clamp") as f32;
    config.advantage.recompute = Recompute::PerIteration;
    config.advantage.normalize = AdvantageNormalization::None;
    config.optimizer.minibatches = 1;

    let dims = config.dims(observation, action);
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
    batch.sample_targets = golden.tensor("loss_eps").to_vec();
    batch.sample_times = golden.tensor("loss_t").to_vec();
    batch.old_losses = golden.tensor("old_cfm_loss").to_vec();
    fill_inputs(&mut batch);

    let policy = config.model(observation, action).unwrap();
    let critic = Critic::new(&config.critic, observation, config.advantage.gamma).unwrap();
    let networks = ActorCritic {
        policy: TrainState::new(
            policy.network(),
            golden.flat(policy.network(), "params.policy"),
            config.optimizer.adam(),
        ),
        critic: TrainState::new(
            &critic.network,
            vec![0.0; critic.network.parameter_count()],
            config.optimizer.adam(),
        ),
    };
    let (network, parameters) = (policy.network().clone(), policy.network().parameter_count());
    let mut learner = CpuLearner::new(config.learner(), policy, critic, networks, rows);
    let indices: Vec<u32> = (0..rows as u32).collect();
    let stats = learner
        .differentiate(&mut batch, &indices, Networks::Both, &Alone)
        .unwrap();
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
    let for_policy = &learner.gradient()[..parameters];
    close_gradient(&golden, &network, "policy", for_policy);
}

#[test]
fn clipping() {
    check("fpopp_ppo", TrustRegion::Ppo);
}

#[test]
fn spo() {
    check("fpopp_spo", TrustRegion::Spo);
}

#[test]
fn aspo() {
    check("fpopp_aspo", TrustRegion::Aspo);
}
