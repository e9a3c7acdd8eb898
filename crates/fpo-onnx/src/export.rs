//! From a policy to a graph.
//!
//! The graph computes what [`Policy::act`] does, with three changes that differ by rounding alone:
//! what the network's first layer makes of the observation is computed once, not in every step; its
//! bias and the embedding of a step's time are one constant; and a step's length and the factor on
//! the network's output are one factor.
//!
//! Where `Policy::act` answers with an error, because an action is not finite before it is
//! squashed, the graph's action is NaN.

use crate::graph::Graph;
use crate::proto::ModelProto;
use fpo_flow::{Sampler, embed_time, grid_time};
use fpo_nn::{Activation, Layer};
use fpo_policy::{FlowPolicy, GaussianPolicy, Model, Policy, STD_FLOOR, Squash, StdKind};
use prost::Message;
use std::collections::HashMap;

/// The most nodes of a graph. A flow of ten steps with four hidden layers has some 200.
pub const LARGEST_GRAPH: usize = 100_000;
/// The most bytes of constants: a file of ONNX holds less than 2 GiB.
pub const LARGEST_FILE: usize = (2 << 30) - (64 << 20);

/// Where the noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseInput {
    /// An input of the graph, `[batch, noise_dim]`: standard normal numbers for a sample.
    Input,
    /// There is none: the graph gives the deterministic action, that of zero noise.
    Zero,
}

/// A policy that has no ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// The steps of the sampler are written out one after another.
    #[error(
        "the graph of {steps} sampler steps would have about {nodes} nodes, at most {} are \
        written",
        LARGEST_GRAPH
    )]
    Nodes {
        /// The sampler's steps.
        steps: usize,
        /// The estimated number of nodes.
        nodes: usize,
    },
    /// An ONNX file holds less than 2 GiB.
    #[error(
        "the graph would have {0} bytes of constants, an ONNX file holds at most {LARGEST_FILE}"
    )]
    Bytes(usize),
}

/// The ONNX file of `policy`; equal policies give equal bytes.
///
/// # Errors
/// If it would be too large.
pub fn export(policy: &Policy, noise: NoiseInput) -> Result<Vec<u8>, OnnxError> {
    check_size(policy)?;
    let mut graph = Graph::default();
    let parts = policy.observation().iter();
    let parts: Vec<String> = parts.map(|(name, n)| format!("{name} ({n})")).collect();
    let doc = format!("in the task's units, not normalized: {}", parts.join(", "));
    graph.input("observation", policy.observation_dim(), &doc);
    if noise == NoiseInput::Input {
        let doc = "standard normal numbers for a sample, zeros for the deterministic action";
        graph.input("noise", policy.noise_dim(), doc);
    }
    graph.output("action", policy.action_dim(), "in the task's units");

    let observation = normalized(&mut graph, policy);
    let network = Network::new(&mut graph, policy);
    let (kind, action) = match policy.model() {
        Model::Flow(flow) => {
            let unbounded = Flow::new(&mut graph, flow, &network, &observation).sample(noise);
            ("flow", unbounded)
        }
        Model::Gaussian(gaussian) => {
            let unbounded = sample_gaussian(&mut graph, gaussian, &network, &observation, noise);
            ("gaussian", unbounded)
        }
    };
    mapped(&mut graph, policy, &action);

    let noise = match noise {
        NoiseInput::Input => "input",
        NoiseInput::Zero => "zero",
    };
    let metadata = [
        ("fpo.task", policy.task().to_owned()),
        ("fpo.policy", kind.to_owned()),
        ("fpo.noise", noise.to_owned()),
        (
            "fpo.action_repeat",
            policy.adaptation().action_repeat.to_string(),
        ),
    ];
    let doc = format!(
        "A {kind} policy for {}, from observation to action",
        policy.task()
    );
    let model: ModelProto = graph.model("policy", &doc, &metadata);
    Ok(model.encode_to_vec())
}

