//! Tests of the pages' modules.

mod bandit;
mod marginal;
mod numbers;
mod robots;
mod sources;
