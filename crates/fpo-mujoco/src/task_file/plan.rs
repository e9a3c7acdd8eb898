//! From a description and its model to what environments execute.

mod action;
mod reset;

pub(crate) use action::Actuation;
pub(crate) use reset::{JointStart, ResetPlan};

use super::description::{Command, Control, Description, PROPERTIES, Property, Term};
use super::expression::{Compiler, Named as NamedValue, Program, Value};
use super::fault::{Fault, nearest};
use super::quantities::{Ranged, World};
use crate::model::{Model, Named};
use crate::physics::Own;
use fpo_env::EnvSpec;
use fpo_files::number;
use std::ops::Range;
use std::sync::Arc;

/// Bound on the entries of an observation.
const MOST_OBSERVED: usize = 10_000;

/// What environments of a task share.
pub(crate) struct Plan {
    pub(crate) spec: Arc<EnvSpec>,
    pub(crate) critic: Vec<(String, usize)>,
    pub(crate) model: Arc<Model>,
    pub(crate) own: Own,
    /// Physics steps of a step.
    pub(crate) sub_steps: u32,
    /// Computes observations, then rewards and ends.
    pub(crate) program: Program,
    /// Instructions for observations.
    pub(crate) observing: usize,
    /// Registers of the observation, and of the critic's.
    pub(crate) observation: Vec<Range<usize>>,
    pub(crate) critic_observation: Vec<Range<usize>>,
    pub(crate) rewards: Vec<RewardTerm>,
    pub(crate) terminations: Vec<Termination>,
    /// Computes where bodies are moved to.
    pub(crate) mover: Program,
    /// Numbers of bodies that are moved, and registers of their positions.
    pub(crate) moved: Vec<(usize, Range<usize>)>,
    pub(crate) actuations: Vec<Actuation>,
    pub(crate) reset: ResetPlan,
    pub(crate) commands: Vec<CommandPlan>,
    pub(crate) randomize: Vec<RandomizePlan>,
    pub(crate) pushes: Vec<PushPlan>,
    pub(crate) camera: Option<String>,
    /// The terms with what they compute, for explanations and messages.
    pub(crate) terms: Vec<Explained>,
}

/// A term and its registers.
pub(crate) struct Explained {
    pub(crate) term: Term,
    pub(crate) value: Value,
}

pub(crate) struct RewardTerm {
    /// Its name as a metric, `reward/…`.
    pub(crate) metric: String,
    pub(crate) weight: f64,
    pub(crate) register: usize,
    /// Its index in [`Plan::terms`].
    pub(crate) term: usize,
}

pub(crate) struct Termination {
    /// Its name as a metric, `termination/…`.
    pub(crate) metric: String,
    pub(crate) register: usize,
}

pub(crate) struct CommandPlan {
    pub(crate) name: String,
    pub(crate) start: usize,
    pub(crate) ranges: Vec<[f64; 2]>,
    /// Steps between draws.
    pub(crate) resample: Option<[f64; 2]>,
    pub(crate) zero: f64,
}

pub(crate) struct RandomizePlan {
    pub(crate) property: Property,
    /// Elements: geoms, bodies, degrees of freedom by joint, actuators.
    pub(crate) elements: Vec<Range<usize>>,
    pub(crate) scale: [f64; 2],
    pub(crate) each: bool,
}

pub(crate) struct PushPlan {
    pub(crate) body: usize,
    pub(crate) force: [f64; 2],
    /// Steps.
    pub(crate) duration: u64,
    pub(crate) every: [f64; 2],
}

