//! The functions of expressions.

use super::Error;
use super::compile::{Compiler, Value};
use super::program::Op;
use super::syntax::{Argument, Node, Tree};
use crate::suite::rewards::{Sigmoid, Tolerance};
use crate::task_file::fault::nearest;
use crate::task_file::quantities::OBJECTS;
use std::f64::consts::TAU;

/// Every function with its parameters, and what it gives.
pub(crate) const FUNCTIONS: [(&str, &str, &str); 37] = [
    ("abs", "x", "absolute value"),
    ("sqrt", "x", "square root"),
    ("square", "x", "x²"),
    ("exp", "x", "exponential"),
    ("log", "x", "natural logarithm"),
    ("sin", "x", "sine of an angle in radians"),
    ("cos", "x", "cosine"),
    ("tan", "x", "tangent"),
    ("asin", "x", "arc sine"),
    ("acos", "x", "arc cosine"),
    ("atan", "x", "arc tangent"),
    ("atan2", "y, x", "angle of the point (x, y)"),
    ("tanh", "x", "hyperbolic tangent"),
    ("floor", "x", "largest whole number below"),
    ("sign", "x", "−1, 0 or 1"),
    ("wrap", "x", "an angle, brought to −π … π"),
    ("clip", "x, low, high", "x, at least low and at most high"),
    ("min", "x, …", "least of several, or of a vector's numbers"),
    (
        "max",
        "x, …",
        "greatest of several, or of a vector's numbers",
    ),
    ("sum", "x", "sum of a vector's numbers"),
    ("product", "x", "product of a vector's numbers"),
    ("mean", "x", "mean of a vector's numbers"),
    ("norm", "x", "Euclidean length"),
    ("distance", "x, y", "Euclidean length of x − y"),
    ("dot", "x, y", "scalar product"),
    (
        "cross",
        "x, y",
        "vector product of three numbers with three",
    ),
    (
        "rotate",
        "rotation, x",
        "x from the axes of a rotation to the world's",
    ),
    (
        "unrotate",
        "rotation, x",
        "x from the world's axes to those of a rotation",
    ),
    (
        "where",
        "condition, x, y",
        "x where the condition holds, y elsewhere",
    ),
    ("all", "x", "whether all of a vector's conditions hold"),
    ("any", "x", "whether one of a vector's conditions holds"),
    ("number", "x", "1 for true, 0 for false"),
    (
        "tolerance",
        "x, bounds=[0, 0], margin=0, sigmoid='gaussian', value_at_margin=0.1",
        "1 within the bounds, falling off outside of them, as in dm_control",
    ),
    (
        "phase",
        "period, offset=0",
        "how far a cycle of that many seconds is, 0 … 1",
    ),
    ("clock", "period, offset=0", "sine and cosine of that phase"),
    ("degrees", "x", "radians as degrees"),
    ("radians", "x", "degrees as radians"),
];

/// Names that stand for quantities and constants.
pub(crate) const NAMES: [(&str, &str); 12] = [
    ("qpos", "all positions of the simulation"),
    ("qvel", "all velocities of the simulation"),
    ("ctrl", "controls of all actuators"),
    ("time", "seconds since the episode began"),
    ("action", "the latest action"),
    ("previous_action", "the action before it"),
    ("dt", "seconds of a step"),
    ("pi", "3.14159…"),
    ("inf", "infinity, for bounds"),
    ("true", "holds always"),
    ("false", "never holds"),
    ("not", "not x: the contrary of a condition"),
];

const SIGMOIDS: [(&str, Sigmoid); 8] = [
    ("gaussian", Sigmoid::Gaussian),
    ("hyperbolic", Sigmoid::Hyperbolic),
    ("long_tail", Sigmoid::LongTail),
    ("reciprocal", Sigmoid::Reciprocal),
    ("cosine", Sigmoid::Cosine),
    ("linear", Sigmoid::Linear),
    ("quadratic", Sigmoid::Quadratic),
    ("tanh_squared", Sigmoid::TanhSquared),
];

/// The arguments of a call, in the order of the parameters.
struct Arguments<'a> {
    function: &'a str,
    at: usize,
    given: Vec<Option<&'a Tree>>,
}

