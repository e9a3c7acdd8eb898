//! The description of a benchmark in TOML: tasks, seeds and methods.

use fpo_files::{nearest, one_line, shortened};
use std::ops::Range;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Dotted keys and values, in the order of the file.
pub type Settings = Vec<(String, Value)>;

/// A grid of methods × tasks × seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    /// The tasks, in the order of the file.
    pub tasks: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The mapping from returns to scores; none if scores are returns.
    pub score: Option<ScoreRange>,
    /// Settings of all runs: dotted keys and values.
    pub set: Settings,
    /// The methods, in the order of the file.
    pub methods: Vec<Method>,
}

/// A method of the benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Its name in the file, and its folder's name.
    pub name: String,
    /// Its name in tables and plots.
    pub label: String,
    /// The preset on which it is based; none for the program's default.
    pub preset: Option<String>,
    /// Settings that override the suite's.
    pub set: Settings,
    /// Tasks, and settings for each that override the method's.
    pub tasks: Vec<(String, Settings)>,
}

/// The returns that count as 0 and as 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The return whose score is 0.
    pub min: f64,
    /// The return whose score is 1.
    pub max: f64,
}

/// An error in a suite; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct SuiteError {
    /// The file, and the line if known.
    pub origin: String,
    /// The error.
    pub message: String,
}

impl Suite {
    /// Reads the suite called `name` from the TOML `text`; `origin` names it in errors.
    ///
    /// # Errors
    /// If it is not TOML, a key is unknown, missing or of another type, a list is empty or has
    /// duplicates, a name is not a valid folder name, or there are too many runs.
    pub fn parse(name: &str, text: &str, origin: &str) -> Result<Self, SuiteError> {
        let reader = Reader { text, origin };
        let document =
            DeTable::parse(text).map_err(|e| reader.error(e.span(), one_line(e.message())))?;
        let root = reader.table(document.get_ref())?;
        root.only("", &["tasks", "seeds", "score", "set", "method"])?;
        let suite = Self {
            name: name.to_owned(),
            tasks: reader.names(root.required("tasks", "the tasks to learn, a list of names")?)?,
            seeds: reader.seeds(root.required("seeds", "the seeds, a list of whole numbers")?)?,
            score: root
                .get("score")
                .map(|entry| reader.score(entry))
                .transpose()?,
            set: root
                .get("set")
                .map_or(Ok(Vec::new()), |entry| reader.settings(entry))?,
            methods: reader
                .methods(root.required("method", "a table [method.NAME] for every method")?)?,
        };
        for method in &suite.methods {
            let mut named = method.tasks.iter().map(|(name, _)| name);
            if let Some(name) = named.find(|name| !suite.tasks.contains(name)) {
                let nearest = nearest(name, suite.tasks.iter().map(String::as_str));
                let message = format!(
                    "`method.{}.task.{name}` names no task of the suite; did you mean `{}`?",
                    method.name,
                    nearest.map_or("", |(task, _)| task)
                );
                return Err(reader.error(None, message));
            }
        }
        let runs = suite.tasks.len() * suite.seeds.len() * suite.methods.len();
        if runs > MOST_RUNS {
            let message = format!(
                "tasks × seeds × methods are {runs} runs; at most {MOST_RUNS} make a suite"
            );
            return Err(reader.error(None, message));
        }
        Ok(suite)
    }

    /// The settings of the runs of `method` on `task`, as for `--set`: those of all runs, then the
    /// method's, then those of the task.
    pub fn sets(&self, method: &Method, task: &str) -> Vec<String> {
        let of_task = method.tasks.iter().filter(|(name, _)| name == task);
        let of_task = of_task.flat_map(|(_, set)| set);
        let all = self.set.iter().chain(&method.set).chain(of_task);
        all.map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// The name of the folder of a run within its method's.
    pub fn run_name(task: &str, seed: u64) -> String {
        format!("{task}-seed{seed}")
    }

    /// The score of a mean return.
    pub fn score(&self, mean_return: f64) -> f64 {
        self.score.map_or(mean_return, |range| {
            (mean_return - range.min) / (range.max - range.min)
        })
    }

    /// The name of a score on an axis.
    pub fn score_name(&self) -> &'static str {
        if self.score.is_some() {
            "score"
        } else {
            "return"
        }
    }
}

/// Maximum number of runs of a suite, because a few lines could describe millions.
const MOST_RUNS: usize = 10_000;
/// Characters of an unknown key in a message.
const LONGEST_KEY: usize = 120;

