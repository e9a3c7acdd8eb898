//! Opening a run to resume it: its settings, and the task that it goes on with.

use super::{Resources, RunError, RunFolder, Session, digest, task_file};
use crate::config::{Config, load_recorded};
use fpo_env::Task;
use std::path::Path;
use std::sync::Arc;

/// A run that was opened, and locked, to be resumed.
pub struct Resuming {
    folder: RunFolder,
    config: Config,
}

impl Resuming {
    /// Opens the run in `folder` with its recorded settings, changed by `sets` (`key=value`).
    ///
    /// # Errors
    /// If it is no run, another process trains in it, or its settings or a change are invalid.
    pub fn open(folder: &Path, sets: &[String]) -> Result<Self, RunError> {
        let folder = RunFolder::open(folder)?;
        let config = load_recorded(&folder.config(), sets)?;
        Ok(Self { folder, config })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Resumes it with these resources, in the task that it records: `kept` finds that by the run's
    /// folder and the task's name. If the caller names a task, that one must be the same; it takes
    /// the place of one whose file the run has lost, since the checkpoint knows what that was.
    ///
    /// # Errors
    /// Those of `kept` and [`Session::resume`], and if `named` is another task, or has other files.
    pub fn resume<E: From<RunError>>(
        self,
        named: Option<Arc<dyn Task>>,
        kept: impl FnOnce(&Path, &str) -> Result<Arc<dyn Task>, E>,
        resources: impl Into<Resources>,
    ) -> Result<Session, E> {
        let task = match &named {
            Some(named) if task_file(self.path()).is_none() => Arc::clone(named),
            _ => kept(self.path(), &self.config.task)?,
        };
        if let Some(named) = named {
            self.check_same(named.as_ref(), task.as_ref())?;
        }
        Ok(Session::resume(self.folder, self.config, task, resources)?)
    }

    /// Checks that the task that the caller names is the run's.
    fn check_same(&self, named: &dyn Task, task: &dyn Task) -> Result<(), RunError> {
        let (folder, own) = (self.path().to_owned(), self.config.task.clone());
        let named_as = &named.spec().name;
        if *named_as != own {
            return Err(RunError::RunOfOtherTask {
                folder,
                task: own,
                named: named_as.clone(),
            });
        }
        if digest(named.files()) != digest(task.files()) {
            return Err(RunError::OtherTask { folder, task: own });
        }
        Ok(())
    }
}
