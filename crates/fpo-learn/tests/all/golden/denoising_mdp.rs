//! The minibatch of the denoising MDP of the authors' JAX code, with one ratio for each step of the
//! sampler: likelihoods, losses and every gradient.

use super::{Golden, Setup, batch, close, config};
use fpo_flow::embed_time;
use fpo_learn::config::Method;

#[test]
fn denoising_mdp() {
    let golden = Golden::open("denoising_mdp");
    let mut config = config(&golden);
    config.objective.method = Method::Dppo;
    config.policy.output_scale = golden.setting("output_scale") as f32;
    config.policy.flow_steps = golden.setting("flow_steps") as usize;
    // The JAX code adds 1e-6 to σ.
    config.policy.step_noise = golden.setting("sigma") as f32 + 1e-6;
    let mut batch = batch(&golden, &config);
    let (d, steps) = (batch.dims.action, config.policy.flow_steps);
    assert_eq!(batch.dims.samples, steps);

    // From the noise to the action, [transitions, steps + 1, d].
    let path = golden.by_sequence("x_t_path");
    let (inputs, returns) = (&mut batch.sample_inputs, &mut batch.sample_targets);
    let mut samples = inputs
        .chunks_exact_mut(batch.dims.sample_input)
        .zip(returns.chunks_exact_mut(d));
    for path in path.chunks_exact((steps + 1) * d) {
        for (k, (from, to)) in path
            .chunks_exact(d)
            .zip(path[d..].chunks_exact(d))
            .enumerate()
        {
            let (input, velocity) = samples.next().unwrap();
            input[..d].copy_from_slice(from);
            embed_time(1.0 - k as f32 / steps as f32, &mut input[d..]);
            for i in 0..d {
                velocity[i] = (from[i] - to[i]) * steps as f32;
            }
        }
    }
    // The file's likelihoods omit −d·ln σ, which cancels in ratios.
    let constant = d as f32 * config.policy.step_noise.ln();
    let losses = |name| -> Vec<f32> {
        let likelihoods = golden.by_sequence(name);
        likelihoods.iter().map(|x| constant - x).collect()
    };
    batch.old_losses = losses("old_log_likelihood");
    let mut setup = Setup::new(&golden, &config, batch.dims);
    let stats = setup.check_gradients(&golden, &mut batch);

    let (new, old) = (losses("new_log_likelihood"), losses("old_log_likelihood"));
    let ratios: Vec<f32> = new.iter().zip(&old).map(|(n, o)| (o - n).exp()).collect();
    let [min, max] = [f32::min, f32::max].map(|of| ratios.iter().copied().reduce(of).unwrap());
    assert!(
        min < 0.95 && max > 1.05,
        "both sides of the clip are tested"
    );
    assert_eq!(stats.ratio.count, ratios.len() as u64);
    close("smallest ratio", &[stats.ratio.min], &[min], 1e-4);
    close("largest ratio", &[stats.ratio.max], &[max], 1e-4);
}
