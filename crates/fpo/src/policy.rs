//! Loads a policy from a path, with its task.

mod show;

pub(crate) use show::show;

use crate::args::PolicyArgs;
use crate::failure::Failure;
use crate::output::log;
use crate::tasks::Tasks;
use fpo_env::Task;
use fpo_files::{CONVERTED, count, is_crlf, quoted};
use fpo_policy::{Policy, PolicyError};
use fpo_run::run::{
    Pick, RunFolder, Session, digest, find_policy, is_checkpoint, run_containing, trained_on,
};
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

/// Reads a policy, of whatever task.
pub(crate) fn read(of: &PolicyArgs) -> Result<PolicyFile, Failure> {
    let (path, pick) = (of.policy.as_path(), of.checkpoint);
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
        // A file of a run that is no policy: the run has some.
        let foreign = matches!(e, PolicyError::NotSafetensors | PolicyError::Foreign);
        Failure::input(match run_containing(path).filter(|_| foreign) {
            _ if header && is_crlf(&bytes) => format!("{source}: {CONVERTED}"),
            Some(run) => format!(
                "{source}: {e}; for the policy of the run name {}",
                quoted(&run)
            ),
            None => format!("{source}: {e}"),
        })
    })?;
    Ok(PolicyFile {
        policy,
        bytes,
        source,
    })
}

/// Reads a policy and finds its task, which may be that of a `file`.
pub(crate) fn load(of: &PolicyArgs, file: Option<&Path>, tasks: &Tasks) -> Result<Loaded, Failure> {
    let path = of.policy.as_path();
    let PolicyFile { policy, source, .. } = read(of)?;
    let at_source = |e: Failure| Failure::input(format!("{}: {e}", quoted(&source)));
    let run = run_containing(path);
    let task = match file {
        Some(file) => tasks.file(file)?,
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
    if let Some(note) = other_task_files(&source, task.as_ref()) {
        log(&note);
    }
    let task = policy
        .adaptation()
        .apply(task)
        .map_err(|e| Failure::input(format!("{}: {e}", quoted(&source))))?;
    let spec = task.spec();
    if !policy.fits(spec) {
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

/// A note that `task` is not of the files with which the policy at `source` was trained, where that
/// is known.
pub(crate) fn other_task_files(source: &Path, task: &dyn Task) -> Option<String> {
    let trained = trained_on(source)?;
    (digest(task.files()).as_ref() != Some(&trained)).then(|| {
        format!(
            "note: {} was trained with other files of the task {}; the changed ones are used",
            quoted(source),
            task.spec().name
        )
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

/// A note that a run begins again for want of a checkpoint.
pub(crate) fn begun_again(session: &Session) -> Option<String> {
    let iterations = session.begun_again()?;
    Some(format!(
        "note: {} has no checkpoint yet and begins again (iterations recorded so far: {})",
        quoted(session.folder().path()),
        count(iterations)
    ))
}

/// Notes on what a resumed run's records lack.
pub(crate) fn missing_records(session: &Session) -> Vec<String> {
    let folder = quoted(session.folder().path());
    let missing = session.missing_records().iter();
    missing
        .map(|lacks| format!("note: in {folder}, {lacks}; it goes on without them"))
        .collect()
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
