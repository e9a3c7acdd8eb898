//! From trees to instructions: names, types, sizes, constants, and parts in common.

use super::Error;
use super::functions::{NAMES, call};
use super::program::{Arrays, Instruction, Op, Program, Source, execute};
use super::syntax::{Node, Tree, parse};
use crate::suite::rewards::Tolerance;
use crate::task_file::fault::nearest;
use crate::task_file::quantities::World;
use std::collections::HashMap;

/// Bound on the registers of a program: 8 MiB for every environment.
const MOST_REGISTERS: usize = 1 << 20;
/// Bound on the instructions of a program.
const MOST_INSTRUCTIONS: usize = 1 << 16;
/// Values each of which is defined by the next.
const LONGEST_CHAIN: usize = 50;

/// The result of an expression: a range of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    /// First register.
    pub(crate) at: u32,
    /// Its numbers; a vector of one is a number.
    pub(crate) len: u32,
    /// Whether it is true or false, as 1 and 0.
    pub(crate) truth: bool,
    /// Whether it is known before the task begins.
    pub(crate) constant: bool,
}

impl Value {
    /// Its registers.
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.at as usize..(self.at + self.len) as usize
    }

    /// What it is, for messages.
    pub(crate) fn kind(self) -> String {
        match (self.truth, self.len) {
            (false, 1) => "a number".to_owned(),
            (false, n) => format!("a vector of {n}"),
            (true, 1) => "true or false".to_owned(),
            (true, n) => format!("a vector of {n} truths"),
        }
    }
}

/// A value with a name of the file's own, and how far it is compiled.
#[derive(Clone, Debug)]
enum Progress {
    Waiting,
    Begun,
    Done(Value),
}

/// A named expression of the file.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Compiles expressions into one program.
pub(crate) struct Compiler<'w> {
    pub(crate) world: &'w World,
    program: Program,
    known: HashMap<Instruction, Value>,
    constants: HashMap<u64, Value>,
    named: Vec<(Named, Progress)>,
    /// Names of the values that are being compiled.
    path: Vec<String>,
    /// What the program reads.
    pub(crate) sensors: Vec<usize>,
    pub(crate) velocities: bool,
    /// Whether it reads what only a physics step derives: forces, and what sensors say.
    pub(crate) forces: bool,
}

/// Arrays for constants, which read none.
struct Nothing;

impl Arrays for Nothing {
    fn array(&self, _: Source) -> &[f64] {
        &[]
    }
}

impl<'w> Compiler<'w> {
    /// For expressions about `world` that may use the values `named`.
    pub(crate) fn new(world: &'w World, named: Vec<Named>) -> Self {
        Self {
            world,
            program: Program::default(),
            known: HashMap::new(),
            constants: HashMap::new(),
            named: named.into_iter().map(|n| (n, Progress::Waiting)).collect(),
            path: Vec::new(),
            sensors: Vec::new(),
            velocities: false,
            forces: false,
        }
    }

    /// Compiles an expression.
    pub(crate) fn add(&mut self, text: &str) -> Result<Value, Error> {
        let tree = parse(text)?;
        self.compile(&tree)
    }

    /// Compiles the value called `name`, which is one of the file's own.
    pub(crate) fn add_named(&mut self, name: &str) -> Result<Value, Error> {
        self.named_value(name, 0)
            .unwrap_or_else(|| Err(Error::new(0, format!("there is no value `{name}`"))))
    }

    /// Instructions so far.
    pub(crate) fn len(&self) -> usize {
        self.program.instructions.len()
    }

    /// The program.
    pub(crate) fn finish(self) -> Program {
        self.program
    }

    /// The numbers of a constant.
    pub(crate) fn numbers(&self, value: Value) -> Option<&[f64]> {
        value.constant.then(|| &self.program.initial[value.range()])
    }

