//! The tests of this crate's public items, in one program: each program more is linked, and what
//! they share compiled, once more.

mod allocations;
mod entropy;
mod golden;
mod group;
mod learner;
mod plain;
mod ranks;
mod rollout;
mod stays_in_its_box;
#[path = "../../../fpo-run/tests/all/tiny.rs"]
mod tiny;
mod toy;
mod trainer;

/// FPO++ as published, in changes of `fast`: an exponential ratio and a bound on losses, and a
/// bound on actions that only cuts.
const PUBLISHED_FPOPP: [&str; 6] = [
    "objective.ratio_form=exp",
    "objective.log_ratio_max=10",
    "objective.loss_max=20",
    "objective.bound_pull=0",
    "optimizer.max_kl=0",
    "train.ema_decay=0",
];
