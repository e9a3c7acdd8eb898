//! From defaults, preset, file and `--set` to one checked [`Config`].

mod documentation;
mod error;
mod keys;
mod settings_page;

pub use documentation::{documentation, documented};
pub use error::ConfigError;
pub use settings_page::settings_page;

pub(super) use keys::{Setting, ValueKind, keys};

use super::{Config, Method, validate::validate};
use fpo_files::{number, quoted, read_capped, shortened, stand_in};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use toml::{Table, Value};

/// The built-in presets: name and TOML text.
pub const PRESETS: [(&str, &str); 8] = [
    ("dppo", include_str!("../../presets/dppo.toml")),
    ("dppo-fast", include_str!("../../presets/dppo-fast.toml")),
    ("fast", include_str!("../../presets/fast.toml")),
    ("paper", include_str!("../../presets/paper.toml")),
    ("ppo", include_str!("../../presets/ppo.toml")),
    ("ppo-fast", include_str!("../../presets/ppo-fast.toml")),
    ("qfm-fast", include_str!("../../presets/qfm-fast.toml")),
    ("reppo-fast", include_str!("../../presets/reppo-fast.toml")),
];

/// The default preset.
pub const DEFAULT_PRESET: &str = "fast";

/// The settings of a run of `task`, in layers of increasing precedence: [`Config::default`], the
/// preset, the TOML `file`, then each of `sets` (`"optimizer.epochs=4"`). A preset or file may hold
/// tables `[method.NAME.…]`, which apply if NAME is the resulting `objective.method`, and tables
/// `[task."NAME".…]`, which apply to that task only. Both override the rest of their layer, the
/// task's also the method's. A preset may be based on another. `preset` and `seed` override those
/// in the file; if neither gives them they are [`DEFAULT_PRESET`] and 0.
///
/// # Errors
/// [`ConfigError`], one line each: an unknown key, preset or choice (with the nearest valid one), a
/// value of the wrong type or outside its range, a file that cannot be read or is not TOML.
pub fn resolve(
    task: &str,
    preset: Option<&str>,
    file: Option<&Path>,
    sets: &[String],
    seed: Option<u64>,
) -> Result<Config, ConfigError> {
    Ok(resolve_with_note(task, preset, file, sets, seed)?.0)
}

/// As [`resolve`], with a note for the user if the file was recorded by a run of another task.
///
/// # Errors
/// As [`resolve`], and if `preset` has no effect beside the file.
pub fn resolve_with_note(
    task: &str,
    preset: Option<&str>,
    file: Option<&Path>,
    sets: &[String],
    seed: Option<u64>,
) -> Result<(Config, Option<String>), ConfigError> {
    let file = file.map(read).transpose()?;
    let (asked, file) = (preset, file.as_ref());
    let text = |key: &str| Some(file?.1.get(key)?.as_str()?.to_owned());
    let named_by_file = text("preset");
    let preset = asked.or(named_by_file.as_deref()).unwrap_or(DEFAULT_PRESET);
    let resolved = |preset| resolve_parsed(task, preset, file, sets, seed);
    let config = resolved(preset)?;
    validate(&config)?;
    if let (Some(asked), Some(own), Some((origin, _))) = (asked, &named_by_file, file)
        && own != asked
        && let Ok(of_file) = resolved(own)
        && differences(&config, &of_file)?.len() <= 1
    {
        let preset = Value::String(own.to_owned());
        return Err(ConfigError::Conflict(format!(
            "--preset {asked} changes nothing beside {}, which sets everything in which it differs \
             from preset = {preset}, objective.method = \"{}\": leave out one of the two",
            brief(origin),
            config.objective.method.name()
        )));
    }
    let other = text("task").filter(|other| !other.is_empty() && other != task && !task.is_empty());
    let note = file.zip(other).map(|((origin, _), other)| {
        format!(
            "{} is of {}; its settings are used for {task}",
            brief(origin),
            brief(&other)
        )
    });
    Ok((config, note))
}

