//! The whole training state as bytes, and back: a resumed training is bit-identical to an
//! uninterrupted one.

use super::env_states::{self, EnvStates};
use super::{TrainError, Trainer};
use crate::config::Config;
use crate::learner::TrainState;
use fpo_env::Task;
use fpo_nn::{Mlp, Normalizer, TensorRecord};
use fpo_policy::moments::{self, NORMALIZER};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

const FORMAT: u32 = 1;
/// The entry of the file's header that holds the [`Counters`].
pub(super) const METADATA: &str = "fpo_state";

/// The counters of the state. Random numbers have no state: they are functions of seed and
/// counters.
#[derive(Serialize, Deserialize)]
struct Counters {
    format: u32,
    task: String,
    seed: u64,
    iteration: u64,
    policy_adam_steps: u64,
    critic_adam_steps: u64,
    normalizer_count: u64,
    /// Absent where the critic has no observation of its own, or nothing was seen yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    critic_normalizer_count: u64,
    /// Written where it is not 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    lr_scale: f64,
    /// Omitted if it is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    rollbacks: u32,
}

fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}

fn one() -> f64 {
    1.0
}

fn is_one(x: &f64) -> bool {
    *x == 1.0
}

/// What the normalizer of the critic's own observations is called.
const CRITIC_NORMALIZER: &str = "critic_normalizer";

/// What the names of the averaged policy's tensors begin with.
const AVERAGE: &str = "policy_average.";

