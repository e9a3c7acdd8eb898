//! A task of the suite: its specification, and the model its environments share.

use super::domain::{Definition, Domain};
use super::env::SuiteEnv;
use crate::assets;
use crate::model::Model;
use crate::physics::Physics;
use fpo_env::{Env, EnvSpec, MakeError, Task};
use std::sync::{Arc, OnceLock};

/// Steps of every episode.
const STEP_LIMIT: u32 = 1000;

pub(super) struct SuiteTask {
    definition: &'static Definition,
    spec: Arc<EnvSpec>,
    compiled: OnceLock<Result<Compiled, MakeError>>,
}

/// What the environments share.
pub(super) struct Compiled {
    pub(super) model: Arc<Model>,
    pub(super) domain: Arc<dyn Domain>,
    /// Physics steps in a step.
    pub(super) sub_steps: u32,
}

impl SuiteTask {
    pub(super) fn new(definition: &'static Definition) -> Self {
        let spec = Arc::new(EnvSpec {
            name: definition.name.into(),
            summary: definition.summary.into(),
            observation: definition
                .observation
                .iter()
                .map(|&(name, n)| (name.into(), n))
                .collect(),
            action_min: vec![-1.0; definition.actions],
            action_max: vec![1.0; definition.actions],
            control_timestep: definition.control_timestep,
            step_limit: STEP_LIMIT,
        });
        Self {
            definition,
            spec,
            compiled: OnceLock::new(),
        }
    }

    /// Makes one environment, as its own type.
    pub(super) fn make_suite(&self) -> Result<SuiteEnv, MakeError> {
        let compiled = self
            .compiled
            .get_or_init(|| self.compile())
            .as_ref()
            .map_err(MakeError::clone)?;
        let physics = Physics::new(Arc::clone(&compiled.model), self.definition.moves_targets)?;
        Ok(SuiteEnv::new(Arc::clone(&self.spec), compiled, physics))
    }

    fn compile(&self) -> Result<Compiled, MakeError> {
        let mut model = Model::compile(self.definition.model, assets::MODEL_FILES)?;
        let domain: Arc<dyn Domain> = (self.definition.build)(&mut model)?.into();
        let actions = model.head().nu as usize;
        let ratio = self.definition.control_timestep / model.timestep();
        if actions != self.definition.actions || (ratio - ratio.round()).abs() > 1e-8 || ratio < 0.5 {
            return Err(MakeError(format!(
                "the model `{}` is not the one `{}` is made for: it has {actions} actuators and steps of {} s",
                self.definition.model,
                self.definition.name,
                model.timestep()
            )));
        }
        Ok(Compiled {
            model: Arc::new(model),
            domain,
            sub_steps: ratio.round() as u32,
        })
    }
}

impl Task for SuiteTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.make_suite()?))
    }
}