/// [`resolve`] without checks of ranges and conflicts.
fn resolve_parsed(
    task: &str,
    preset: &str,
    file: Option<&(String, Table)>,
    sets: &[String],
    seed: Option<u64>,
) -> Result<Config, ConfigError> {
    let lay = |method: Option<Method>| {
        let mut layers = Layers {
            merged: Table::new(),
            task,
            method,
        };
        layers.add_preset(preset)?;
        if let Some((origin, table)) = file {
            layers.add(table.clone(), origin)?;
        }
        for set in sets {
            layers.set(set)?;
        }
        layers.finish()
    };
    // The method is known only after all layers.
    let method = lay(None)?.objective.method;
    let mut config = lay(Some(method))?;
    // A method's table must not change the method.
    config.objective.method = method;
    config.task = task.to_owned();
    config.preset = preset.to_owned();
    config.seed = seed.unwrap_or(config.seed);
    Ok(config)
}

/// What a run is called: its preset, and its method where that is not the preset's.
pub fn label(config: &Config) -> String {
    let (preset, method) = (&config.preset, config.objective.method);
    match resolve_parsed(&config.task, preset, None, &[], None) {
        Ok(plain) if plain.objective.method != method => format!("{preset}-{}", method.name()),
        _ => preset.clone(),
    }
}

/// Reads the complete configuration that a run recorded and applies `sets` to it.
/// [`check_continues`] checks which settings may change when a run is resumed.
///
/// # Errors
/// As [`resolve`].
pub fn load_recorded(file: &Path, sets: &[String]) -> Result<Config, ConfigError> {
    let origin = quoted(file);
    let unreadable = |e: std::io::Error| ConfigError::Read {
        file: origin.clone(),
        message: e.to_string(),
    };
    let bytes = read_capped(file, LARGEST_FILE).map_err(unreadable)?;
    let table = parse(&utf8(bytes, &origin)?, &origin)?;
    let config = recorded(&origin, table, sets)?;
    // What is missing has its default, but no run is one of no task.
    match config.task.is_empty() {
        false => Ok(config),
        true => Err(ConfigError::Conflict(format!(
            "{origin} names no task: it is not what the run recorded"
        ))),
    }
}

fn recorded(origin: &str, table: Table, sets: &[String]) -> Result<Config, ConfigError> {
    let mut layers = Layers {
        merged: Table::new(),
        task: "",
        method: None,
    };
    // The precision of runs from before it was recorded.
    layers.set("train.precision=f32")?;
    layers.add(table, origin)?;
    for set in sets {
        layers.set(set)?;
    }
    let config = layers.finish()?;
    validate(&config)?;
    Ok(config)
}

/// The settings that a resumed run can change: its length, checkpoints and evaluation; its
/// precision, which another machine may lack; and settings that stabilize training, so that a
/// diverged run can be resumed from its last checkpoint with safer ones. None of them changes the
/// meaning of a saved state.
const CHANGEABLE: [&str; 20] = [
    "train.*",
    "eval.*",
    "optimizer.learning_rate",
    "optimizer.critic_learning_rate",
    "optimizer.final_lr_fraction",
    "optimizer.target_kl",
    "optimizer.max_kl",
    "optimizer.lr_scale_min",
    "optimizer.lr_scale_max",
    "optimizer.max_grad_norm",
    "objective.ratio_form",
    "objective.clip",
    "objective.log_ratio_clamp",
    "objective.log_ratio_max",
    "objective.loss_max",
    "objective.loss_pull",
    "objective.loss_pull_from",
    "objective.bound_pull",
    "objective.entropy",
    "objective.mean_noise",
];

/// Whether a resumed run can change the setting `path`.
fn is_changeable(path: &str) -> bool {
    CHANGEABLE.iter().any(|key| match key.strip_suffix('*') {
        Some(section) => path.starts_with(section),
        None => path == *key,
    })
}

