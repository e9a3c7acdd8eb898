//! The whole training state as bytes, and back: resuming from it continues bit for bit.

use super::{TrainError, Trainer, own_bounds};
use crate::config::Config;
use crate::learner::{ActorCritic, TrainState};
use crate::reduce::{complete, share};
use fpo_env::{EnvGroup, Task};
use fpo_nn::{Mlp, Normalizer, TensorRecord};
use fpo_policy::moments;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

const FORMAT: u32 = 1;
/// The entry of the file's header that holds the [`Counters`].
pub(super) const METADATA: &str = "fpo_state";
/// The tensor that holds the states of all environments.
pub(super) const ENVIRONMENTS: &str = "environments";

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
    /// Written where it is not 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    lr_scale: f64,
    /// Absent where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    rollbacks: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn one() -> f64 {
    1.0
}

fn is_one(x: &f64) -> bool {
    *x == 1.0
}

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
        let moments = self.normalizer.moments();
        let columns = moments::columns(moments);
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
            views.push((name, view(Dtype::F64, vec![moments.mean.len()], bytes)?));
        }
        views.push((ENVIRONMENTS, view(Dtype::U8, vec![envs.len()], &envs)?));
        let counters = Counters {
            format: FORMAT,
            task: self.config.task.clone(),
            seed: self.config.seed,
            iteration: self.iteration,
            policy_adam_steps: policy.adam.steps,
            critic_adam_steps: critic.adam.steps,
            normalizer_count: moments.count,
            lr_scale: self.lr_scale,
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
    pub(super) fn load_learnt(&mut self, state: &[u8]) -> Result<(), TrainError> {
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
        let moments = moments::load(&file, counters.normalizer_count, dim).map_err(damaged)?;
        // Far beyond any run, and far from overflowing where they are multiplied.
        let counters_hold = [
            counters.iteration,
            moments.count,
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
        self.load_environments(file.tensor(ENVIRONMENTS).map_err(damaged)?.data())
    }

    /// The states of all groups of environments, one after another.
    fn environment_states(&self) -> Result<Vec<u8>, TrainError> {
        let mut groups = vec![Vec::new(); self.bounds.len() - 1];
        let own = share(self.reduce.as_ref(), groups.len());
        for (worker, group) in self.workers.iter().zip(&mut groups[own]) {
            worker.envs.save_state(group);
        }
        complete(self.reduce.as_ref(), groups.iter_mut())?;
        Ok(groups.concat())
    }

    /// Takes this rank's environments out of the states of all.
    fn load_environments(&mut self, states: &[u8]) -> Result<(), TrainError> {
        let own = own_bounds(self.reduce.as_ref(), &self.bounds);
        let (first, end) = (self.bounds[own.start], self.bounds[own.end - 1]);
        let mut rest = states;
        let dim = self.normalizer.dim();
        if first > 0 {
            let all = EnvGroup::states(states, dim).map_err(damaged)?;
            let before = all.iter().take(first).map(|state| state.len()).sum();
            rest = &states[before..];
        }
        for worker in &mut self.workers {
            rest = worker.envs.load_state(rest).map_err(damaged)?;
        }
        let others = self.config.env.num_envs - end;
        let left = match others {
            0 => usize::from(!rest.is_empty()),
            _ => EnvGroup::states(rest, dim).map_err(damaged)?.len(),
        };
        match left.cmp(&others) {
            Ordering::Equal => Ok(()),
            Ordering::Less => Err(refused(
                "it has fewer environments than env.num_envs".into(),
            )),
            Ordering::Greater => Err(refused("it has more environments than env.num_envs".into())),
        }
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
