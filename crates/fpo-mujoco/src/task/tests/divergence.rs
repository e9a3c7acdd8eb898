//! Simulations that diverge.

use super::{make, reset};
use fpo_env::{Env, StepEnd};

#[test]
fn a_divergent_simulation_ends_the_episode_and_can_be_reset() {
    for name in [
        "cheetah-run",
        "humanoid-run",
        "reacher-easy",
        "acrobot-swingup",
        "HalfCheetah-v5",
        "Walker2d-v5",
    ] {
        let mut env = make(name);
        let first = reset(&mut env, 0);
        env.physics.qvel_mut().fill(1e11);
        let action = vec![0.0; env.spec().action_dim()];
        let mut observation = vec![7.0; first.len()];
        for _ in 0..3 {
            let step = env.step(&action, &mut observation);
            assert_eq!((step.end, step.reward), (StepEnd::Diverged, 0.0), "{name}");
            assert_eq!(observation, first, "{name}: the last finite observation");
        }
        // After saving and loading, it still needs a reset.
        let mut state = Vec::new();
        env.save_state(&mut state).expect("it gives one");
        let mut loaded = make(name);
        loaded.load_state(&state).expect("its own state");
        assert_eq!(
            loaded.step(&action, &mut observation).end,
            StepEnd::Diverged,
            "{name}"
        );

        assert_eq!(reset(&mut env, 0), first, "{name}");
        assert_eq!(
            env.step(&action, &mut observation).end,
            StepEnd::Running,
            "{name}"
        );
    }
}

#[test]
fn a_control_that_is_not_finite_ends_the_episode() {
    let mut env = make("cheetah-run");
    let first = reset(&mut env, 0);
    let mut observation = first.clone();
    let step = env.step(&[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0], &mut observation);
    assert_eq!(
        (step.end, step.reward, observation),
        (StepEnd::Diverged, 0.0, first)
    );
}

#[test]
fn warnings_write_no_log_file() {
    let mut env = make("cheetah-run");
    let mut observation = reset(&mut env, 0);
    env.physics.qvel_mut().fill(f64::NAN);
    assert_eq!(env.step(&[0.0; 6], &mut observation).end, StepEnd::Diverged);
    assert!(!std::path::Path::new("MUJOCO_LOG.TXT").exists());
}
