//! The whole training state as bytes, and back: resuming from it continues bit for bit.

use super::env_states::{self, EnvStates};
use super::{TrainError, Trainer, own_bounds};
use crate::config::Config;
use crate::learner::{ActorCritic, TrainState};
use crate::reduce::{complete, share};
use fpo_env::Task;
use fpo_nn::{Mlp, Normalizer, TensorRecord};
use fpo_policy::moments::{self, NORMALIZER};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

const FORMAT: u32 = 2;
/// Most rollbacks of a state.
const MAX_ROLLBACKS: u32 = 64;
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
    /// Written where the policy follows the gradient of Q.
    #[serde(default, skip_serializing_if = "is_zero")]
    q_slope: f64,
    /// Absent where there was none.
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
pub(super) const CRITIC_NORMALIZER: &str = "critic_normalizer";

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
    /// environments, counters. It is the same on every rank, and each has to call it.
    ///
    /// # Errors
    /// If a rank is gone; otherwise none in practice: the container refuses no state of a trainer.
    pub fn state(&self) -> Result<Vec<u8>, TrainError> {
        let ActorCritic { policy, critic } = self.networks();
        let networks = [
            ("policy", self.policy.network(), policy),
            ("critic", &self.critic.network, critic),
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
        let critic_normalizer = self.critic_normalizer.as_ref();
        let normalizers = [(NORMALIZER, &self.normalizer)]
            .into_iter()
            .chain(critic_normalizer.map(|normalizer| (CRITIC_NORMALIZER, normalizer)));
        let columns: Vec<_> = normalizers
            .flat_map(|(name, normalizer)| moments::columns(name, normalizer.moments()))
            .collect();
        let envs = self.environment_states()?;

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
            policy_adam_steps: policy.adam.steps,
            critic_adam_steps: critic.adam.steps,
            normalizer_count: self.normalizer.moments().count,
            critic_normalizer_count: critic_normalizer.map_or(0, |n| n.moments().count),
            lr_scale: self.lr_scale,
            q_slope: self.q_slope,
            rollbacks: self.rollbacks,
        };
        let text = serde_json::to_string(&counters).map_err(damaged)?;
        safetensors::serialize(views, Some(HashMap::from([(METADATA.to_owned(), text)])))
            .map_err(damaged)
    }

    /// A trainer that continues from a [`Trainer::state`]. Environments that give no state begin a
    /// new episode, the same from the same bytes; [`Trainer::restarted_episodes`] counts them.
    ///
    /// # Errors
    /// If the bytes are not a state, or not one of this configuration's task, seed and sizes.
    pub fn restore(
        config: &Config,
        task: Arc<dyn Task>,
        threads: usize,
        state: &[u8],
    ) -> Result<Self, TrainError> {
        Counters::read(state, config)?;
        let mut trainer = Self::new(config, task, threads)?;
        trainer.load_state(state)?;
        Ok(trainer)
    }

    /// Continues from a [`Trainer::state`], as [`Trainer::restore`] does; of any number of ranks.
    ///
    /// # Errors
    /// If the bytes are not a state, or not one of this configuration's task, seed and sizes; then
    /// some of it may be taken over.
    pub fn load_state(&mut self, state: &[u8]) -> Result<(), TrainError> {
        let counters = Counters::read(state, &self.config)?;
        self.load(state, &counters)?;
        self.iteration = counters.iteration;
        self.rollbacks = counters.rollbacks;
        Ok(())
    }

    /// Takes all of the state over but the iteration and the rollbacks.
    ///
    /// # Errors
    /// If the bytes are not a state, or not one of this configuration's task, seed and sizes; then
    /// some of it may be taken over.
    pub(super) fn load_parameters(&mut self, state: &[u8]) -> Result<(), TrainError> {
        let counters = Counters::read(state, &self.config)?;
        self.load(state, &counters)
    }

    fn load(&mut self, state: &[u8], counters: &Counters) -> Result<(), TrainError> {
        let file = SafeTensors::deserialize(state).map_err(damaged)?;
        let learned = self.load_networks(&file, counters)?;
        if let Some(ema) = &mut self.average {
            // A run may begin to average later than its state was saved.
            ema.average = match file.names().iter().any(|name| name.starts_with(AVERAGE)) {
                true => self
                    .policy
                    .network()
                    .load(AVERAGE, &file)
                    .map_err(damaged)?,
                false => learned.policy.parameters.clone(),
            };
        }
        self.learner.load_state(learned);
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
        // Far more than any run makes, and few enough that learning rates stay numbers.
        if counters.rollbacks > MAX_ROLLBACKS {
            return Err(refused("it went back impossibly often".into()));
        }
        if !(counters.lr_scale.is_finite() && counters.lr_scale > 0.0) {
            return Err(refused(
                "the factor of its learning rate is not a positive number".into(),
            ));
        }
        if !(counters.q_slope.is_finite() && counters.q_slope >= 0.0) {
            return Err(refused("its mean slope of Q is not a number".into()));
        }
        self.lr_scale = counters.lr_scale;
        self.q_slope = counters.q_slope;
        self.normalizer = Normalizer::from_moments(self.normalizer.config(), moments);
        if let Some(normalizer) = &mut self.critic_normalizer {
            let (count, dim) = (counters.critic_normalizer_count, normalizer.dim());
            let moments = moments::load(&file, CRITIC_NORMALIZER, count, dim).map_err(damaged)?;
            *normalizer = Normalizer::from_moments(normalizer.config(), moments);
        }
        let steps = counters.iteration * self.batch.dims.steps() as u64;
        let states = env_states::read(&file).map_err(damaged)?;
        self.load_environments(&states, steps)
    }

    /// The states of all ranks' environments.
    fn environment_states(&self) -> Result<EnvStates, TrainError> {
        let mut groups: Vec<_> = self
            .bounds
            .windows(2)
            .map(|_| EnvStates::default())
            .collect();
        let own = share(self.reduce.as_ref(), groups.len());
        for (worker, group) in self.workers.iter().zip(&mut groups[own]) {
            *group = EnvStates::of(worker);
        }
        complete(self.reduce.as_ref(), groups.iter_mut())?;
        Ok(EnvStates::concat(&groups))
    }

    /// Restores this rank's environments from the states of all.
    fn load_environments(
        &mut self,
        states: &[Option<&[u8]>],
        steps: u64,
    ) -> Result<(), TrainError> {
        let count = self.config.env.num_envs;
        if states.len() != count {
            return Err(refused(format!(
                "it has {} environments, env.num_envs is {count}",
                states.len()
            )));
        }
        let own = own_bounds(self.reduce.as_ref(), &self.bounds);
        let states = &states[self.bounds[own.start]..self.bounds[own.end - 1]];
        self.restarted_episodes =
            env_states::load(&mut self.workers, states, steps).map_err(damaged)?;
        Ok(())
    }

    /// What the file's networks had learned.
    fn load_networks(
        &self,
        file: &SafeTensors,
        counters: &Counters,
    ) -> Result<ActorCritic, TrainError> {
        let mut learned = self.networks().clone();
        let ActorCritic { policy, critic } = &mut learned;
        load(policy, self.policy.network(), "policy", file)?;
        load(critic, &self.critic.network, "critic", file)?;
        policy.adam.steps = counters.policy_adam_steps;
        critic.adam.steps = counters.critic_adam_steps;
        if !(policy.is_valid() && critic.is_valid()) {
            return Err(refused(
                "an optimizer holds a number that is not finite, or a negative square".into(),
            ));
        }
        Ok(learned)
    }
}

impl Counters {
    /// The counters of `state`, if it belongs to the task and the seed of `config`.
    fn read(state: &[u8], config: &Config) -> Result<Self, TrainError> {
        let counters = Self::of(state)?;
        if counters.task != config.task || counters.seed != config.seed {
            return Err(refused(format!(
                "it belongs to {} with seed {}, the configuration to {} with seed {}",
                counters.task, counters.seed, config.task, config.seed
            )));
        }
        Ok(counters)
    }

    /// The counters of `state`, of whatever configuration.
    fn of(state: &[u8]) -> Result<Self, TrainError> {
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

/// Rows seen by the normalizer of the critic's own observations in a [`Trainer::state`], of
/// whatever configuration; 0 where it has none.
pub(super) fn critic_observations_seen(state: &[u8]) -> Result<u64, TrainError> {
    Ok(Counters::of(state)?.critic_normalizer_count)
}

fn damaged(error: impl std::fmt::Display) -> TrainError {
    refused(error.to_string())
}

fn refused(why: String) -> TrainError {
    TrainError::State(why)
}
