//! Every kind of policy: flows with each sampler and activation, flows whose steps add noise,
//! Gaussians of both kinds, both squashings, with and without a bound and a clip.

use crate::interpreter::evaluate;
use fpo_env::EnvSpec;
use fpo_flow::Sampler;
use fpo_nn::{Activation, Moments, Normalizer, NormalizerConfig};
use fpo_onnx::proto::ModelProto;
use fpo_onnx::{IR_VERSION, LARGEST_GRAPH, NoiseInput, OPSET, OnnxError, export};
use fpo_policy::{ActionMap, Model, Policy, PolicyConfig, PolicyKind, Squash, StdKind};
use fpo_rng::{Key, Stream, fill_normal};
use prost::Message;

const OBSERVATION: usize = 5;
const ACTION: usize = 3;
const ROWS: usize = 64;

fn spec() -> EnvSpec {
    EnvSpec {
        name: "a-task".into(),
        summary: String::new(),
        observation: vec![("position".into(), 2), ("velocity".into(), 3)],
        action_min: vec![-1.0, 0.0, -3.0],
        action_max: vec![1.0, 4.0, 2.0],
        control_timestep: 0.1,
        step_limit: Some(10),
    }
}

/// Standard normal numbers.
fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    fill_normal(Key::new(seed, Stream::Test), &mut numbers);
    numbers
}

fn policy(kind: PolicyKind, config: &PolicyConfig, clip: Option<f32>, seen: u64) -> Policy {
    let model = Model::new(kind, config, OBSERVATION, ACTION).unwrap();
    let mut parameters = vec![0.0; model.network().parameter_count()];
    model.init(config, Key::new(3, Stream::Init), &mut parameters);
    // Biases that are not zero, so that a missing one is noticed.
    for (p, noise) in parameters.iter_mut().zip(normal(4, 10_000)) {
        *p += 0.1 * noise;
    }
    let settings = NormalizerConfig {
        clip,
        ..Default::default()
    };
    let moments = Moments {
        count: seen,
        mean: (0..OBSERVATION)
            .map(|i| 0.3 * i as f64 * seen.min(1) as f64)
            .collect(),
        m2: (0..OBSERVATION)
            .map(|i| (0.5 + i as f64) * seen as f64)
            .collect(),
    };
    let normalizer = Normalizer::from_moments(settings, moments);
    let spec = spec();
    let map = ActionMap::new(config.squash, config.action_bound, &spec);
    Policy::new(
        &spec.name,
        &spec.observation,
        model,
        parameters,
        normalizer,
        map,
    )
}

/// Policies of every kind, with a name each.
fn policies() -> Vec<(String, Policy)> {
    let mut policies = Vec::new();
    let mut add = |name: String, kind, config: PolicyConfig| {
        policies.push((name, policy(kind, &config, Some(2.0), 100)));
    };
    let base = || PolicyConfig {
        hidden: vec![16, 24],
        output_scale: 0.8,
        ..PolicyConfig::default()
    };
    for sampler in [
        Sampler::Euler,
        Sampler::Midpoint,
        Sampler::Heun,
        Sampler::Rk4,
    ] {
        let config = PolicyConfig { sampler, ..base() };
        add(format!("{sampler:?}"), PolicyKind::Flow, config);
    }
    for activation in [Activation::Elu, Activation::Relu, Activation::Tanh] {
        let config = PolicyConfig {
            activation,
            ..base()
        };
        add(format!("{activation:?}"), PolicyKind::Flow, config);
    }
    let clip = PolicyConfig {
        squash: Squash::Clip,
        action_bound: 0.7,
        ..base()
    };
    for (std, name) in [
        (StdKind::StateDependent, "Gaussian"),
        (StdKind::StateIndependent, "Gaussian of one std"),
    ] {
        for (squash, config) in [("tanh", base()), ("clip", clip.clone())] {
            let config = PolicyConfig { std, ..config };
            add(format!("{name}, {squash}"), PolicyKind::Gaussian, config);
        }
    }
    add("bounded flow".into(), PolicyKind::Flow, clip.clone());
    add("denoising".into(), PolicyKind::NoisyFlow, base());
    add("denoising, clip".into(), PolicyKind::NoisyFlow, clip);
    let one = PolicyConfig {
        flow_steps: 1,
        hidden: vec![4],
        ..base()
    };
    add("one step".into(), PolicyKind::Flow, one.clone());
    policies.push((
        "nothing seen, no clip".into(),
        policy(PolicyKind::Flow, &one, None, 0),
    ));
    policies
}

