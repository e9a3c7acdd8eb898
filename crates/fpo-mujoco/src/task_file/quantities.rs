//! What expressions say about a simulation: sensors, joints, bodies, sites, geoms, actuators and
//! commands, by name.

use super::expression::{Argument, Compiler, Error, Node, Op, Source, Tree, Value};
use super::fault::nearest;
use crate::model::{Model, Named};
use fpo_files::is_like;

/// Objects of expressions, and their properties.
pub(crate) const OBJECTS: [(&str, &[(&str, &str)]); 7] = [
    ("sensor", &[]),
    ("command", &[]),
    (
        "joint",
        &[
            (
                "position",
                "its entries of qpos: an angle, a length, or 7 or 4 numbers",
            ),
            ("velocity", "its entries of qvel"),
        ],
    ),
    (
        "actuator",
        &[
            ("control", "its control"),
            ("force", "its force in the last physics step"),
        ],
    ),
    ("body", FRAME),
    ("site", FRAME),
    ("geom", FRAME),
];

const FRAME: &[(&str, &str)] = &[
    ("position", "3 numbers"),
    ("x_axis", "direction of its x axis"),
    ("y_axis", "direction of its y axis"),
    ("z_axis", "direction of its z axis"),
    (
        "rotation",
        "its axes as the columns of a matrix, row by row, 9 numbers",
    ),
    ("velocity", "velocity of its origin, 3 numbers"),
    ("angular_velocity", "3 numbers"),
    (
        "quaternion",
        "its rotation in the world as 4 numbers, of bodies only",
    ),
    (
        "center_of_mass",
        "of the body and all that it carries, of bodies only",
    ),
];

/// An element of the model with a range of an array.
#[derive(Clone, Debug)]
pub(crate) struct Ranged {
    pub(crate) name: String,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// A joint and its ranges.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    pub(crate) name: String,
    /// In `qpos`.
    pub(crate) start: usize,
    pub(crate) len: usize,
    /// In `qvel`.
    pub(crate) dof: usize,
    pub(crate) dofs: usize,
}

/// The names and sizes of everything that expressions may say.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) nq: usize,
    pub(crate) nv: usize,
    pub(crate) nu: usize,
    /// Entries of an action.
    pub(crate) actions: usize,
    /// Seconds of a step.
    pub(crate) timestep: f64,
    pub(crate) joints: Vec<Joint>,
    pub(crate) sensors: Vec<Ranged>,
    pub(crate) commands: Vec<Ranged>,
    pub(crate) actuators: Vec<String>,
    pub(crate) bodies: Vec<String>,
    pub(crate) sites: Vec<String>,
    pub(crate) geoms: Vec<String>,
    site_bodies: Vec<i32>,
    geom_bodies: Vec<i32>,
    roots: Vec<i32>,
}

impl World {
    /// The world of a model; actions, time step and commands come later.
    pub(crate) fn new(model: &Model) -> Self {
        let joints = model.names(Named::Joint).into_iter().enumerate();
        let joints = joints.map(|(i, name)| {
            // mjJNT_FREE, mjJNT_BALL, mjJNT_SLIDE, mjJNT_HINGE.
            let (len, dofs) = match model.joint_types()[i] {
                0 => (7, 6),
                1 => (4, 3),
                _ => (1, 1),
            };
            Joint {
                name,
                start: model.joint_qpos()[i] as usize,
                len,
                dof: model.joint_dof()[i] as usize,
                dofs,
            }
        });
        let sensors = model.names(Named::Sensor).into_iter().enumerate();
        let sensors = sensors.map(|(i, name)| Ranged {
            name,
            start: model.sensor_starts()[i] as usize,
            len: model.sensor_dims()[i] as usize,
        });
        let head = model.head();
        Self {
            nq: head.nq as usize,
            nv: head.nv as usize,
            nu: head.nu as usize,
            joints: joints.collect(),
            sensors: sensors.collect(),
            actuators: model.names(Named::Actuator),
            bodies: model.names(Named::Body),
            sites: model.names(Named::Site),
            geoms: model.names(Named::Geom),
            site_bodies: model.site_bodies().to_vec(),
            geom_bodies: model.geom_bodies().to_vec(),
            roots: model.body_roots().to_vec(),
            ..Self::default()
        }
    }