    pub(crate) fn compile(&mut self, tree: &Tree) -> Result<Value, Error> {
        let at = tree.at;
        match &tree.node {
            Node::Number(number) => self.constant(*number, at),
            Node::Name(name) => self.name(name, at),
            Node::Text(text) => {
                let why = format!(
                    "`'{text}'` is a name in quotes, which stands inside of `body(…)`, \
                     `sensor(…)` and the like"
                );
                Err(Error::new(at, why))
            }
            Node::List(items) => {
                let values = items.iter().map(|item| self.compile(item));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                if values.is_empty() {
                    return Err(Error::new(at, "a vector has at least one number"));
                }
                self.join(&values, at)
            }
            Node::Prefix("-", of) => {
                let of = self.compile(of)?;
                self.map(Op::Negate, &[of], at)
            }
            Node::Prefix(_, of) => {
                let value = self.compile(of)?;
                self.expect_truth(value, of.at, "`not`")?;
                let not = self.map(Op::Not, &[value], at)?;
                Ok(Value { truth: true, ..not })
            }
            Node::Infix(operator, left, right) => self.infix(operator, left, right, at),
            Node::Call(name, arguments) => match self.object(tree)? {
                Some(object) => self.object_itself(&object, name, at),
                None => call(self, name, arguments, at),
            },
            Node::Property(of, name) => match self.object(of)? {
                Some(object) => self.property(&object, name, at),
                None => self.component(of, name, at),
            },
            Node::Method(_, name, _) => {
                if self.object(tree)?.is_some() {
                    let why = "a property follows, as in `body('hand').in('base').position`";
                    return Err(Error::new(at, why));
                }
                let why = format!("`.{name}(…)` has no meaning; `.in('body')` is the only one");
                Err(Error::new(at, why))
            }
            Node::Element(of, index) => {
                let of = self.compile(of)?;
                let index = position(*index, of.len, at)?;
                if index == of.len {
                    let why = format!("there is no element [{index}] in {}", of.kind());
                    return Err(Error::new(at, why));
                }
                Ok(part(of, index, 1))
            }
            Node::Slice(of, from, to) => {
                let of = self.compile(of)?;
                let from = position(from.unwrap_or(0), of.len, at)?;
                let to = match to {
                    Some(to) => position(*to, of.len, at)?,
                    None => of.len,
                };
                if to <= from {
                    return Err(Error::new(at, "this part of the vector is empty"));
                }
                Ok(part(of, from, to - from))
            }
        }
    }

    fn name(&mut self, name: &str, at: usize) -> Result<Value, Error> {
        let world = self.world;
        let array = |source, len| (source, len);
        let (source, len) = match name {
            "qpos" => array(Source::Positions, world.nq),
            "qvel" => array(Source::Velocities, world.nv),
            "ctrl" => array(Source::Controls, world.nu),
            "time" => array(Source::Time, 1),
            "action" => array(Source::Action, world.actions),
            "previous_action" => array(Source::PreviousAction, world.actions),
            "pi" => return self.constant(std::f64::consts::PI, at),
            "inf" => return self.constant(f64::INFINITY, at),
            "dt" => return self.constant(world.timestep, at),
            "true" | "false" => {
                let value = self.constant(f64::from(u8::from(name == "true")), at)?;
                return Ok(Value {
                    truth: true,
                    ..value
                });
            }
            _ => {
                return self.named_value(name, at).unwrap_or_else(|| {
                    let own = self.named.iter().map(|(named, _)| named.name.as_str());
                    let known = NAMES.iter().map(|(name, _)| *name).chain(own);
                    let near = nearest(name, known);
                    Err(Error::new(at, format!("unknown name `{name}`{near}")))
                });
            }
        };
        if len == 0 {
            return Err(Error::new(
                at,
                format!("`{name}` is empty: this task has none"),
            ));
        }
        self.load(source, 0, len, 1, at)
    }

    /// A value of the file's own, compiled once.
    fn named_value(&mut self, name: &str, at: usize) -> Option<Result<Value, Error>> {
        let mut named = self.named.iter();
        let index = named.position(|(named, _)| named.name == name)?;
        match self.named[index].1 {
            Progress::Done(value) => Some(Ok(value)),
            Progress::Begun => {
                let path = format!("{} → {name}", self.path.join(" → "));
                let why = format!("the value `{name}` depends on itself: {path}");
                Some(Err(Error::new(at, why)))
            }
            Progress::Waiting if self.path.len() >= LONGEST_CHAIN => {
                let why =
                    format!("values depend on one another over more than {LONGEST_CHAIN} steps");
                Some(Err(Error::new(at, why)))
            }
            Progress::Waiting => {
                self.named[index].1 = Progress::Begun;
                self.path.push(name.to_owned());
                let text = self.named[index].0.text.clone();
                let value = self.add(&text).map_err(|error| {
                    // The place is in the other expression.
                    let why = match self.path.len() {
                        1 if at == 0 => error.why,
                        // All names of a chain would hide the reason.
                        _ if error.why.starts_with("in the value ") => error.why,
                        _ => format!("in the value `{name}`: {}", error.why),
                    };
                    Error::new(at, why)
                });
                self.path.pop();
                if let Ok(value) = value {
                    self.named[index].1 = Progress::Done(value);
                }
                Some(value)
            }
        }
    }