impl<'a> Arguments<'a> {
    fn new(
        function: &'a str,
        parameters: &str,
        arguments: &'a [Argument],
        at: usize,
    ) -> Result<Self, Error> {
        let names: Vec<&str> = parameters
            .split(", ")
            .filter(|p| !p.starts_with("0]"))
            .map(|p| p.split('=').next().unwrap_or(p))
            .collect();
        let required = parameters
            .split(", ")
            .filter(|p| !p.contains('=') && !p.starts_with("0]"))
            .count();
        let mut given = vec![None; names.len()];
        for (i, argument) in arguments.iter().enumerate() {
            let place = match &argument.name {
                None => i,
                Some(name) => names.iter().position(|n| n == name).ok_or_else(|| {
                    let near = nearest(name, names.iter().copied());
                    let why = format!("`{function}` has no argument `{name}`{near}");
                    Error::new(argument.value.at, why)
                })?,
            };
            if given.get(place).is_none_or(Option::is_some) {
                let why = format!("`{function}` takes ({parameters})");
                return Err(Error::new(argument.value.at, why));
            }
            given[place] = Some(&argument.value);
        }
        if given[..required].iter().any(Option::is_none) {
            return Err(Error::new(at, format!("`{function}` takes ({parameters})")));
        }
        Ok(Self {
            function,
            at,
            given,
        })
    }

    /// A value that must be there.
    fn value(&self, compiler: &mut Compiler, i: usize) -> Result<Value, Error> {
        match self.given[i] {
            Some(tree) => compiler.compile(tree),
            None => Err(Error::new(
                self.at,
                format!("`{}` lacks one", self.function),
            )),
        }
    }

    /// Constants, or `default`.
    fn constants(
        &self,
        compiler: &mut Compiler,
        i: usize,
        default: &[f64],
    ) -> Result<Vec<f64>, Error> {
        let Some(tree) = self.given[i] else {
            return Ok(default.to_vec());
        };
        let value = compiler.compile(tree)?;
        let numbers = compiler.numbers(value).map(<[f64]>::to_vec);
        match numbers {
            Some(numbers) if numbers.len() == default.len() => Ok(numbers),
            Some(_) => Err(Error::new(
                tree.at,
                match default.len() {
                    1 => "this is one number".to_owned(),
                    n => format!("these are {n} numbers, as in `bounds=[0.5, inf]`"),
                },
            )),
            None => {
                let why = "this must be known beforehand: it cannot depend on the simulation";
                Err(Error::new(tree.at, why))
            }
        }
    }

    fn place(&self, i: usize) -> usize {
        self.given[i].map_or(self.at, |tree| tree.at)
    }
}

