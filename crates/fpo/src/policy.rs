//! Loads a policy from a path, with its task.

mod show;

pub(crate) use show::show;

use crate::failure::Failure;
use crate::tasks::Tasks;
use fpo_env::Task;
use fpo_files::{CONVERTED, is_crlf, quoted};
use fpo_policy::Policy;
use fpo_run::run::{Pick, RunFolder, find_policy, is_checkpoint, run_containing};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A policy that was read from disk.
pub(crate) struct Loaded {
    pub(crate) policy: Policy,
    pub(crate) task: Arc<dyn Task>,
    /// The file or the checkpoint's folder.
    pub(crate) source: PathBuf,
}

/// A policy file that was read from disk.
pub(crate) struct PolicyFile {
    pub(crate) policy: Policy,
    pub(crate) bytes: Vec<u8>,
    /// The file or the checkpoint's folder.
    pub(crate) source: PathBuf,
}

/// Reads the policy at `path` (of a run: that of the checkpoint `pick`), of whatever task.
pub(crate) fn read(path: &Path, pick: Option<Pick>) -> Result<PolicyFile, Failure> {
    if pick.is_some() && (path.is_file() || is_checkpoint(path)) {
        return Err(Failure::input(format!(
            "--checkpoint selects one of a run's checkpoints; {} is a single policy",
            quoted(path)
        )));
    }
    let (bytes, source) = find_policy(path, pick.unwrap_or(Pick::Latest))?;
    let policy = Policy::load(&bytes).map_err(|e| {
        let source = quoted(&source);
        // Where the header of such a file begins; a text file is none.
        let header = bytes.get(8..10).is_some_and(|start| start.contains(&b'{'));
        Failure::input(if header && is_crlf(&bytes) {
            format!("{source}: {CONVERTED}")
        } else {
            format!("{source}: {e}")
        })
    })?;
    Ok(PolicyFile {
        policy,
        bytes,
        source,
    })
}

/// Reads the policy at `path`, as [`read`], and finds its task, which may be that of a `file`.
pub(crate) fn load(
    path: &Path,
    pick: Option<Pick>,
    file: Option<&Path>,
    tasks: &Tasks,
) -> Result<Loaded, Failure> {
    let PolicyFile { policy, source, .. } = read(path, pick)?;
    let at_source = |e: Failure| Failure::input(format!("{}: {e}", quoted(&source)));
    let run = run_containing(path);
    let task = match file {
        Some(file) => tasks.read(file)?,
        None if run.is_some() || path.is_dir() => {
            let run = run.as_deref().unwrap_or(path);
            tasks.of_run(run, policy.task()).map_err(at_source)?
        }
        None => tasks.named(policy.task()).map_err(|e| {
            at_source(Failure::input(format!(
                "{e}; if it was trained on a task file, name that with --task"
            )))
        })?,
    };
    if task.spec().name != policy.task() {
        return Err(Failure::input(format!(
            "{}: it was trained on `{}`, not on `{}`",
            quoted(&source),
            policy.task(),
            task.spec().name
        )));
    }
    let task = policy
        .adaptation()
        .apply(task)
        .map_err(|e| Failure::input(format!("{}: {e}", quoted(&source))))?;
    let spec = task.spec();
    if policy.observation() != spec.observation || !policy.action_map().spans(spec) {
        return Err(Failure::input(format!(
            "{}: it was trained on another version of {}: its observations or its action range are \
            not those of this version",
            quoted(&source),
            spec.name
        )));
    }
    Ok(Loaded {
        policy,
        task,
        source,
    })
}

/// Threads to use: the requested number, or one per core.
pub(crate) fn threads(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, |n| n.get()),
        usize::from,
    )
}

/// A warning that nothing guards a run's folder, where the file system cannot lock.
pub(crate) fn unlocked(folder: &RunFolder) -> Option<String> {
    let why = folder.unlocked()?;
    Some(format!(
        "warning: the file system cannot lock {} ({why}): make sure that no other process trains \
         there",
        quoted(folder.path())
    ))
}

/// The folder for what is made of the policy at `path`, unless the user names another: its run's,
/// or here, and here for a policy file. Nothing is put into a checkpoint.
pub(crate) fn folder_of_results(path: &Path) -> PathBuf {
    let run = if path.is_file() {
        None
    } else {
        run_containing(path)
    };
    run.unwrap_or_default()
}