    /// The names of the objects of a kind.
    fn names(&self, kind: &str) -> Vec<&str> {
        match kind {
            "sensor" => self.sensors.iter().map(|s| s.name.as_str()).collect(),
            "command" => self.commands.iter().map(|c| c.name.as_str()).collect(),
            "joint" => self.joints.iter().map(|j| j.name.as_str()).collect(),
            "actuator" => self.actuators.iter().map(String::as_str).collect(),
            "body" => self.bodies.iter().map(String::as_str).collect(),
            "site" => self.sites.iter().map(String::as_str).collect(),
            _ => self.geoms.iter().map(String::as_str).collect(),
        }
    }

    /// The numbers of the objects of a kind whose name is `pattern`, in which `*` stands for any
    /// text; in the order of the model.
    pub(crate) fn find(&self, kind: &str, pattern: &str) -> Result<Vec<usize>, String> {
        let names = self.names(kind);
        // `*` is all but the world.
        let skipped = usize::from(kind == "body" && pattern.contains('*'));
        let named = names.iter().enumerate().skip(skipped);
        let found: Vec<usize> = named
            .filter(|(_, name)| is_like(pattern, '*', name))
            .map(|(i, _)| i)
            .collect();
        if found.is_empty() || pattern.is_empty() {
            let near = nearest(pattern, names.iter().copied());
            return Err(format!("there is no {kind} `{pattern}`{near}"));
        }
        Ok(found)
    }
}

/// Objects of one kind, as seen from a frame.
pub(super) struct Object<'a> {
    kind: &'a str,
    ids: Vec<usize>,
    /// The body in whose frame they are seen.
    frame: Option<usize>,
}

/// Ranges of an array, those that follow one another in one.
fn merged(ranges: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, len) in ranges {
        match merged.last_mut() {
            Some((first, before)) if *first + *before == start => *before += len,
            _ => merged.push((start, len)),
        }
    }
    merged
}

