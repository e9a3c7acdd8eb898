//! The tests of this crate's public items, in one program: each program more is linked, and what
//! they share compiled, once more.

mod bf16;
mod common;
mod golden;
mod init;
mod normalizer;
mod optimization;
mod passes;
mod tensors;
