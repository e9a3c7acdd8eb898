//! Pictures of the tasks. If EGL cannot be loaded, these tests print that and pass.

use std::collections::HashSet;
use std::process::Command;
use std::{env, thread};

use fpo_env::{Env, Picture, RenderError};
use fpo_rng::{Key, Philox, Stream};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// An environment of a task at an initial state of its own.
fn make(task: &str) -> Box<dyn Env> {
    let mut env = fpo_mujoco::task(task).expect("a task").make().unwrap();
    let mut observation = vec![0.0; env.spec().observation_dim()];
    env.reset(
        &mut Philox::new(Key::new(7, Stream::Reset)),
        &mut observation,
    );
    env
}

fn step(env: &mut dyn Env, times: usize) {
    let mut observation = vec![0.0; env.spec().observation_dim()];
    let action: Vec<f32> = (0..env.spec().action_dim())
        .map(|i| if i % 2 == 0 { 0.9 } else { -0.9 })
        .collect();
    for _ in 0..times {
        env.step(&action, &mut observation);
    }
}

/// The picture, or `None` if this machine has no EGL or no driver for it.
fn draw(env: &mut dyn Env) -> Option<Picture> {
    match env.render(WIDTH, HEIGHT) {
        Ok(picture) => {
            assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT));
            assert_eq!(picture.rgb.len(), (3 * WIDTH * HEIGHT) as usize);
            Some(picture)
        }
        Err(RenderError(why))
            if why.contains("EGL, which cannot be loaded")
                || why.contains("no device to draw with") =>
        {
            eprintln!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Pixels that differ visibly between two pictures.
fn changed(a: &Picture, b: &Picture) -> usize {
    let pixels = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3));
    pixels
        .filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 24))
        .count()
}

/// Pixels in the orange of the suite's bodies; floor and sky are blue and black.
fn orange(picture: &Picture) -> usize {
    picture
        .rgb
        .chunks_exact(3)
        .filter(|p| p[0] > 100 && u32::from(p[0]) > u32::from(p[2]) + 40)
        .count()
}

#[test]
fn pictures_show_the_agent_and_follow_the_state() {
    // Minimum numbers of pixels that the agent covers and that change when it moves.
    for (task, covers, changes) in [
        ("cheetah-run", 5000, 3000),
        ("humanoid-run", 4000, 3000),
        ("ball_in_cup-catch", 1000, 500),
    ] {
        let mut env = make(task);
        let Some(before) = draw(&mut *env) else {
            return;
        };
        let seen = orange(&before);
        assert!(seen > covers, "{task}: {seen} pixels of the agent");
        step(&mut *env, 40);
        let after = draw(&mut *env).unwrap();
        let moved = changed(&before, &after);
        assert!(moved > changes, "{task}: {moved} pixels changed");
    }
}

#[test]
fn every_domain_has_a_picture_with_its_agent() {
    let mut domains = HashSet::new();
    for task in fpo_mujoco::tasks() {
        let name = &task.spec().name;
        if !domains.insert(name.split('-').next().map(str::to_owned)) {
            continue;
        }
        let mut env = make(name);
        step(&mut *env, 5);
        let Some(picture) = draw(&mut *env) else {
            return;
        };
        assert!(
            orange(&picture) > 300,
            "{name}: {} pixels of the agent",
            orange(&picture)
        );
        // In the suite they are blue; the half cheetah's sky is gray.
        let background =
            |p: &[u8]| p[2] > p[0] + 20 || (name == "HalfCheetah-v5" && p[0] == p[2] && p[0] > 60);
        assert!(
            picture.rgb.chunks_exact(3).any(background),
            "{name}: no floor or sky"
        );
    }
}

#[test]
fn pictures_are_upright() {
    let mut env = make("pendulum-swingup");
    let Some(picture) = draw(&mut *env) else {
        return;
    };
    // The black sky with its stars is above the floor, which is brighter.
    let rows: Vec<&[u8]> = picture.rgb.chunks_exact(3 * WIDTH as usize).collect();
    let blue = |rows: &[&[u8]]| {
        rows.iter()
            .flat_map(|row| row[2..].iter().step_by(3))
            .map(|&b| u64::from(b))
            .sum::<u64>()
    };
    assert!(blue(&rows[..40]) < blue(&rows[HEIGHT as usize - 40..]));
}

#[test]
fn drawing_does_not_change_the_state() {
    for task in ["cheetah-run", "fish-swim", "HalfCheetah-v5"] {
        let (mut drawn, mut plain) = (make(task), make(task));
        for _ in 0..5 {
            step(&mut *drawn, 3);
            step(&mut *plain, 3);
            if draw(&mut *drawn).is_none() {
                return;
            }
            let [a, b] = [&drawn, &plain].map(|env| {
                let mut state = Vec::new();
                env.save_state(&mut state).unwrap();
                state
            });
            assert!(a == b, "{task}");
        }
    }
}

#[test]
fn the_same_state_looks_the_same_from_any_thread() {
    let mut env = make("walker-walk");
    let Some(here) = draw(&mut *env) else { return };
    // The environment moves with its renderer while others draw at the same time.
    let (there, fresh) = thread::scope(|scope| {
        let there = scope.spawn(|| draw(&mut *env));
        let fresh = scope.spawn(|| draw(&mut *make("walker-walk")));
        (
            there.join().unwrap().unwrap(),
            fresh.join().unwrap().unwrap(),
        )
    });
    assert_eq!(changed(&here, &there), 0);
    assert_eq!(changed(&here, &fresh), 0);
    assert_eq!(changed(&here, &draw(&mut *env).unwrap()), 0);
}

#[test]
fn sizes_can_be_any_within_reason() {
    let mut env = make("reacher-easy");
    if draw(&mut *env).is_none() {
        return;
    }
    // Odd rows, beyond the model's own limit of 640×480, and back.
    for (width, height) in [(33, 17), (1280, 720), (1, 1), (33, 17)] {
        let picture = env.render(width, height).unwrap();
        assert_eq!((picture.width, picture.height), (width, height));
        assert_eq!(picture.rgb.len(), (3 * width * height) as usize);
        assert!(
            picture.rgb.iter().any(|&value| value > 0),
            "{width}×{height} is black"
        );
    }
    for (width, height) in [(0, 480), (640, 0), (100_000, 480), (u32::MAX, u32::MAX)] {
        let error = env.render(width, height).unwrap_err().to_string();
        assert!(
            error.contains(&format!("not {width}×{height}")) && !error.contains('\n'),
            "{error}"
        );
    }
    assert!(
        draw(&mut *env).is_some(),
        "an error leaves the environment usable"
    );
}

/// A separate process in which EGL exists but has no driver.
#[test]
fn without_a_driver_it_says_what_to_install() {
    const CHILD: &str = "FPO_TEST_WITHOUT_DRIVER";
    if env::var_os(CHILD).is_some() {
        let error = make("cheetah-run")
            .render(WIDTH, HEIGHT)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("apt-get install libegl1 libgl1-mesa-dri"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "render::without_a_driver_it_says_what_to_install",
        ])
        .env(CHILD, "1")
        // The search paths of libglvnd and Mesa for drivers.
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/dev/null")
        .env("LIBGL_DRIVERS_PATH", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
