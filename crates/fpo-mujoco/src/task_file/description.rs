//! What a task file says, before the model is known.

use super::expression::{FUNCTIONS, NAMES};
use super::fault::{Fault, LONGEST_LINE};
use super::quantities::OBJECTS;
use super::reader::{Entry, Located, Section, parse};
use fpo_files::shortened;

/// Seconds of the longest step, and of the longest settling.
const LONGEST: f64 = 100.0;

/// A named expression.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// Its own name.
    pub(crate) name: String,
    /// Its dotted name for messages.
    pub(crate) path: String,
    pub(crate) expression: Located<String>,
}

/// A term of the reward.
#[derive(Clone, Debug)]
pub(crate) struct Reward {
    pub(crate) term: Term,
    pub(crate) weight: f64,
}

/// How long a step is.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    /// Physics steps.
    Decimation(u32),
    /// Seconds.
    Timestep(Located<f64>),
}

/// How actions become controls.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) at: usize,
    /// Names of actuators; all if there are none.
    pub(crate) actuators: Vec<Located<String>>,
    /// Whether actions are offsets from a default pose.
    pub(crate) offset: bool,
    /// Controls at action 0: a keyframe, or numbers.
    pub(crate) default: Option<Located<Default>>,
    /// Control per action.
    pub(crate) scale: Located<Vec<f64>>,
    /// The range of each action, where it is not that of the actuator.
    pub(crate) range: Option<Located<Vec<[f64; 2]>>>,
}

/// The controls at action 0.
#[derive(Clone, Debug)]
pub(crate) enum Default {
    /// The controls of a keyframe of that name.
    Keyframe(String),
    Numbers(Vec<f64>),
}

/// How a joint begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) place: Place,
    pub(crate) rotation: Rotation,
}

/// The number of a joint, or each coordinate of a free one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// What the keyframe or the model says.
    Kept,
    /// Within its own limits.
    Limits,
    /// Within this range, in place of what it has.
    Within([f64; 2]),
    /// Within this range, added to what it has.
    Around([f64; 2]),
}

/// The rotation of a free joint or a ball joint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    Kept,
    /// Any about the vertical axis.
    Turn,
    /// Any.
    Any,
}

/// How an episode begins.
#[derive(Clone, Debug, std::default::Default)]
pub(crate) struct Reset {
    pub(crate) keyframe: Option<Located<String>>,
    pub(crate) positions: Vec<(Located<String>, Start)>,
    pub(crate) velocities: Vec<(Located<String>, Start)>,
    /// Seconds that the simulation rests at first.
    pub(crate) settle: f64,
    pub(crate) without_contacts: bool,
}

/// A command: numbers that the task draws, and the policy follows.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) ranges: Vec<[f64; 2]>,
    /// Seconds between draws; none: one draw an episode.
    pub(crate) resample: Option<[f64; 2]>,
    /// Probability that all its numbers are zero.
    pub(crate) zero: f64,
}

/// A physical parameter that differs from episode to episode.
#[derive(Clone, Debug)]
pub(crate) struct Randomize {
    pub(crate) path: String,
    pub(crate) property: Property,
    pub(crate) of: Vec<Located<String>>,
    /// Factor on the model's value.
    pub(crate) scale: [f64; 2],
    /// Whether each element has its own factor.
    pub(crate) each: bool,
}

/// Which parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    Friction,
    Mass,
    Damping,
    Gain,
}

/// Properties, and the kind of what has them.
pub(crate) const PROPERTIES: [(&str, Property, &str); 4] = [
    ("friction", Property::Friction, "geom"),
    ("mass", Property::Mass, "body"),
    ("damping", Property::Damping, "joint"),
    ("gain", Property::Gain, "actuator"),
];

/// A push from time to time.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) path: String,
    pub(crate) body: Located<String>,
    /// Newtons, horizontally.
    pub(crate) force: [f64; 2],
    /// Seconds of a push.
    pub(crate) duration: f64,
    /// Seconds between pushes.
    pub(crate) every: [f64; 2],
}

/// A task file.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) model: Located<String>,
    pub(crate) control: Control,
    pub(crate) step_limit: u32,
    pub(crate) camera: Option<Located<String>>,
    pub(crate) values: Vec<Term>,
    pub(crate) observation: Vec<Term>,
    pub(crate) critic_observation: Vec<Term>,
    pub(crate) action: Action,
    pub(crate) rewards: Vec<Reward>,
    pub(crate) terminations: Vec<Term>,
    pub(crate) reset: Reset,
    pub(crate) commands: Vec<Command>,
    /// Bodies that are moved from outside, and where to.
    pub(crate) moved: Vec<Term>,
    pub(crate) randomize: Vec<Randomize>,
    pub(crate) pushes: Vec<Push>,
}

