//! What a task file says, for its author; and what such files can say.

use super::FileTask;
use super::description::{PROPERTIES, Place, Rotation};
use super::expression::{FUNCTIONS, NAMES};
use super::fault::LONGEST_LINE;
use super::plan::{Actuation, Explained};
use super::quantities::OBJECTS;
use crate::model::Named;
use fpo_env::Task;
use fpo_files::{number, shortened};

impl FileTask {
    /// The task in lines of text.
    pub fn explain(&self) -> Vec<String> {
        let (plan, spec) = (&self.plan, self.spec());
        let head = plan.model.head();
        let limit = spec.step_limit.unwrap_or(0);
        let mut lines = vec![
            format!("{}: {}", spec.name, spec.summary),
            format!(
                "  model         {}: {} bodies, {} joints, {} actuators, {} sensors",
                self.model,
                head.nbody - 1,
                head.njnt,
                head.nu,
                head.nsensor
            ),
            format!(
                "  step          {} s: {} physics step{} of {} s",
                short(spec.control_timestep),
                plan.sub_steps,
                if plan.sub_steps == 1 { "" } else { "s" },
                short(plan.model.timestep())
            ),
            format!(
                "  episode       {limit} steps, {} s",
                short(f64::from(limit) * spec.control_timestep)
            ),
        ];
        for (table, title) in [
            ("observation", "observation"),
            ("critic_observation", "critic observation"),
            ("values", "values"),
            ("reward", "reward"),
            ("termination", "termination"),
        ] {
            let terms = plan.terms.iter().enumerate();
            let of_table: Vec<_> = terms
                .filter(|(_, explained)| explained.term.path.split('.').next() == Some(table))
                .collect();
            if of_table.is_empty() {
                continue;
            }
            let total: u32 = of_table.iter().map(|(_, e)| e.value.len).sum();
            lines.push(match table {
                "observation" | "critic_observation" => format!("{title}, {total} numbers"),
                _ => title.to_owned(),
            });
            lines.extend(
                of_table
                    .into_iter()
                    .map(|(i, explained)| self.term(i, explained)),
            );
        }
        lines.push(format!("action, {} numbers", spec.action_dim()));
        let actuators = plan.model.names(Named::Actuator);
        for (i, actuation) in plan.actuations.iter().enumerate() {
            let range = (spec.action_min[i], spec.action_max[i]);
            lines.push(describe(actuation, &actuators[actuation.actuator], range));
        }
        lines.push("reset".to_owned());
        lines.extend(self.reset());
        self.chance(&mut lines);
        lines
    }

    fn term(&self, index: usize, explained: &Explained) -> String {
        let term = &explained.term;
        let mut rewards = self.plan.rewards.iter();
        let weight = match rewards.find(|reward| reward.term == index) {
            Some(reward) => format!("{} × ", short(reward.weight)),
            None => String::new(),
        };
        let text = shortened(&term.expression.is, LONGEST_LINE);
        let size = explained.value.kind();
        format!("  {:<14}{weight}{text}  ({size})", term.name)
    }

    fn reset(&self) -> Vec<String> {
        let reset = &self.plan.reset;
        let mut lines = vec![match reset.keyframe {
            Some(key) => {
                let names = self.plan.model.names(Named::Keyframe);
                format!("  from the keyframe `{}`", names[key])
            }
            None => "  from the model's reference pose".to_owned(),
        }];
        let names = self.plan.model.names(Named::Joint);
        for (joint, name) in reset.joints.iter().zip(names) {
            let mut how = Vec::new();
            let range = |[low, high]: [f64; 2]| format!("{} … {}", short(low), short(high));
            match joint.place {
                Place::Within(bounds) => how.push(format!("position {}", range(bounds))),
                Place::Around(bounds) => how.push(format!("position + {}", range(bounds))),
                Place::Kept | Place::Limits => {}
            }
            match joint.rotation {
                Rotation::Turn => how.push("turned about the vertical axis".to_owned()),
                Rotation::Any => how.push("any rotation".to_owned()),
                Rotation::Kept => {}
            }
            match joint.velocity {
                Place::Within(bounds) => how.push(format!("velocity {}", range(bounds))),
                Place::Around(bounds) => how.push(format!("velocity + {}", range(bounds))),
                Place::Kept | Place::Limits => {}
            }
            if !how.is_empty() {
                lines.push(format!("  {name:<14}{}", how.join(", ")));
            }
        }
        if reset.settle > 0 {
            lines.push(format!("  settles for {} physics steps", reset.settle));
        }
        if reset.without_contacts {
            lines.push("  drawn again until nothing touches".to_owned());
        }
        lines
    }

