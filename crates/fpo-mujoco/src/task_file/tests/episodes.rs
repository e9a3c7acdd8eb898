//! Environments of task files: commands, randomization, pushes, ends, states.

use super::{example, load};
use crate::physics::Field;
use crate::task::tests::reset;
use crate::task_file::env::FileEnv;
use fpo_env::{Env, Extras, StepEnd, Task};
use fpo_rng::{Key, Philox, Stream};

/// The examples with models of our own.
const OWN: [&str; 3] = ["arm-reach", "cart-follow", "rover"];

/// Steps with random actions; everything that comes of it as bytes.
fn steps(env: &mut FileEnv, n: usize, seed: u64) -> Vec<u8> {
    let mut rng = Philox::new(Key::new(seed, Stream::Test));
    let critic = env.plan.critic.iter().map(|(_, n)| n).sum();
    let mut action = vec![0.0; env.spec().action_dim()];
    let mut observation = vec![0.0; env.spec().observation_dim()];
    let mut of_critic = vec![0.0; critic];
    let mut bytes = Vec::new();
    for _ in 0..n {
        action.iter_mut().for_each(|x| *x = 2.0 * rng.unit() - 1.0);
        let step = env.step(&action, &mut observation);
        env.critic_observation(&mut of_critic);
        let numbers = observation.iter().chain(&of_critic).chain([&step.reward]);
        bytes.extend(numbers.flat_map(|x| x.to_le_bytes()));
        bytes.push((step.end == StepEnd::Running).into());
    }
    bytes
}

fn saved(env: &FileEnv) -> Vec<u8> {
    let mut state = Vec::new();
    env.save_state(&mut state).unwrap();
    state
}

/// Commands, pushes, moved bodies and randomized masses included, over several draws of each.
#[test]
fn a_saved_state_continues_bit_for_bit() {
    for name in OWN {
        let task = example(name);
        let mut original = task.make_env().unwrap();
        reset(&mut original, 3);
        steps(&mut original, 150, 1);
        let state = saved(&original);
        let mut fresh = task.make_env().unwrap();
        fresh.load_state(&state).unwrap();
        assert!(saved(&fresh) == state, "{name}");
        let mut used = task.make_env().unwrap();
        reset(&mut used, 9);
        steps(&mut used, 20, 2);
        used.load_state(&state).unwrap();
        let expected = steps(&mut original, 300, 4);
        assert!(steps(&mut fresh, 300, 4) == expected, "{name}: a fresh one");
        assert!(steps(&mut used, 300, 4) == expected, "{name}: a used one");
        assert!(saved(&used) == saved(&original), "{name}");
    }
}

#[test]
fn an_episode_is_a_function_of_its_generator_and_the_actions() {
    for name in OWN {
        let task = example(name);
        let (mut a, mut b) = (task.make_env().unwrap(), task.make_env().unwrap());
        reset(&mut b, 1);
        steps(&mut b, 200, 5);
        assert_eq!(reset(&mut a, 8), reset(&mut b, 8), "{name}");
        assert!(steps(&mut a, 250, 6) == steps(&mut b, 250, 6), "{name}");
    }
}

#[test]
fn foreign_and_damaged_states_are_refused() {
    let (rover, cart) = (example("rover"), example("cart-follow"));
    let mut env = rover.make_env().unwrap();
    reset(&mut env, 0);
    let state = saved(&env);
    let mut other = cart.make_env().unwrap();
    reset(&mut other, 0);
    let mut nan = state.clone();
    nan[17..25].copy_from_slice(&f64::NAN.to_le_bytes());
    for bytes in [saved(&other), vec![], state[..40].to_vec(), nan] {
        assert!(env.load_state(&bytes).is_err());
    }
    assert!(saved(&env) == state, "a refused state changes nothing");
}

