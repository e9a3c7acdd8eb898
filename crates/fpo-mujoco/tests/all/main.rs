//! The tests of this crate's public items, in one program: each program more is linked, and what
//! they share compiled, once more.

mod allocations;
mod registry;
mod render;
