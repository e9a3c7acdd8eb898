//! The tests of this crate's public items, in one program: every further program would be linked,
//! and the shared modules compiled, once more.

mod allocations;
mod asymmetric;
mod entropy;
mod golden;
mod group;
mod learner;
mod plain;
mod q_gradient;
mod ranks;
mod rollout;
mod stays_in_its_box;
#[path = "../../../fpo-run/tests/all/tiny.rs"]
mod tiny;
mod toy;
mod trainer;
mod vec_env;

/// FPO++ as published, as changes to `fast`: an exponential ratio, a bound on losses, and a bound
/// on actions that only clips.
const PUBLISHED_FPOPP: [&str; 6] = [
    "objective.ratio_form=exp",
    "objective.log_ratio_max=10",
    "objective.loss_max=20",
    "objective.bound_pull=0",
    "optimizer.max_kl=0",
    "train.ema_decay=0",
];
