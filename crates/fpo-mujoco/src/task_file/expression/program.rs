//! A flat program over numbers in registers: what an expression is when it is evaluated.
//!
//! Every instruction reads registers below its own and writes a range that no other writes, so that
//! evaluation allocates nothing and needs no checks but those of slices.

use crate::suite::rewards::Tolerance;

/// The arrays from which programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Positions,
    Velocities,
    Controls,
    Sensors,
    ActuatorForces,
    BodyPositions,
    BodyRotations,
    BodyQuaternions,
    BodyVelocities,
    SubtreeCenters,
    GeomPositions,
    GeomRotations,
    SitePositions,
    SiteRotations,
    Time,
    Action,
    PreviousAction,
    Commands,
}

/// Where the arrays are.
pub(crate) trait Arrays {
    /// The current numbers of one of them.
    fn array(&self, source: Source) -> &[f64];
}

/// What an instruction does with its operands a, b and c, element by element unless it says
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Every `stride`-th number of an array, from `a` on.
    Load {
        source: Source,
        stride: u32,
    },
    Copy,
    Negate,
    Not,
    Abs,
    Sqrt,
    Square,
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Tanh,
    Floor,
    Sign,
    /// An angle, to −π … π.
    Wrap,
    /// The tolerance of this number.
    Tolerance(u32),
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Atan2,
    Min,
    Max,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
    /// `b` where `a` is true, `c` elsewhere.
    Where,
    /// One number of all: `count` of them.
    Sum {
        count: u32,
    },
    Product {
        count: u32,
    },
    Least {
        count: u32,
    },
    Greatest {
        count: u32,
    },
    Norm {
        count: u32,
    },
    Dot {
        count: u32,
    },
    /// The vector product of three numbers with three.
    Cross,
    /// The transpose of a matrix (`[3, 3]` by rows) times a vector, or each column of a matrix.
    IntoFrame {
        columns: u32,
    },
    /// A matrix (`[3, 3]` by rows) times a vector.
    OutOfFrame,
}

/// One step of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    /// First registers of the operands.
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) c: u32,
    /// For each operand whether it has one number for all elements, as bits.
    pub(crate) single: u8,
    /// First register of the result, and its numbers.
    pub(crate) to: u32,
    pub(crate) len: u32,
}

/// Instructions with what they need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) instructions: Vec<Instruction>,
    /// What the registers hold at first: constants, and zeros.
    pub(crate) initial: Vec<f64>,
    pub(crate) tolerances: Vec<Tolerance>,
}

impl Program {
    /// Registers for [`Program::run`].
    pub(crate) fn registers(&self) -> Vec<f64> {
        self.initial.clone()
    }

    /// Runs the instructions `from..to`.
    #[inline]
    pub(crate) fn run(
        &self,
        instructions: std::ops::Range<usize>,
        arrays: &impl Arrays,
        registers: &mut [f64],
    ) {
        for instruction in &self.instructions[instructions] {
            execute(instruction, &self.tolerances, arrays, registers);
        }
    }
}

/// A comparison, which a number that is not finite does not survive: it must be found, not hidden.
fn compare(x: f64, y: f64, holds: fn(&f64, &f64) -> bool) -> f64 {
    match x.is_nan() || y.is_nan() {
        true => f64::NAN,
        false => f64::from(u8::from(holds(&x, &y))),
    }
}

