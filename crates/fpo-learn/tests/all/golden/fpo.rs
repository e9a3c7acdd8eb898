//! FPO's minibatch of the authors' JAX code: losses, ratios, GAE, every gradient, the parameters
//! after one Adam step, and an Euler sample.

use super::{Golden, Setup, close};
use fpo_flow::{CfmTarget, embed_time, interpolate};
use fpo_learn::learner::{GradientSteps, Learner, Networks};
use fpo_learn::rollout::Batch;
use fpo_run::config::{Config, RatioKind};

fn config(golden: &Golden) -> Config {
    let mut c = super::config(golden);
    c.policy.output_scale = golden.setting("policy_mlp_output_scale") as f32;
    c.policy.flow_steps = golden.setting("flow_steps") as usize;
    c.policy.time_embedding = golden.setting("timestep_embed_dim") as usize;
    c.objective.samples = golden.setting("n_samples_per_action") as usize;
    if golden.metadata["output_mode"] == "u" {
        c.objective.target = CfmTarget::Velocity;
    }
    if golden.metadata["average_losses_before_exp"] == "False" {
        c.objective.ratio = RatioKind::PerSample;
        c.objective.log_ratio_clamp = 3.0;
    }
    c.critic.loss_coefficient = golden.setting("value_loss_coeff") as f32;
    c.optimizer.learning_rate = golden.setting("learning_rate") as f32;
    c
}

fn batch(golden: &Golden, config: &Config) -> Batch {
    let mut batch = super::batch(golden, config);
    batch.sample_targets = golden.by_sequence("loss_eps");
    batch.sample_times = golden.by_sequence("loss_t");
    batch.old_losses = golden.by_sequence("initial_cfm_loss");
    fill_inputs(&mut batch);
    batch
}

/// x_t and embed(t) of every pair.
pub(crate) fn fill_inputs(batch: &mut Batch) {
    let (dims, action) = (batch.dims, batch.dims.action);
    for (pair, row) in batch
        .sample_inputs
        .chunks_exact_mut(dims.sample_input)
        .enumerate()
    {
        let (x, embedding) = row.split_at_mut(action);
        let (i, t) = (pair / dims.samples, batch.sample_times[pair]);
        interpolate(
            &batch.actions[i * action..][..action],
            &batch.sample_targets[pair * action..][..action],
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
    let mut setup = Setup::new(&golden, &config, dims);
    let (critic, networks) = (&setup.critic, setup.learner.state());

    let mut values = vec![0.0; dims.transitions() + dims.sequences];
    critic.values(
        &networks.critic.weights,
        &batch.observations,
        &[],
        &mut critic.network.scratch(7, false),
        &mut values,
    );
    let expected = golden.by_sequence("values");
    for (s, sequence) in values.chunks(dims.num_steps + 1).enumerate() {
        close(
            "values",
            &sequence[..dims.num_steps],
            &expected[s * dims.num_steps..][..dims.num_steps],
            1e-5,
        );
        close(
            "bootstrap",
            &sequence[dims.num_steps..],
            &golden.tensor("bootstrap_value")[s..=s],
            1e-4,
        );
    }

    let stats = setup.check_gradients(&golden, &mut batch);
    close(
        "value returns",
        &batch.returns,
        &golden.by_sequence("value_targets"),
        1e-4,
    );
    let advantages = golden.by_sequence("advantages");
    let normalized = |x: &[f32]| {
        let (mean, std) = fpo_learn::advantage::mean_std(x.iter().copied());
        x.iter()
            .map(|a| ((f64::from(*a) - mean) / (std + 1e-8)) as f32)
            .collect::<Vec<_>>()
    };
    // The file may hold them before or after normalization: normalizing twice changes nothing.
    close(
        "advantages",
        &normalized(&batch.advantages),
        &normalized(&advantages),
        1e-4,
    );
    let ratios = stats.ratio.count as f64;
    close(
        "ratio mean",
        &[(stats.ratio.sum / ratios) as f32],
        golden.tensor("ratio_mean"),
        1e-4,
    );
    close(
        "ratio min",
        &[stats.ratio.min],
        golden.tensor("ratio_min"),
        1e-4,
    );
    close(
        "ratio max",
        &[stats.ratio.max],
        golden.tensor("ratio_max"),
        1e-4,
    );
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

    let Setup {
        policy,
        critic,
        mut learner,
    } = setup;
    let rate = config.optimizer.learning_rate;
    let before = [
        learner.state().policy.parameters.clone(),
        learner.state().critic.parameters.clone(),
    ];
    learner.step(stats.grad_norm, Networks::Both, [rate; 2]);
    let networks = learner.state();
    let after = [
        (policy.network(), "policy", &networks.policy),
        (&critic.network, "value", &networks.critic),
    ];
    for ((network, name, trained), before) in after.into_iter().zip(before) {
        let expected = golden.flat(network, &format!("after_adam.{name}"));
        close(
            &format!("{name} after Adam"),
            &trained.parameters,
            &expected,
            1e-5,
        );
        // Compare the step itself, because it hardly changes the parameters. Where a gradient is
        // rounding noise, the sign of the first step is arbitrary.
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
    for name in [
        "fpo_eps_average",
        "fpo_eps_per_sample",
        "fpo_velocity_average",
    ] {
        let golden = Golden::open(name);
        let config = config(&golden);
        let (od, ad) = (golden.tensors["obs"].0[2], golden.tensors["action"].0[2]);
        let policy = config.model(od, ad).unwrap();
        let mut weights = policy.network().weights();
        let parameters = golden.flat(policy.network(), "params.policy");
        policy.network().pack(&parameters, &mut weights);
        let noise = golden.tensor("sample_noise");
        let mut x = vec![f32::NAN; noise.len()];
        let observations = golden.normalized(golden.tensor("sample_obs"));
        let mut scratch = policy.scratch(x.len() / ad);
        policy.sample(&weights, &observations, noise, &mut x, &mut scratch);
        close(name, &x, golden.tensor("sample_action"), 1e-5);
    }
}
