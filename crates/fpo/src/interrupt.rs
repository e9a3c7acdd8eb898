//! Ctrl-C and SIGTERM: the first asks to stop, the second stops at once.

use crate::failure::Failure;
use crate::output::note;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first signal sets, after telling the user `message`.
pub(crate) fn stop_flag(message: &'static str) -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        note(&format!("\n{message}"));
    })
    .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(flag)
}
