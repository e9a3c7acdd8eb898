//! The policy file: everything needed to act, in one safetensors file.

use super::{ActionMap, FlowPolicy, PolicyScratch};
use crate::moments;
use fpo_flow::Sampler;
use fpo_nn::{Mlp, MlpError, MlpSpec, Normalizer, NormalizerConfig, TensorError, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Version of the layout of policy files.
const FORMAT: u32 = 1;
/// The key of the header's metadata that holds ours.
const METADATA: &str = "fpo_policy";

/// A policy that can act: network, normaliser, action mapping, sampler settings, task and observation layout.
#[derive(Clone)]
pub struct Policy {
    header: Header,
    flow: FlowPolicy,
    parameters: Vec<f32>,
    weights: Weights,
    normalizer: Normalizer,
}

/// What the metadata of the file says, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    format: u32,
    task: String,
    observation: Vec<(String, usize)>,
    action: ActionMap,
    network: MlpSpec,
    time_embedding: usize,
    output_scale: f32,
    flow_steps: usize,
    sampler: Sampler,
    normalizer: NormalizerConfig,
    /// Observations the normaliser has seen.
    normalizer_count: u64,
}

/// Why bytes are not a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// They are no safetensors file.
    #[error("not a policy file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// They are a safetensors file of something else.
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
    /// Gathers a policy from its parts.
    pub fn new(
        task: &str,
        observation: &[(String, usize)],
        flow: FlowPolicy,
        parameters: Vec<f32>,
        normalizer: Normalizer,
        action: ActionMap,
    ) -> Self {
        let header = Header {
            format: FORMAT,
            task: task.to_owned(),
            observation: observation.to_vec(),
            action,
            network: flow.network.spec().clone(),
            time_embedding: flow.embedding,
            output_scale: flow.output_scale,
            flow_steps: flow.steps,
            sampler: flow.sampler,
            normalizer: normalizer.config(),
            normalizer_count: normalizer.moments().count,
        };
        let mut weights = flow.network.weights();
        flow.network.pack(&parameters, &mut weights);
        Self {
            header,
            flow,
            parameters,
            weights,
            normalizer,
        }
    }

    /// The bytes of the policy file; the same policy gives the same bytes.
    ///
    /// # Errors
    /// None in practice: the container refuses no policy that [`Policy::new`] made.
    pub fn save(&self) -> Result<Vec<u8>, PolicyError> {
        let records = self.flow.network.store("policy.", &self.parameters);
        let seen = self.normalizer.moments();
        let columns = moments::columns(seen);
        let mut views = Vec::new();
        for record in &records {
            views.push((
                record.name.as_str(),
                TensorView::new(Dtype::F32, record.shape.clone(), &record.bytes)?,
            ));
        }
        for (name, bytes) in &columns {
            views.push((name, TensorView::new(Dtype::F64, vec![seen.mean.len()], bytes)?));
        }
        let metadata = HashMap::from([(METADATA.to_owned(), serde_json::to_string(&self.header)?)]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads a policy file from anyone: sizes are checked before anything is allocated by them, and numbers must be finite.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn load(bytes: &[u8]) -> Result<Self, PolicyError> {
        let (_, file_header) = SafeTensors::read_metadata(bytes)?;
        let text = file_header
            .metadata()
            .as_ref()
            .and_then(|m| m.get(METADATA))
            .ok_or(PolicyError::Foreign)?;
        let version: serde_json::Value = serde_json::from_str(text)?;
        match version.get("format").and_then(serde_json::Value::as_u64) {
            Some(f) if f == u64::from(FORMAT) => {}
            Some(f) => return Err(PolicyError::Format(u32::try_from(f).unwrap_or(u32::MAX))),
            None => return Err(PolicyError::Inconsistent("the header names no format")),
        }
        let header: Header = serde_json::from_str(text)?;
        let sum =
            |parts: &[(String, usize)]| parts.iter().try_fold(0usize, |sum, (_, n)| sum.checked_add(*n));
        let action_dim = header.action.dim();
        let (Some(observation_dim @ 1..), true) = (sum(&header.observation), header.action.is_sound()) else {
            return Err(PolicyError::Inconsistent(
                "impossible observation or action sizes",
            ));
        };
        let width = observation_dim
            .checked_add(action_dim)
            .and_then(|n| n.checked_add(header.time_embedding));
        if width != Some(header.network.input) || header.network.output != action_dim || action_dim == 0 {
            return Err(PolicyError::Inconsistent(
                "the network's sizes are not those of observation and action",
            ));
        }
        if !header.time_embedding.is_multiple_of(2)
            || !(1..=MAX_FLOW_STEPS).contains(&header.flow_steps)
            || !header.output_scale.is_finite()
        {
            return Err(PolicyError::Inconsistent("impossible sampler settings"));
        }
        // Every layer has weights in the file, so a network larger than the file is a lie; look before allocating.
        let widths = header.network.hidden.iter().chain([&header.network.output]);
        let mut inputs = header.network.input;
        for &outputs in widths {
            if inputs.checked_mul(outputs).is_none_or(|n| n > bytes.len() / 4) {
                return Err(PolicyError::Inconsistent("the network is larger than the file"));
            }
            inputs = outputs;
        }
        let network = Mlp::new(header.network.clone())?;
        let file = SafeTensors::deserialize(bytes)?;
        let parameters = network.load("policy.", &file)?;
        let moments = moments::load(&file, header.normalizer_count, observation_dim)
            .map_err(PolicyError::Inconsistent)?;
        let config = header.normalizer;
        if config.variance_floor <= 0.0 || config.clip.is_some_and(|c| c <= 0.0) {
            return Err(PolicyError::Inconsistent("impossible normaliser settings"));
        }
        let normalizer = Normalizer::from_moments(config, moments);
        let flow = FlowPolicy {
            network,
            observation_dim,
            action_dim,
            embedding: header.time_embedding,
            output_scale: header.output_scale,
            steps: header.flow_steps,
            sampler: header.sampler,
        };
        let Header {
            task,
            observation,
            action,
            ..
        } = header;
        Ok(Self::new(
            &task,
            &observation,
            flow,
            parameters,
            normalizer,
            action,
        ))
    }

    /// The task it was trained on.
    pub fn task(&self) -> &str {
        &self.header.task
    }

    /// The parts of an observation in order: name and number of entries.
    pub fn observation(&self) -> &[(String, usize)] {
        &self.header.observation
    }

    /// How the flow's action reaches the environment's range.
    pub fn action_map(&self) -> &ActionMap {
        &self.header.action
    }

    /// Entries of an observation.
    pub fn observation_dim(&self) -> usize {
        self.flow.observation_dim
    }

    /// Entries of an action.
    pub fn action_dim(&self) -> usize {
        self.flow.action_dim
    }

    /// Buffers to act for up to `rows` observations at a time.
    pub fn actor(&self, rows: usize) -> Actor<'_> {
        Actor {
            policy: self,
            scratch: self.flow.scratch(rows),
            observations: vec![0.0; rows * self.flow.observation_dim],
        }
    }
}

/// The most steps a policy file may ask of its sampler.
const MAX_FLOW_STEPS: usize = 10_000;

/// A policy with the buffers to act.
pub struct Actor<'a> {
    policy: &'a Policy,
    scratch: PolicyScratch,
    observations: Vec<f32>,
}

impl Actor<'_> {
    /// Turns observations and noise into actions.
    ///
    /// * `observations` `[rows, observation]`, as the environment gives them
    /// * `x` `[rows, action]`: the noise x₁ on entry (zeros for the deterministic action), actions in the environment's units
    ///   on return
    pub fn act(&mut self, observations: &[f32], x: &mut [f32]) {
        let policy = self.policy;
        let normalised = &mut self.observations[..observations.len()];
        policy.normalizer.normalize(observations, normalised);
        policy
            .flow
            .sample(&policy.weights, normalised, x, &mut self.scratch);
        for action in x.chunks_exact_mut(policy.action_dim()) {
            policy.header.action.apply_in_place(action);
        }
    }
}
