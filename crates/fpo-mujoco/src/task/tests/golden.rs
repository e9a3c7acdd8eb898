//! Every task replays a trajectory that dm_control 1.0.50 or Gymnasium 1.4.0 computed on MuJoCo
//! 3.17.0.

use super::{Golden, make};
use crate::task::ModelEnv;
use fpo_env::Env;
use safetensors::SafeTensors;

/// Relative error of every quantity at every step. Both sides run the same library on the same
/// numbers and differ only in the order of a few sums, so only rounding errors remain; the state is
/// compared, too.
const TOLERANCE: f64 = 1e-10;

/// Sets the model's fields as in the trajectory's reset, or checks that they are equal.
fn apply_model(env: &mut ModelEnv, golden: &Golden) {
    let positions = |name| {
        golden
            .get(name)
            .map_or(vec![], |values| values.as_chunks::<3>().0.to_vec())
    };
    // The reset moves at most one of them.
    for (geom, pos) in positions("model.geom_pos").into_iter().enumerate() {
        if env.physics.model().geom_pos(geom) != pos {
            env.physics.set_geom_pos(geom, pos);
        }
    }
    for (site, pos) in positions("model.site_pos").into_iter().enumerate() {
        if env.physics.model().site_pos(site) != pos {
            env.physics.set_site_pos(site, pos);
        }
    }
    let model = env.physics.model();
    let constants = [
        ("model.geom_size", model.geom_sizes()),
        ("model.site_size", model.site_sizes()),
        ("model.dof_damping", model.dampings()),
    ];
    for (name, ours) in constants {
        if let Some(theirs) = golden.get(name) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

fn replay(name: &str) -> f64 {
    let golden = Golden::open(&format!("{name}-0.safetensors"));
    let mut env = make(name);
    apply_model(&mut env, &golden);

    let (qpos, qvel) = (
        golden.rows("qpos", env.physics.qpos().len()),
        golden.rows("qvel", env.physics.qvel().len()),
    );
    let observations = golden.rows("observation", env.spec().observation_dim());
    let warmstart = golden
        .get("qacc_warmstart")
        .expect("every trajectory has it");
    let physics = &mut env.physics;
    physics.qpos_mut().copy_from_slice(&qpos[0]);
    physics.qvel_mut().copy_from_slice(&qvel[0]);
    physics.warmstart_mut().copy_from_slice(&warmstart);
    physics.set_time(golden.get("time").expect("every trajectory has it")[0]);
    physics.forward().expect("the first state can be simulated");
    physics.warmstart_mut().copy_from_slice(&warmstart);
    env.observe();

    let mut worst: f64 = 0.0;
    let mut compare = |what: &str, step: usize, ours: &[f64], theirs: &[f64]| {
        assert_eq!(ours.len(), theirs.len(), "{name}: {what}");
        for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
            let error = (a - b).abs() / b.abs().max(1.0);
            worst = worst.max(error);
            assert!(
                error <= TOLERANCE,
                "{name}: {what}[{i}] at step {step} is {a} instead of {b}"
            );
        }
    };
    compare("observation", 0, env.observation.values(), &observations[0]);
    let rewards = golden.get("reward").expect("every trajectory has it");
    let actions = golden.rows("action", env.spec().action_dim());
    let terminal = golden
        .get("terminal")
        .unwrap_or_else(|| vec![0.0; actions.len()]);
    assert!(actions.len() >= 40, "{name}: a trajectory of some length");
    assert_eq!(
        (rewards.len(), terminal.len(), observations.len()),
        (actions.len(), actions.len(), actions.len() + 1)
    );
    for (step, action) in actions.iter().enumerate() {
        env.physics.ctrl_mut().copy_from_slice(action);
        let transition = env.advance().expect("the trajectory does not diverge");
        compare("qpos", step + 1, env.physics.qpos(), &qpos[step + 1]);
        compare("qvel", step + 1, env.physics.qvel(), &qvel[step + 1]);
        compare(
            "observation",
            step + 1,
            env.observation.values(),
            &observations[step + 1],
        );
        compare("reward", step, &[transition.reward], &rewards[step..=step]);
        assert_eq!(
            f64::from(u8::from(transition.terminal)),
            terminal[step],
            "{name}: whether step {step} ends it"
        );
    }
    worst
}

#[test]
fn every_task_replays_its_trajectory() {
    for task in crate::tasks() {
        let name = &task.spec().name;
        let worst = replay(name);
        println!("{name}: within {worst:.1e}");
    }
}

#[test]
fn specifications_are_the_authors() {
    for task in crate::tasks() {
        let spec = task.spec();
        let golden = Golden::open(&format!("{}-0.safetensors", spec.name));
        let (_, header) = SafeTensors::read_metadata(&golden.0).expect("a safetensors file");
        let metadata = header.metadata().as_ref().expect("it has metadata");
        let list = |values: &[f32]| format!("{values:?}");
        let parts: Vec<_> = spec
            .observation
            .iter()
            .map(|(name, n)| format!("[{name:?}, {n}]"))
            .collect();
        assert_eq!(
            metadata["observations"],
            format!("[{}]", parts.join(", ")),
            "{}",
            spec.name
        );
        assert_eq!(
            metadata["action_minimum"],
            list(&spec.action_min),
            "{}",
            spec.name
        );
        assert_eq!(
            metadata["action_maximum"],
            list(&spec.action_max),
            "{}",
            spec.name
        );
        assert_eq!(
            metadata["control_timestep"].parse(),
            Ok(spec.control_timestep),
            "{}",
            spec.name
        );
        assert_eq!(
            metadata["step_limit"].parse(),
            Ok(spec.step_limit.map_or(f64::NAN, f64::from)),
            "{}",
            spec.name
        );
    }
}