    fn infix(
        &mut self,
        operator: &str,
        left: &Tree,
        right: &Tree,
        at: usize,
    ) -> Result<Value, Error> {
        let (a, b) = (self.compile(left)?, self.compile(right)?);
        // `>` is `<` from the other side.
        let (op, a, b) = match operator {
            "+" => (Op::Add, a, b),
            "-" => (Op::Subtract, a, b),
            "*" => (Op::Multiply, a, b),
            "/" => (Op::Divide, a, b),
            "^" => (Op::Power, a, b),
            "<" => (Op::Less, a, b),
            ">" => (Op::Less, b, a),
            "<=" => (Op::LessOrEqual, a, b),
            ">=" => (Op::LessOrEqual, b, a),
            "==" => (Op::Equal, a, b),
            "!=" => (Op::NotEqual, a, b),
            "and" => (Op::And, a, b),
            _ => (Op::Or, a, b),
        };
        if matches!(op, Op::And | Op::Or) {
            self.expect_truth(a, left.at, &format!("`{operator}`"))?;
            self.expect_truth(b, right.at, &format!("`{operator}`"))?;
        }
        let truth = matches!(
            op,
            Op::Less | Op::LessOrEqual | Op::Equal | Op::NotEqual | Op::And | Op::Or
        );
        let fit = a.len == b.len || a.len == 1 || b.len == 1;
        if !fit {
            let why = format!("`{operator}` between {} and {}", a.kind(), b.kind());
            return Err(Error::new(at, why));
        }
        let value = self.map(op, &[a, b], at)?;
        Ok(Value { truth, ..value })
    }

    pub(crate) fn expect_truth(&self, value: Value, at: usize, what: &str) -> Result<(), Error> {
        match value.truth {
            true => Ok(()),
            false => {
                let why = format!(
                    "{what} takes what is true or false, as `x < 1`, not {}",
                    value.kind()
                );
                Err(Error::new(at, why))
            }
        }
    }

    /// `of.name` where `of` is no object: a component of a vector.
    fn component(&mut self, of: &Tree, name: &str, at: usize) -> Result<Value, Error> {
        let value = self.compile(of)?;
        let index = ["x", "y", "z", "w"].iter().position(|axis| *axis == name);
        match index {
            Some(index) if value.len > 1 && (index as u32) < value.len => {
                Ok(part(value, index as u32, 1))
            }
            _ => {
                let why = format!("{} has no `.{name}`", value.kind());
                Err(Error::new(at, why))
            }
        }
    }

    /// A constant.
    pub(crate) fn constant(&mut self, number: f64, at: usize) -> Result<Value, Error> {
        if let Some(value) = self.constants.get(&number.to_bits()) {
            return Ok(*value);
        }
        let first = self.reserve(1, at)?;
        self.program.initial[first as usize] = number;
        let value = Value {
            at: first,
            len: 1,
            truth: false,
            constant: true,
        };
        self.constants.insert(number.to_bits(), value);
        Ok(value)
    }

    /// Numbers of an array.
    pub(crate) fn load(
        &mut self,
        source: Source,
        from: usize,
        len: usize,
        stride: u32,
        at: usize,
    ) -> Result<Value, Error> {
        let instruction = Instruction {
            op: Op::Load { source, stride },
            a: from as u32,
            b: 0,
            c: 0,
            single: 0,
            to: 0,
            len: len as u32,
        };
        self.emit(instruction, false, at)
    }

    /// Several values one after another.
    pub(crate) fn join(&mut self, values: &[Value], at: usize) -> Result<Value, Error> {
        if let [one] = values {
            return Ok(*one);
        }
        let adjacent = values
            .windows(2)
            .all(|two| two[0].at + two[0].len == two[1].at);
        let len = values.iter().map(|value| value.len).sum();
        let (truth, constant) = (
            values.iter().all(|value| value.truth),
            values.iter().all(|value| value.constant),
        );
        if adjacent {
            return Ok(Value {
                at: values[0].at,
                len,
                truth,
                constant,
            });
        }
        let first = self.reserve(len as usize, at)?;
        let mut to = first;
        for value in values {
            let instruction = Instruction {
                op: Op::Copy,
                a: value.at,
                b: 0,
                c: 0,
                single: 0,
                to,
                len: value.len,
            };
            self.push(instruction, constant, at)?;
            to += value.len;
        }
        Ok(Value {
            at: first,
            len,
            truth,
            constant,
        })
    }