/// A task of one body that slides.
const SLIDER: &str = "<mujoco>
  <option timestep='0.01' gravity='0 0 0'/>
  <worldbody>
    <geom name='ground' type='plane' size='1 1 1' friction='0.5 0.1 0.1'/>
    <body name='cart' pos='0 0 1'>
      <joint name='x' type='slide' axis='1 0 0' damping='2'/>
      <geom name='box' size='0.1' mass='3'/>
      <body name='load'><geom size='0.1' mass='1'/></body>
    </body>
    <body name='mark' mocap='true'/>
  </worldbody>
  <actuator>
    <position name='servo' joint='x' kp='10' ctrlrange='-2 2' ctrllimited='true'/>
  </actuator>
  <keyframe><key name='home' qpos='0.25' ctrl='0.5'/></keyframe>
</mujoco>";

fn slider(more: &str) -> FileEnv {
    let text = format!(
        "name = 'slider'\nmodel = 'm.xml'\nstep_limit = 40\n{more}\n\
         [observation]\nx = \"joint('x').position\"\n\
         [reward]\nplus = {{ weight = 2, value = 'time' }}\nminus = \"-abs(joint('x').position)\""
    );
    let task = load(&text, &[("m.xml", SLIDER)]).unwrap_or_else(|why| panic!("{why}"));
    task.make_env().unwrap()
}

#[test]
fn rewards_are_weighted_and_reported() {
    let mut env = slider("decimation = 3\ntermination.far = \"time > 0.05\"");
    reset(&mut env, 0);
    let mut observation = [0.0];
    let first = env.step(&[1.0], &mut observation);
    let x = f64::from(observation[0]);
    assert!(x > 0.0, "it moves towards 1: {x}");
    assert!(
        (f64::from(first.reward) - (2.0 * 0.03 - x)).abs() < 1e-6,
        "{first:?}"
    );
    let mut extras = Extras::default();
    env.extras(&mut extras);
    let means = extras.means();
    assert_eq!(means.len(), 2);
    assert!(
        (means[1].1 - 0.06).abs() < 1e-6 && means[1].0 == "reward/plus",
        "{means:?}"
    );
    assert!(
        (means[0].1 + x).abs() < 1e-6 && means[0].0 == "reward/minus",
        "{means:?}"
    );
    let second = env.step(&[1.0], &mut observation);
    assert_eq!(second.end, StepEnd::Terminated);
    env.extras(&mut extras);
    let means = extras.means();
    assert_eq!(means.last(), Some(&("termination/far".to_owned(), 1.0)));
}

#[test]
fn offsets_are_from_the_default_pose() {
    let action = "[action]\nmode = 'offset'\ndefault = 'home'\nscale = 4";
    let mut env = slider(action);
    assert_eq!(
        (env.spec().action_min[0], env.spec().action_max[0]),
        (-1.0, 1.0)
    );
    reset(&mut env, 0);
    let mut observation = [0.0];
    // The control is 0.5 + 4 × action, at most 2.
    for (action, control) in [(0.0, 0.5), (-0.25, -0.5), (1.0, 2.0), (-1.0, -2.0)] {
        env.step(&[action], &mut observation);
        assert_eq!(env.physics.ctrl(), [control]);
    }
    let mut env = slider("[action]\nrange = [-0.5, 0.25]\n[reset]\nkeyframe = 'home'");
    assert_eq!(env.spec().action_max, [0.25]);
    assert_eq!(reset(&mut env, 0), [0.25]);
}

#[test]
fn episodes_begin_within_their_ranges() {
    let reset_to = |how: &str| {
        let mut env = slider(&format!(
            "[reset]\nkeyframe = 'home'\nposition = {{ x = {how} }}"
        ));
        (0..200)
            .map(|i| f64::from(reset(&mut env, i)[0]))
            .collect::<Vec<_>>()
    };
    for (how, low, high) in [
        ("[-1, 2]", -1.0, 2.0),
        ("{ around = [-0.1, 0.1] }", 0.15, 0.35),
        ("{ within = \"[-pi, 0]\" }", -std::f64::consts::PI, 0.0),
    ] {
        let drawn = reset_to(how);
        let least = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let most = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let width = high - low;
        assert!(
            least >= low - 1e-6 && most <= high + 1e-6,
            "{how}: {least} … {most}"
        );
        assert!(
            least < low + 0.1 * width && most > high - 0.1 * width,
            "{how}"
        );
    }
}

