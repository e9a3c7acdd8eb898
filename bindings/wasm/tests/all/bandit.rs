//! The pages' bandit: a drawn reward of two peaks.

use fpo_learn::config::WeightKind;
use fpo_wasm::{Approach, Trainings};

/// Points of the reward.
const POINTS: usize = 121;

/// A reward of bumps (place, height) of width 0.3 over [−3, 3].
fn bumps(bumps: &[(f32, f32)]) -> Vec<f32> {
    (0..POINTS)
        .map(|i| {
            let u = 6.0 * i as f32 / (POINTS - 1) as f32 - 3.0;
            let bump =
                |&(at, height): &(f32, f32)| height * (-((u - at) / 0.3).powi(2) / 2.0).exp();
            bumps.iter().map(bump).sum()
        })
        .collect()
}

/// Mean reward of the last of `iterations`, and the shares of the actions on the two peaks.
fn learned(approach: Approach, iterations: usize, seed: u64) -> (f32, [f32; 2]) {
    let mut trainings = Trainings::default();
    let made = trainings.bandit(approach, 0.3, (1, POINTS), seed);
    let training = made.unwrap() as usize;
    trainings.input = bumps(&[(-1.2, 1.0), (1.3, 1.0)]);
    trainings.draw(training).unwrap();
    trainings.learn(training, iterations).unwrap();
    let reward = trainings.output[0];
    trainings.peaks(training, 2000, 5).unwrap();
    let [[.., a], [.., b]] = trainings.output.as_chunks::<3>().0 else {
        panic!("{:?}", trainings.output);
    };
    (reward, [*a, *b])
}

#[test]
fn fpo_plus_plus_keeps_both_peaks() {
    let (reward, shares) = learned(Approach::FpoPlusPlus, 90, 1);
    let [least, most] = [shares[0].min(shares[1]), shares[0].max(shares[1])];
    assert!(
        least > 0.25 && least + most > 0.85 && reward > 0.7,
        "{reward}, {shares:?}"
    );
}

#[test]
fn a_gaussian_keeps_one() {
    let (reward, shares) = learned(Approach::Gaussian, 90, 0);
    let [least, most] = [shares[0].min(shares[1]), shares[0].max(shares[1])];
    assert!(
        least < 0.05 && most > 0.85 && reward > 0.7,
        "{reward}, {shares:?}"
    );
}

#[test]
fn every_weight_improves_the_policy_and_none_is_negative() {
    for weight in [WeightKind::Shift, WeightKind::Softplus, WeightKind::Exp] {
        let approach = Approach::Weighted(weight, 0.5);
        // Untrained policies earn 0.27.
        let (reward, _) = learned(approach, 30, 2);
        assert!(reward > 0.34, "{weight:?}: {reward}");
        let mut trainings = Trainings::default();
        let training = trainings.bandit(approach, 0.0, (1, POINTS), 2).unwrap() as usize;
        trainings.input = bumps(&[(0.5, 1.0)]);
        trainings.draw(training).unwrap();
        trainings.learn(training, 1).unwrap();
        trainings.weights(training).unwrap();
        let (advantages, weights) = trainings.output.split_at(trainings.output.len() / 2);
        assert_eq!((advantages.len(), weights.len()), (512, 512));
        assert!(weights.iter().all(|w| *w >= 0.0), "{weight:?}");
        let best = (0..512).max_by(|&a, &b| advantages[a].total_cmp(&advantages[b]));
        let heaviest = weights.iter().copied().fold(0.0, f32::max);
        assert_eq!(weights[best.unwrap()], heaviest);
    }
}

/// Ratios of the latest batch: 1 for the policy that acted, and not after learning.
#[test]
fn ratios_leave_one_as_the_policy_learns() {
    let mut trainings = Trainings::default();
    let made = trainings.bandit(Approach::FpoPlusPlus, 0.0, (2, 5), 4);
    let training = made.unwrap() as usize;
    trainings.input = (0..25).map(|i| i as f32 / 24.0).collect();
    trainings.draw(training).unwrap();
    trainings.learn(training, 1).unwrap();
    trainings.ratios(training).unwrap();
    let ratios = &trainings.output;
    assert_eq!(ratios.len(), 512 * 8);
    let mean = ratios.iter().sum::<f32>() / ratios.len() as f32;
    assert!(
        (mean - 1.0).abs() < 0.2 && ratios.iter().any(|r| (r - 1.0).abs() > 0.01),
        "{mean}"
    );
    // The same noise ends elsewhere than before.
    let states = trainings.show(training, 6, 1, false).unwrap() as usize;
    let after = trainings.output[..states * 12].to_vec();
    trainings.show(training, 6, 1, true).unwrap();
    assert!(
        after[..12] == trainings.output[..12] && after[12..] != trainings.output[12..states * 12]
    );
}

#[test]
fn what_cannot_be_is_an_error() {
    let mut trainings = Trainings::default();
    assert!(trainings.learn(0, 1).is_err() && trainings.end(0).is_err());
    assert!(trainings.bandit(Approach::Fpo, 0.0, (4, 5), 1).is_err());
    assert_eq!(trainings.bandit(Approach::Fpo, 0.0, (1, 5), 1), Ok(0.0));
    trainings.input = vec![0.0; 4];
    assert!(trainings.draw(0).is_err());
    trainings.end(0).unwrap();
    assert_eq!(
        trainings.bandit(Approach::Gaussian, 0.0, (1, 5), 1),
        Ok(0.0),
        "a number again"
    );
    trainings.input = vec![0.0; 625];
    assert!(trainings.gridworld(Approach::Fpo, 1).is_err(), "no start");
    assert!(trainings.grid_layout(5).is_err());
}
