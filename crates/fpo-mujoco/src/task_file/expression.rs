//! The language of task files: typed expressions over the quantities of a simulation, compiled to a
//! flat program.
//!
//! An expression is a number, a vector of numbers, or true and false. [`Compiler`] resolves names,
//! checks types and sizes, evaluates what is constant, and computes equal parts once for all
//! expressions of a task; [`Program`] is evaluated without allocation.
//!
//! Why a language of its own: of the kept crates, `evalexpr` is under the AGPL and boxes every
//! value, `exmex` knows numbers and no vectors and binds names by their alphabetical place,
//! `fasteval` and `meval` are no longer maintained, and `rhai` is a whole scripting language. None
//! can say in which column of which term a name is unknown, and all would be evaluated term by
//! term, without sharing what terms have in common.

mod compile;
mod functions;
mod lexer;
mod program;
mod syntax;

#[cfg(test)]
mod tests;

pub(crate) use compile::{Compiler, Named, Value};
pub(crate) use functions::{FUNCTIONS, NAMES};
pub(crate) use program::{Arrays, Op, Program, Source};
pub(crate) use syntax::{Argument, Node, Tree};

/// An error at a byte of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl Error {
    pub(crate) fn new(at: usize, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { at, why }
    }
}