#[test]
fn parameters_vary_from_episode_to_episode_and_not_by_more() {
    let randomize = |property: &str| {
        format!("[[randomize]]\nproperty = '{property}'\nscale = [0.5, 2]\neach = true")
    };
    let all = ["friction", "mass", "damping", "gain"]
        .map(randomize)
        .join("\n");
    let mut env = slider(&all);
    let mut seen: Vec<[f64; 5]> = Vec::new();
    for i in 0..50 {
        reset(&mut env, i);
        let mut one = |field, i: usize| env.physics.field_mut(field)[i];
        // Bodies: the world, the cart, its load, the mark.
        let (cart, load) = (one(Field::BodyMass, 1), one(Field::BodyMass, 2));
        assert!((one(Field::SubtreeMass, 1) - cart - load).abs() < 1e-12);
        let (gain, bias) = (one(Field::Gain, 0), one(Field::Bias, 1));
        assert_eq!(gain, -bias, "a servo stays one");
        let row = [
            one(Field::GeomFriction, 0) / 0.5,
            cart / 3.0,
            load,
            one(Field::Damping, 0) / 2.0,
            gain / 10.0,
        ];
        assert!(row.iter().all(|x| (0.5..=2.0).contains(x)), "{row:?}");
        seen.push(row);
    }
    for column in 0..5 {
        let mut values: Vec<f64> = seen.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        assert_eq!(values.len(), 50, "column {column}");
    }
    // What is shared is as it was.
    assert_eq!(slider("").plan.model.dampings()[0], 2.0);
}

#[test]
fn commands_are_drawn_again_and_move_bodies() {
    let command = "[command.place]\nrange = [[1, 2], [-3, -2]]\nresample = 0.1\n\
                   [move]\nmark = \"[command('place'), time]\"";
    let mut env = slider(command);
    reset(&mut env, 0);
    let mut observation = [0.0];
    let mut changes = Vec::new();
    let mut last = env.episode.commands.clone();
    for step in 1..=40 {
        env.step(&[0.0], &mut observation);
        assert!((1.0..=2.0).contains(&env.episode.commands[0]));
        assert!((-3.0..=-2.0).contains(&env.episode.commands[1]));
        if env.episode.commands != last {
            changes.push(step);
            last.clone_from(&env.episode.commands);
        }
    }
    assert_eq!(changes, [10, 20, 30, 40], "every 0.1 s of steps of 0.01 s");
    env.step(&[0.0], &mut observation);
    let mark = &env.physics.xpos()[9..12];
    assert_eq!(mark[..2], env.episode.commands[..]);
    assert!((mark[2] - 0.4).abs() < 1e-9, "{mark:?}");
}

#[test]
fn pushes_come_and_go() {
    let push = "[[push]]\nbody = 'cart'\nforce = [5, 6]\nduration = 0.03\nevery = 0.1";
    let mut env = slider(push);
    reset(&mut env, 0);
    let mut observation = [0.0];
    let mut pushed = Vec::new();
    for step in 0..40 {
        env.step(&[0.0], &mut observation);
        let force = &env.physics.applied_mut()[6..9];
        let size = force[0].hypot(force[1]);
        assert!(force[2] == 0.0 && (size == 0.0 || (5.0..=6.0).contains(&size)));
        if size > 0.0 {
            pushed.push(step);
        }
    }
    assert_eq!(pushed, [10, 11, 12, 23, 24, 25, 36, 37, 38]);
}

