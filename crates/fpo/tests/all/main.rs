//! The tests of the program, in one: each program more is linked, and what they share compiled,
//! once more.
//!
//! `exact_resume.rs` is one of its own: it locks folders of runs, and a process that another test
//! is about to start holds a copy of a lock for a moment, which then outlives its owner.

mod cli;
mod documents;
mod examples;
mod result_tables;
mod same_numbers;
mod unsafe_code;
mod video;