/// Reads a configuration that [`documented`] wrote; `origin` names it in errors.
///
/// # Errors
/// As [`resolve`].
pub fn from_documented(text: &str, origin: &str) -> Result<Config, ConfigError> {
    recorded(origin, parse(text, origin)?, &[])
}

/// Checks that a run trained with `trained` can be resumed with the settings `now`.
///
/// # Errors
/// [`ConfigError::Fixed`] with the first key that differs and cannot change.
pub fn check_continues(now: &Config, trained: &Config) -> Result<(), ConfigError> {
    let differences = differences(now, trained)?;
    match differences
        .into_iter()
        .find(|difference| !is_changeable(&difference.key))
    {
        None => Ok(()),
        Some(Difference { key, value, other }) => Err(ConfigError::Fixed {
            key,
            value,
            trained: other,
            changeable: CHANGEABLE.join(", "),
        }),
    }
}

/// The keys whose values in `now` are not those of `other`, in the order of the struct tree.
///
/// # Errors
/// If one of the two cannot be written as TOML.
pub fn differences(now: &Config, other: &Config) -> Result<Vec<Difference>, ConfigError> {
    let (now, other) = (table(now)?, table(other)?);
    let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), shown);
    let pairs = keys()
        .iter()
        .map(|key| (key, lookup(&now, &key.path), lookup(&other, &key.path)));
    // A plan leaves the digest open that its run records.
    let open = |key: &Setting, value: Option<&Value>| {
        key.path == "init.digest" && value.and_then(Value::as_str) == Some("")
    };
    let pairs = pairs.filter(|(key, value, other)| !open(key, *value) && !open(key, *other));
    let differing = pairs.filter(|(_, value, other)| value != other);
    let differences = differing.map(|(key, value, other)| Difference {
        key: key.path.clone(),
        value: text(value),
        other: text(other),
    });
    Ok(differences.collect())
}

/// A key that two configurations have different values for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// The value in the first configuration, as TOML.
    pub value: String,
    /// The value in the other configuration.
    pub other: String,
}

/// `config` as TOML values. It goes through text, which holds the shortest decimal of an f32,
/// whereas a table would widen it to f64.
pub(super) fn table(config: &Config) -> Result<Table, ConfigError> {
    let unwritable = |e: String| ConfigError::Conflict(format!("configuration: {}", brief(&e)));
    let text = toml::to_string(config).map_err(|e| unwritable(e.to_string()))?;
    text.parse()
        .map_err(|e: toml::de::Error| unwritable(e.to_string()))
}

struct Layers<'a> {
    merged: Table,
    task: &'a str,
    /// The method whose tables apply, once it is known.
    method: Option<Method>,
}

