//! Ctrl-C and SIGTERM: the first signal requests a stop, the second stops at once.

use crate::failure::Failure;
use crate::output::log;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Signals within this time count as one: `timeout`, for example, signals both a program and its
/// process group.
const BURST: Duration = Duration::from_millis(300);

/// A flag that the first signal sets, after printing `message`.
pub(crate) fn stop_flag(message: &'static str) -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(Instant::now());
            set.store(true, Ordering::Relaxed);
            log(&format!("\n{message}"));
        }
        Some(first) if first.elapsed() < BURST => {}
        Some(_) => std::process::exit(130),
    })
    .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(flag)
}