    /// Commands, randomization and pushes.
    fn chance(&self, lines: &mut Vec<String>) {
        let plan = &self.plan;
        let range = |[low, high]: [f64; 2]| format!("{} … {}", short(low), short(high));
        for (i, command) in plan.commands.iter().enumerate() {
            if i == 0 {
                lines.push("command".to_owned());
            }
            let numbers: Vec<_> = command.ranges.iter().map(|bounds| range(*bounds)).collect();
            let again = match command.resample {
                Some(steps) => format!(", again after {} steps", range(steps)),
                None => ", once an episode".to_owned(),
            };
            let zero = match command.zero {
                0.0 => String::new(),
                zero => format!(", zero with probability {}", short(zero)),
            };
            let numbers = numbers.join(", ");
            lines.push(format!("  {:<14}{numbers}{again}{zero}", command.name));
        }
        for (i, randomize) in plan.randomize.iter().enumerate() {
            if i == 0 {
                lines.push("randomize, in every episode".to_owned());
            }
            let mut known = PROPERTIES.iter();
            let known = known.find(|(_, property, _)| *property == randomize.property);
            let (name, kind) = known.map_or(("", ""), |(name, _, kind)| (*name, *kind));
            let count = randomize.elements.len();
            let kinds = match (count, kind) {
                (1, kind) => kind.to_owned(),
                (_, "body") => "bodies".to_owned(),
                (_, kind) => format!("{kind}s"),
            };
            lines.push(format!(
                "  {name:<14}of {count} {kinds} × {}{}",
                range(randomize.scale),
                if randomize.each {
                    ", each by itself"
                } else {
                    ""
                }
            ));
        }
        let bodies = plan.model.names(Named::Body);
        for push in &plan.pushes {
            lines.push(format!(
                "push `{}` by {} N for {} steps, after {} steps",
                bodies[push.body],
                range(push.force),
                push.duration,
                range(push.every)
            ));
        }
    }
}

fn describe(actuation: &Actuation, name: &str, (min, max): (f32, f32)) -> String {
    let offset = match (actuation.default, actuation.scale) {
        (0.0, 1.0) => String::new(),
        (default, scale) => format!(", control = {} + {} × action", short(default), short(scale)),
    };
    let bounds = match (actuation.low, actuation.high) {
        (f64::NEG_INFINITY, f64::INFINITY) => String::new(),
        (low, high) => format!(", control {} … {}", short(low), short(high)),
    };
    let range = format!("{} … {}", number(min), number(max));
    format!("  {name:<14}{range}{offset}{bounds}")
}

/// A number in at most six digits.
fn short(x: f64) -> String {
    let digits = (x * 1e6).round() / 1e6;
    number(if digits == 0.0 { x } else { digits })
}

/// Everything that an expression can say, as Markdown.
pub fn reference() -> String {
    let mut out = String::from("| name | stands for |\n|---|---|\n");
    for (name, what) in NAMES {
        out += &format!("| `{name}` | {what} |\n");
    }
    out += "\n| object | has |\n|---|---|\n";
    for (object, properties) in OBJECTS {
        let properties: Vec<_> = properties
            .iter()
            .map(|(name, what)| format!("`.{name}` ({what})"))
            .collect();
        let properties = match properties.is_empty() {
            true => "its numbers".to_owned(),
            false => properties.join(", "),
        };
        out += &format!("| `{object}('name')` | {properties} |\n");
    }
    out += "\n| function | gives |\n|---|---|\n";
    for (name, parameters, what) in FUNCTIONS {
        out += &format!("| `{name}({parameters})` | {what} |\n");
    }
    out
}