impl Description {
    /// Reads the text of a task file.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let table = parse(text)?;
        let mut file = Section::root(text, &table);
        let name = file.require("name")?;
        let description = Self {
            name: plain_name(&name)?,
            summary: match file.get("summary") {
                Some(summary) => shortened(&summary.string()?.is, LONGEST_LINE),
                None => String::new(),
            },
            model: file.require("model")?.string()?,
            control: control(&mut file)?,
            step_limit: match file.get("step_limit") {
                Some(limit) => limit.whole(1, 10_000_000)?,
                None => 1000,
            },
            camera: file.get("camera").map(|c| c.string()).transpose()?,
            values: values(&mut file)?,
            observation: terms(&file.require("observation")?)?,
            critic_observation: optional_terms(&mut file, "critic_observation")?,
            action: action(&mut file)?,
            rewards: rewards(&file.require("reward")?)?,
            terminations: optional_terms(&mut file, "termination")?,
            reset: reset(&mut file)?,
            commands: commands(&mut file)?,
            moved: optional_terms(&mut file, "move")?,
            randomize: randomize(&mut file)?,
            pushes: pushes(&mut file)?,
        };
        file.finish()?;
        for (terms, what) in [
            (description.observation.len(), "observation"),
            (description.rewards.len(), "reward"),
        ] {
            if terms == 0 {
                return Err(Fault::new(0, what, "it has no terms"));
            }
        }
        Ok(description)
    }
}

/// A name of a task: it becomes a part of a folder's name.
fn plain_name(entry: &Entry) -> Result<String, Fault> {
    let name = entry.string()?.is;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.chars().all(plain) && name.len() <= 100 {
        return Ok(name);
    }
    Err(entry.fault(
        "a task's name has at most 100 letters, digits, `-`, `_` and `.`, a letter or digit first",
    ))
}

/// A name of a term: it becomes the name of a metric.
fn term_name(name: &Located<String>, path: &str) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.is.is_empty() && name.is.chars().all(plain) && name.is.len() <= 64 {
        return Ok(name.is.clone());
    }
    let why = "a name has at most 64 letters, digits, `-` and `_`";
    Err(Fault::new(name.at, path, why))
}

fn control(file: &mut Section) -> Result<Control, Fault> {
    match (file.get("decimation"), file.get("control_timestep")) {
        (Some(_), Some(timestep)) => {
            Err(timestep.fault("a file has `decimation` or `control_timestep`, not both"))
        }
        (Some(decimation), None) => Ok(Control::Decimation(decimation.whole(1, 10_000)?)),
        (None, Some(timestep)) => Ok(Control::Timestep(Located {
            is: timestep.within(1e-6, LONGEST)?,
            at: timestep.at,
        })),
        (None, None) => Ok(Control::Decimation(1)),
    }
}

fn terms(entry: &Entry) -> Result<Vec<Term>, Fault> {
    let entries = entry.section()?.entries()?.into_iter();
    let terms = entries.map(|(name, entry)| {
        Ok(Term {
            name: term_name(&name, &entry.path)?,
            expression: entry.expression()?,
            path: entry.path,
        })
    });
    terms.collect()
}

fn optional_terms(file: &mut Section, key: &'static str) -> Result<Vec<Term>, Fault> {
    file.get(key).map_or(Ok(Vec::new()), |entry| terms(&entry))
}

/// Values with names of the file's own, which must not hide others.
fn values(file: &mut Section) -> Result<Vec<Term>, Fault> {
    let values = optional_terms(file, "values")?;
    for value in &values {
        let name = value.name.as_str();
        let taken = NAMES.iter().any(|(taken, _)| *taken == name)
            || FUNCTIONS.iter().any(|(taken, ..)| *taken == name)
            || OBJECTS.iter().any(|(taken, _)| *taken == name)
            || ["and", "or"].contains(&name);
        let word =
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains('-');
        let why = match (taken, word) {
            (true, _) => format!("`{name}` has a meaning already; give the value another name"),
            (_, false) => "a value's name has letters, digits and `_`, a letter first".to_owned(),
            _ => continue,
        };
        return Err(Fault::new(value.expression.at, &value.path, why));
    }
    Ok(values)
}

