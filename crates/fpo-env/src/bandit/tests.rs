//! The bandits match their documentation.

use super::*;
use fpo_rng::{Key, Stream};

#[test]
fn each_mode_is_a_peak_of_height_one() {
    for (name, _, bumps) in plans() {
        for (k, mode) in bumps.modes.iter().enumerate() {
            let peak = bumps.reward(mode);
            assert!((peak - 1.0).abs() < 1e-5, "{name}: {peak} at mode {k}");
            assert_eq!(bumps.nearest(mode), k);
            for entry in 0..mode.len() {
                for offset in [-0.02, 0.02] {
                    let mut beside = mode.clone();
                    beside[entry] += offset;
                    assert!(
                        bumps.reward(&beside) < peak,
                        "{name}: mode {k} is not a peak"
                    );
                }
            }
            for other in &bumps.modes[..k] {
                let distance = distance2(mode, other).sqrt();
                assert!(distance > 5.0 * bumps.sigma, "{name}: {distance}");
            }
        }
        let middle = vec![0.0; bumps.modes[0].len()];
        assert!(bumps.reward(&middle) < 1e-6, "{name}: no reward in between");
    }
}

#[test]
fn a_bump_falls_like_a_gaussian() {
    // One width beside a mode: exp(−1/2).
    for (at, name) in [
        (vec![0.7], "bandit-two_modes"),
        (vec![0.8, 0.0], "bandit-eight_modes"),
    ] {
        let reward = bumps(name).unwrap().reward(&at);
        assert!((reward - 0.606_530_7).abs() < 1e-4, "{name}: {reward}");
    }
    assert!(bumps("bandit-none").is_none());
}

#[test]
fn an_episode_is_one_step() {
    for task in tasks() {
        let mut env = task.make().unwrap();
        let mut observation = [f32::NAN];
        env.reset(
            &mut Philox::new(Key::new(0, Stream::Test)),
            &mut observation,
        );
        assert_eq!(observation, [1.0]);
        let mode = bumps(&task.spec().name).unwrap().modes[1].clone();
        let step = env.step(&mode, &mut observation);
        assert_eq!((step.end, observation), (StepEnd::Terminated, [1.0]));
        assert!((step.reward - 1.0).abs() < 1e-5);
        let mut state = Vec::new();
        env.save_state(&mut state).unwrap();
        assert!(env.load_state(&state).is_ok() && env.load_state(&[0]).is_err());
    }
}
