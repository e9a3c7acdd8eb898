//! What a run begins with in place of random networks: a policy file, or a run with its critic.

use super::{CONFIG, LARGEST_POLICY, Pick, RunError, RunFolder, STATE, find_policy};
use crate::checkpoint::Checkpoint;
use crate::config::{Config, from_documented};
use fpo_env::Task;
use fpo_files::{one_line, quoted, read_capped};
use fpo_learn::critic::Critic;
use fpo_learn::trainer::{CriticStart, Networks, Start};
use fpo_policy::{Model, Policy, StdKind};
use std::fmt;
use std::path::{Path, PathBuf};

/// What a run began with, in its folder: it depends on the place that it came from no longer.
pub(crate) const START: &str = "init.safetensors";
/// Bound on its size: a policy, and a critic as large.
const LARGEST_START: u64 = 2 * LARGEST_POLICY;

/// What was taken from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The policy file or the checkpoint's folder.
    pub source: PathBuf,
    /// The task that it was trained on.
    pub task: String,
    /// Observations in the statistics of its normalizer.
    pub observations: u64,
    /// Whether the critic was taken, too; otherwise why not, in words that follow "its critic".
    pub critic: Result<(), String>,
}

/// In one line.
impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "beginning from {} ({}): policy, normalizer ({} observations)",
            quoted(&self.source),
            one_line(&self.task),
            self.observations
        )?;
        match &self.critic {
            Ok(()) => f.write_str(" and critic"),
            Err(why) => write!(f, "; not its critic, which {}", one_line(why)),
        }
    }
}

/// Checks that a run of `task` with these settings can begin with what `init.from` names, if it
/// names something. [`super::Session::begin`] finds out, too, but has a folder by then.
///
/// # Errors
/// [`RunError::Start`] if there is no policy, it does not fit the settings, or it is not the one
/// whose digest `init.digest` gives.
pub fn check_start(config: &Config, task: &dyn Task) -> Result<(), RunError> {
    take(config, task).map(drop)
}

/// What a run begins with, as it was read from where `init.from` says.
pub(super) struct Read {
    pub(super) start: Start,
    pub(super) taken: Taken,
    /// To be kept in the run's folder.
    pub(super) bytes: Vec<u8>,
}

/// What a run of `task` with these settings begins with; nothing if `init.from` is empty.
///
/// # Errors
/// As [`check_start`].
pub(super) fn take(config: &Config, task: &dyn Task) -> Result<Option<Read>, RunError> {
    let init = &config.init;
    if init.from.is_empty() {
        return Ok(None);
    }
    let refused = |reason: String| RunError::Start {
        path: init.from.clone().into(),
        reason,
    };
    let networks = Networks::new(config, task)?;
    let (start, taken) = read(Path::new(&init.from), config, &networks).map_err(refused)?;
    let bytes = start.save(&networks)?;
    if !init.digest.is_empty() && init.digest != digest(&bytes) {
        return Err(refused(
            "it is not what init.digest was recorded for; to begin with it nevertheless, leave \
            init.digest empty"
                .to_owned(),
        ));
    }
    Ok(Some(Read {
        start,
        taken,
        bytes,
    }))
}

/// The digest of [`Read::bytes`].
pub(super) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// What the run in `folder` began with, if not with random networks.
///
/// # Errors
/// If that file is missing, damaged or another.
pub(super) fn recorded(
    config: &Config,
    folder: &RunFolder,
    task: &dyn Task,
) -> Result<Option<Start>, RunError> {
    let Some((path, bytes)) = recorded_start(config, folder.path())? else {
        return Ok(None);
    };
    let networks = Networks::new(config, task)?;
    let start = Start::load(&bytes, &networks).map_err(|e| RunError::StartDamaged {
        path,
        reason: e.to_string(),
    })?;
    Ok(Some(start))
}

