//! Robots, on MuJoCo's library. `tests/robots.json` holds the first steps of each policy of
//! `site/policies/`, and its evaluation, for `site/test/robots.mjs` to compare with a page.
//!
//! `FPO_RECORD=1 cargo test --release -p fpo-wasm robots` records them anew.

use fpo_learn::evaluate::{Noise, evaluate};
use fpo_wasm::Robot;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The seed of `fpo eval`.
const SEED: u64 = 1000;
/// Steps that are recorded.
const STEPS: usize = 100;
/// Episodes of the evaluation.
const EPISODES: usize = 16;
/// The largest difference of a recorded observation on another processor.
const TOLERANCE: f32 = 1e-3;

/// The beginning of episode 0, with noise as in training.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    task: String,
    /// Mean returns of [`EPISODES`] episodes.
    zero_noise: f64,
    random_noise: f64,
    rewards: Vec<f32>,
    actions: Vec<Vec<f32>>,
    /// Before the first step, and after each.
    observations: Vec<Vec<f32>>,
}

fn site(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../site")
        .join(path)
}

/// The policies of the site, by name.
fn policies() -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<_> = fs::read_dir(site("policies"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

fn play(bytes: &[u8]) -> Record {
    let mut robot = Robot::new(bytes, SEED).unwrap();
    let mut record = Record {
        task: robot.task().spec().name.clone(),
        zero_noise: 0.0,
        random_noise: 0.0,
        rewards: vec![],
        actions: vec![],
        observations: vec![robot.observation().to_vec()],
    };
    for _ in 0..STEPS {
        record.rewards.push(robot.act(1.0).unwrap());
        record.actions.push(robot.action().to_vec());
        record.observations.push(robot.observation().to_vec());
    }
    let mean = |noise| {
        evaluate(robot.policy(), robot.task(), SEED, EPISODES, noise)
            .unwrap()
            .mean
    };
    record.zero_noise = mean(Noise::Zero);
    record.random_noise = mean(Noise::Random);
    record
}

fn recorded() -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/robots.json");
    if std::env::var_os("FPO_RECORD").is_some() {
        let lines = policies().into_iter().map(|(_, bytes)| {
            let record = play(&bytes);
            serde_json::to_string(&record).unwrap()
        });
        let text = format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"));
        fs::write(&path, text).unwrap();
    }
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn recorded_actions_lead_where_they_led() {
    let (records, policies) = (recorded(), policies());
    assert_eq!(records.len(), policies.len());
    for (record, (path, bytes)) in records.iter().zip(policies) {
        assert_eq!(path.file_stem().unwrap().to_str(), Some(&*record.task));
        let mut robot = Robot::new(&bytes, SEED).unwrap();
        for step in 0..=STEPS {
            let pairs = robot.observation().iter().zip(&record.observations[step]);
            let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < TOLERANCE, "{} at {step}: {apart}", record.task);
            if let Some(action) = record.actions.get(step) {
                robot.step(action).unwrap();
            }
        }
    }
}

#[test]
fn an_episode_is_that_of_an_evaluation() {
    let (_, bytes) = policies().remove(0);
    let mut robot = Robot::new(&bytes, SEED).unwrap();
    for (noise, scale) in [(Noise::Zero, 0.0), (Noise::Random, 1.0)] {
        let returns = evaluate(robot.policy(), robot.task(), SEED, 2, noise).unwrap();
        for (episode, result) in returns.each.iter().enumerate() {
            robot.reset(episode as u32);
            let rewards = (0..result.length).map(|_| f64::from(robot.act(scale).unwrap()));
            assert_eq!(rewards.sum::<f64>(), result.total_reward);
        }
    }
}

#[test]
fn a_cloud_has_the_spread_of_the_noise() {
    let (_, bytes) = policies().remove(0);
    let mut robot = Robot::new(&bytes, SEED).unwrap();
    let spread = |robot: &Robot, noise| {
        let actions = robot.cloud(200, noise, 3).unwrap();
        let dim = robot.action().len();
        let column: Vec<f32> = actions.iter().step_by(dim).copied().collect();
        let (low, high) = column
            .iter()
            .fold((f32::MAX, f32::MIN), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(-1.0 <= low && high <= 1.0);
        high - low
    };
    assert_eq!(spread(&robot, 0.0), 0.0);
    assert!(spread(&robot, 1.0) > 2.0 * spread(&robot, 0.1));
    // Noise counts for more where the flow only begins to walk.
    let ten = robot.cloud(9, 1.0, 3).unwrap();
    robot.set_flow_steps(1).unwrap();
    assert_ne!(ten, robot.cloud(9, 1.0, 3).unwrap());
    for steps in [0, 1001] {
        assert!(robot.set_flow_steps(steps).is_err());
    }
    assert!(robot.cloud(0, 1.0, 3).is_err() && robot.cloud(1 << 40, 1.0, 3).is_err());
    assert!(robot.step(&[0.0]).is_err());
}

#[test]
fn what_is_no_policy_of_a_robot_is_refused_in_one_line() {
    let (_, bytes) = policies().remove(0);
    let header = bytes.windows(11).position(|w| w == b"cheetah-run").unwrap();
    let named = |name: &[u8; 11]| {
        let mut changed = bytes.clone();
        changed[header..][..11].copy_from_slice(name);
        changed
    };
    for (wrong, message) in [
        (vec![], "not a policy file"),
        (bytes[..bytes.len() / 2].to_vec(), "damaged policy file"),
        (named(b"cheetah-fly"), "`cheetah-fly`"),
        (named(b"walker-walk"), "another version of `walker-walk`"),
        (named(b"finger-spin"), "17 numbers of observation and 6 of"),
    ] {
        let error = Robot::new(&wrong, SEED).err().expect("it is refused");
        assert!(error.contains(message) && !error.contains('\n'), "{error}");
    }
}
