//! The interface of C: its header, its checks, and programs in C and C++ that act.

mod acting;
mod border;
mod header;
mod policies;
mod programs;

/// The counting allocator.
#[path = "../../../../crates/fpo-env/tests/counting/mod.rs"]
mod counting;
/// Settings of runs that take milliseconds.
#[path = "../../../../crates/fpo-run/tests/all/tiny.rs"]
mod tiny;
