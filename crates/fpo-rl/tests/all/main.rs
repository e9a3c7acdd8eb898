//! The tests of this crate's public items, in one program: each program more is linked, and what they share compiled, once more.

mod allocations;
mod entropy;
mod failure;
mod golden;
mod group;
mod hostile;
mod metrics;
mod rollout;
mod stability;
mod stays_in_its_box;
mod tiny;
mod toy;
mod trainer;
