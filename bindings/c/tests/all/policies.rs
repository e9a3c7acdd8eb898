//! Policies of every kind, with random parameters.

use fpo_env::EnvSpec;
use fpo_nn::{Moments, Normalizer, NormalizerConfig};
use fpo_policy::{ActionMap, Model, Policy, PolicyConfig, PolicyKind};
use fpo_rng::{Key, Stream, fill_normal};

pub const OBSERVATION: usize = 5;
pub const ACTION: usize = 3;

pub const KINDS: [PolicyKind; 3] = [
    PolicyKind::Flow,
    PolicyKind::NoisyFlow,
    PolicyKind::Gaussian,
];

/// A policy file.
pub fn file(kind: PolicyKind) -> Vec<u8> {
    let config = PolicyConfig {
        hidden: vec![16, 24],
        flow_steps: 5,
        ..PolicyConfig::default()
    };
    let model = Model::new(kind, &config, OBSERVATION, ACTION).unwrap();
    let mut parameters = vec![0.0; model.network().parameter_count()];
    model.init(&config, Key::new(3, Stream::Init), &mut parameters);
    let spec = EnvSpec {
        name: "a-task".into(),
        summary: String::new(),
        observation: vec![("position".into(), 2), ("velocity".into(), 3)],
        action_min: vec![-1.0, 0.0, -3.0],
        action_max: vec![1.0, 4.0, 2.0],
        control_timestep: 0.1,
        step_limit: Some(10),
    };
    let moments = Moments {
        count: 100,
        mean: vec![0.5; OBSERVATION],
        m2: vec![200.0; OBSERVATION],
    };
    let normalizer = Normalizer::from_moments(NormalizerConfig::default(), moments);
    let map = ActionMap::new(config.squash, config.action_bound, &spec);
    let policy = Policy::new(
        &spec.name,
        &spec.observation,
        model,
        parameters,
        normalizer,
        map,
    );
    policy.save().unwrap()
}

/// Observations and noise of `rows` actions of `policy`, normal numbers.
pub fn inputs(policy: &Policy, rows: usize) -> (Vec<f32>, Vec<f32>) {
    let mut observations = vec![0.0; rows * policy.observation_dim()];
    let mut noise = vec![0.0; rows * policy.noise_dim()];
    fill_normal(Key::new(1, Stream::Test), &mut observations);
    fill_normal(Key::new(2, Stream::Test), &mut noise);
    (observations, noise)
}