impl Plan {
    /// Compiles `description` for `model`.
    pub(crate) fn new(description: &Description, mut model: Model) -> Result<Self, Fault> {
        if model.controls() == 0 {
            let why = "the model has no actuators: there is nothing to act with";
            return Err(Fault::new(description.model.at, "model", why));
        }
        let sub_steps = sub_steps(description, &model)?;
        let timestep = f64::from(sub_steps) * model.timestep();
        let actuations = action::actuations(&description.action, &model)?;
        let mut world = World::new(&model);
        world.timestep = timestep;
        world.actions = actuations.len();
        let mut start = 0;
        for command in &description.commands {
            let len = command.ranges.len();
            world.commands.push(Ranged {
                name: command.name.clone(),
                start,
                len,
            });
            start += len;
        }

        let named: Vec<_> = description
            .values
            .iter()
            .map(|term| NamedValue {
                name: term.name.clone(),
                text: term.expression.is.clone(),
            })
            .collect();
        let mut terms = Terms {
            compiler: Compiler::new(&world, named.clone()),
            explained: Vec::new(),
        };
        let (observation, observed) = terms.vectors(&description.observation)?;
        let (critic_observation, critic) = terms.vectors(&description.critic_observation)?;
        let observing = terms.compiler.len();
        // All of them, so that one that nothing uses is checked, too.
        for term in &description.values {
            let value = terms
                .compiler
                .add_named(&term.name)
                .map_err(located(term))?;
            terms.explain(term, value);
        }
        let mut rewards = Vec::new();
        for reward in &description.rewards {
            let (value, index) = terms.add(&reward.term)?;
            if value.len != 1 {
                return Err(reward.term.fault(format!(
                    "a reward is one number, not {}; take its `sum`, `norm` or `mean`",
                    value.kind()
                )));
            }
            rewards.push(RewardTerm {
                metric: format!("reward/{}", reward.term.name),
                weight: reward.weight,
                register: value.at as usize,
                term: index,
            });
        }
        let mut terminations = Vec::new();
        for term in &description.terminations {
            let (value, _) = terms.add(term)?;
            if !value.truth || value.len != 1 {
                return Err(term.fault(format!(
                    "a termination is true or false, as `body('torso').position.z < 0.3`, not {}",
                    value.kind()
                )));
            }
            terminations.push(Termination {
                metric: format!("termination/{}", term.name),
                register: value.at as usize,
            });
        }
        let Terms {
            compiler,
            explained,
        } = terms;
        let (sensors, mut velocities) = (compiler.sensors.clone(), compiler.velocities);
        let program = compiler.finish();

        let mut moving = Terms {
            compiler: Compiler::new(&world, named),
            explained: Vec::new(),
        };
        let mut moved = Vec::new();
        for term in &description.moved {
            let body = world
                .find("body", &term.name)
                .map_err(|why| term.fault(why))?[0];
            let Ok(mocap) = usize::try_from(model.body_mocap()[body]) else {
                let why = format!(
                    "`{}` is not a body with mocap=\"true\", which alone can be moved",
                    term.name
                );
                return Err(term.fault(why));
            };
            let (value, _) = moving.add(term)?;
            if moving.compiler.forces {
                let why = "a body cannot be moved by what sensors or forces say";
                return Err(term.fault(why));
            }
            if value.len != 3 {
                let why = format!("a position has 3 numbers, and this is {}", value.kind());
                return Err(term.fault(why));
            }
            moved.push((mocap, value.range()));
        }
        velocities |= moving.compiler.velocities;
        let mover = moving.compiler.finish();

        let reset = reset::plan(description, &model, &world)?;
        let randomize = randomize(description, &world)?;
        let steps = |seconds: f64| (seconds / timestep).round().max(1.0);
        let pushes = description.pushes.iter().map(|push| {
            let found = world.find("body", &push.body.is);
            let fault = |why| Fault::new(push.body.at, &push.path, why);
            let body = found.map_err(fault)?[0];
            Ok(PushPlan {
                body,
                force: push.force,
                duration: steps(push.duration) as u64,
                every: push.every.map(steps),
            })
        });
        let pushes = pushes.collect::<Result<_, Fault>>()?;
        let commands = description.commands.iter().zip(&world.commands);
        let commands = commands.map(|(command, place)| {
            let Command {
                name,
                ranges,
                resample,
                zero,
            } = command;
            CommandPlan {
                name: name.clone(),
                start: place.start,
                ranges: ranges.clone(),
                resample: resample.map(|range| range.map(steps)),
                zero: *zero,
            }
        });
        let commands = commands.collect();
        let camera = camera(description, &model)?;

        sensors.iter().for_each(|sensor| model.read_sensor(*sensor));
        if velocities {
            model.read_velocities();
        }
        model.trim();
        let spec = EnvSpec {
            name: description.name.clone(),
            summary: description.summary.clone(),
            observation: observed,
            action_min: action::bounds(&description.action, &actuations, 0),
            action_max: action::bounds(&description.action, &actuations, 1),
            control_timestep: timestep,
            step_limit: Some(description.step_limit),
        };
        let too_narrow = spec.action_min.iter().zip(&spec.action_max);
        for (i, (min, max)) in too_narrow.enumerate() {
            if !(min < max && (max - min).is_finite()) {
                let why = format!(
                    "action {i} ranges from {} to {}",
                    number(*min),
                    number(*max)
                );
                return Err(Fault::new(description.action.at, "action", why));
            }
        }
        Ok(Self {
            spec: Arc::new(spec),
            critic,
            model: Arc::new(model),
            own: match description.randomize.is_empty() {
                true => Own::Nothing,
                false => Own::Parameters,
            },
            sub_steps,
            program,
            observing,
            observation,
            critic_observation,
            rewards,
            terminations,
            mover,
            moved,
            actuations,
            reset,
            commands,
            randomize,
            pushes,
            camera,
            terms: explained,
        })
    }
}

