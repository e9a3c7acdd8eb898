//! The tests of the program, in one executable: every further one would be linked, and the shared
//! modules compiled, once more.
//!
//! `exact_resume.rs` is separate: it locks run folders, and a process that another test is starting
//! briefly holds a copy of a lock, which can outlive its owner.

mod cli;
mod deploying;
mod documents;
mod examples;
mod policy_format;
#[cfg(target_os = "linux")]
mod requirements;
mod result_tables;
mod same_numbers;
mod unsafe_code;
mod video;