/// Whether `name` is a valid name of a folder inside a suite's folder.
fn names_a_folder(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The error for other names.
const FOLDER_NAMES: &str =
    "cannot name a folder: letters, digits, +, -, _ and . are allowed, . not at the start";

/// An entry of a table: its key and value, with where they are written.
#[derive(Clone)]
struct Entry<'a> {
    key: String,
    at: Range<usize>,
    value: &'a DeValue<'a>,
}

/// The entries of a table in the order of the file.
struct Entries<'a> {
    reader: Reader<'a>,
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    text: &'a str,
    origin: &'a str,
}

impl<'a> Reader<'a> {
    fn error(&self, at: Option<Range<usize>>, message: impl Into<String>) -> SuiteError {
        let line = at.map(|at| {
            self.text[..at.start.min(self.text.len())]
                .matches('\n')
                .count()
                + 1
        });
        SuiteError {
            origin: line.map_or(self.origin.to_owned(), |line| {
                format!("{}, line {line}", self.origin)
            }),
            message: message.into(),
        }
    }

    fn table(&self, table: &'a DeTable<'a>) -> Result<Entries<'a>, SuiteError> {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                at: key.span(),
                value: value.get_ref(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.at.start);
        Ok(Entries {
            reader: *self,
            entries,
        })
    }

    fn entries(&self, entry: &Entry<'a>, what: &str) -> Result<Entries<'a>, SuiteError> {
        match entry.value {
            DeValue::Table(table) => self.table(table),
            _ => Err(self.wrong(entry, what)),
        }
    }

    fn wrong(&self, entry: &Entry, what: &str) -> SuiteError {
        self.error(
            Some(entry.at.clone()),
            format!("`{}` is not {what}", entry.key),
        )
    }

    /// The elements of a list that is not empty.
    fn list(&self, entry: &Entry<'a>, what: &str) -> Result<Vec<Value>, SuiteError> {
        let Value::Array(list) = self.plain(entry)? else {
            return Err(self.wrong(entry, what));
        };
        if list.is_empty() {
            return Err(self.error(Some(entry.at.clone()), format!("`{}` is empty", entry.key)));
        }
        for (i, value) in list.iter().enumerate() {
            if list[..i].contains(value) {
                return Err(self.error(
                    Some(entry.at.clone()),
                    format!("`{}` holds {value} twice", entry.key),
                ));
            }
        }
        Ok(list)
    }

    fn names(&self, entry: Entry<'a>) -> Result<Vec<String>, SuiteError> {
        let what = "a list of names in quotes";
        let names = self
            .list(&entry, what)?
            .into_iter()
            .map(|value| match value {
                Value::String(name) if names_a_folder(&name) => Ok(name),
                Value::String(name) => {
                    let message = format!("`{}` holds {name:?}, which {FOLDER_NAMES}", entry.key);
                    Err(self.error(Some(entry.at.clone()), message))
                }
                _ => Err(self.wrong(&entry, what)),
            });
        names.collect()
    }

    fn seeds(&self, entry: Entry<'a>) -> Result<Vec<u64>, SuiteError> {
        let what = "a list of whole numbers from 0 up";
        let seeds = self.list(&entry, what)?.into_iter();
        let seed = |value: Value| u64::try_from(value.as_integer()?).ok();
        seeds
            .map(|value| seed(value).ok_or_else(|| self.wrong(&entry, what)))
            .collect()
    }

    fn score(&self, entry: &Entry<'a>) -> Result<ScoreRange, SuiteError> {
        let table = self.entries(entry, "a table with min and max")?;
        table.only("score.", &["min", "max"])?;
        let bound = |name: &str| -> Result<f64, SuiteError> {
            let entry = table.required(name, "a return")?;
            let number = match self.plain(&entry)? {
                Value::Integer(number) => Some(number as f64),
                Value::Float(number) => Some(number),
                _ => None,
            };
            number
                .filter(|number| number.is_finite())
                .ok_or_else(|| self.wrong(&entry, "a finite number"))
        };
        let (min, max) = (bound("min")?, bound("max")?);
        if min < max {
            Ok(ScoreRange { min, max })
        } else {
            Err(self.error(
                Some(entry.at.clone()),
                "`score.min` is not below `score.max`",
            ))
        }
    }

    /// Settings, written with dotted keys in quotes or as tables.
    fn settings(&self, entry: &Entry<'a>) -> Result<Settings, SuiteError> {
        let mut settings = Vec::new();
        for inner in self.entries(entry, "a table of settings")?.entries {
            match inner.value {
                DeValue::Table(_) => {
                    let prefix = inner.key.clone();
                    let below = self.settings(&inner)?;
                    settings.extend(
                        below
                            .into_iter()
                            .map(|(key, value)| (format!("{prefix}.{key}"), value)),
                    );
                }
                _ => settings.push((inner.key.clone(), self.plain(&inner)?)),
            }
        }
        for (i, (key, _)) in settings.iter().enumerate() {
            if settings[..i].iter().any(|(other, _)| other == key) {
                return Err(self.error(Some(entry.at.clone()), format!("`{key}` is set twice")));
            }
            if let "seed" | "task" | "preset" = key.as_str() {
                let message = format!(
                    "`{key}` is not a setting of a method: the suite has its own place for it"
                );
                return Err(self.error(Some(entry.at.clone()), message));
            }
        }
        Ok(settings)
    }

    fn methods(&self, entry: Entry<'a>) -> Result<Vec<Method>, SuiteError> {
        let methods = self
            .entries(&entry, "a table [method.NAME] for every method")?
            .entries;
        if methods.is_empty() {
            return Err(self.error(Some(entry.at), "`method` is empty"));
        }
        methods.iter().map(|entry| self.method(entry)).collect()
    }

    fn method(&self, entry: &Entry<'a>) -> Result<Method, SuiteError> {
        let name = entry.key.clone();
        if !names_a_folder(&name) {
            let message = format!("`method.{name}` {FOLDER_NAMES}");
            return Err(self.error(Some(entry.at.clone()), message));
        }
        let table = self.entries(entry, "a table")?;
        table.only(
            &format!("method.{name}."),
            &["preset", "label", "set", "task"],
        )?;
        let text = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(entry) => match self.plain(entry)? {
                Value::String(text) => Ok(Some(text)),
                _ => Err(self.wrong(entry, "a text in quotes")),
            },
        };
        Ok(Method {
            label: text("label")?.unwrap_or_else(|| name.clone()),
            preset: text("preset")?,
            set: table
                .get("set")
                .map_or(Ok(Vec::new()), |entry| self.settings(entry))?,
            tasks: table
                .get("task")
                .map_or(Ok(Vec::new()), |entry| self.tasks(entry))?,
            name,
        })
    }

    /// Settings of single tasks.
    fn tasks(&self, entry: &Entry<'a>) -> Result<Vec<(String, Settings)>, SuiteError> {
        let tasks = self.entries(entry, "a table of tasks, with settings of each")?;
        let settings = tasks
            .entries
            .iter()
            .map(|task| Ok((task.key.clone(), self.settings(task)?)));
        settings.collect()
    }

    /// A value without its position.
    fn plain(&self, entry: &Entry<'a>) -> Result<Value, SuiteError> {
        let value = toml::Spanned::new(entry.at.clone(), entry.value.clone());
        serde::Deserialize::deserialize(ValueDeserializer::from(value))
            .map_err(|e: toml::de::Error| self.error(Some(entry.at.clone()), one_line(e.message())))
    }
}