/// Refuses what would be too large, before anything is built.
fn check_size(policy: &Policy) -> Result<(), OnnxError> {
    let network = policy.model().network();
    let layers = network.layers().len();
    let (steps, evaluations) = match policy.model() {
        Model::Flow(flow) => (flow.steps, flow.steps * flow.sampler.evaluations()),
        Model::Gaussian(_) => (1, 1),
    };
    // Three nodes a layer, and those that move x.
    let nodes = evaluations.saturating_mul(3 * layers + 8);
    if nodes > LARGEST_GRAPH {
        return Err(OnnxError::Nodes { steps, nodes });
    }
    // A bias of the first layer for each evaluation.
    let biases = evaluations.saturating_mul(network.layers()[0].outputs);
    let numbers = network.parameter_count().saturating_add(biases);
    let bytes = numbers.saturating_mul(size_of::<f32>());
    if bytes > LARGEST_FILE {
        return Err(OnnxError::Bytes(bytes));
    }
    Ok(())
}

/// The normalized observation.
fn normalized(graph: &mut Graph, policy: &Policy) -> String {
    let normalizer = policy.normalizer();
    let dim = normalizer.dim();
    let mut value = "observation".to_owned();
    if normalizer.mean().iter().any(|x| *x != 0.0) {
        let mean = graph.constant("mean", &[dim], normalizer.mean());
        value = graph.add("Sub", &[&value, &mean]);
    }
    if normalizer.inverse_std().iter().any(|x| *x != 1.0) {
        let scale = graph.constant("inverse_std", &[dim], normalizer.inverse_std());
        value = graph.add("Mul", &[&value, &scale]);
    }
    match normalizer.config().clip {
        Some(clip) => clipped(graph, &value, clip),
        None => value,
    }
}

/// `value` within ± `limit`. Not by `Clip`, in which a NaN can be lost.
fn clipped(graph: &mut Graph, value: &str, limit: f32) -> String {
    let [low, high] = [-limit, limit].map(|limit| graph.scalar(limit));
    let value = graph.add("Max", &[value, &low]);
    graph.add("Min", &[&value, &high])
}

/// Maps the unbounded action to the task's range, as the graph's output.
fn mapped(graph: &mut Graph, policy: &Policy, unbounded: &str) {
    let map = policy.action_map();
    let mut value = unbounded.to_owned();
    if map.bound() > 0.0 {
        value = clipped(graph, &value, map.bound());
    }
    value = match map.squashing() {
        Squash::Tanh => graph.add("Tanh", &[&value]),
        Squash::Clip => clipped(graph, &value, 1.0),
    };
    if map.half_range().iter().any(|x| *x != 1.0) {
        let half = graph.constant("half_range", &[map.dim()], map.half_range());
        value = graph.add("Mul", &[&value, &half]);
    }
    if map.middle().iter().any(|x| *x != 0.0) {
        let middle = graph.constant("middle", &[map.dim()], map.middle());
        value = graph.add("Add", &[&value, &middle]);
    }
    // Zero, or NaN where the unbounded action is not finite, which squashing would hide.
    let guard = graph.add("Sub", &[unbounded, unbounded]);
    graph.add_named("Add", &[&value, &guard], "action");
}

/// The network: its parameters as constants.
struct Network<'a> {
    policy: &'a Policy,
    /// Weight and bias of each layer but the first.
    later: Vec<(String, String)>,
    activation: Activation,
}

impl<'a> Network<'a> {
    fn new(graph: &mut Graph, policy: &'a Policy) -> Self {
        let network = policy.model().network();
        let layers = network.layers().iter().enumerate().skip(1);
        let later = layers.map(|(i, layer)| {
            let weight = &policy.parameters()[layer.weight.clone()];
            let bias = &policy.parameters()[layer.bias.clone()];
            let shape = [layer.inputs, layer.outputs];
            (
                graph.constant(&format!("w{i}"), &shape, weight),
                graph.constant(&format!("b{i}"), &[layer.outputs], bias),
            )
        });
        Self {
            later: later.collect(),
            activation: network.spec().activation,
            policy,
        }
    }

    fn first(&self) -> &'a Layer {
        &self.policy.model().network().layers()[0]
    }

    /// The first layer's weights of the inputs `from..to`, `[to − from, outputs]`.
    fn rows(&self, from: usize, to: usize) -> &'a [f32] {
        let layer = self.first();
        let weight = &self.policy.parameters()[layer.weight.clone()];
        &weight[from * layer.outputs..to * layer.outputs]
    }

    fn first_bias(&self) -> &'a [f32] {
        &self.policy.parameters()[self.first().bias.clone()]
    }

    /// The network's output, from the first layer's sums.
    fn after_first(&self, graph: &mut Graph, sums: String) -> String {
        let mut value = sums;
        for (weight, bias) in &self.later {
            value = activated(graph, self.activation, &value);
            value = graph.add("Gemm", &[&value, weight, bias]);
        }
        value
    }
}

