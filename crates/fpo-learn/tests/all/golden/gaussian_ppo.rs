//! The minibatch of Gaussian PPO of the authors' JAX code, without entropy bonus: likelihoods,
//! losses and every gradient.

use super::{Golden, Setup, batch, close, config};
use fpo_learn::config::Method;
use fpo_learn::learner::Learner;

#[test]
fn gaussian_ppo() {
    let golden = Golden::open("gaussian_ppo");
    let mut config = config(&golden);
    config.objective.method = Method::Ppo;
    let mut batch = batch(&golden, &config);
    let negated = |name| {
        golden
            .by_sequence(name)
            .iter()
            .map(|x| -x)
            .collect::<Vec<_>>()
    };
    batch.old_losses = negated("old_log_prob");
    let mut setup = Setup::new(&golden, &config, batch.dims);
    let stats = setup.check_gradients(&golden, &mut batch);

    // The smallest and the largest ratio show whether single likelihoods agree.
    let (new, old) = (negated("new_log_prob"), negated("old_log_prob"));
    let ratios: Vec<f32> = new.iter().zip(&old).map(|(n, o)| (o - n).exp()).collect();
    let [min, max] = [f32::min, f32::max].map(|of| ratios.iter().copied().reduce(of).unwrap());
    assert!(min < 0.9 && max > 1.1, "both sides of the clip are tested");
    close("smallest ratio", &[stats.ratio.min], &[min], 1e-4);
    close("largest ratio", &[stats.ratio.max], &[max], 1e-4);

    // Zero noise gives the mean; unit noise adds one standard deviation.
    let d = batch.dims.action;
    let (mean, std) = (golden.by_sequence("loc"), golden.by_sequence("scale"));
    let rows = batch.dims.transitions();
    let observations = golden.normalized(&golden.by_sequence("obs"));
    let weights = setup.learner.actor_weights();
    let mut scratch = setup.policy.scratch(rows);
    let [at_zero, at_one] = [0.0, 1.0].map(|z| {
        let (noise, mut x) = (vec![z; rows * d], vec![f32::NAN; rows * d]);
        setup
            .policy
            .sample(weights, &observations, &noise, &mut x, &mut scratch);
        x
    });
    close("mean action", &at_zero, &mean, 1e-5);
    let found: Vec<f32> = at_one.iter().zip(&at_zero).map(|(a, b)| a - b).collect();
    close("standard deviation", &found, &std, 1e-5);
}
