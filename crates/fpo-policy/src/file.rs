//! The policy file: everything needed for inference, in one safetensors file.

use super::{ActionMap, FlowPolicy, GaussianPolicy, Model};
use crate::StdKind;
use crate::moments;
use fpo_env::{Adaptation, EnvSpec};
use fpo_flow::Sampler;
use fpo_nn::{Mlp, MlpError, MlpSpec, Normalizer, NormalizerConfig, TensorError, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Version of the layout of policy files.
const FORMAT: u32 = 2;
/// The first version, whose policies are all flows.
const FORMAT_OF_FLOWS: u32 = 1;
/// The key of this program's entry in the header's metadata.
const METADATA: &str = "fpo_policy";

/// A policy that can act: its kind, network and settings, normalizer, action mapping, task and
/// observation layout.
#[derive(Clone)]
pub struct Policy {
    header: Header,
    model: Model,
    parameters: Vec<f32>,
    weights: Weights,
    normalizer: Normalizer,
}

/// The metadata of the file, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    format: u32,
    task: String,
    observation: Vec<(String, usize)>,
    action: ActionMap,
    /// What the run changed about the task's episodes; as long as it is nothing, left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    step_limit: u32,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    action_repeat: u32,
    network: MlpSpec,
    #[serde(flatten)]
    kind: HeaderKind,
    normalizer: NormalizerConfig,
    /// Observations the normalizer has seen.
    normalizer_count: u64,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_one(n: &u32) -> bool {
    *n == 1
}

fn one() -> u32 {
    1
}

/// The kind of policy, and what it needs besides its network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum HeaderKind {
    Flow {
        time_embedding: usize,
        output_scale: f32,
        flow_steps: usize,
        sampler: Sampler,
        #[serde(default)]
        step_noise: f32,
    },
    Gaussian {
        std: StdKind,
    },
}

impl HeaderKind {
    fn of(model: &Model) -> Self {
        match model {
            Model::Flow(flow) => Self::Flow {
                time_embedding: flow.embedding,
                output_scale: flow.output_scale,
                flow_steps: flow.steps,
                sampler: flow.sampler,
                step_noise: flow.step_noise,
            },
            Model::Gaussian(gaussian) => Self::Gaussian { std: gaussian.std },
        }
    }

    /// Sizes of the input and the output of a network for such observations and actions; none if
    /// they overflow.
    fn network_sizes(&self, observation_dim: usize, action_dim: usize) -> Option<(usize, usize)> {
        Some(match self {
            Self::Flow { time_embedding, .. } => {
                let input = observation_dim.checked_add(action_dim)?;
                (input.checked_add(*time_embedding)?, action_dim)
            }
            Self::Gaussian { .. } => (observation_dim, action_dim.checked_mul(2)?),
        })
    }

    /// Whether the numbers are valid.
    fn is_valid(&self) -> bool {
        match self {
            Self::Flow {
                time_embedding,
                output_scale,
                flow_steps,
                sampler,
                step_noise,
            } => {
                time_embedding.is_multiple_of(2)
                    && (1..=MAX_FLOW_STEPS).contains(flow_steps)
                    && output_scale.is_finite()
                    && step_noise.is_finite()
                    && (*step_noise == 0.0 || (*step_noise > 0.0 && *sampler == Sampler::Euler))
            }
            Self::Gaussian { .. } => true,
        }
    }

    fn model(&self, network: Mlp, observation_dim: usize, action_dim: usize) -> Model {
        match *self {
            Self::Flow {
                time_embedding,
                output_scale,
                flow_steps,
                sampler,
                step_noise,
            } => Model::Flow(FlowPolicy {
                network,
                observation_dim,
                action_dim,
                embedding: time_embedding,
                output_scale,
                steps: flow_steps,
                sampler,
                step_noise,
            }),
            Self::Gaussian { std } => Model::Gaussian(GaussianPolicy {
                network,
                observation_dim,
                action_dim,
                std,
            }),
        }
    }
}