impl Term {
    fn fault(&self, why: impl std::fmt::Display) -> Fault {
        Fault::new(self.expression.at, &self.path, why)
    }
}

/// An error of an expression, at its place in the file.
fn located(term: &Term) -> impl Fn(super::expression::Error) -> Fault + '_ {
    |error| Fault::new(term.expression.at + error.at, &term.path, error.why)
}

/// Terms that are being compiled.
struct Terms<'w> {
    compiler: Compiler<'w>,
    explained: Vec<Explained>,
}

impl Terms<'_> {
    /// Compiles a term; returns its value and its index.
    fn add(&mut self, term: &Term) -> Result<(Value, usize), Fault> {
        let value = self
            .compiler
            .add(&term.expression.is)
            .map_err(located(term))?;
        if let Some(numbers) = self.compiler.numbers(value)
            && let Some(number) = numbers.iter().find(|number| !number.is_finite())
        {
            return Err(term.fault(format!("this is {number}, not a finite number")));
        }
        Ok((value, self.explain(term, value)))
    }

    fn explain(&mut self, term: &Term, value: Value) -> usize {
        self.explained.push(Explained {
            term: term.clone(),
            value,
        });
        self.explained.len() - 1
    }

    /// Compiles the terms of an observation: their registers, and names with sizes.
    #[expect(clippy::type_complexity, reason = "two lists that belong together")]
    fn vectors(
        &mut self,
        terms: &[Term],
    ) -> Result<(Vec<Range<usize>>, Vec<(String, usize)>), Fault> {
        let (mut ranges, mut parts): (Vec<Range<usize>>, Vec<_>) = (Vec::new(), Vec::new());
        let mut total = 0;
        for term in terms {
            let (value, _) = self.add(term)?;
            total += value.len as usize;
            if total > MOST_OBSERVED {
                return Err(term.fault(format!(
                    "the observation has more than {MOST_OBSERVED} numbers"
                )));
            }
            parts.push((term.name.clone(), value.len as usize));
            match ranges.last_mut() {
                Some(last) if last.end == value.range().start => last.end = value.range().end,
                _ => ranges.push(value.range()),
            }
        }
        Ok((ranges, parts))
    }
}

/// Physics steps of a step.
fn sub_steps(description: &Description, model: &Model) -> Result<u32, Fault> {
    let seconds = match &description.control {
        Control::Decimation(steps) => return Ok(*steps),
        Control::Timestep(seconds) => seconds,
    };
    let ratio = seconds.is / model.timestep();
    if (ratio - ratio.round()).abs() > 1e-6 * ratio.max(1.0) || !(0.5..10_000.5).contains(&ratio) {
        return Err(Fault::new(
            seconds.at,
            "control_timestep",
            format!(
                "{} s is not a whole number of physics steps of {} s, from 1 to 10000",
                number(seconds.is),
                number(model.timestep())
            ),
        ));
    }
    Ok(ratio.round() as u32)
}

/// A keyframe by its name.
fn keyframe(model: &Model, name: &str, at: usize, term: &str) -> Result<usize, Fault> {
    let names = model.names(Named::Keyframe);
    let found = names
        .iter()
        .position(|known| known == name && !name.is_empty());
    found.ok_or_else(|| {
        let near = nearest(name, names.iter().map(String::as_str));
        Fault::new(at, term, format!("there is no keyframe `{name}`{near}"))
    })
}

fn camera(description: &Description, model: &Model) -> Result<Option<String>, Fault> {
    let Some(camera) = &description.camera else {
        return Ok(None);
    };
    let names = model.names(Named::Camera);
    if names.contains(&camera.is) && !camera.is.is_empty() {
        return Ok(Some(camera.is.clone()));
    }
    let near = nearest(&camera.is, names.iter().map(String::as_str));
    let why = format!("there is no camera `{}`{near}", camera.is);
    Err(Fault::new(camera.at, "camera", why))
}

fn randomize(description: &Description, world: &World) -> Result<Vec<RandomizePlan>, Fault> {
    let all = description.randomize.iter().map(|randomize| {
        let known = PROPERTIES.iter().find(|(_, p, _)| *p == randomize.property);
        let kind = known.map_or("geom", |(_, _, kind)| *kind);
        let mut elements = Vec::new();
        for pattern in &randomize.of {
            let fault = |why| Fault::new(pattern.at, &randomize.path, why);
            for id in world.find(kind, &pattern.is).map_err(fault)? {
                elements.push(match randomize.property {
                    Property::Damping => {
                        let joint = &world.joints[id];
                        joint.dof..joint.dof + joint.dofs
                    }
                    _ => id..id + 1,
                });
            }
        }
        Ok(RandomizePlan {
            property: randomize.property,
            elements,
            scale: randomize.scale,
            each: randomize.each,
        })
    });
    all.collect()
}
