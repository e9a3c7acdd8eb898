//! The threads that a training runs on.

use super::TrainError;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool of threads, or only the calling one.
pub(super) enum Threads {
    /// Work is done by these.
    Pool(ThreadPool),
    /// Work is done by the caller: on WebAssembly, where no thread can be started, rayon does
    /// everything on the thread that calls it.
    Caller,
}

impl Threads {
    /// `count` threads, 0 for one a core.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn new(count: usize) -> Result<Self, TrainError> {
        if cfg!(target_family = "wasm") {
            return Ok(Self::Caller);
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("fpo-{i}"))
            .build()
            .map_err(|e| TrainError::Threads(e.to_string()))?;
        Ok(Self::Pool(pool))
    }

    /// Does `work` on one of them; its parallel pieces on all.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Self::Pool(pool) => pool.install(work),
            Self::Caller => work(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Pool(pool) => pool.current_num_threads(),
            Self::Caller => 1,
        }
    }
}