impl Layers<'_> {
    /// Applies the preset `name`, after the one on which it is based.
    fn add_preset(&mut self, name: &str) -> Result<(), ConfigError> {
        let table = preset_table(name)?;
        if let Some(base) = table.get("preset").and_then(Value::as_str) {
            self.add_preset(base)?;
        }
        self.add(table, &format!("preset `{name}`"))
    }

    /// Applies `table`, then its overrides for the method, then those for the task, which may
    /// contain overrides for the method, too.
    fn add(&mut self, mut table: Table, origin: &str) -> Result<(), ConfigError> {
        let tasks = overrides(&mut table, "task", origin)?;
        self.lay(table, origin, true)?;
        for (name, own) in tasks {
            self.lay(own, origin, name == self.task)?;
        }
        Ok(())
    }

    /// Applies `table`, then its overrides for the method, if it `counts`. It is checked either
    /// way, so that a typing error is found in tables of other tasks and methods, too.
    fn lay(&mut self, mut table: Table, origin: &str, counts: bool) -> Result<(), ConfigError> {
        let methods = overrides(&mut table, "method", origin)?;
        let mut tables = vec![checked(table, origin)?];
        for (name, own) in methods {
            let own = checked(own, origin)?;
            if Some(method_named(&name, origin)?) == self.method {
                tables.push(own);
            }
        }
        if counts {
            tables
                .into_iter()
                .for_each(|table| merge(&mut self.merged, table));
        }
        Ok(())
    }

    fn set(&mut self, set: &str) -> Result<(), ConfigError> {
        let (key, text) = split(set)?;
        if key == "task" || key == "preset" {
            return Err(ConfigError::NotASetting {
                key: key.to_owned(),
            });
        }
        if !keys::is_section(key) && !keys().iter().any(|k| k.path == key) {
            // Reject it here: the walk below would stop at the section and suggest only that.
            return Err(ConfigError::unknown_key(key, "--set"));
        }
        let is_list = keys()
            .iter()
            .any(|k| k.path == key && matches!(k.kind, ValueKind::Integers));
        let value: Value = if is_list && !text.starts_with('[') {
            format!("[{text}]")
                .parse()
                .unwrap_or_else(|_| Value::String(text.to_owned()))
        } else {
            text.parse()
                .unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        if keys::is_section(key) {
            let members = Setting::members(key);
            return Err(ConfigError::wrong_type(key, &value, &members, "--set"));
        }
        let mut table = Table::new();
        let (sections, last) = key
            .rsplit_once('.')
            .map_or((None, key), |(s, l)| (Some(s), l));
        let leaf =
            sections
                .into_iter()
                .flat_map(|s| s.split('.'))
                .fold(&mut table, |table, section| {
                    let entry = table
                        .entry(section)
                        .or_insert_with(|| Value::Table(Table::new()));
                    entry
                        .as_table_mut()
                        .expect("every section was just made a table")
                });
        leaf.insert(last.to_owned(), value);
        merge(&mut self.merged, checked(table, "--set")?);
        Ok(())
    }

    fn finish(self) -> Result<Config, ConfigError> {
        self.merged
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError::Toml {
                file: "configuration".into(),
                message: brief(e.message()),
            })
    }
}

/// Takes the tables `[KIND.NAME.…]` out of `table`.
fn overrides(
    table: &mut Table,
    kind: &str,
    origin: &str,
) -> Result<Vec<(String, Table)>, ConfigError> {
    let Some(Value::Table(_)) = table.get(kind) else {
        return Ok(Vec::new());
    };
    let Some(Value::Table(named)) = table.remove(kind) else {
        return Ok(Vec::new());
    };
    let tables = named.into_iter().map(|(name, settings)| match settings {
        Value::Table(settings) => Ok((name, settings)),
        other => Err(ConfigError::wrong_type(
            &format!("{kind}.{name}"),
            &other,
            "a table of settings",
            origin,
        )),
    });
    tables.collect()
}

/// The method called `name`.
fn method_named(name: &str, origin: &str) -> Result<Method, ConfigError> {
    let value = Value::String(name.to_owned());
    let key = keys().iter().find(|key| key.path == "objective.method");
    let value = key.map_or(Ok(value.clone()), |key| key.check(value, origin))?;
    value
        .try_into()
        .map_err(|e: toml::de::Error| ConfigError::Toml {
            file: origin.to_owned(),
            message: brief(e.message()),
        })
}

fn split(set: &str) -> Result<(&str, &str), ConfigError> {
    let parts = set
        .split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()));
    parts
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| ConfigError::NoValue { set: brief(set) })
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// `table` with every key known and every value of its key's type.
fn checked(table: Table, origin: &str) -> Result<Table, ConfigError> {
    fn walk(table: Table, prefix: &str, origin: &str) -> Result<Table, ConfigError> {
        let mut out = Table::new();
        for (name, value) in table {
            let path = format!("{prefix}{name}");
            let value = if let Some(key) = keys().iter().find(|key| key.path == path) {
                key.check(value, origin)?
            } else if keys::is_section(&path) {
                match value {
                    Value::Table(inner) => Value::Table(walk(inner, &format!("{path}."), origin)?),
                    other => {
                        return Err(ConfigError::wrong_type(
                            &path,
                            &other,
                            &Setting::members(&path),
                            origin,
                        ));
                    }
                }
            } else {
                return Err(ConfigError::unknown_key(&path, origin));
            };
            out.insert(name, value);
        }
        Ok(out)
    }
    walk(table, "", origin)
}

