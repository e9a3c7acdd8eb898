//! The parts of a task: a specification, a model that its environments share, and its rules.

mod env;
mod rules;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use rules::{Definition, Observation, Rules, Transition};

use crate::model::{Model, library_version};
use crate::physics::{Own, Physics};
pub(crate) use env::ModelEnv;
use fpo_env::{Env, EnvSpec, MakeError, Task};
use std::sync::{Arc, OnceLock};

/// Steps of every episode.
const STEP_LIMIT: u32 = 1000;

/// The models of a package.
pub(crate) struct Models {
    /// The package's name and its version.
    pub(crate) package: [&'static str; 2],
    /// File names, as the models include one another, and contents.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

/// A digest of named files, for records.
pub(crate) fn digest<'a>(files: impl Iterator<Item = [&'a [u8]; 2]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in files.flatten() {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// A task on a MuJoCo model.
pub(crate) struct ModelTask {
    definition: &'static Definition,
    models: &'static Models,
    spec: Arc<EnvSpec>,
    compiled: OnceLock<Result<Compiled, MakeError>>,
}

/// The data that environments share.
struct Compiled {
    model: Arc<Model>,
    rules: Arc<dyn Rules>,
    /// Physics steps in a step.
    sub_steps: u32,
}

impl ModelTask {
    /// A task whose model is among `models`. Compiles nothing yet.
    pub(crate) fn new(definition: &'static Definition, models: &'static Models) -> Self {
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
            step_limit: Some(STEP_LIMIT),
        });
        Self {
            definition,
            models,
            spec,
            compiled: OnceLock::new(),
        }
    }

    /// Creates one environment, as a concrete type.
    fn make_env(&self) -> Result<ModelEnv, MakeError> {
        let compiled = self.compiled.get_or_init(|| self.compile(Model::trim));
        self.make_from(compiled.as_ref().map_err(MakeError::clone)?)
    }

    fn make_from(&self, compiled: &Compiled) -> Result<ModelEnv, MakeError> {
        let own = match self.definition.moves_targets {
            true => Own::Positions,
            false => Own::Nothing,
        };
        let physics = Physics::new(Arc::clone(&compiled.model), own)?;
        Ok(ModelEnv::new(Arc::clone(&self.spec), compiled, physics))
    }

    /// Compiles the model, builds the rules for it, and applies `finish` last.
    fn compile(&self, finish: impl FnOnce(&mut Model)) -> Result<Compiled, MakeError> {
        let mut model = Model::compile(self.definition.model, self.models.files)?;
        let rules: Arc<dyn Rules> = (self.definition.build)(&mut model)?.into();
        let actions = model.controls();
        let ratio = self.definition.control_timestep / model.timestep();
        if actions != self.definition.actions || (ratio - ratio.round()).abs() > 1e-8 || ratio < 0.5
        {
            return Err(MakeError(format!(
                "the model `{}` does not match the task `{}`: it has {actions} actuators and \
                steps of {} s",
                self.definition.model,
                self.definition.name,
                model.timestep()
            )));
        }
        finish(&mut model);
        Ok(Compiled {
            model: Arc::new(model),
            rules,
            sub_steps: ratio.round() as u32,
        })
    }
}

impl Task for ModelTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.make_env()?))
    }

    fn versions(&self) -> Vec<(String, String)> {
        let [package, version] = self.models.package;
        let files = self.models.files.iter();
        let digest = digest(files.map(|(name, text)| [name.as_bytes(), text.as_bytes()]));
        vec![
            ("mujoco".into(), library_version()),
            (package.into(), format!("{version}, blake3 {digest}")),
        ]
    }
}