fn rewards(entry: &Entry) -> Result<Vec<Reward>, Fault> {
    let entries = entry.section()?.entries()?.into_iter();
    let rewards = entries.map(|(name, entry)| {
        let name = term_name(&name, &entry.path)?;
        if !entry.is_table() {
            return Ok(Reward {
                term: Term {
                    name,
                    expression: entry.expression()?,
                    path: entry.path,
                },
                weight: 1.0,
            });
        }
        let mut section = entry.section()?;
        let weight = section.get("weight").map_or(Ok(1.0), |w| w.number())?;
        let expression = section.require("value")?.expression()?;
        section.finish()?;
        Ok(Reward {
            term: Term {
                name,
                expression,
                path: entry.path,
            },
            weight,
        })
    });
    rewards.collect()
}

fn action(file: &mut Section) -> Result<Action, Fault> {
    let mut action = Action {
        at: 0,
        actuators: Vec::new(),
        offset: false,
        default: None,
        scale: Located {
            is: vec![1.0],
            at: 0,
        },
        range: None,
    };
    let Some(entry) = file.get("action") else {
        return Ok(action);
    };
    action.at = entry.at;
    let mut section = entry.section()?;
    if let Some(actuators) = section.get("actuators") {
        action.actuators = actuators.strings()?;
        if action.actuators.is_empty() {
            return Err(actuators.fault("it names no actuator"));
        }
    }
    if let Some(mode) = section.get("mode") {
        action.offset = match mode.string()?.is.as_str() {
            "direct" => false,
            "offset" => true,
            other => {
                let near = super::fault::nearest(other, ["direct", "offset"].into_iter());
                return Err(mode.fault(format!("unknown mode `{other}`{near}")));
            }
        };
    }
    let (default, scale) = (section.get("default"), section.get("scale"));
    if let (false, Some(entry)) = (action.offset, default.as_ref().or(scale.as_ref())) {
        return Err(entry.fault("this needs `mode = \"offset\"`"));
    }
    if let Some(default) = default {
        let is = match default.string() {
            Ok(name) => Default::Keyframe(name.is),
            Err(_) => Default::Numbers(default.numbers("a keyframe's name or numbers")?),
        };
        action.default = Some(Located { is, at: default.at });
    }
    if let Some(scale) = scale {
        let is = scale.numbers("a number or a list of numbers")?;
        if is.contains(&0.0) {
            return Err(scale.fault("with a scale of 0 an action does nothing"));
        }
        action.scale = Located { is, at: scale.at };
    }
    if let Some(range) = section.get("range") {
        let is = range.ranges()?;
        if is.iter().any(|[low, high]| low >= high) {
            return Err(range.fault("the range of an action is empty"));
        }
        action.range = Some(Located { is, at: range.at });
    }
    section.finish()?;
    Ok(action)
}

fn starts(
    section: &mut Section,
    key: &'static str,
) -> Result<Vec<(Located<String>, Start)>, Fault> {
    let Some(entry) = section.get(key) else {
        return Ok(Vec::new());
    };
    let entries = entry.section()?.entries()?.into_iter();
    let starts = entries.map(|(joint, entry)| {
        let mut start = Start {
            place: Place::Kept,
            rotation: Rotation::Kept,
        };
        match entry.string() {
            Ok(text) if text.is == "limits" => start.place = Place::Limits,
            _ if entry.is_table() => start = start_of(&mut entry.section()?)?,
            _ => start.place = Place::Within(entry.range()?),
        }
        if key == "velocity" && start.place == Place::Limits {
            return Err(entry.fault("joints have no limits of velocity; give a range"));
        }
        if key == "velocity" && start.rotation != Rotation::Kept {
            return Err(entry.fault("a velocity has no rotation; give a range"));
        }
        Ok((joint, start))
    });
    starts.collect()
}