/// The value at a dotted path.
pub(super) fn lookup<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => lookup(table.get(section)?.as_table()?, rest),
    }
}

fn preset_table(name: &str) -> Result<Table, ConfigError> {
    let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
        let known = PRESETS.map(|(preset, _)| preset);
        return Err(ConfigError::UnknownPreset {
            preset: brief(name),
            known: known.join(", "),
        });
    };
    parse(text, &format!("preset `{name}`"))
}

fn read(path: &Path) -> Result<(String, Table), ConfigError> {
    let origin = quoted(path);
    let table = parse(&read_text(path)?, &origin)?;
    match Kind::of(&table) {
        None | Some(Kind::Settings) => Ok((origin, table)),
        Some(other) => Err(ConfigError::Conflict(format!(
            "{origin} {other}, not settings"
        ))),
    }
}

/// The kinds of TOML files of this program, by the keys that only one of them has. What a parser of
/// another kind says of such a file, a missing key or the nearest known one, would mislead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Settings, for `--config`.
    Settings,
    /// `machine.toml` of a run.
    Machines,
    /// A task file.
    Task,
    /// A suite.
    Suite,
}

impl Kind {
    fn of(table: &Table) -> Option<Self> {
        let kinds = [
            (Self::Machines, &["session"][..]),
            (Self::Task, &["observation", "reward"]),
            (Self::Suite, &["tasks", "seeds"]),
            (Self::Settings, &["objective", "optimizer", "train", "env"]),
        ];
        let has = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
        let found = kinds.into_iter().find(|(_, keys)| has(keys));
        found.map(|(kind, _)| kind)
    }

    /// The kind of the file at `path`; none if it cannot be read, or may be of any.
    pub fn of_file(path: &Path) -> Option<Self> {
        let bytes = read_capped(path, LARGEST_FILE).ok()?;
        Self::of(&parse(str::from_utf8(&bytes).ok()?, "").ok()?)
    }
}

/// In words that follow the file's name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "has settings (`fpo train TASK --config` takes them)",
            Self::Machines => "records the machines of a run, whose settings are in config.toml",
            Self::Task => "is a task file (`fpo train` takes it in the place of a task)",
            Self::Suite => "is a suite (`fpo bench` runs it)",
        })
    }
}

/// Bound on the size of a file of settings, 1 MiB, far above that of any real one.
const LARGEST_FILE: u64 = 1 << 20;

/// The text of a file of settings that the user named, which may be a pipe.
///
/// # Errors
/// [`ConfigError::Read`] if it cannot be read, is longer than 1 MiB or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |message: String| ConfigError::Read {
        file: quoted(path),
        message,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(e.to_string()))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(unreadable("it is longer than 1 MiB".into()));
    }
    if let Some(what) = stand_in(&bytes) {
        return Err(unreadable(what.into()));
    }
    utf8(bytes, &quoted(path))
}

fn utf8(bytes: Vec<u8>, origin: &str) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|_| ConfigError::Read {
        file: origin.to_owned(),
        message: "it is not UTF-8 text".into(),
    })
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        ConfigError::Toml {
            file: format!("{origin}, line {line}"),
            message: brief(e.message()),
        }
    })
}

/// `text` on one line of bounded length.
pub(super) fn brief(text: &str) -> String {
    shortened(text, 120)
}

/// A value as TOML, for a message.
pub(super) fn shown(value: &Value) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Float(x) if x.is_finite() => number(*x),
            Value::Array(values) => {
                let values: Vec<_> = values.iter().map(text).collect();
                format!("[{}]", values.join(", "))
            }
            value => value.to_string(),
        }
    }
    brief(&text(value))
}

#[cfg(test)]
mod tests;
