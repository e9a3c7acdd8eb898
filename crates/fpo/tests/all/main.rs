//! The tests of the program, in one: each program more is linked, and what they share compiled, once more.

mod cli;
mod exact_resume;
mod unsafe_code;
mod video;
