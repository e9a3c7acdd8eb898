//! The functions that JavaScript calls.
//!
//! Each returns one number, and leaves its arrays in the output buffer. Where an operation fails it
//! returns NaN, and [`message_length`] is above 0. After a trap, the message is the panic's.
//! Numbers and choices are f64, JavaScript's type; a seed is a whole number of it.

// Names of exported functions must be the only ones of a module, and this one has no others.
#![allow(unsafe_code)]

use crate::marginal::{Correction, Walk};
use crate::page::{Answer, Page};
use fpo_flow::Sampler;
use std::cell::{Cell, RefCell};

#[cfg(feature = "robots")]
mod robot;
#[cfg(feature = "training")]
mod training;
#[cfg(feature = "robots")]
pub use robot::*;
#[cfg(feature = "training")]
pub use training::*;

thread_local! {
    static PAGE: RefCell<Page> = RefCell::default();
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
    static HOOKED: Cell<bool> = const { Cell::new(false) };
}

/// Does `operation` on the page's state; an error becomes the message.
fn run(operation: impl FnOnce(&mut Page) -> Answer) -> f64 {
    answer(|| PAGE.with_borrow_mut(operation))
}

/// The number of an answer; an error becomes the message.
fn answer(operation: impl FnOnce() -> Answer) -> f64 {
    MESSAGE.with_borrow_mut(String::clear);
    if !HOOKED.replace(true) {
        std::panic::set_hook(Box::new(|panic| {
            let text = panic.to_string();
            MESSAGE.with_borrow_mut(|message| *message = text);
        }));
    }
    operation().unwrap_or_else(|error| {
        MESSAGE.with_borrow_mut(|message| *message = error);
        f64::NAN
    })
}

/// Exports functions to JavaScript under their own names; elsewhere they are plain functions.
macro_rules! exports {
    ($(
        $(#[$about:meta])*
        fn $name:ident($($parameter:ident: $type:ty),*) -> $result:ty $body:block
    )*) => {$(
        $(#[$about])*
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        pub extern "C" fn $name($($parameter: $type),*) -> $result $body
    )*};
}
#[cfg(any(feature = "training", feature = "robots"))]
use exports;

exports! {
    /// Makes room for `length` numbers of input; where they are to be written.
    fn input(length: usize) -> *mut f32 {
        PAGE.with_borrow_mut(|page| {
            page.input.resize(length, 0.0);
            page.input.as_mut_ptr()
        })
    }

    /// Where the output is.
    fn output() -> *const f32 {
        PAGE.with_borrow(|page| page.output.as_ptr())
    }

    /// How many numbers it has.
    fn output_length() -> usize {
        PAGE.with_borrow(|page| page.output.len())
    }

    /// Where the latest error message is, in UTF-8.
    fn message() -> *const u8 {
        MESSAGE.with_borrow(|message| message.as_ptr())
    }

    /// Its length in bytes; 0 if there was no error.
    fn message_length() -> usize {
        MESSAGE.with_borrow(String::len)
    }

    /// [`Page::flow_to_modes`].
    fn flow_to_modes() -> f64 {
        run(Page::flow_to_modes)
    }

    /// [`Page::flow_to_action`].
    fn flow_to_action(action: f64) -> f64 {
        run(|page| page.flow_to_action(action))
    }

    /// [`Page::flow_density`].
    fn flow_density(columns: f64, rows: f64, low: f64, high: f64) -> f64 {
        run(|page| page.flow_density(columns as usize, rows as usize, [low, high]))
    }

    /// [`Page::flow_velocity`].
    fn flow_velocity(columns: f64, rows: f64, low: f64, high: f64) -> f64 {
        run(|page| page.flow_velocity(columns as usize, rows as usize, [low, high]))
    }

    /// [`Page::flow_curve`].
    fn flow_curve(t: f64, points: f64, low: f64, high: f64) -> f64 {
        run(|page| page.flow_curve(t, points as usize, [low, high]))
    }

    /// [`Page::flow_walk`]. Samplers: 0 Euler, 1 midpoint, 2 Heun, 3 Runge–Kutta. Corrections: 0 by
    /// the score, 1 by removing noise, 2 none.
    fn flow_walk(
        particles: f64,
        steps: f64,
        sampler: f64,
        stochasticity: f64,
        correction: f64,
        seed: f64
    ) -> f64 {
        run(|page| {
            let walk = Walk {
                particles: particles as usize,
                steps: steps as usize,
                sampler: match sampler as u32 {
                    0 => Sampler::Euler,
                    1 => Sampler::Midpoint,
                    2 => Sampler::Heun,
                    3 => Sampler::Rk4,
                    other => return Err(format!("there is no sampler {other}")),
                },
                stochasticity,
                correction: match correction as u32 {
                    0 => Correction::Score,
                    1 => Correction::Renoise,
                    2 => Correction::None,
                    other => return Err(format!("there is no correction {other}")),
                },
                seed: seed as u64,
            };
            page.flow_walk(walk)
        })
    }

    /// [`Page::flow_distance`].
    fn flow_distance(k: f64) -> f64 {
        run(|page| page.flow_distance(k as usize))
    }

    /// [`Page::flow_histogram`].
    fn flow_histogram(k: f64, bins: f64, low: f64, high: f64) -> f64 {
        run(|page| page.flow_histogram(k as usize, bins as usize, [low, high]))
    }
}
