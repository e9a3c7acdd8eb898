//! Threads that busy-wait between short pieces of parallel work.
//!
//! A minibatch of the `fast` preset takes 1–2 ms and has about six parallel pieces. An idle thread
//! of the pool falls asleep within microseconds, and waking it takes tens of microseconds each
//! time.

use rayon::Yield;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Unsuccessful looks for work before a thread yields the processor to other programs.
const SPINS: u32 = 1000;

/// Does `work` on one thread of the current pool, while the others wait for its parallel pieces
/// without falling asleep. They are busy until it ends, whether it has work for them or not.
pub(crate) fn keep_awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_num_threads() == 1 {
        return work();
    }
    let (awake, done) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    rayon::scope(|scope| {
        let worker = rayon::current_thread_index();
        scope.spawn_broadcast(move |_, thread| {
            if Some(thread.index()) != worker {
                awake.fetch_add(1, Ordering::Release);
                help_until(|| done.load(Ordering::Acquire));
            }
        });
        // Start `work` only once all others are here: a thread that entered this loop from within a
        // wait for the rest of a piece would never see its completion.
        let others = rayon::current_num_threads() - 1;
        help_until(|| awake.load(Ordering::Acquire) == others);
        // Drop also releases the others if the work panics.
        let _done = Done(done);
        work()
    })
}

/// Runs available work, busy-waiting in between, until `end`.
fn help_until(end: impl Fn() -> bool) {
    let mut idle = 0;
    while !end() {
        if rayon::yield_now() == Some(Yield::Executed) {
            idle = 0;
        } else if idle < SPINS {
            idle += 1;
            spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPool;
    use rayon::prelude::*;

    fn keep_awake<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> R {
        pool.install(|| super::keep_awake(work))
    }

    #[test]
    fn pieces_are_shared_and_the_result_is_returned() {
        for threads in 1..=4 {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let answer = keep_awake(&pool, || {
                let piece = |n: u64| (0..n).into_par_iter().map(|i| i * i).sum::<u64>();
                (0..200).map(piece).max()
            });
            assert_eq!(answer, Some((0..199).map(|i| i * i).sum()));
            if threads > 1 {
                // Two pieces that wait for each other end only if two threads have them.
                let both = std::sync::Barrier::new(2);
                keep_awake(&pool, || rayon::join(|| both.wait(), || both.wait()));
            }
            // The pool is free again.
            assert_eq!(pool.broadcast(|thread| thread.index()).len(), threads);
        }
    }

    #[test]
    fn a_panic_ends_all_of_them() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            keep_awake(&pool, || panic!("on purpose"))
        }));
        assert!(caught.is_err());
        assert_eq!(keep_awake(&pool, || 7), 7);
    }
}