    /// An operation element by element; operands of one number count for all elements.
    pub(crate) fn map(&mut self, op: Op, operands: &[Value], at: usize) -> Result<Value, Error> {
        let len = operands.iter().map(|value| value.len).max().unwrap_or(1);
        let lens = operands.iter().enumerate();
        let single = lens
            .filter(|(_, value)| value.len == 1)
            .fold(0, |bits, (operand, _)| bits | (1 << operand));
        self.apply(op, operands, len, single, at)
    }

    /// An operation that gives `len` numbers of whole operands.
    pub(crate) fn whole(
        &mut self,
        op: Op,
        operands: &[Value],
        len: u32,
        at: usize,
    ) -> Result<Value, Error> {
        self.apply(op, operands, len, 0, at)
    }

    fn apply(
        &mut self,
        op: Op,
        operands: &[Value],
        len: u32,
        single: u8,
        at: usize,
    ) -> Result<Value, Error> {
        let register = |i: usize| operands.get(i).map_or(0, |value| value.at);
        let instruction = Instruction {
            op,
            a: register(0),
            b: register(1),
            c: register(2),
            single,
            to: 0,
            len,
        };
        let constant = operands.iter().all(|value| value.constant);
        let finite = !constant
            || operands.iter().all(|value| {
                self.program.initial[value.range()]
                    .iter()
                    .all(|x| x.is_finite())
            });
        let value = self.emit(instruction, constant, at)?;
        if constant {
            let result = &self.program.initial[value.range()];
            let bad = result
                .iter()
                .find(|x| x.is_nan() || (finite && x.is_infinite()));
            if let Some(bad) = bad {
                return Err(Error::new(
                    at,
                    format!("this is {bad}, not a finite number"),
                ));
            }
        }
        Ok(value)
    }

    pub(crate) fn tolerance(
        &mut self,
        tolerance: Tolerance,
        of: Value,
        at: usize,
    ) -> Result<Value, Error> {
        let tolerances = &mut self.program.tolerances;
        let number = tolerances.iter().position(|known| *known == tolerance);
        let number = number.unwrap_or_else(|| {
            tolerances.push(tolerance);
            tolerances.len() - 1
        });
        self.map(Op::Tolerance(number as u32), &[of], at)
    }

    /// Adds an instruction with a range of its own for the result, unless an equal one is known.
    fn emit(
        &mut self,
        instruction: Instruction,
        constant: bool,
        at: usize,
    ) -> Result<Value, Error> {
        if let Some(value) = self.known.get(&instruction) {
            return Ok(*value);
        }
        let to = self.reserve(instruction.len as usize, at)?;
        self.push(Instruction { to, ..instruction }, constant, at)?;
        let value = Value {
            at: to,
            len: instruction.len,
            truth: false,
            constant,
        };
        self.known.insert(instruction, value);
        Ok(value)
    }

    /// Adds an instruction, or executes it at once if it is constant.
    fn push(&mut self, instruction: Instruction, constant: bool, at: usize) -> Result<(), Error> {
        if constant {
            let Program {
                initial,
                tolerances,
                ..
            } = &mut self.program;
            execute(&instruction, tolerances, &Nothing, initial);
            return Ok(());
        }
        if self.program.instructions.len() == MOST_INSTRUCTIONS {
            let why = format!("the task computes more than {MOST_INSTRUCTIONS} steps");
            return Err(Error::new(at, why));
        }
        self.program.instructions.push(instruction);
        Ok(())
    }

    fn reserve(&mut self, len: usize, at: usize) -> Result<u32, Error> {
        let first = self.program.initial.len();
        if first + len > MOST_REGISTERS {
            let why = format!("the task computes more than {MOST_REGISTERS} numbers");
            return Err(Error::new(at, why));
        }
        self.program.initial.resize(first + len, 0.0);
        Ok(first as u32)
    }
}

/// `len` numbers of a value from `from` on.
fn part(of: Value, from: u32, len: u32) -> Value {
    Value {
        at: of.at + from,
        len,
        ..of
    }
}

/// The place that an index means in a vector of `len`; it may be the place after the last.
fn position(index: i64, len: u32, at: usize) -> Result<u32, Error> {
    let from_start = if index < 0 {
        index + i64::from(len)
    } else {
        index
    };
    match u32::try_from(from_start) {
        Ok(position) if position <= len => Ok(position),
        _ => Err(Error::new(
            at,
            format!("[{index}] is outside of a vector of {len}"),
        )),
    }
}
