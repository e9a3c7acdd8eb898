//! Initial states follow dm_control's rules.

use crate::task::ModelEnv;
use crate::task::tests::distributions::{assert_normal, assert_uniform, draws};
use crate::task::tests::{Golden, make, reset};
use fpo_env::Task;
use std::f64::consts::PI;

/// The entries `qpos[..N]`.
fn qpos<const N: usize>(env: &ModelEnv) -> [f64; N] {
    std::array::from_fn(|i| env.physics.qpos()[i])
}

#[test]
fn moments_are_those_of_dm_control() {
    const RESETS: u64 = 500;
    let golden = Golden::open("initial_states.safetensors");
    for task in super::TASKS.iter() {
        let name = &task.spec().name;
        let moment = |kind: &str| {
            golden
                .get(&format!("{name}.{kind}"))
                .expect("every task has it")
        };
        let (mean, variance, fourth) = (moment("mean"), moment("variance"), moment("fourth"));
        let mut env = make(name);
        let rows: Vec<Vec<f64>> = (0..RESETS)
            .map(|step| {
                reset(&mut env, step);
                [
                    env.physics.qpos(),
                    env.physics.qvel(),
                    env.observation.values(),
                ]
                .concat()
            })
            .collect();
        assert_eq!(rows[0].len(), mean.len(), "{name}");
        // The standard error of the difference: dm_control's values are over 4000 resets.
        let n = 1.0 / (1.0 / RESETS as f64 + 1.0 / 4000.0);
        for i in 0..mean.len() {
            let m = rows.iter().map(|row| row[i]).sum::<f64>() / RESETS as f64;
            let v = rows.iter().map(|row| (row[i] - m).powi(2)).sum::<f64>() / RESETS as f64;
            let error_m = (m - mean[i]).abs() / (variance[i] / n).sqrt().max(1e-9);
            let error_v =
                (v - variance[i]).abs() / ((fourth[i] - variance[i].powi(2)) / n).sqrt().max(1e-9);
            assert!(
                error_m < 5.0,
                "{name}[{i}]: mean {m} instead of {}, {error_m} sigma",
                mean[i]
            );
            assert!(
                error_v < 6.0,
                "{name}[{i}]: variance {v} instead of {}, {error_v} sigma",
                variance[i]
            );
        }
    }
}

#[test]
fn cartpole() {
    let read = |env: &ModelEnv| {
        let (q, v) = (env.physics.qpos(), env.physics.qvel());
        [q[0], q[1], v[0], v[1]]
    };
    for name in ["cartpole-balance", "cartpole-balance_sparse"] {
        let [cart, pole, v0, v1] = draws(name, 2000, read);
        assert_uniform("cart", &cart, -0.1, 0.1);
        assert_uniform("pole", &pole, -0.034, 0.034);
        assert_normal("cart velocity", &v0, 0.0, 0.01);
        assert_normal("pole velocity", &v1, 0.0, 0.01);
    }
    for name in ["cartpole-swingup", "cartpole-swingup_sparse"] {
        let [cart, pole, v0, v1] = draws(name, 2000, read);
        assert_normal("cart", &cart, 0.0, 0.01);
        assert_normal("pole", &pole, PI, 0.01);
        assert_normal("cart velocity", &v0, 0.0, 0.01);
        assert_normal("pole velocity", &v1, 0.0, 0.01);
    }
}

#[test]
fn pendulum_and_acrobot() {
    let [hinge] = draws("pendulum-swingup", 2000, qpos);
    assert_uniform("hinge", &hinge, -PI, PI);
    let [shoulder, elbow] = draws("acrobot-swingup", 2000, qpos);
    assert_uniform("shoulder", &shoulder, -PI, PI);
    assert_uniform("elbow", &elbow, -PI, PI);
}

#[test]
fn point_mass() {
    let columns: [_; 2] = draws("point_mass-easy", 2000, qpos);
    for column in columns {
        assert_uniform("position", &column, -0.29, 0.29);
    }
}

#[test]
fn reacher() {
    for name in ["reacher-easy", "reacher-hard"] {
        let [shoulder, wrist, radius, angle] = draws(name, 2000, |env| {
            let [x, y, z] = env
                .physics
                .geom_pos(env.physics.model().geom("target").expect("it is there"));
            assert_eq!(z, 0.01);
            let [shoulder, wrist] = qpos(env);
            [shoulder, wrist, x.hypot(y), y.atan2(x)]
        });
        assert_uniform("shoulder", &shoulder, -PI, PI);
        assert_uniform(
            "wrist",
            &wrist,
            (-160_f64).to_radians(),
            160_f64.to_radians(),
        );
        assert_uniform("radius", &radius, 0.05, 0.2);
        assert_uniform("angle", &angle, -PI, PI);
    }
}

