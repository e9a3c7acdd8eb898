//! The tests of this crate's public items, in one program: each program more is linked, and what they share compiled, once more.
//!
//! No test here may start a process: until it runs, it holds copies of the locks that other tests have on folders of runs.

use std::path::Path;

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

/// FPO++ as published, in changes of `fast`: an exponential ratio and a bound on losses, and a bound on actions that only cuts.
const PUBLISHED_FPOPP: [&str; 6] = [
    "objective.ratio_form=exp",
    "objective.log_ratio_max=10",
    "objective.loss_max=20",
    "objective.bound_pull=0",
    "optimizer.max_kl=0",
    "train.ema_decay=0",
];

/// Makes a pipe that nobody writes to: opening it would wait for ever.
fn make_pipe(path: &Path) {
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, owner, 0).unwrap();
}
