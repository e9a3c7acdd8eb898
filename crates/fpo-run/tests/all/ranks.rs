//! Ranks that are threads: the first with a session, the others following it.

use fpo_env::Task;
use fpo_learn::reduce::{Reduce, ThreadRank};
use fpo_run::run::{Resources, RunError, dismiss, follow};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// What `lead` makes of the first of so many ranks, while the others follow it: each with the task
/// and the flag that asks to stop that `with` has for it.
pub fn on_ranks<T>(
    ranks: usize,
    with: impl Fn(usize) -> (Arc<dyn Task>, Arc<AtomicBool>),
    lead: impl FnOnce(Resources) -> T,
) -> T {
    let resources = |rank: ThreadRank| Resources {
        threads: 1,
        reduce: Arc::new(rank),
    };
    let mut all = ThreadRank::connect(ranks).into_iter();
    let first = resources(all.next().expect("a rank"));
    thread::scope(|scope| {
        for rank in all {
            let (task, stop) = with(rank.rank());
            scope.spawn(move || {
                follow::<RunError>(resources(rank), &stop, |_, _| Ok(task)).unwrap();
            });
        }
        let reduce = Arc::clone(&first.reduce);
        let made = lead(first);
        dismiss(reduce.as_ref()).unwrap();
        made
    })
}