impl<'a> Entries<'a> {
    fn get(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn required(&self, key: &str, what: &str) -> Result<Entry<'a>, SuiteError> {
        let missing = || {
            self.reader
                .error(None, format!("`{key}` is missing: {what}"))
        };
        self.get(key).cloned().ok_or_else(missing)
    }

    /// Rejects keys that are not among `known`.
    fn only(&self, prefix: &str, known: &[&str]) -> Result<(), SuiteError> {
        let Some(entry) = self
            .entries
            .iter()
            .find(|entry| !known.contains(&entry.key.as_str()))
        else {
            return Ok(());
        };
        let nearest = nearest(&entry.key, known.iter().copied());
        let nearest = nearest.map_or("", |(known, _)| known);
        let key = shortened(&entry.key, LONGEST_KEY);
        let message = format!("unknown key `{prefix}{key}`; did you mean `{prefix}{nearest}`?");
        Err(self.reader.error(Some(entry.at.clone()), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
tasks = ["b", "a"]
seeds = [3, 1]
[score]
min = -10
max = 20.0
[set]
"env.num_envs" = 128
train.steps = 2_000_000
[method.zebra]
preset = "fast"
label = "Zebra"
[method.zebra.set]
"objective.ratio" = "per_action"
"policy.hidden" = [64, 64]
[method."ape++"]
[method."ape++".task]
"a" = { "train.steps" = 7, env = { num_envs = 2 } }
"#;

    fn parse(text: &str) -> Result<Suite, SuiteError> {
        Suite::parse("s", text, "s.toml")
    }

    #[test]
    fn everything_is_read_in_the_order_of_the_file() {
        let suite = parse(GOOD).unwrap();
        assert_eq!(suite.tasks, ["b", "a"]);
        assert_eq!(suite.seeds, [3, 1]);
        assert_eq!([-10.0, 5.0, 20.0].map(|r| suite.score(r)), [0.0, 0.5, 1.0]);
        let names: Vec<_> = suite
            .methods
            .iter()
            .map(|m| (m.name.as_str(), m.label.as_str()))
            .collect();
        assert_eq!(names, [("zebra", "Zebra"), ("ape++", "ape++")]);
        assert_eq!(suite.methods[0].preset.as_deref(), Some("fast"));
        assert_eq!(
            suite.sets(&suite.methods[0], "b"),
            [
                "env.num_envs=128",
                "train.steps=2000000",
                "objective.ratio=\"per_action\"",
                "policy.hidden=[64, 64]"
            ]
        );
        let ape = &suite.methods[1];
        assert_eq!(suite.sets(ape, "b").len(), 2);
        assert_eq!(
            suite.sets(ape, "a")[2..],
            ["train.steps=7", "env.num_envs=2"]
        );
    }

    /// Each error is reported in one line, with its line number.
    #[test]
    fn errors_are_reported_with_their_line() {
        let faults = [
            (
                ("tasks =", "task ="),
                "line 2: unknown key `task`; did you mean `tasks`?",
            ),
            (("seeds = [3, 1]\n", ""), "s.toml: `seeds` is missing"),
            (("[3, 1]", "[]"), "line 3: `seeds` is empty"),
            (("[3, 1]", "[1, 1]"), "line 3: `seeds` holds 1 twice"),
            (
                ("[3, 1]", "[-1]"),
                "line 3: `seeds` is not a list of whole numbers",
            ),
            (
                ("[\"b\", \"a\"]", "\"b\""),
                "line 2: `tasks` is not a list of names",
            ),
            (
                ("max = 20.0", "max = -10"),
                "`score.min` is not below `score.max`",
            ),
            (
                ("max = 20.0", "max = nan"),
                "line 6: `max` is not a finite number",
            ),
            (
                ("max = 20.0", "mix = 1"),
                "line 6: unknown key `score.mix`; did you mean `score.min`?",
            ),
            (
                ("label =", "lable ="),
                "line 12: unknown key `method.zebra.lable`; did you mean `method.zebra.label`?",
            ),
            (
                ("method.\"ape++\"", "method.\"../x\""),
                "line 16: `method.../x` cannot name a folder",
            ),
            (
                ("train.steps", "seed"),
                "`seed` is not a setting of a method",
            ),
            (
                ("train.steps", "env.num_envs"),
                "`env.num_envs` is set twice",
            ),
            (
                ("preset = \"fast\"", "preset = 3"),
                "line 11: `preset` is not a text",
            ),
            (
                ("\"a\" = {", "\"c\" = {"),
                "`method.ape++.task.c` names no task of the suite; did you mean `b`?",
            ),
            (
                ("\"a\" = {", "\"a\" = 3 #"),
                "line 18: `a` is not a table of settings",
            ),
            (("seeds = [3, 1]", "seeds = [3 1]"), "line 3: "),
            (
                ("tasks = [\"", "tasks = [\"../\", \""),
                "`tasks` holds \"../\", which cannot name a folder",
            ),
        ];
        for ((good, bad), message) in faults {
            assert!(GOOD.contains(good), "{good}");
            let error = parse(&GOOD.replacen(good, bad, 1))
                .expect_err(bad)
                .to_string();
            assert!(error.contains(message), "{bad}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let seeds: Vec<String> = (0..=MOST_RUNS).map(|seed| seed.to_string()).collect();
        let many = GOOD.replacen("3, 1", &seeds.join(","), 1);
        let error = parse(&many).expect_err("many runs").to_string();
        assert!(error.contains("at most 10000 make a suite"), "{error}");
    }
}