/// The graph of the exported policy.
fn graph(policy: &Policy, noise: NoiseInput) -> ModelProto {
    ModelProto::decode(&export(policy, noise).unwrap()[..]).unwrap()
}

#[test]
fn graphs_act_as_their_policies() {
    for (name, policy) in policies() {
        let observations = normal(5, ROWS * OBSERVATION);
        let noise = normal(6, ROWS * policy.noise_dim());
        let none = vec![0.0; noise.len()];
        for (mode, noise, inputs) in [
            (
                NoiseInput::Input,
                &noise,
                vec![("observation", &observations[..]), ("noise", &noise[..])],
            ),
            (
                NoiseInput::Zero,
                &none,
                vec![("observation", &observations[..])],
            ),
        ] {
            let mut expected = vec![0.0; ROWS * ACTION];
            let mut actor = policy.actor(ROWS);
            actor.act(&observations, noise, &mut expected).unwrap();
            let model = graph(&policy, mode);
            let found = evaluate(&model.graph.unwrap(), &inputs, ROWS);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - f64::from(*expected)).abs();
                assert!(error < 1e-5, "{name}, {mode:?}: {found} for {expected}");
            }
            let moves = expected
                .chunks_exact(ACTION)
                .any(|a| a != &expected[..ACTION]);
            assert!(moves, "{name}: actions depend on observations");
        }
    }
}

#[test]
fn the_file_states_its_versions_inputs_and_outputs() {
    let policies = policies();
    let (_, policy) = policies
        .iter()
        .find(|(name, _)| name == "denoising")
        .unwrap();
    let model = graph(policy, NoiseInput::Input);
    assert_eq!(model.ir_version, Some(IR_VERSION));
    assert_eq!(model.opset_import.len(), 1);
    assert_eq!(model.opset_import[0].version, Some(OPSET));
    let graph = model.graph.unwrap();
    let shape = |value: &fpo_onnx::proto::ValueInfoProto| {
        let tensor = value.r#type.clone().unwrap().tensor_type.unwrap();
        let dims = tensor.shape.unwrap().dim;
        assert_eq!(dims[0].dim_param(), "batch");
        (value.name().to_owned(), dims[1].dim_value())
    };
    let named =
        |values: &[fpo_onnx::proto::ValueInfoProto]| values.iter().map(shape).collect::<Vec<_>>();
    let noise = (10 + 1) * ACTION;
    assert_eq!(
        named(&graph.input),
        [
            ("observation".to_owned(), OBSERVATION as i64),
            ("noise".to_owned(), noise as i64)
        ]
    );
    assert_eq!(named(&graph.output), [("action".to_owned(), ACTION as i64)]);
    let metadata = |key: &str| {
        let entries = &model.metadata_props;
        entries
            .iter()
            .find(|e| e.key() == key)
            .map(|e| e.value().to_owned())
    };
    assert_eq!(metadata("fpo.task").as_deref(), Some("a-task"));
    assert_eq!(metadata("fpo.noise").as_deref(), Some("input"));
    assert_eq!(
        export(policy, NoiseInput::Zero),
        export(policy, NoiseInput::Zero),
        "equal policies give equal bytes"
    );
}

#[test]
fn what_is_not_finite_is_nan_and_not_hidden_by_squashing() {
    for (name, policy) in policies() {
        let graph = graph(&policy, NoiseInput::Zero).graph.unwrap();
        let mut observations = normal(5, 2 * OBSERVATION);
        observations[OBSERVATION + 1] = f32::NAN;
        let actions = evaluate(&graph, &[("observation", &observations)], 2);
        assert!(actions[..ACTION].iter().all(|a| a.is_finite()), "{name}");
        assert!(actions[ACTION..].iter().all(|a| a.is_nan()), "{name}");
    }
}

#[test]
fn policies_of_too_many_steps_are_refused() {
    let config = PolicyConfig {
        flow_steps: 10_000,
        sampler: Sampler::Rk4,
        hidden: vec![4],
        ..PolicyConfig::default()
    };
    let long = policy(PolicyKind::Flow, &config, None, 0);
    let error = export(&long, NoiseInput::Zero).unwrap_err();
    let OnnxError::Nodes { steps, nodes } = error else {
        panic!("{error}");
    };
    assert!(steps == 10_000 && nodes > LARGEST_GRAPH);
    assert!(!error.to_string().contains('\n'));
}
