//! Environments: the interface and vectorised stepping.
//!
//! An [`Env`] is one world with a beginning and a step; a [`Task`] makes them; a [`Shard`] steps a fixed group of them
//! on one thread, resets what has ended and hands over final observations.

mod env;
mod shard;

pub use env::{Env, EnvSpec, MakeError, Picture, RenderError, StateError, Status, Step, Task};
pub use shard::{End, Episode, Outcome, Shard, ShardOptions};