/// Why bytes are not a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// They are not a safetensors file.
    #[error("not a policy file, which begins with a safetensors header")]
    NotSafetensors,
    /// They are a safetensors file, but a damaged one.
    #[error("damaged policy file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// They are a safetensors file without a policy.
    #[error("not a policy file: its header has no `{METADATA}` entry")]
    Foreign,
    /// The header cannot be read.
    #[error("damaged policy file: {0}")]
    Header(#[from] serde_json::Error),
    /// Another version of the layout.
    #[error("policy file of format {0}; this program reads format {FORMAT}")]
    Format(u32),
    /// Sizes or numbers that contradict each other.
    #[error("damaged policy file: {0}")]
    Inconsistent(&'static str),
    /// Impossible network sizes.
    #[error("damaged policy file: {0}")]
    Network(#[from] MlpError),
    /// Tensors that do not fit the network.
    #[error("damaged policy file: {0}")]
    Tensor(#[from] TensorError),
}

impl Policy {
    /// Builds a policy from its parts.
    pub fn new(
        task: &str,
        observation: &[(String, usize)],
        model: Model,
        parameters: Vec<f32>,
        normalizer: Normalizer,
        action: ActionMap,
    ) -> Self {
        let header = Header {
            format: FORMAT,
            task: task.to_owned(),
            observation: observation.to_vec(),
            action,
            step_limit: 0,
            action_repeat: 1,
            network: model.network().spec().clone(),
            kind: HeaderKind::of(&model),
            normalizer: normalizer.config(),
            normalizer_count: normalizer.moments().count,
        };
        let mut weights = model.network().weights();
        model.network().pack(&parameters, &mut weights);
        Self {
            header,
            model,
            parameters,
            weights,
            normalizer,
        }
    }

    /// The same policy of a run that changed the task's episodes so.
    pub fn with_adaptation(mut self, adaptation: Adaptation) -> Self {
        self.header.step_limit = adaptation.step_limit;
        self.header.action_repeat = adaptation.action_repeat;
        self
    }

    /// What its run changed about the task's episodes: how long an action is held, above all.
    pub fn adaptation(&self) -> Adaptation {
        Adaptation {
            step_limit: self.header.step_limit,
            action_repeat: self.header.action_repeat,
        }
    }

    /// The bytes of the policy file; equal policies give equal bytes.
    ///
    /// # Errors
    /// None in practice: the container accepts every policy that [`Policy::new`] built.
    pub fn save(&self) -> Result<Vec<u8>, PolicyError> {
        let records = self.model.network().store("policy.", &self.parameters);
        let seen = self.normalizer.moments();
        let columns = moments::columns(moments::NORMALIZER, seen);
        let mut views = Vec::new();
        for record in &records {
            views.push((
                record.name.as_str(),
                TensorView::new(Dtype::F32, record.shape.clone(), &record.bytes)?,
            ));
        }
        for (name, bytes) in &columns {
            views.push((
                name.as_str(),
                TensorView::new(Dtype::F64, vec![seen.mean.len()], bytes)?,
            ));
        }
        let metadata = HashMap::from([(METADATA.to_owned(), serde_json::to_string(&self.header)?)]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads an untrusted policy file: sizes are checked before anything is allocated from them,
    /// and numbers must be finite.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn load(bytes: &[u8]) -> Result<Self, PolicyError> {
        // The length of a header, and a JSON object; what the parser says of other files, such as
        // a header that is too large, would mislead.
        if !bytes
            .get(8..)
            .is_some_and(|header| header.starts_with(b"{"))
        {
            return Err(PolicyError::NotSafetensors);
        }
        let (_, file_header) = SafeTensors::read_metadata(bytes)?;
        let text = file_header
            .metadata()
            .as_ref()
            .and_then(|m| m.get(METADATA))
            .ok_or(PolicyError::Foreign)?;
        let mut fields: serde_json::Value = serde_json::from_str(text)?;
        match fields.get("format").and_then(serde_json::Value::as_u64) {
            Some(f) if f == u64::from(FORMAT) => {}
            Some(f) if f == u64::from(FORMAT_OF_FLOWS) => fields["kind"] = "flow".into(),
            Some(f) => return Err(PolicyError::Format(u32::try_from(f).unwrap_or(u32::MAX))),
            None => return Err(PolicyError::Inconsistent("the header names no format")),
        }
        let header: Header = serde_json::from_value(fields)?;
        if !(1..=MAX_ACTION_REPEAT).contains(&header.action_repeat) {
            return Err(PolicyError::Inconsistent("impossible action repeat"));
        }
        let sum = |parts: &[(String, usize)]| {
            parts
                .iter()
                .try_fold(0usize, |sum, (_, n)| sum.checked_add(*n))
        };
        let action_dim = header.action.dim();
        if !header.action.is_valid() {
            return Err(PolicyError::Inconsistent(
                "the action's bound or range is impossible",
            ));
        }
        let Some(observation_dim @ 1..) = sum(&header.observation) else {
            return Err(PolicyError::Inconsistent("impossible observation sizes"));
        };
        let sizes = header.kind.network_sizes(observation_dim, action_dim);
        if sizes != Some((header.network.input, header.network.output)) || action_dim == 0 {
            return Err(PolicyError::Inconsistent(
                "the network's sizes are not those of observation and action",
            ));
        }
        if !header.kind.is_valid() {
            return Err(PolicyError::Inconsistent("impossible sampler settings"));
        }
        // Every layer has weights in the file, so the file is invalid if its network is larger;
        // check before allocating.
        let widths = header.network.hidden.iter().chain([&header.network.output]);
        let mut inputs = header.network.input;
        for &outputs in widths {
            if inputs
                .checked_mul(outputs)
                .is_none_or(|n| n > bytes.len() / 4)
            {
                return Err(PolicyError::Inconsistent(
                    "the network is larger than the file",
                ));
            }
            inputs = outputs;
        }
        let network = Mlp::new(header.network.clone())?;
        let file = SafeTensors::deserialize(bytes)?;
        let parameters = network.load("policy.", &file)?;
        let moments = moments::load(
            &file,
            moments::NORMALIZER,
            header.normalizer_count,
            observation_dim,
        )
        .map_err(PolicyError::Inconsistent)?;
        let config = header.normalizer;
        // Within these bounds both the variance and its inverse square root are finite.
        if !(1e-30..=1e30).contains(&config.variance_floor)
            || config.clip.is_some_and(|c| !c.is_finite() || c <= 0.0)
        {
            return Err(PolicyError::Inconsistent("impossible normalizer settings"));
        }
        let normalizer = Normalizer::from_moments(config, moments);
        let model = header.kind.model(network, observation_dim, action_dim);
        let Header {
            task,
            observation,
            action,
            step_limit,
            action_repeat,
            ..
        } = header;
        let adaptation = Adaptation {
            step_limit,
            action_repeat,
        };
        let policy = Self::new(&task, &observation, model, parameters, normalizer, action);
        Ok(policy.with_adaptation(adaptation))
    }

    /// The task it was trained on.
    pub fn task(&self) -> &str {
        &self.header.task
    }

    /// The parts of an observation in order: name and number of entries.
    pub fn observation(&self) -> &[(String, usize)] {
        &self.header.observation
    }

    /// Whether it was trained on this version of its task: the parts of the observation and the
    /// action range are the same.
    pub fn fits(&self, spec: &EnvSpec) -> bool {
        self.observation() == spec.observation && self.action_map().spans(spec)
    }

    /// Steps of the sampler; none of a Gaussian.
    pub fn flow_steps(&self) -> Option<usize> {
        match &self.model {
            Model::Flow(flow) => Some(flow.steps),
            Model::Gaussian(_) => None,
        }
    }

    /// The same policy with another number of the sampler's steps. A Gaussian has none and stays as
    /// it is.
    ///
    /// # Panics
    /// If there are no steps, or more than a policy file may have (10,000).
    pub fn with_flow_steps(mut self, steps: usize) -> Self {
        assert!((1..=MAX_FLOW_STEPS).contains(&steps), "{steps} steps");
        if let Model::Flow(flow) = &mut self.model {
            flow.steps = steps;
        }
        self.header.kind = HeaderKind::of(&self.model);
        self
    }

    /// The normalizer of observations.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// How the policy's action reaches the environment's range.
    pub fn action_map(&self) -> &ActionMap {
        &self.header.action
    }

    /// Entries of an observation.
    pub fn observation_dim(&self) -> usize {
        self.model.observation_dim()
    }

    /// Entries of an action.
    pub fn action_dim(&self) -> usize {
        self.model.action_dim()
    }

    /// Length of the noise vector of an action.
    pub fn noise_dim(&self) -> usize {
        self.model.noise_dim()
    }

    /// What it is without its parameters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The network's parameters, in the layout of [`Mlp::layers`].
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The parameters as the kernels read them.
    pub(super) fn weights(&self) -> &Weights {
        &self.weights
    }
}

/// The longest time for which an action may be held, in steps of the task.
const MAX_ACTION_REPEAT: u32 = 1000;
/// The largest number of sampler steps accepted from a policy file.
const MAX_FLOW_STEPS: usize = 10_000;
