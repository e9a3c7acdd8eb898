//! What a training begins with in place of the random networks that its seed gives.

use super::state::{CRITIC_NORMALIZER, critic_observations_seen};
use super::{TrainError, Trainer, make};
use crate::config::Config;
use crate::critic::Critic;
use crate::learner::TrainState;
use fpo_env::Task;
use fpo_nn::{Moments, Normalizer, TensorError};
use fpo_policy::Model;
use fpo_policy::moments::{self, NORMALIZER};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

const FORMAT: u32 = 1;
/// The entry of the file's header that holds the [`Counters`].
const METADATA: &str = "fpo_start";
/// What the names of the networks' tensors begin with.
const POLICY: &str = "policy.";
const CRITIC: &str = "critic.";

/// Parameters and statistics that a training begins with ([`Trainer::begin_from`]); its optimizers
/// begin anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The policy's parameters.
    pub policy: Vec<f32>,
    /// The statistics of the policy's observations.
    pub normalizer: Moments,
    /// The critic's; none: those that the seed gives.
    pub critic: Option<CriticStart>,
}

/// What the critic begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticStart {
    /// Its parameters.
    pub parameters: Vec<f32>,
    /// The statistics of its own observations, if it has any.
    pub normalizer: Option<Moments>,
}

/// The networks that a training has, without their parameters.
#[derive(Clone, Debug)]
pub struct Networks {
    /// The policy.
    pub policy: Model,
    /// The critic.
    pub critic: Critic,
    /// Entries of the critic's own observations; 0 where it has the policy's.
    pub critic_observation: usize,
}

impl Networks {
    /// Those of a training of `task` with these settings.
    ///
    /// # Errors
    /// If their sizes are impossible, or this machine lacks the precision.
    pub fn new(config: &Config, task: &dyn Task) -> Result<Self, TrainError> {
        let (policy, critic) = make::networks(config, task)?;
        Ok(Self {
            policy,
            critic,
            critic_observation: task.critic_observation_dim(),
        })
    }
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
struct Counters {
    format: u32,
    normalizer_count: u64,
    critic: bool,
    /// Absent where the critic has no observations of its own.
    critic_normalizer_count: Option<u64>,
}

impl Start {
    /// The bytes of a safetensors file, for [`Start::load`] with networks of the same sizes; equal
    /// ones give equal bytes.
    ///
    /// # Errors
    /// None in practice: the container refuses none that [`Trainer::begin_from`] accepts.
    pub fn save(&self, networks: &Networks) -> Result<Vec<u8>, TrainError> {
        let mut records = networks.policy.network().store(POLICY, &self.policy);
        let mut columns = moments::columns(NORMALIZER, &self.normalizer).to_vec();
        if let Some(critic) = &self.critic {
            records.extend(networks.critic.network.store(CRITIC, &critic.parameters));
            if let Some(normalizer) = &critic.normalizer {
                columns.extend(moments::columns(CRITIC_NORMALIZER, normalizer));
            }
        }
        let mut views = Vec::new();
        for r in &records {
            let view = TensorView::new(Dtype::F32, r.shape.clone(), &r.bytes).map_err(damaged)?;
            views.push((r.name.as_str(), view));
        }
        for (name, bytes) in &columns {
            let view = TensorView::new(Dtype::F64, vec![bytes.len() / 8], bytes);
            views.push((name.as_str(), view.map_err(damaged)?));
        }
        let critic = self.critic.as_ref();
        let counters = Counters {
            format: FORMAT,
            normalizer_count: self.normalizer.count,
            critic: critic.is_some(),
            critic_normalizer_count: critic
                .and_then(|critic| critic.normalizer.as_ref())
                .map(|normalizer| normalizer.count),
        };
        let text = serde_json::to_string(&counters).map_err(damaged)?;
        let metadata = HashMap::from([(METADATA.to_owned(), text)]);
        safetensors::serialize(views, Some(metadata)).map_err(damaged)
    }

