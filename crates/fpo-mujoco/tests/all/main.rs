//! The tests of this crate's public items, in one program: every further program would be linked,
//! and the shared modules compiled, once more.

mod allocations;
mod registry;
mod render;
