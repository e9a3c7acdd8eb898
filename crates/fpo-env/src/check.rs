//! Whether a task can be trained on: every field of its [`EnvSpec`], once, by name.

use crate::{Env, EnvSpec, MakeError, Task};

/// Bound on the length of a task's name, which is part of a folder's.
const LONGEST_NAME: usize = 100;
/// Bound on the entries of an observation or an action, far above that of any real one.
const MOST_ENTRIES: usize = 1 << 24;
/// Bounds on the seconds of a step: a microsecond and a day.
const TIMESTEP: [f64; 2] = [1e-6, 86_400.0];

impl EnvSpec {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is not possible: its name, its value and what it has to be.
    ///
    /// ```
    /// use fpo_env::EnvSpec;
    ///
    /// let spec = EnvSpec {
    ///     name: "cart".into(), summary: "a cart".into(),
    ///     observation: vec![("position".into(), 1)],
    ///     action_min: vec![-1.0], action_max: vec![f32::INFINITY],
    ///     control_timestep: 0.1, step_limit: None,
    /// };
    /// let error = spec.check().unwrap_err().to_string();
    /// assert!(error.contains("`action_max[0]` is inf: it must be finite"), "{error}");
    /// ```
    pub fn check(&self) -> Result<(), MakeError> {
        let fault = name_fault(&self.name)
            .or_else(|| line_fault("summary", &self.summary))
            .or_else(|| match &self.observation[..] {
                [] => Some("`observation` is empty: it must have at least one part".into()),
                parts => parts_fault("observation", parts),
            })
            .or_else(|| bounds_fault(&self.action_min, &self.action_max))
            .or_else(|| {
                let [least, most] = TIMESTEP;
                let step = self.control_timestep;
                (!(least..=most).contains(&step)).then(|| {
                    format!("`control_timestep` is {step:?}: it must be {least} to {most} seconds")
                })
            })
            .or_else(|| {
                let zero = self.step_limit == Some(0);
                zero.then(|| "`step_limit` is 0: it must be at least 1, or None".into())
            });
        match fault {
            None => Ok(()),
            Some(fault) => Err(self.refused(&fault)),
        }
    }

    fn refused(&self, fault: &str) -> MakeError {
        // A name may be anything here.
        let name: String = self.name.escape_debug().take(LONGEST_NAME).collect();
        MakeError(format!("the task `{name}` cannot be used: its {fault}"))
    }
}

/// Checks a task before its first environment is made: its [`EnvSpec`], and what its critic sees.
///
/// # Errors
/// As [`EnvSpec::check`].
pub fn check_task(task: &(impl Task + ?Sized)) -> Result<(), MakeError> {
    let spec = task.spec();
    spec.check()?;
    match parts_fault("critic_observation", task.critic_observation()) {
        None => Ok(()),
        Some(fault) => Err(spec.refused(&fault)),
    }
}

/// Makes one environment of a task that was checked.
///
/// # Errors
/// As [`check_task`] and [`Task::make`], and if the environment has another [`EnvSpec`] than its
/// task.
pub fn make(task: &(impl Task + ?Sized)) -> Result<Box<dyn Env>, MakeError> {
    check_task(task)?;
    make_checked(task)
}

/// The same for a task that was checked already.
pub(crate) fn make_checked(task: &(impl Task + ?Sized)) -> Result<Box<dyn Env>, MakeError> {
    let env = task.make()?;
    match difference(task.spec(), env.spec()) {
        None => Ok(env),
        Some(field) => Err(MakeError(format!(
            "the task `{}` made an environment whose `EnvSpec::{field}` is not the task's",
            task.spec().name
        ))),
    }
}

/// The first field that differs.
fn difference(task: &EnvSpec, env: &EnvSpec) -> Option<&'static str> {
    let fields = [
        ("name", task.name == env.name),
        ("summary", task.summary == env.summary),
        ("observation", task.observation == env.observation),
        ("action_min", task.action_min == env.action_min),
        ("action_max", task.action_max == env.action_max),
        (
            "control_timestep",
            task.control_timestep == env.control_timestep,
        ),
        ("step_limit", task.step_limit == env.step_limit),
    ];
    let differing = fields.into_iter().find(|(_, equal)| !equal);
    differing.map(|(field, _)| field)
}

fn name_fault(name: &str) -> Option<String> {
    // The name of a run's folder contains that of its task.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let valid = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
        && name.len() <= LONGEST_NAME;
    (!valid).then(|| {
        format!(
            "`name` may have letters, digits, `-`, `_` and `.`, a letter or digit first, and at \
             most {LONGEST_NAME} of them"
        )
    })
}

/// Text that is shown in tables.
fn line_fault(field: &str, text: &str) -> Option<String> {
    let control = text.contains(char::is_control);
    control.then(|| format!("`{field}` holds a control character: it must be one line"))
}

fn parts_fault(field: &str, parts: &[(String, usize)]) -> Option<String> {
    let mut sum = 0usize;
    for (i, (name, size)) in parts.iter().enumerate() {
        if name.is_empty() || name.contains(char::is_control) {
            return Some(format!("`{field}[{i}]` must have a name of one line"));
        }
        if parts[..i].iter().any(|(other, _)| other == name) {
            return Some(format!("`{field}` has two parts called `{name}`"));
        }
        if *size == 0 {
            return Some(format!(
                "`{field}[{i}]`, `{name}`, has 0 entries: it must have some"
            ));
        }
        sum = sum.saturating_add(*size);
    }
    (sum > MOST_ENTRIES).then(|| format!("`{field}` has {sum} entries: at most {MOST_ENTRIES}"))
}

fn bounds_fault(min: &[f32], max: &[f32]) -> Option<String> {
    if min.len() != max.len() {
        return Some(format!(
            "`action_min` has {} entries and `action_max` {}: they must be as many",
            min.len(),
            max.len()
        ));
    }
    if min.is_empty() {
        return Some("`action_min` is empty: an action must have at least one entry".into());
    }
    if min.len() > MOST_ENTRIES {
        return Some(format!(
            "`action_min` has {} entries: at most {MOST_ENTRIES}",
            min.len()
        ));
    }
    for (i, (lo, hi)) in min.iter().zip(max).enumerate() {
        for (field, bound) in [("action_min", lo), ("action_max", hi)] {
            if !bound.is_finite() {
                return Some(format!("`{field}[{i}]` is {bound:?}: it must be finite"));
            }
        }
        if lo >= hi {
            return Some(format!(
                "`action_min[{i}]` is {lo:?}: it must be below `action_max[{i}]`, which is {hi:?}"
            ));
        }
        // Actions are mapped by the middle and half of the range.
        let half = 0.5 * (hi - lo);
        if !(half.is_normal() && (0.5 * (lo + hi)).is_finite()) {
            return Some(format!(
                "`action_min[{i}]` is {lo:e} and `action_max[{i}]` {hi:e}: the middle and the half \
                 of their range must be numbers of single precision"
            ));
        }
    }
    None
}