impl Compiler<'_> {
    /// The objects that a tree names, if it names any: `body('a', 'b')`, also `.in('c')`.
    pub(super) fn object<'t>(&self, tree: &'t Tree) -> Result<Option<Object<'t>>, Error> {
        match &tree.node {
            Node::Call(kind, arguments) if OBJECTS.iter().any(|(known, _)| known == kind) => {
                let mut ids = Vec::new();
                for argument in arguments {
                    let found = self.world.find(kind, text(kind, argument)?);
                    ids.extend(found.map_err(|why| Error::new(argument.value.at, why))?);
                }
                if ids.is_empty() {
                    let why = format!("`{kind}` takes a name in quotes, as `{kind}('name')`");
                    return Err(Error::new(tree.at, why));
                }
                Ok(Some(Object {
                    kind,
                    ids,
                    frame: None,
                }))
            }
            Node::Method(of, name, arguments) if name == "in" => {
                let Some(object) = self.object(of)? else {
                    return Ok(None);
                };
                let [argument] = &arguments[..] else {
                    let why = "`.in` takes the name of one body, as `.in('base')`";
                    return Err(Error::new(tree.at, why));
                };
                if !OBJECTS
                    .iter()
                    .any(|(kind, properties)| *kind == object.kind && *properties == FRAME)
                {
                    let why = format!(
                        "only bodies, sites and geoms have `.in`, not {}s",
                        object.kind
                    );
                    return Err(Error::new(tree.at, why));
                }
                let found = self.world.find("body", text("in", argument)?);
                let bodies = found.map_err(|why| Error::new(argument.value.at, why))?;
                let &[frame] = &bodies[..] else {
                    let why = "`.in` takes the name of one body, as `.in('base')`";
                    return Err(Error::new(tree.at, why));
                };
                Ok(Some(Object {
                    frame: Some(frame),
                    ..object
                }))
            }
            _ => Ok(None),
        }
    }

    /// Objects without a property: sensors and commands.
    pub(super) fn object_itself(
        &mut self,
        object: &Object,
        name: &str,
        at: usize,
    ) -> Result<Value, Error> {
        let (source, elements) = match object.kind {
            "sensor" => {
                self.sensors.extend(&object.ids);
                self.forces = true;
                (Source::Sensors, &self.world.sensors)
            }
            "command" => (Source::Commands, &self.world.commands),
            _ => {
                let why = format!("a property of `{name}` is missing: {}", properties(name));
                return Err(Error::new(at, why));
            }
        };
        let ranges = object
            .ids
            .iter()
            .map(|id| (elements[*id].start, elements[*id].len));
        self.load_all(source, merged(ranges), at)
    }

    /// `object.name`
    pub(super) fn property(
        &mut self,
        object: &Object,
        name: &str,
        at: usize,
    ) -> Result<Value, Error> {
        let world = self.world;
        let ids = object.ids.iter();
        match (object.kind, name) {
            ("joint", "position") => {
                let ranges = ids.map(|id| (world.joints[*id].start, world.joints[*id].len));
                self.load_all(Source::Positions, merged(ranges), at)
            }
            ("joint", "velocity") => {
                let ranges = ids.map(|id| (world.joints[*id].dof, world.joints[*id].dofs));
                self.load_all(Source::Velocities, merged(ranges), at)
            }
            ("actuator", "control" | "force") => {
                self.forces |= name == "force";
                let source = match name {
                    "control" => Source::Controls,
                    _ => Source::ActuatorForces,
                };
                self.load_all(source, merged(ids.map(|id| (*id, 1))), at)
            }
            ("body" | "site" | "geom", _) if FRAME.iter().any(|(known, _)| *known == name) => {
                let values = ids.map(|id| self.frame_property(object, *id, name, at));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                self.join(&values, at)
            }
            // Components of what a sensor or a command gives.
            ("sensor" | "command", "x" | "y" | "z" | "w") => {
                let value = self.object_itself(object, object.kind, at)?;
                let index = ["x", "y", "z", "w"].iter().position(|axis| *axis == name);
                let index = index.unwrap_or(0) as u32;
                if index >= value.len {
                    let why = format!("{} has no `.{name}`", value.kind());
                    return Err(Error::new(at, why));
                }
                Ok(Value {
                    at: value.at + index,
                    len: 1,
                    ..value
                })
            }
            (kind, _) => {
                let known = OBJECTS.iter().find(|(known, _)| *known == kind);
                let known = known.map_or(&[][..], |(_, properties)| *properties);
                let near = nearest(name, known.iter().map(|(name, _)| *name));
                let article = if kind == "actuator" { "an" } else { "a" };
                Err(Error::new(
                    at,
                    format!("{article} {kind} has no `.{name}`{near}"),
                ))
            }
        }
    }

    fn load_all(
        &mut self,
        source: Source,
        ranges: Vec<(usize, usize)>,
        at: usize,
    ) -> Result<Value, Error> {
        let values = ranges
            .into_iter()
            .map(|(start, len)| self.load(source, start, len, 1, at));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        self.join(&values, at)
    }

    /// A property of one body, site or geom.
    fn frame_property(
        &mut self,
        object: &Object,
        id: usize,
        name: &str,
        at: usize,
    ) -> Result<Value, Error> {
        let world = self.world;
        let (positions, rotations, body) = match object.kind {
            "body" => (Source::BodyPositions, Source::BodyRotations, id),
            "site" => (
                Source::SitePositions,
                Source::SiteRotations,
                world.site_bodies[id] as usize,
            ),
            _ => (
                Source::GeomPositions,
                Source::GeomRotations,
                world.geom_bodies[id] as usize,
            ),
        };
        let frame = match object.frame {
            Some(frame) => Some((
                self.load(Source::BodyPositions, 3 * frame, 3, 1, at)?,
                self.load(Source::BodyRotations, 9 * frame, 9, 1, at)?,
            )),
            None => None,
        };
        // A direction, in the axes of the frame.
        let turned = |this: &mut Self, vector: Value| match frame {
            Some((_, axes)) => this.whole(Op::IntoFrame { columns: 1 }, &[axes, vector], 3, at),
            None => Ok(vector),
        };
        match name {
            "position" | "center_of_mass" => {
                let point = match (name, object.kind) {
                    ("position", _) => self.load(positions, 3 * id, 3, 1, at)?,
                    (_, "body") => {
                        // Derived together with velocities.
                        self.velocities = true;
                        self.load(Source::SubtreeCenters, 3 * id, 3, 1, at)?
                    }
                    (_, kind) => return Err(only_bodies(kind, name, at)),
                };
                match frame {
                    Some((origin, _)) => {
                        let from_origin = self.map(Op::Subtract, &[point, origin], at)?;
                        turned(self, from_origin)
                    }
                    None => Ok(point),
                }
            }
            "x_axis" | "y_axis" | "z_axis" => {
                let column = ["x_axis", "y_axis", "z_axis"]
                    .iter()
                    .position(|n| *n == name);
                let column = column.unwrap_or(0);
                let axis = self.load(rotations, 9 * id + column, 3, 3, at)?;
                turned(self, axis)
            }
            "rotation" => {
                let rotation = self.load(rotations, 9 * id, 9, 1, at)?;
                match frame {
                    Some((_, axes)) => {
                        self.whole(Op::IntoFrame { columns: 3 }, &[axes, rotation], 9, at)
                    }
                    None => Ok(rotation),
                }
            }
            "quaternion" => match (object.kind, object.frame) {
                ("body", None) => self.load(Source::BodyQuaternions, 4 * id, 4, 1, at),
                ("body", Some(_)) => {
                    let why = "a quaternion is of the world only; take `.rotation`";
                    Err(Error::new(at, why))
                }
                (kind, _) => Err(only_bodies(kind, name, at)),
            },
            "angular_velocity" => {
                self.velocities = true;
                let angular = self.load(Source::BodyVelocities, 6 * body, 3, 1, at)?;
                turned(self, angular)
            }
            // MuJoCo keeps the velocity of the point that is at the center of mass of the tree.
            _ => {
                self.velocities = true;
                let root = world.roots[body] as usize;
                let angular = self.load(Source::BodyVelocities, 6 * body, 3, 1, at)?;
                let linear = self.load(Source::BodyVelocities, 6 * body + 3, 3, 1, at)?;
                let center = self.load(Source::SubtreeCenters, 3 * root, 3, 1, at)?;
                let point = self.load(positions, 3 * id, 3, 1, at)?;
                let lever = self.map(Op::Subtract, &[point, center], at)?;
                let swing = self.whole(Op::Cross, &[angular, lever], 3, at)?;
                let velocity = self.map(Op::Add, &[linear, swing], at)?;
                turned(self, velocity)
            }
        }
    }
}

fn only_bodies(kind: &str, name: &str, at: usize) -> Error {
    Error::new(at, format!("only bodies have `.{name}`, not {kind}s"))
}

/// The name in quotes that is an argument.
fn text<'t>(of: &str, argument: &'t Argument) -> Result<&'t str, Error> {
    match (&argument.name, &argument.value.node) {
        (None, Node::Text(name)) => Ok(name),
        _ => {
            let why = format!("`{of}` takes names in quotes, as `{of}('name')`");
            Err(Error::new(argument.value.at, why))
        }
    }
}

fn properties(kind: &str) -> String {
    let known = OBJECTS.iter().find(|(known, _)| *known == kind);
    let names = known.map_or(&[][..], |(_, properties)| *properties);
    let names: Vec<_> = names.iter().map(|(name, _)| format!("`.{name}`")).collect();
    names.join(", ")
}
