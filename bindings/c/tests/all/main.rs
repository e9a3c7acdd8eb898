//! The interface of C: its header and its checks. Programs in C and C++ that act are tested in
//! `crates/fpo/tests/all/deploying`, with policies of real tasks.

mod acting;
mod border;
mod header;
mod policies;

/// The counting allocator.
#[path = "../../../../crates/fpo-env/tests/counting/mod.rs"]
mod counting;
