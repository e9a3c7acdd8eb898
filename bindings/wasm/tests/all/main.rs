//! Tests of the pages' modules.

mod bandit;
mod marginal;
mod numbers;
mod sources;