/// Compiles a call.
pub(super) fn call(
    compiler: &mut Compiler,
    name: &str,
    arguments: &[Argument],
    at: usize,
) -> Result<Value, Error> {
    if ["min", "max"].contains(&name) {
        return extremum(compiler, name, arguments, at);
    }
    let Some((_, parameters, _)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
        let known = FUNCTIONS.iter().map(|(known, ..)| *known);
        let near = nearest(name, known.chain(OBJECTS.iter().map(|(known, _)| *known)));
        return Err(Error::new(at, format!("unknown function `{name}`{near}")));
    };
    let arguments = Arguments::new(name, parameters, arguments, at)?;
    let element_wise = match name {
        "abs" => Some(Op::Abs),
        "sqrt" => Some(Op::Sqrt),
        "square" => Some(Op::Square),
        "exp" => Some(Op::Exp),
        "log" => Some(Op::Log),
        "sin" => Some(Op::Sin),
        "cos" => Some(Op::Cos),
        "tan" => Some(Op::Tan),
        "asin" => Some(Op::Asin),
        "acos" => Some(Op::Acos),
        "atan" => Some(Op::Atan),
        "tanh" => Some(Op::Tanh),
        "floor" => Some(Op::Floor),
        "sign" => Some(Op::Sign),
        "wrap" => Some(Op::Wrap),
        _ => None,
    };
    if name == "tolerance" {
        return tolerance(compiler, &arguments);
    }
    let x = arguments.value(compiler, 0)?;
    if let Some(op) = element_wise {
        return compiler.map(op, &[x], at);
    }
    let count = x.len;
    match name {
        "sum" => compiler.whole(Op::Sum { count }, &[x], 1, at),
        "product" => compiler.whole(Op::Product { count }, &[x], 1, at),
        "norm" => compiler.whole(Op::Norm { count }, &[x], 1, at),
        "mean" => {
            let sum = compiler.whole(Op::Sum { count }, &[x], 1, at)?;
            let n = compiler.constant(f64::from(count), at)?;
            compiler.map(Op::Divide, &[sum, n], at)
        }
        "number" => Ok(Value { truth: false, ..x }),
        "degrees" | "radians" => {
            let factor = match name {
                "degrees" => 360.0 / TAU,
                _ => TAU / 360.0,
            };
            let factor = compiler.constant(factor, at)?;
            compiler.map(Op::Multiply, &[x, factor], at)
        }
        "all" | "any" => {
            compiler.expect_truth(x, arguments.place(0), &format!("`{name}`"))?;
            let op = match name {
                "all" => Op::Least { count },
                _ => Op::Greatest { count },
            };
            let value = compiler.whole(op, &[x], 1, at)?;
            Ok(Value {
                truth: true,
                ..value
            })
        }
        "atan2" => {
            let y = arguments.value(compiler, 1)?;
            same_size(name, &[x, y], at)?;
            compiler.map(Op::Atan2, &[x, y], at)
        }
        "clip" => {
            let (low, high) = (arguments.value(compiler, 1)?, arguments.value(compiler, 2)?);
            same_size(name, &[x, low, high], at)?;
            let raised = compiler.map(Op::Max, &[x, low], at)?;
            compiler.map(Op::Min, &[raised, high], at)
        }
        "where" => {
            let (yes, no) = (arguments.value(compiler, 1)?, arguments.value(compiler, 2)?);
            compiler.expect_truth(x, arguments.place(0), "`where`")?;
            same_size(name, &[x, yes, no], at)?;
            let value = compiler.map(Op::Where, &[x, yes, no], at)?;
            Ok(Value {
                truth: yes.truth && no.truth,
                ..value
            })
        }
        "distance" => {
            let y = arguments.value(compiler, 1)?;
            same_size(name, &[x, y], at)?;
            let difference = compiler.map(Op::Subtract, &[x, y], at)?;
            let count = difference.len;
            compiler.whole(Op::Norm { count }, &[difference], 1, at)
        }
        "dot" => {
            let y = arguments.value(compiler, 1)?;
            equal_size(name, x, y, at)?;
            compiler.whole(Op::Dot { count }, &[x, y], 1, at)
        }
        "cross" => {
            let y = arguments.value(compiler, 1)?;
            sized(x, 3, arguments.place(0))?;
            sized(y, 3, arguments.place(1))?;
            compiler.whole(Op::Cross, &[x, y], 3, at)
        }
        "rotate" | "unrotate" => {
            let vector = arguments.value(compiler, 1)?;
            sized(x, 9, arguments.place(0))?;
            sized(vector, 3, arguments.place(1))?;
            let op = match name {
                "rotate" => Op::OutOfFrame,
                _ => Op::IntoFrame { columns: 1 },
            };
            compiler.whole(op, &[x, vector], 3, at)
        }
        _ => clock(compiler, &arguments, x),
    }
}

/// `phase` and `clock`.
fn clock(compiler: &mut Compiler, arguments: &Arguments, period: Value) -> Result<Value, Error> {
    let at = arguments.at;
    if let Some(numbers) = compiler.numbers(period)
        && numbers.iter().any(|period| *period <= 0.0)
    {
        let why = "a period is longer than 0 s";
        return Err(Error::new(arguments.place(0), why));
    }
    let offset = match arguments.given[1] {
        Some(offset) => compiler.compile(offset)?,
        None => compiler.constant(0.0, at)?,
    };
    same_size(arguments.function, &[period, offset], at)?;
    let time = compiler.load(super::program::Source::Time, 0, 1, 1, at)?;
    let cycles = compiler.map(Op::Divide, &[time, period], at)?;
    let cycles = compiler.map(Op::Add, &[cycles, offset], at)?;
    let whole = compiler.map(Op::Floor, &[cycles], at)?;
    let phase = compiler.map(Op::Subtract, &[cycles, whole], at)?;
    if arguments.function == "phase" {
        return Ok(phase);
    }
    let turn = compiler.constant(TAU, at)?;
    let angle = compiler.map(Op::Multiply, &[phase, turn], at)?;
    let (sine, cosine) = (
        compiler.map(Op::Sin, &[angle], at)?,
        compiler.map(Op::Cos, &[angle], at)?,
    );
    compiler.join(&[sine, cosine], at)
}