fn activated(graph: &mut Graph, activation: Activation, z: &str) -> String {
    match activation {
        Activation::Silu => {
            let sigmoid = graph.add("Sigmoid", &[z]);
            graph.add("Mul", &[z, &sigmoid])
        }
        Activation::Elu => graph.add("Elu", &[z]),
        Activation::Relu => graph.add("Relu", &[z]),
        Activation::Tanh => graph.add("Tanh", &[z]),
    }
}

/// The unbounded action of a Gaussian: μ + σ(s)·z.
fn sample_gaussian(
    graph: &mut Graph,
    gaussian: &GaussianPolicy,
    network: &Network,
    observation: &str,
    noise: NoiseInput,
) -> String {
    let (layer, d) = (network.first(), gaussian.action_dim);
    let shape = [layer.inputs, layer.outputs];
    let weight = graph.constant("w0", &shape, network.rows(0, layer.inputs));
    let bias = graph.constant("b0", &[layer.outputs], network.first_bias());
    let sums = graph.add("Gemm", &[observation, &weight, &bias]);
    let output = network.after_first(graph, sums);
    let lengths = graph.integers("lengths", &[d, d]);
    let parts = graph.split(&output, &lengths, 2);
    if noise == NoiseInput::Zero {
        return parts[0].clone();
    }
    let sigma = match gaussian.std {
        StdKind::StateDependent => {
            let floor = graph.scalar(STD_FLOOR);
            let softplus = graph.add("Softplus", &[&parts[1]]);
            graph.add("Add", &[&softplus, &floor])
        }
        StdKind::StateIndependent => graph.add("Exp", &[&parts[1]]),
    };
    let deviation = graph.add("Mul", &[&sigma, "noise"]);
    graph.add("Add", &[&parts[0], &deviation])
}

/// The flow's x while it is sampled.
#[derive(Clone)]
enum Point {
    /// Zero noise.
    Zero,
    /// A value of the graph.
    Value(String),
}

/// The sampling of a flow.
struct Flow<'a> {
    graph: &'a mut Graph,
    flow: &'a FlowPolicy,
    network: &'a Network<'a>,
    /// What the first layer makes of the observation.
    observed: String,
    /// The first layer's weights of x.
    weight_of_x: String,
    /// The first layer's bias with the embedding of a time, by the bits of the time.
    biases: HashMap<u32, String>,
    /// Factors, by their bits.
    factors: HashMap<u32, String>,
}

impl<'a> Flow<'a> {
    fn new(
        graph: &'a mut Graph,
        flow: &'a FlowPolicy,
        network: &'a Network<'a>,
        observation: &str,
    ) -> Self {
        let (od, d) = (flow.observation_dim, flow.action_dim);
        let outputs = network.first().outputs;
        let weight = graph.constant("w0_observation", &[od, outputs], network.rows(0, od));
        let observed = graph.add("MatMul", &[observation, &weight]);
        let weight_of_x = graph.constant("w0_x", &[d, outputs], network.rows(od, od + d));
        Self {
            graph,
            flow,
            network,
            observed,
            weight_of_x,
            biases: HashMap::new(),
            factors: HashMap::new(),
        }
    }

    /// The unbounded action.
    fn sample(mut self, noise: NoiseInput) -> String {
        let (steps, d) = (self.flow.steps, self.flow.action_dim);
        let noisy = self.flow.step_noise > 0.0;
        let parts = match noise {
            NoiseInput::Zero => vec![Point::Zero; steps + 1],
            NoiseInput::Input if noisy => {
                let lengths = self.graph.integers("lengths", &vec![d; steps + 1]);
                let parts = self.graph.split("noise", &lengths, steps + 1);
                parts.into_iter().map(Point::Value).collect()
            }
            NoiseInput::Input => vec![Point::Value("noise".to_owned())],
        };
        let mut x = parts[0].clone();
        for k in 0..steps {
            let (t, t_next) = (grid_time(k, steps), grid_time(k + 1, steps));
            x = self.step(x, t, t_next);
            // A step's Gaussian has the mean of Euler's step.
            if noisy && let Point::Value(noise) = &parts[k + 1] {
                x = self.moved(&x, self.flow.step_noise, noise);
            }
        }
        match x {
            Point::Value(x) => x,
            Point::Zero => unreachable!("a flow has at least one step, which moves x"),
        }
    }