/// Executes one instruction.
#[inline]
pub(crate) fn execute(
    instruction: &Instruction,
    tolerances: &[Tolerance],
    arrays: &impl Arrays,
    registers: &mut [f64],
) {
    let &Instruction {
        op,
        a,
        b,
        c,
        single,
        to,
        len,
    } = instruction;
    let (before, rest) = registers.split_at_mut(to as usize);
    let out = &mut rest[..len as usize];
    if let Op::Load { source, stride } = op {
        let from = &arrays.array(source)[a as usize..];
        match stride {
            1 => out.copy_from_slice(&from[..out.len()]),
            _ => {
                let strided = from.iter().step_by(stride as usize);
                out.iter_mut()
                    .zip(strided)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        return;
    }
    let [a, b, c] = [a, b, c].map(|first| &before[first as usize..]);
    let step = |operand: u8| usize::from(single & (1 << operand) == 0);
    let mut one = |f: fn(f64) -> f64| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = f(a[i * step(0)]);
        }
    };
    // One operand.
    match op {
        Op::Copy => return one(|x| x),
        Op::Negate => return one(|x| -x),
        Op::Not => return one(|x| 1.0 - x),
        Op::Abs => return one(f64::abs),
        Op::Sqrt => return one(f64::sqrt),
        Op::Square => return one(|x| x * x),
        Op::Exp => return one(libm::exp),
        Op::Log => return one(libm::log),
        Op::Sin => return one(libm::sin),
        Op::Cos => return one(libm::cos),
        Op::Tan => return one(libm::tan),
        Op::Asin => return one(libm::asin),
        Op::Acos => return one(libm::acos),
        Op::Atan => return one(libm::atan),
        Op::Tanh => return one(libm::tanh),
        Op::Floor => return one(f64::floor),
        Op::Sign => return one(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        Op::Wrap => return one(wrap),
        _ => {}
    }
    let mut two = |f: fn(f64, f64) -> f64| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = f(a[i * step(0)], b[i * step(1)]);
        }
    };
    match op {
        Op::Add => two(|x, y| x + y),
        Op::Subtract => two(|x, y| x - y),
        Op::Multiply => two(|x, y| x * y),
        Op::Divide => two(|x, y| x / y),
        Op::Power => two(power),
        Op::Atan2 => two(libm::atan2),
        Op::Min => two(least),
        Op::Max => two(greatest),
        Op::Less => two(|x, y| compare(x, y, f64::lt)),
        Op::LessOrEqual => two(|x, y| compare(x, y, f64::le)),
        Op::Equal => two(|x, y| compare(x, y, f64::eq)),
        Op::NotEqual => two(|x, y| compare(x, y, f64::ne)),
        Op::And => two(|x, y| x * y),
        Op::Or => two(greatest),
        Op::Where => {
            for (i, out) in out.iter_mut().enumerate() {
                let condition = a[i * step(0)];
                *out = if condition.is_nan() {
                    condition
                } else if condition == 0.0 {
                    c[i * step(2)]
                } else {
                    b[i * step(1)]
                };
            }
        }
        Op::Tolerance(number) => {
            let tolerance = &tolerances[number as usize];
            for (i, out) in out.iter_mut().enumerate() {
                let x = a[i * step(0)];
                *out = if x.is_nan() { x } else { tolerance.at(x) };
            }
        }
        Op::Sum { count } => out[0] = a[..count as usize].iter().sum(),
        Op::Product { count } => out[0] = a[..count as usize].iter().product(),
        Op::Least { count } => out[0] = fold(&a[..count as usize], least),
        Op::Greatest { count } => out[0] = fold(&a[..count as usize], greatest),
        Op::Norm { count } => {
            let squares = a[..count as usize].iter().map(|x| x * x);
            out[0] = squares.sum::<f64>().sqrt();
        }
        Op::Dot { count } => {
            let products = a[..count as usize].iter().zip(b).map(|(x, y)| x * y);
            out[0] = products.sum();
        }
        Op::Cross => {
            for i in 0..3 {
                let (j, k) = ((i + 1) % 3, (i + 2) % 3);
                out[i] = a[j] * b[k] - a[k] * b[j];
            }
        }
        Op::IntoFrame { columns } => {
            let columns = columns as usize;
            for i in 0..3 {
                for j in 0..columns {
                    out[columns * i + j] = (0..3).map(|k| a[3 * k + i] * b[columns * k + j]).sum();
                }
            }
        }
        Op::OutOfFrame => {
            for i in 0..3 {
                out[i] = (0..3).map(|k| a[3 * i + k] * b[k]).sum();
            }
        }
        // All others are done above.
        _ => {}
    }
}

fn fold(values: &[f64], f: fn(f64, f64) -> f64) -> f64 {
    values[1..].iter().fold(values[0], |x, &y| f(x, y))
}

/// The smaller of two, or NaN if one of them is: `f64::min` would hide it.
fn least(x: f64, y: f64) -> f64 {
    if x.is_nan() || x < y { x } else { y }
}

fn greatest(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y { x } else { y }
}

/// Whole exponents as repeated products, which are exact where `pow` is not.
fn power(x: f64, y: f64) -> f64 {
    if y == 2.0 {
        x * x
    } else if y.fract() == 0.0 && y.abs() <= 16.0 {
        x.powi(y as i32)
    } else {
        libm::pow(x, y)
    }
}

fn wrap(x: f64) -> f64 {
    use std::f64::consts::{PI, TAU};
    x - TAU * ((x + PI) / TAU).floor()
}