/// `{ within = …, around = …, rotation = … }`
fn start_of(section: &mut Section) -> Result<Start, Fault> {
    let place = match (section.get("within"), section.get("around")) {
        (Some(_), Some(around)) => {
            return Err(around.fault("a joint has `within` or `around`, not both"));
        }
        (Some(within), None) => Place::Within(within.range()?),
        (None, Some(around)) => Place::Around(around.range()?),
        (None, None) => Place::Kept,
    };
    let rotation = match section.get("rotation") {
        None => Rotation::Kept,
        Some(rotation) => match rotation.string()?.is.as_str() {
            "turn" => Rotation::Turn,
            "any" => Rotation::Any,
            other => {
                let near = super::fault::nearest(other, ["turn", "any"].into_iter());
                return Err(rotation.fault(format!("unknown rotation `{other}`{near}")));
            }
        },
    };
    section.finish()?;
    Ok(Start { place, rotation })
}

fn reset(file: &mut Section) -> Result<Reset, Fault> {
    let Some(entry) = file.get("reset") else {
        return Ok(Reset::default());
    };
    let mut section = entry.section()?;
    let reset = Reset {
        keyframe: section.get("keyframe").map(|k| k.string()).transpose()?,
        positions: starts(&mut section, "position")?,
        velocities: starts(&mut section, "velocity")?,
        settle: section
            .get("settle")
            .map_or(Ok(0.0), |s| s.within(0.0, LONGEST))?,
        without_contacts: section
            .get("without_contacts")
            .map_or(Ok(false), |w| w.boolean())?,
    };
    section.finish()?;
    Ok(reset)
}

fn commands(file: &mut Section) -> Result<Vec<Command>, Fault> {
    let Some(entry) = file.get("command") else {
        return Ok(Vec::new());
    };
    let entries = entry.section()?.entries()?.into_iter();
    let commands = entries.map(|(name, entry)| {
        let name = term_name(&name, &entry.path)?;
        let mut section = entry.section()?;
        let command = Command {
            name,
            ranges: section.require("range")?.ranges()?,
            resample: section.get("resample").map(|r| seconds(&r)).transpose()?,
            zero: section
                .get("zero")
                .map_or(Ok(0.0), |z| z.within(0.0, 1.0))?,
        };
        section.finish()?;
        Ok(command)
    });
    commands.collect()
}

/// A range of times above zero.
fn seconds(entry: &Entry) -> Result<[f64; 2], Fault> {
    let range = entry.range()?;
    match range[0] > 0.0 && range[1] <= 1e6 {
        true => Ok(range),
        false => Err(entry.fault("these are seconds, above 0 and at most 1000000")),
    }
}

fn randomize(file: &mut Section) -> Result<Vec<Randomize>, Fault> {
    let Some(entry) = file.get("randomize") else {
        return Ok(Vec::new());
    };
    let sections = entry.sections()?.into_iter().enumerate();
    let all = sections.map(|(i, mut section)| {
        let property = section.require("property")?;
        let name = property.string()?.is;
        let known = PROPERTIES.iter().find(|(known, ..)| *known == name);
        let Some((_, kind, _)) = known else {
            let known = PROPERTIES.iter().map(|(known, ..)| *known);
            let near = super::fault::nearest(&name, known);
            return Err(property.fault(format!("unknown property `{name}`{near}")));
        };
        let scale = section.require("scale")?;
        let range = scale.range()?;
        if range[0] <= 0.0 || range[1] > 1000.0 {
            return Err(scale.fault("a factor is above 0 and at most 1000"));
        }
        let randomize = Randomize {
            path: format!("randomize[{i}]"),
            property: *kind,
            of: match section.get("of") {
                Some(of) => of.strings()?,
                None => vec![Located {
                    is: "*".to_owned(),
                    at: property.at,
                }],
            },
            scale: range,
            each: section.get("each").map_or(Ok(false), |e| e.boolean())?,
        };
        section.finish()?;
        Ok(randomize)
    });
    all.collect()
}

fn pushes(file: &mut Section) -> Result<Vec<Push>, Fault> {
    let Some(entry) = file.get("push") else {
        return Ok(Vec::new());
    };
    let sections = entry.sections()?.into_iter().enumerate();
    let all = sections.map(|(i, mut section)| {
        let force = section.require("force")?;
        let range = force.range()?;
        if range[0] < 0.0 || range[1] > 1e6 {
            return Err(force.fault("a force is from 0 to 1000000 N"));
        }
        let push = Push {
            path: format!("push[{i}]"),
            body: section.require("body")?.string()?,
            force: range,
            duration: section
                .get("duration")
                .map_or(Ok(0.1), |d| d.within(1e-3, LONGEST))?,
            every: seconds(&section.require("every")?)?,
        };
        section.finish()?;
        Ok(push)
    });
    all.collect()
}