    /// One step, as [`Sampler::step`] makes it.
    fn step(&mut self, x: Point, t: f32, t_next: f32) -> Point {
        let h = t_next - t;
        let half = 0.5 * h;
        let middle = t + half;
        let scale = self.flow.output_scale;
        match self.flow.sampler {
            Sampler::Euler => {
                let v = self.output(&x, t);
                self.moved(&x, h * scale, &v)
            }
            Sampler::Midpoint => {
                let v = self.output(&x, t);
                let y = self.moved(&x, half * scale, &v);
                let v = self.output(&y, middle);
                self.moved(&x, h * scale, &v)
            }
            Sampler::Heun => {
                let v = self.output(&x, t);
                let y = self.moved(&x, h * scale, &v);
                let x = self.moved(&x, half * scale, &v);
                let v = self.output(&y, t_next);
                self.moved(&x, half * scale, &v)
            }
            Sampler::Rk4 => {
                let (sixth, third) = (h / 6.0 * scale, h / 3.0 * scale);
                let start = x;
                let v = self.output(&start, t);
                let x = self.moved(&start, sixth, &v);
                let y = self.moved(&start, half * scale, &v);
                let v = self.output(&y, middle);
                let x = self.moved(&x, third, &v);
                let y = self.moved(&start, half * scale, &v);
                let v = self.output(&y, middle);
                let x = self.moved(&x, third, &v);
                let y = self.moved(&start, h * scale, &v);
                let v = self.output(&y, t_next);
                self.moved(&x, sixth, &v)
            }
        }
    }

    /// `x + factor·v`.
    fn moved(&mut self, x: &Point, factor: f32, v: &str) -> Point {
        let graph = &mut *self.graph;
        let factors = &mut self.factors;
        let factor = factors.entry(factor.to_bits());
        let factor = factor.or_insert_with_key(|bits| graph.scalar(f32::from_bits(*bits)));
        let step = graph.add("Mul", &[v, factor]);
        Point::Value(match x {
            Point::Zero => step,
            Point::Value(x) => graph.add("Add", &[x, &step]),
        })
    }

    /// The network's output at `x` and `t`.
    fn output(&mut self, x: &Point, t: f32) -> String {
        let bias = self.bias(t);
        let of_x = match x {
            Point::Zero => bias,
            Point::Value(x) => self.graph.add("Gemm", &[x, &self.weight_of_x, &bias]),
        };
        let sums = self.graph.add("Add", &[&self.observed, &of_x]);
        self.network.after_first(self.graph, sums)
    }

    /// The first layer's bias and what it makes of the embedding of `t`.
    fn bias(&mut self, t: f32) -> String {
        if let Some(name) = self.biases.get(&t.to_bits()) {
            return name.clone();
        }
        let mut embedding = vec![0.0; self.flow.embedding];
        embed_time(t, &mut embedding);
        let (first, outputs) = (
            self.flow.observation_dim + self.flow.action_dim,
            self.network.first().outputs,
        );
        let weight = self.network.rows(first, first + self.flow.embedding);
        let mut sums: Vec<f64> = self
            .network
            .first_bias()
            .iter()
            .map(|&b| f64::from(b))
            .collect();
        for (e, row) in embedding.iter().zip(weight.chunks_exact(outputs)) {
            for (sum, w) in sums.iter_mut().zip(row) {
                *sum += f64::from(*e) * f64::from(*w);
            }
        }
        let sums: Vec<f32> = sums.into_iter().map(|sum| sum as f32).collect();
        let name = format!("b0_{}", self.biases.len());
        let name = self.graph.constant(&name, &[outputs], &sums);
        self.biases.insert(t.to_bits(), name.clone());
        name
    }
}