    /// Reads untrusted bytes of [`Start::save`], for `networks`.
    ///
    /// # Errors
    /// If they are something else, or of other sizes.
    pub fn load(bytes: &[u8], networks: &Networks) -> Result<Self, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let text = header.metadata().as_ref().and_then(|m| m.get(METADATA));
        let text = text.ok_or_else(|| damaged(format!("its header has no `{METADATA}` entry")))?;
        let counters: Counters = serde_json::from_str(text).map_err(damaged)?;
        if counters.format != FORMAT {
            return Err(damaged(format!(
                "it has format {}, this program reads {FORMAT}",
                counters.format
            )));
        }
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let critic = if counters.critic {
            let parameters = networks.critic.network.load(CRITIC, &file);
            let count = counters.critic_normalizer_count.unwrap_or(0);
            let normalizer = match networks.critic_observation {
                0 => None,
                dim => {
                    let moments = moments::load(&file, CRITIC_NORMALIZER, count, dim);
                    Some(moments.map_err(damaged)?)
                }
            };
            Some(CriticStart {
                parameters: parameters.map_err(damaged)?,
                normalizer,
            })
        } else {
            None
        };
        let policy = networks.policy.network().load(POLICY, &file);
        let (count, dim) = (counters.normalizer_count, networks.policy.observation_dim());
        Ok(Self {
            policy: policy.map_err(damaged)?,
            normalizer: moments::load(&file, NORMALIZER, count, dim).map_err(damaged)?,
            critic,
        })
    }
}

impl CriticStart {
    /// The critic of a [`Trainer::state`] of another run, if it has the sizes of that of
    /// `networks`; otherwise why not, in words that follow "its critic, which".
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn of_state(state: &[u8], networks: &Networks) -> Result<Result<Self, String>, TrainError> {
        let seen = critic_observations_seen(state)?;
        let file = SafeTensors::deserialize(state).map_err(damaged)?;
        let parameters = match networks.critic.network.load(CRITIC, &file) {
            Ok(parameters) => parameters,
            Err(
                error @ (TensorError::Missing(_)
                | TensorError::Unexpected(_)
                | TensorError::Shape { .. }),
            ) => return Ok(Err(format!("has other sizes ({error})"))),
            Err(error) => return Err(damaged(error)),
        };
        let has_own = file
            .names()
            .iter()
            .any(|name| name.starts_with(CRITIC_NORMALIZER));
        let normalizer = match networks.critic_observation {
            0 if has_own => return Ok(Err("has observations of its own".to_owned())),
            0 => None,
            _ if !has_own => return Ok(Err("has no observations of its own".to_owned())),
            dim => {
                let moments = moments::load(&file, CRITIC_NORMALIZER, seen, dim);
                Some(moments.map_err(damaged)?)
            }
        };
        Ok(Ok(Self {
            parameters,
            normalizer,
        }))
    }
}

impl Trainer {
    /// Begins with `start` in place of what the seed gives: to be called before the first
    /// iteration. [`Trainer::roll_back`] to the beginning comes back to it.
    ///
    /// # Errors
    /// If its sizes are not this trainer's.
    pub fn begin_from(&mut self, start: Start) -> Result<(), TrainError> {
        self.remember_start(start)?;
        self.apply_start();
        Ok(())
    }

    /// For a trainer that continues from a state ([`Trainer::restore`]): what its training began
    /// with, to which [`Trainer::roll_back`] to the beginning comes back.
    ///
    /// # Errors
    /// If its sizes are not this trainer's.
    pub fn remember_start(&mut self, start: Start) -> Result<(), TrainError> {
        let own = self.critic_normalizer.as_ref();
        let critic_fits = start.critic.as_ref().is_none_or(|critic| {
            critic.parameters.len() == self.critic.network.parameter_count()
                && critic.normalizer.as_ref().map(|n| n.mean.len()) == own.map(Normalizer::dim)
        });
        let fits = start.policy.len() == self.policy.network().parameter_count()
            && start.normalizer.mean.len() == self.normalizer.dim();
        if !(fits && critic_fits) {
            let why = "what it is to begin with has other sizes than its networks";
            return Err(TrainError::Start(why.to_owned()));
        }
        self.start = Some(Arc::new(start));
        Ok(())
    }

    /// Sets networks, average and normalizers to what training began with, if that is not what the
    /// seed gives.
    pub(super) fn apply_start(&mut self) {
        let Some(start) = self.start.clone() else {
            return;
        };
        let adam = self.config.optimizer.adam();
        let mut learned = self.networks().clone();
        learned.policy = TrainState::new(self.policy.network(), start.policy.clone(), adam);
        let from = |normalizer: &Normalizer, moments: &Moments| {
            Normalizer::from_moments(normalizer.config(), moments.clone())
        };
        self.normalizer = from(&self.normalizer, &start.normalizer);
        if let Some(critic) = &start.critic {
            let parameters = critic.parameters.clone();
            learned.critic = TrainState::new(&self.critic.network, parameters, adam);
            if let (Some(own), Some(moments)) = (&mut self.critic_normalizer, &critic.normalizer) {
                *own = from(own, moments);
            }
        }
        self.average = make::average(&self.config, &learned.policy);
        self.learner.load_state(learned);
    }
}

fn damaged(error: impl std::fmt::Display) -> TrainError {
    TrainError::Start(error.to_string())
}
