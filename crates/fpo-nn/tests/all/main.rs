//! The tests of this crate's public items, in one program: every further program would be linked,
//! and the shared modules compiled, once more.

mod bf16;
mod common;
mod golden;
mod init;
mod normalizer;
mod optimization;
mod passes;
mod tensors;