/// The three flat vectors of a network in training, with the prefixes of their tensors.
fn vectors<'a>(name: &str, trained: &'a TrainState) -> [(String, &'a [f32]); 3] {
    [
        (format!("{name}."), &trained.parameters),
        (format!("{name}_adam_first."), &trained.adam.first),
        (format!("{name}_adam_second."), &trained.adam.second),
    ]
}

impl Trainer {
    /// The state, as the bytes of a safetensors file: parameters, optimizers, normalizer,
    /// environments, counters.
    ///
    /// # Errors
    /// None in practice: the container accepts every state of a trainer.
    pub fn state(&self) -> Result<Vec<u8>, TrainError> {
        let networks = [
            ("policy", self.policy.network(), &self.networks.policy),
            ("critic", &self.critic.network, &self.networks.critic),
        ];
        let mut records: Vec<TensorRecord> = networks
            .iter()
            .flat_map(|(name, network, trained)| {
                vectors(name, trained)
                    .into_iter()
                    .flat_map(|(prefix, flat)| network.store(&prefix, flat))
            })
            .collect();
        if let Some(ema) = &self.average {
            records.extend(self.policy.network().store(AVERAGE, &ema.average));
        }
        let critic = self.critic_normalizer.as_ref();
        let normalizers = [(NORMALIZER, &self.normalizer)]
            .into_iter()
            .chain(critic.map(|normalizer| (CRITIC_NORMALIZER, normalizer)));
        let columns: Vec<_> = normalizers
            .flat_map(|(name, normalizer)| moments::columns(name, normalizer.moments()))
            .collect();
        let envs = EnvStates::of(&self.workers);

        let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(damaged);
        let mut views = Vec::new();
        for r in &records {
            views.push((
                r.name.as_str(),
                view(Dtype::F32, r.shape.clone(), &r.bytes)?,
            ));
        }
        for (name, bytes) in &columns {
            views.push((
                name.as_str(),
                view(Dtype::F64, vec![bytes.len() / 8], bytes)?,
            ));
        }
        for (name, dtype, count, bytes) in envs.tensors() {
            views.push((name, view(dtype, vec![count], bytes)?));
        }
        let counters = Counters {
            format: FORMAT,
            task: self.config.task.clone(),
            seed: self.config.seed,
            iteration: self.iteration,
            policy_adam_steps: self.networks.policy.adam.steps,
            critic_adam_steps: self.networks.critic.adam.steps,
            normalizer_count: self.normalizer.moments().count,
            critic_normalizer_count: critic.map_or(0, |n| n.moments().count),
            lr_scale: self.lr_scale,
            rollbacks: self.rollbacks,
        };
        let text = serde_json::to_string(&counters).map_err(damaged)?;
        safetensors::serialize(views, Some(HashMap::from([(METADATA.to_owned(), text)])))
            .map_err(damaged)
    }

    /// A trainer that continues from a [`Trainer::state`]. Environments that save no state begin a
    /// new episode, the same one for the same bytes; [`Trainer::restarted_episodes`] counts them.
    ///
    /// # Errors
    /// If the bytes are not a state, or not one of this configuration's task, seed and sizes.
    pub fn restore(
        config: &Config,
        task: Arc<dyn Task>,
        threads: usize,
        state: &[u8],
    ) -> Result<Self, TrainError> {
        let counters = Counters::read(state, config)?;
        let mut trainer = Self::new(config, task, threads)?;
        trainer.load(state, &counters)?;
        trainer.iteration = counters.iteration;
        trainer.rollbacks = counters.rollbacks;
        Ok(trainer)
    }

    /// Restores all of the state except the iteration and the rollbacks.
    ///
    /// # Errors
    /// If the bytes are not a state, or not one of this configuration's task, seed and sizes; some
    /// of it may have been restored then.
    pub(super) fn load_parameters(&mut self, state: &[u8]) -> Result<(), TrainError> {
        let counters = Counters::read(state, &self.config)?;
        self.load(state, &counters)
    }

    fn load(&mut self, state: &[u8], counters: &Counters) -> Result<(), TrainError> {
        let file = SafeTensors::deserialize(state).map_err(damaged)?;
        load(
            &mut self.networks.policy,
            self.policy.network(),
            "policy",
            &file,
        )?;
        load(
            &mut self.networks.critic,
            &self.critic.network,
            "critic",
            &file,
        )?;
        self.networks.policy.adam.steps = counters.policy_adam_steps;
        self.networks.critic.adam.steps = counters.critic_adam_steps;
        if !(self.networks.policy.is_valid() && self.networks.critic.is_valid()) {
            return Err(refused(
                "an optimizer holds a number that is not finite, or a negative square".into(),
            ));
        }
        if let Some(ema) = &mut self.average {
            // Averaging may begin only after the state was saved.
            ema.average = match file.names().iter().any(|name| name.starts_with(AVERAGE)) {
                true => self
                    .policy
                    .network()
                    .load(AVERAGE, &file)
                    .map_err(damaged)?,
                false => self.networks.policy.parameters.clone(),
            };
        }
        let dim = self.normalizer.dim();
        let moments =
            moments::load(&file, NORMALIZER, counters.normalizer_count, dim).map_err(damaged)?;
        // Far beyond any run, and far from overflowing where they are multiplied.
        let counters_hold = [
            counters.iteration,
            moments.count,
            counters.critic_normalizer_count,
            counters.policy_adam_steps,
            counters.critic_adam_steps,
        ]
        .iter()
        .all(|n| *n < 1 << 40);
        if !counters_hold {
            return Err(refused("a counter is impossibly large".into()));
        }
        if !(counters.lr_scale.is_finite() && counters.lr_scale > 0.0) {
            return Err(refused(
                "the factor of its learning rate is not a positive number".into(),
            ));
        }
        self.lr_scale = counters.lr_scale;
        self.normalizer = Normalizer::from_moments(self.normalizer.config(), moments);
        if let Some(normalizer) = &mut self.critic_normalizer {
            let (count, dim) = (counters.critic_normalizer_count, normalizer.dim());
            let moments = moments::load(&file, CRITIC_NORMALIZER, count, dim).map_err(damaged)?;
            *normalizer = Normalizer::from_moments(normalizer.config(), moments);
        }
        let steps = counters.iteration * self.batch.dims.steps() as u64;
        let states = env_states::read(&file, dim).map_err(damaged)?;
        self.restarted_episodes =
            env_states::load(&mut self.workers, &states, steps).map_err(damaged)?;
        Ok(())
    }
}

impl Counters {
    /// The counters of `state`, if it belongs to the task and the seed of `config`.
    fn read(state: &[u8], config: &Config) -> Result<Self, TrainError> {
        let (_, header) = SafeTensors::read_metadata(state).map_err(damaged)?;
        let text = header.metadata().as_ref().and_then(|m| m.get(METADATA));
        let text = text.ok_or_else(|| refused(format!("its header has no `{METADATA}` entry")))?;
        let counters: Self = serde_json::from_str(text).map_err(damaged)?;
        if counters.format != FORMAT {
            return Err(refused(format!(
                "it has format {}, this program reads {FORMAT}",
                counters.format
            )));
        }
        if counters.task != config.task || counters.seed != config.seed {
            return Err(refused(format!(
                "it belongs to {} with seed {}, the configuration to {} with seed {}",
                counters.task, counters.seed, config.task, config.seed
            )));
        }
        Ok(counters)
    }
}

fn load(
    trained: &mut TrainState,
    network: &Mlp,
    name: &str,
    file: &SafeTensors,
) -> Result<(), TrainError> {
    let prefixes = vectors(name, trained).map(|(prefix, _)| prefix);
    let [parameters, first, second] = prefixes.map(|prefix| network.load(&prefix, file));
    trained.parameters = parameters.map_err(damaged)?;
    trained.adam.first = first.map_err(damaged)?;
    trained.adam.second = second.map_err(damaged)?;
    network.pack(&trained.parameters, &mut trained.weights);
    Ok(())
}

fn damaged(error: impl std::fmt::Display) -> TrainError {
    refused(error.to_string())
}

fn refused(why: String) -> TrainError {
    TrainError::State(why)
}