#[test]
fn a_diverged_simulation_ends_its_episode() {
    let mut env = slider("");
    let first = reset(&mut env, 0);
    env.physics.qvel_mut().fill(1e11);
    let mut observation = [7.0];
    for _ in 0..2 {
        let step = env.step(&[0.0], &mut observation);
        assert_eq!((step.end, step.reward), (StepEnd::Diverged, 0.0));
        assert_eq!(observation[..], first);
    }
    reset(&mut env, 0);
    assert_eq!(
        env.step(&[f32::NAN], &mut observation).end,
        StepEnd::Diverged
    );
    reset(&mut env, 0);
    assert_eq!(env.step(&[0.0], &mut observation).end, StepEnd::Running);
}

/// A term that fails late is not hidden: the reward is not finite, which stops a training, and the
/// task says which term it was.
#[test]
fn a_term_that_fails_is_named() {
    let text = "name = 'slider'\nmodel = 'm.xml'\n[observation]\nx = 'qpos'\n\
                [reward]\nfine = 1\nbroken = 'log(0.5 - time)'";
    let task = load(text, &[("m.xml", SLIDER)]).unwrap_or_else(|why| panic!("{why}"));
    let mut env = task.make().unwrap();
    reset(env.as_mut(), 0);
    let mut observation = [0.0];
    let mut rewards = (0..60).map(|_| env.step(&[0.0], &mut observation).reward);
    assert!(rewards.by_ref().take(40).all(f32::is_finite));
    assert!(rewards.any(|reward| reward.is_nan()));
    let fault = task.fault().unwrap();
    assert!(
        fault.contains("task.toml:7: reward.broken: this became"),
        "{fault}"
    );
}

/// The velocities of bodies and sites are the derivatives of their positions, also in a frame.
#[test]
fn velocities_are_derivatives_of_positions() {
    let text = "name = 'arm'\nmodel = 'm.xml'\n[observation]\n\
        p = \"[body('fore').position, site('tip').position, geom('g').position]\"\n\
        v = \"[body('fore').velocity, site('tip').velocity, geom('g').velocity]\"\n\
        local = \"site('tip').in('fore').velocity\"\n\
        turned = \"unrotate(body('fore').rotation, site('tip').velocity)\"\n\
        w = \"[body('fore').angular_velocity, joint('a', 'b').velocity]\"\n\
        r = \"[site('tip').in('fore').position, body('fore').in('fore').rotation]\"\n\
        [reward]\nnone = 0";
    let model = "<mujoco><option timestep='0.0001' gravity='0 0 0'/><worldbody>
        <body name='upper' pos='0 0 1'><joint name='a' axis='0 1 0'/><geom size='0.1'/>
          <body name='fore' pos='0.3 0 0'><joint name='b' axis='0 1 0'/>
            <geom name='g' size='0.05' pos='0.2 0.1 0'/>
            <site name='tip' pos='0.4 0.1 0.1'/></body></body></worldbody>
        <actuator><motor joint='a' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>";
    let task = load(text, &[("m.xml", model)]).unwrap_or_else(|why| panic!("{why}"));
    let mut env = task.make_env().unwrap();
    reset(&mut env, 0);
    env.physics.qvel_mut().copy_from_slice(&[1.0, -3.0]);
    let row = |env: &mut FileEnv| {
        env.advance([0.0].into_iter()).unwrap();
        env.observation().collect::<Vec<_>>()
    };
    let (before, after) = (row(&mut env), row(&mut env));
    for i in 0..9 {
        let slope = (after[i] - before[i]) / 1e-4;
        let velocity = 0.5 * (before[9 + i] + after[9 + i]);
        assert!(
            (slope - velocity).abs() < 1e-3,
            "{i}: {slope} and {velocity}"
        );
    }
    assert!(after[9..12].iter().any(|v| v.abs() > 0.2));
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(near(&after[18..21], &after[21..24]), "{:?}", &after[18..24]);
    // Both joints turn about the same axis.
    assert!(near(&after[24..27], &[0.0, after[27] + after[28], 0.0]));
    assert!(near(&after[29..32], &[0.4, 0.1, 0.1]));
    assert!(near(
        &after[32..41],
        &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    ));
}
