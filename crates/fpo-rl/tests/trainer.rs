//! The trainer as a whole, on a task small enough to be learnt in a moment.

mod toy;

use fpo_env::Task;
use fpo_rl::config::{Config, resolve};
use fpo_rl::evaluate::{Noise, evaluate, play};
use fpo_rl::policy::{Policy, PolicyError};
use fpo_rl::trainer::{TrainError, Trainer};
use std::ops::ControlFlow;
use std::sync::Arc;
use toy::Toy;

fn config() -> Config {
    let sets = [
        "env.num_envs=32",
        "env.unroll=16",
        "policy.hidden=[32,32]",
        "critic.hidden=[32,32]",
        "optimizer.learning_rate=2e-3",
        "optimizer.minibatches=8",
        "eval.episodes=32",
        "train.steps=60000",
    ];
    resolve("toy", Some("fast"), None, &sets.map(String::from), Some(1)).unwrap()
}

fn trainer() -> Trainer {
    Trainer::new(&config(), Arc::new(Toy::new(20)), 2).unwrap()
}

#[test]
fn a_policy_learns_to_hit_its_target() {
    let mut trainer = trainer();
    let before = trainer.evaluate().unwrap();
    while trainer.iteration() < trainer.total_iterations() {
        trainer.iterate().unwrap();
    }
    let after = trainer.evaluate().unwrap();
    // A perfect policy has 20; one that ignores the target 13⅓ at best.
    assert!(before.random_noise.mean < 10.0, "{before:?}");
    assert!(after.random_noise.mean > 12.0, "{after:?}");
    assert!(after.zero_noise.mean > 19.0, "{after:?}");
}

#[test]
fn a_restored_trainer_goes_on_bit_for_bit() {
    let mut straight = trainer();
    for _ in 0..3 {
        straight.iterate().unwrap();
    }
    let mut resumed =
        Trainer::restore(&config(), Arc::new(Toy::new(20)), 1, &straight.state().unwrap()).unwrap();
    for _ in 0..3 {
        assert_eq!(
            straight.iterate().unwrap().row.values,
            resumed.iterate().unwrap().row.values
        );
    }
    assert!(straight.state().unwrap() == resumed.state().unwrap());
}

#[test]
fn states_of_other_runs_are_refused() {
    let state = trainer().state().unwrap();
    let restore = |config: &Config| {
        Trainer::restore(config, Arc::new(Toy::new(20)), 1, &state)
            .err()
            .unwrap()
    };
    for change in [
        |c: &mut Config| c.seed = 2,
        |c: &mut Config| c.task = "other".into(),
        |c: &mut Config| c.env.num_envs = 16,
        |c: &mut Config| c.env.num_envs = 64,
        |c: &mut Config| c.policy.hidden = vec![32, 31],
        |c: &mut Config| c.critic.hidden = vec![32],
    ] {
        let mut config = config();
        change(&mut config);
        assert!(matches!(restore(&config), TrainError::State(_)));
    }
    for cut in (0..state.len()).step_by(997) {
        assert!(Trainer::restore(&config(), Arc::new(Toy::new(20)), 1, &state[..cut]).is_err());
    }
}

#[test]
fn play_runs_the_episode_that_evaluation_ran() {
    let task = Toy::new(20);
    let policy = trainer().policy();
    let returns: Vec<f64> = (0..5)
        .map(|episode| {
            let mut env = task.make().unwrap();
            play(&policy, env.as_mut(), 4, episode, Noise::Random, |_, _, _| {
                ControlFlow::<()>::Continue(())
            })
            .0
        })
        .collect();
    let evaluated = evaluate(&policy, &task, 4, 5, Noise::Random).unwrap();
    let mean = returns.iter().sum::<f64>() / 5.0;
    assert!(
        (mean - evaluated.mean).abs() < 1e-9,
        "{returns:?} against {evaluated:?}"
    );
    assert_eq!(evaluated.max, returns.iter().copied().fold(f64::MIN, f64::max));
}

#[test]
fn a_saved_policy_acts_alike() {
    let policy = trainer().policy();
    let copy = Policy::load(&policy.save().unwrap()).unwrap();
    let (mut a, mut b) = ([0.3, -1.0], [0.3, -1.0]);
    policy.actor(2).act(&[0.1, 0.2, 0.3, 0.4], &mut a);
    copy.actor(2).act(&[0.1, 0.2, 0.3, 0.4], &mut b);
    assert_eq!(a, b);
    assert_eq!(copy.save().unwrap(), policy.save().unwrap());
}

/// The policy file with one text in its header replaced by another of any length.
fn with_header(policy: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(policy[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&policy[8..8 + length]).unwrap();
    assert!(header.contains(from), "{header}");
    let header = header.replacen(from, to, 1);
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &policy[8 + length..],
    ]
    .concat()
}

#[test]
fn hostile_policies_are_refused() {
    let file = trainer().policy().save().unwrap();
    assert!(
        Policy::load(&with_header(&file, "toy", "toy2")).is_ok(),
        "the replacement itself does no damage"
    );
    for (from, to) in [
        (r#"\"input\":11"#, r#"\"input\":12"#),
        (r#"\"hidden\":[32,32]"#, r#"\"hidden\":[4000000000,4000000000]"#),
        (r#"\"hidden\":[32,32]"#, r#"\"hidden\":[32,32,32]"#),
        (r#"\"hidden\":[32,32]"#, r#"\"hidden\":[0]"#),
        (r#"\"output\":1"#, r#"\"output\":2"#),
        (r#"\"time_embedding\":8"#, r#"\"time_embedding\":7"#),
        (r#"\"flow_steps\":10"#, r#"\"flow_steps\":0"#),
        (r#"\"flow_steps\":10"#, r#"\"flow_steps\":4000000000"#),
        (r#"[\"target\",1]"#, r#"[\"target\",18446744073709551615]"#),
        (r#"[\"target\",1]"#, r#"[\"target\",-1]"#),
        (r#"\"middle\":[0.0]"#, r#"\"middle\":[]"#),
        (r#"\"middle\":[0.0]"#, r#"\"middle\":[1e300]"#),
        (r#"\"format\":1"#, r#"\"format\":2"#),
        ("fpo_policy", "something_else"),
        ("policy.0.weight", "policy.7.weight"),
        ("normalizer.mean", "normalizer.mode"),
    ] {
        assert!(
            Policy::load(&with_header(&file, from, to)).is_err(),
            "{from} → {to}"
        );
    }
    assert!(matches!(
        Policy::load(&with_header(&file, r#"\"format\":1"#, r#"\"format\":2"#)),
        Err(PolicyError::Format(2))
    ));
    for cut in 0..file.len().min(2000) {
        assert!(Policy::load(&file[..cut]).is_err());
    }
    let mut poisoned = file.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(
        Policy::load(&poisoned).is_err(),
        "a parameter that is not a number"
    );
}