/// `min` and `max`, of several values or of a vector.
fn extremum(
    compiler: &mut Compiler,
    name: &str,
    arguments: &[Argument],
    at: usize,
) -> Result<Value, Error> {
    if let Some(named) = arguments.iter().find(|argument| argument.name.is_some()) {
        let why = format!("arguments of `{name}` have no names");
        return Err(Error::new(named.value.at, why));
    }
    let values = arguments
        .iter()
        .map(|argument| compiler.compile(&argument.value));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let (pair, whole): (Op, fn(u32) -> Op) = match name {
        "min" => (Op::Min, |count| Op::Least { count }),
        _ => (Op::Max, |count| Op::Greatest { count }),
    };
    match values[..] {
        [] => Err(Error::new(
            at,
            format!("`{name}` takes one argument or more"),
        )),
        [one] => compiler.whole(whole(one.len), &[one], 1, at),
        [first, ref more @ ..] => {
            same_size(name, &values, at)?;
            more.iter().try_fold(first, |least, value| {
                compiler.map(pair, &[least, *value], at)
            })
        }
    }
}

fn tolerance(compiler: &mut Compiler, arguments: &Arguments) -> Result<Value, Error> {
    let x = arguments.value(compiler, 0)?;
    let bounds = arguments.constants(compiler, 1, &[0.0, 0.0])?;
    let margin = arguments.constants(compiler, 2, &[0.0])?[0];
    let value_at_margin = arguments.constants(compiler, 4, &[0.1])?[0];
    let sigmoid = match arguments.given[3] {
        None => Sigmoid::Gaussian,
        Some(tree) => {
            let name = match &tree.node {
                Node::Text(name) | Node::Name(name) => name.as_str(),
                _ => "",
            };
            let found = SIGMOIDS.iter().find(|(known, _)| *known == name);
            let (_, sigmoid) = found.ok_or_else(|| {
                let near = nearest(name, SIGMOIDS.iter().map(|(known, _)| *known));
                Error::new(tree.at, format!("unknown sigmoid `{name}`{near}"))
            })?;
            *sigmoid
        }
    };
    // A NaN is refused, too.
    let ordered = bounds[0] <= bounds[1];
    if !ordered {
        let why = "the lower bound is above the upper one";
        return Err(Error::new(arguments.place(1), why));
    }
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Error::new(arguments.place(2), "a margin is 0 or more"));
    }
    let reaches_zero = matches!(
        sigmoid,
        Sigmoid::Cosine | Sigmoid::Linear | Sigmoid::Quadratic
    );
    let possible = value_at_margin < 1.0
        && match reaches_zero {
            true => value_at_margin >= 0.0,
            false => value_at_margin > 0.0,
        };
    if !possible {
        let least = if reaches_zero { "0 or more" } else { "above 0" };
        let why = format!("the value at the margin is {least} and below 1");
        return Err(Error::new(arguments.place(4), why));
    }
    let tolerance = Tolerance::within(bounds[0], bounds[1])
        .margin(margin)
        .sigmoid(sigmoid, value_at_margin);
    compiler.tolerance(tolerance, x, arguments.at)
}

/// Whether values are of one size, or single numbers.
fn same_size(name: &str, values: &[Value], at: usize) -> Result<(), Error> {
    let len = values.iter().map(|value| value.len).max().unwrap_or(1);
    match values
        .iter()
        .find(|value| value.len != len && value.len != 1)
    {
        None => Ok(()),
        Some(value) => {
            let why = format!("`{name}` of vectors of {len} and {}", value.len);
            Err(Error::new(at, why))
        }
    }
}

fn equal_size(name: &str, x: Value, y: Value, at: usize) -> Result<(), Error> {
    match x.len == y.len {
        true => Ok(()),
        false => {
            let why = format!("`{name}` of {} and {}", x.kind(), y.kind());
            Err(Error::new(at, why))
        }
    }
}

fn sized(value: Value, len: u32, at: usize) -> Result<(), Error> {
    match value.len == len {
        true => Ok(()),
        false => {
            let what = match len {
                9 => "a rotation, as `body('base').rotation`",
                _ => "a vector of 3",
            };
            Err(Error::new(
                at,
                format!("this is {}, not {what}", value.kind()),
            ))
        }
    }
}