#[test]
fn ball_in_cup() {
    let [x, z] = draws("ball_in_cup-catch", 2000, |env| {
        assert_eq!(env.physics.contacts(), 0);
        assert_eq!(env.physics.qpos()[..2], [0.0; 2], "the cup stays");
        [env.physics.qpos()[2], env.physics.qpos()[3]]
    });
    // Positions where the ball would touch the cup are excluded, so neither coordinate is uniform.
    assert!(x.iter().all(|x| (-0.2..0.2).contains(x)) && z.iter().all(|z| (0.2..0.5).contains(z)));
}

#[test]
fn finger() {
    for name in ["finger-spin", "finger-turn_easy", "finger-turn_hard"] {
        let [_, distal, hinge] = draws(name, 500, |env| {
            assert_eq!(env.physics.contacts(), 0);
            qpos(env)
        });
        assert!(
            distal.iter().all(|x| x.abs() <= 110_f64.to_radians())
                && hinge.iter().all(|x| x.abs() <= PI)
        );
    }
    // Target relative to the hinge: the last entries of the observation but one.
    let [radius, angle] = draws("finger-turn_easy", 2000, |env| {
        let [x, z] = [9, 10].map(|i| env.observation.values()[i]);
        [x.hypot(z), x.atan2(z)]
    });
    assert!(radius.iter().all(|r| (r - 0.13).abs() < 1e-12));
    assert_uniform("target angle", &angle, -PI, PI);
}

#[test]
fn fish() {
    for name in ["fish-upright", "fish-swim"] {
        let joints: [_; 7] = draws(name, 2000, |env| {
            std::array::from_fn(|i| env.physics.qpos()[7 + i])
        });
        for joint in joints {
            assert_uniform("joint", &joint, -0.2, 0.2);
        }
        // For a rotation uniform over all rotations, the vertical axis is uniform on the sphere.
        let [upright] = draws(name, 2000, |env| [env.observation.values()[7]]);
        assert_uniform("upright", &upright, -1.0, 1.0);
    }
    let [x, y, z] = draws("fish-swim", 2000, |env| {
        env.physics
            .geom_pos(env.physics.model().geom("target").expect("it is there"))
    });
    assert_uniform("target x", &x, -0.4, 0.4);
    assert_uniform("target y", &y, -0.4, 0.4);
    assert_uniform("target z", &z, 0.1, 0.3);
}

#[test]
fn walker_and_hopper() {
    // The planar root: place at the reference, any rotation; then limited joints.
    for (name, joints) in [("walker-walk", 6), ("hopper-hop", 4)] {
        let mut env = make(name);
        let mut columns = vec![Vec::new(); 1 + joints];
        for step in 0..2000 {
            reset(&mut env, step);
            assert_eq!(env.physics.qpos()[..2], [0.0; 2], "{name}");
            assert!(env.physics.qvel().iter().all(|&v| v == 0.0), "{name}");
            columns
                .iter_mut()
                .zip(&env.physics.qpos()[2..])
                .for_each(|(column, &x)| column.push(x));
        }
        assert_uniform("root", &columns[0], -PI, PI);
        for (joint, column) in columns.iter().enumerate().skip(1) {
            let range = &env.physics.model().joint_ranges()[2 * (joint + 2)..][..2];
            assert!(range[1] > range[0]);
            assert_uniform(&format!("{name} joint {joint}"), column, range[0], range[1]);
        }
    }
}

#[test]
fn cheetah() {
    let mut env = make("cheetah-run");
    for step in 0..200 {
        reset(&mut env, step);
        // Settled: it lies or stands on the ground, with its joints approximately within their
        // limits.
        let (qpos, ranges) = (env.physics.qpos(), env.physics.model().joint_ranges());
        for joint in 3..9 {
            let (low, high) = (ranges[2 * joint] - 0.15, ranges[2 * joint + 1] + 0.15);
            assert!(
                (low..high).contains(&qpos[joint]),
                "joint {joint} is at {}",
                qpos[joint]
            );
        }
        assert!(env.physics.qvel().iter().all(|v| v.abs() < 10.0));
        assert!(env.physics.contacts() > 0, "it is on the ground");
    }
}

#[test]
fn humanoid() {
    for name in ["humanoid-stand", "humanoid-walk", "humanoid-run"] {
        let mut env = make(name);
        for step in 0..300 {
            reset(&mut env, step);
            assert_eq!(env.physics.contacts(), 0);
            let (qpos, model) = (env.physics.qpos(), env.physics.model());
            assert_eq!(qpos[..3], [0.0, 0.0, 1.5]);
            // dm_control draws the entries of this quaternion from [0, 1].
            assert!(qpos[3..7].iter().all(|&x| x >= 0.0));
            assert!((qpos[3..7].iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
            for joint in 1..22 {
                let range = &model.joint_ranges()[2 * joint..][..2];
                assert!((range[0]..=range[1]).contains(&qpos[6 + joint]));
            }
        }
    }
}
