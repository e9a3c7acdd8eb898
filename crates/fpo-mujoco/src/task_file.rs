//! Tasks from files: a TOML file that names a model (MJCF) and says what is observed, acted,
//! rewarded, how an episode begins and when it ends. docs/your-own-task.md explains the format.
//!
//! From a file to environments, in the order of the modules: `reader` and `description` read
//! the TOML, `bundle` and `mjcf` the model and its files, `expression` and `quantities`
//! compile what terms say, `plan` puts together what environments share, and `env` steps one of
//! them. `explain` and `trial` are for users who write such a file.

mod bundle;
mod description;
mod env;
mod episode;
mod explain;
mod expression;
mod fault;
mod mjcf;
mod plan;
mod quantities;
mod reader;
mod trial;

#[cfg(test)]
mod tests;

pub use explain::reference;
pub use fault::TaskFileError;
pub use trial::{Trial, TrialTerm};

use crate::model::library_version;
use crate::task::digest;
use bundle::TASK_FILE;
use description::Description;
use env::{FileEnv, FirstFault};
use fault::Fault;
use fpo_env::{Env, EnvSpec, MakeError, SourceFile, Task};
use fpo_files::quoted;
use plan::Plan;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

/// A task that was read from a file.
pub struct FileTask {
    plan: Arc<Plan>,
    /// The path of the task file, and its text, for messages.
    name: String,
    text: String,
    model: String,
    files: Vec<SourceFile>,
    fault: Arc<FirstFault>,
}

impl FileTask {
    /// Reads the task file at `path`, compiles its model, and steps it a little.
    ///
    /// Neither file is trusted: nothing outside of the task file's folder is read, sizes are
    /// bounded, and every fault is an error of one line.
    ///
    /// # Errors
    /// [`TaskFileError`]: the file, the line, the term, and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, TaskFileError> {
        let text = bundle::read_text(path)?;
        let name = quoted(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_text(&name, folder, text)
    }

    fn from_text(name: &str, folder: &Path, text: String) -> Result<Self, TaskFileError> {
        let located = |fault: Fault| fault.in_file(name, &text);
        let description = Description::parse(&text).map_err(located)?;
        let (model, mut files) = bundle::compile(folder, &description.model).map_err(located)?;
        let plan = Plan::new(&description, model).map_err(located)?;
        plan.spec
            .check()
            .map_err(|why| located(Fault::new(0, "", why)))?;
        files.push(SourceFile {
            path: PathBuf::from(TASK_FILE),
            bytes: text.clone().into_bytes(),
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(twice) = files.windows(2).find(|two| two[0].path == two[1].path) {
            let why = format!("a file of the model is called {}", twice[0].path.display());
            return Err(located(Fault::new(description.model.at, "model", why)));
        }
        let task = Self {
            plan: Arc::new(plan),
            name: name.to_owned(),
            text: text.clone(),
            model: description.model.is,
            files,
            fault: Arc::default(),
        };
        trial::begin(&task)?;
        Ok(task)
    }

    fn make_env(&self) -> Result<FileEnv, MakeError> {
        FileEnv::new(Arc::clone(&self.plan), Arc::clone(&self.fault))
    }
}

impl Task for FileTask {
    fn spec(&self) -> &EnvSpec {
        &self.plan.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.make_env()?))
    }

    fn files(&self) -> &[SourceFile] {
        &self.files
    }

    fn versions(&self) -> Vec<(String, String)> {
        let files = self.files.iter();
        let files = files.map(|file| [file.path.as_os_str().as_encoded_bytes(), &file.bytes]);
        vec![
            ("mujoco".into(), library_version()),
            ("task files".into(), format!("blake3 {}", digest(files))),
        ]
    }

    fn fault(&self) -> Option<String> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = fault.as_ref()?;
        Some(fault.in_file(&self.name, &self.text).to_string())
    }

    fn critic_observation(&self) -> &[(String, usize)] {
        &self.plan.critic
    }
}