/// The file with what the run in `folder` began with, and its content; none if with random
/// networks.
///
/// # Errors
/// If that file is missing or another.
pub(crate) fn recorded_start(
    config: &Config,
    folder: &Path,
) -> Result<Option<(PathBuf, Vec<u8>)>, RunError> {
    if config.init.digest.is_empty() {
        return Ok(None);
    }
    let path = folder.join(START);
    let bytes = read_capped(&path, LARGEST_START).map_err(|source| RunError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    if digest(&bytes) != config.init.digest {
        let reason = "its hash is not init.digest, which config.toml records".to_owned();
        return Err(RunError::StartDamaged { path, reason });
    }
    Ok(Some((path, bytes)))
}

/// What a training of these networks can begin with at `path`: a run's folder, a checkpoint's, or a
/// policy file.
fn read(path: &Path, config: &Config, networks: &Networks) -> Result<(Start, Taken), String> {
    let (bytes, source) = find_policy(path, Pick::Latest).map_err(|error| match error {
        RunError::NotARun { reason, .. } => reason,
        RunError::NoCheckpoint { .. } | RunError::FailedEarly { .. } => {
            "it has no checkpoint".to_owned()
        }
        error => error.to_string(),
    })?;
    let policy = Policy::load(&bytes).map_err(|e| e.to_string())?;
    check_policy(&policy, &config.task, &networks.policy)?;
    let critic = if source.is_dir() {
        read_critic(&source, config, networks)?
    } else {
        Err("a policy file does not hold".to_owned())
    };
    let moments = policy.normalizer().moments().clone();
    let taken = Taken {
        source,
        task: policy.task().to_owned(),
        observations: moments.count,
        critic: critic.as_ref().map(|_| ()).map_err(Clone::clone),
    };
    let start = Start {
        policy: policy.parameters().to_vec(),
        normalizer: moments,
        critic: critic.ok(),
    };
    Ok((start, taken))
}

/// The critic of the checkpoint in `folder`, if it is of the same kind and sizes.
fn read_critic(
    folder: &Path,
    config: &Config,
    networks: &Networks,
) -> Result<Result<CriticStart, String>, String> {
    let checkpoint = Checkpoint::open(folder).map_err(|e| e.to_string())?;
    let read = |name| checkpoint.read(name).map_err(|e| e.to_string());
    let origin = quoted(&folder.join(CONFIG));
    let theirs = from_documented(&String::from_utf8_lossy(&read(CONFIG)?), &origin)
        .map_err(|e| e.to_string())?;
    if let Some(key) = differing_critic(&theirs, config, &networks.critic) {
        return Ok(Err(format!("has another {key}")));
    }
    CriticStart::of_state(&read(STATE)?, networks).map_err(|e| e.to_string())
}

/// The first setting that differs of those that say what a critic's numbers mean. Its widths show
/// in its tensors.
fn differing_critic(theirs: &Config, ours: &Config, critic: &Critic) -> Option<&'static str> {
    let (a, b) = (&theirs.critic, &ours.critic);
    let bins = |config: &Config| {
        let critic = &config.critic;
        (critic.bins, critic.bin_min, critic.bin_max)
    };
    let differing = [
        (
            "kind (it judges actions, or observations alone)",
            theirs.objective.method.follows_q() != ours.objective.method.follows_q(),
        ),
        ("critic.activation", a.activation != b.activation),
        ("critic.head", a.head != b.head),
        (
            "critic.bins",
            critic.bins.is_some() && bins(theirs) != bins(ours),
        ),
        ("critic.value_scale", a.value_scale != b.value_scale),
    ];
    let mut differing = differing.into_iter().filter(|(_, differs)| *differs);
    differing.next().map(|(key, _)| key)
}

/// Checks that `policy` has the network of `ours`, or says what to change.
fn check_policy(policy: &Policy, task: &str, ours: &Model) -> Result<(), String> {
    let theirs = policy.model();
    let sizes = |model: &Model| (model.observation_dim(), model.action_dim());
    if sizes(theirs) != sizes(ours) {
        let ((o, a), (to, ta)) = (sizes(theirs), sizes(ours));
        return Err(format!(
            "it was trained on {} with {o} observations and {a} actions; {task} has {to} and {ta}",
            policy.task()
        ));
    }
    let mut sets = Vec::new();
    match (theirs, ours) {
        (Model::Flow(a), Model::Flow(b)) => {
            if a.embedding != b.embedding {
                sets.push(format!("policy.time_embedding={}", a.embedding));
            }
            if a.output_scale != b.output_scale {
                sets.push(format!("policy.output_scale={}", a.output_scale));
            }
        }
        (Model::Gaussian(a), Model::Gaussian(b)) => {
            if a.std != b.std {
                let std = match a.std {
                    StdKind::StateDependent => "state_dependent",
                    StdKind::StateIndependent => "state_independent",
                };
                sets.push(format!("policy.std={std}"));
            }
        }
        (Model::Flow(_), Model::Gaussian(_)) => {
            return Err("its policy is a flow, and objective.method trains a Gaussian".to_owned());
        }
        (Model::Gaussian(_), Model::Flow(_)) => {
            return Err("its policy is a Gaussian, and objective.method trains a flow".to_owned());
        }
    }
    let (a, b) = (theirs.network().spec(), ours.network().spec());
    if a.hidden != b.hidden {
        let widths: Vec<String> = a.hidden.iter().map(ToString::to_string).collect();
        sets.push(format!("policy.hidden={}", widths.join(",")));
    }
    if a.activation != b.activation {
        let name = format!("{:?}", a.activation).to_lowercase();
        sets.push(format!("policy.activation={name}"));
    }
    if sets.is_empty() {
        return Ok(());
    }
    Err(format!(
        "its network has other settings; train with them: --set {}",
        sets.join(" --set ")
    ))
}
