//! Tasks of the suite, written as files, are the suite's.

use super::example;
use crate::task::tests::{Golden, make, reset};
use fpo_env::{Env, Task};

const TASKS: [&str; 2] = ["cheetah-run", "walker-walk"];

/// Bound on the difference of every observation and reward.
const TOLERANCE: f64 = 1e-12;

#[test]
fn they_are_equal_over_the_golden_trajectories() {
    for name in TASKS {
        let golden = Golden::open(&format!("{name}-0.safetensors"));
        let mut suite = make(name);
        let mut file = example(name).make_env().unwrap();
        let (nq, nv) = (suite.physics.qpos().len(), suite.physics.qvel().len());
        let qpos = &golden.rows("qpos", nq)[0];
        let qvel = &golden.rows("qvel", nv)[0];
        let warmstart = golden.get("qacc_warmstart").unwrap();
        for physics in [&mut suite.physics, &mut file.physics] {
            physics.qpos_mut().copy_from_slice(qpos);
            physics.qvel_mut().copy_from_slice(qvel);
            physics.warmstart_mut().copy_from_slice(&warmstart);
            physics.set_time(golden.get("time").unwrap()[0]);
            physics.forward().unwrap();
            physics.warmstart_mut().copy_from_slice(&warmstart);
        }
        let mut worst: f64 = 0.0;
        let actions = golden.rows("action", suite.spec().action_dim());
        for (step, action) in actions.iter().enumerate() {
            suite.physics.ctrl_mut().copy_from_slice(action);
            let transition = suite.advance().unwrap();
            let (reward, ended) = file.advance(action.iter().copied()).unwrap();
            assert!(!ended);
            let ours: Vec<f64> = file.observation().chain([reward]).collect();
            let theirs = [suite.observation.values(), &[transition.reward]].concat();
            assert_eq!(ours.len(), theirs.len());
            for (a, b) in ours.iter().zip(&theirs) {
                worst = worst.max((a - b).abs());
            }
            assert!(worst <= TOLERANCE, "{name}: off by {worst} at step {step}");
        }
        println!("{name}: within {worst:e} over {} steps", actions.len());
        assert!(actions.len() >= 40);
    }
}

/// Initial states, too, and so everything that a policy ever sees.
#[test]
fn whole_episodes_are_equal_bit_for_bit() {
    for name in TASKS {
        let mut suite = make(name);
        let mut file = example(name).make_env().unwrap();
        for episode in 0..3 {
            assert_eq!(
                reset(&mut suite, episode),
                reset(&mut file, episode),
                "{name}"
            );
            let mut rng = fpo_rng::Philox::new(fpo_rng::Key::new(7, fpo_rng::Stream::Test));
            let mut action = vec![0.0; suite.spec().action_dim()];
            let mut observations = [0, 1].map(|_| vec![0.0; suite.spec().observation_dim()]);
            for step in 0..100 {
                action.iter_mut().for_each(|x| *x = 2.0 * rng.unit() - 1.0);
                let [a, b] = &mut observations;
                let steps = (suite.step(&action, a), file.step(&action, b));
                assert_eq!(steps.0, steps.1, "{name}, step {step}");
                assert_eq!(a, b, "{name}, step {step}");
            }
        }
    }
}

#[test]
fn they_have_the_suites_shapes() {
    for name in TASKS {
        let (suite, file) = (make(name), example(name));
        let (suite, file) = (suite.spec(), file.spec());
        assert_eq!(suite.observation, file.observation);
        assert_eq!(suite.action_min, file.action_min);
        assert_eq!(suite.action_max, file.action_max);
        assert_eq!(suite.step_limit, file.step_limit);
        assert!((suite.control_timestep - file.control_timestep).abs() < 1e-12);
    }
}
