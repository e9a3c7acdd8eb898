//! Signals that ask a training to stop: it finishes the iteration, saves, and exits.

use crate::failure::Failure;
use crate::output::log;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Ctrl-C, a terminal that closes, and what schedulers send: SIGTERM before they kill, SIGUSR1 or
/// SIGUSR2 some time before a limit, SIGXCPU at a limit of processor time.
const STOPPING: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU];

/// Signals within this time count as one: `timeout`, for example, signals both a program and its
/// process group.
const BURST: Duration = Duration::from_millis(300);

/// The number of calls of [`stop_flag`]: a program that embeds this one may train several times,
/// and only the newest flag counts.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// A flag that the first signal sets, after printing `message` if it is not empty. A later Ctrl-C
/// ends the process; other signals that follow ask for what is being done already. A signal that
/// the parent process set to "ignore" (`nohup`, a shell's background jobs) stays ignored.
pub(crate) fn stop_flag(message: &'static str) -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let ignored = ignored();
    let number = LISTENERS.fetch_add(1, Ordering::Relaxed) + 1;
    let heard = STOPPING
        .into_iter()
        .filter(|signal| !is_in(ignored, *signal));
    let mut signals = Signals::new(heard).map_err(unheard)?;
    let listen = move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            if LISTENERS.load(Ordering::Relaxed) != number {
                return;
            }
            match first {
                None => {
                    first = Some(Instant::now());
                    set.store(true, Ordering::Relaxed);
                    if !message.is_empty() {
                        log(&format!("\n{message}"));
                    }
                }
                Some(first) if signal == SIGINT && first.elapsed() >= BURST => {
                    std::process::exit(130)
                }
                Some(_) => {}
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(listen).map_err(unheard)?;
    Ok(flag)
}

/// A write beyond a limit on the size of files then fails with an error that can be reported,
/// instead of ending the process (SIGXFSZ).
pub(crate) fn survive_full_quota() -> Result<(), Failure> {
    let unused = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(SIGXFSZ, unused);
    registered.map(drop).map_err(unheard)
}

fn unheard(error: std::io::Error) -> Failure {
    Failure::runtime(format!("cannot listen for signals: {error}"))
}

/// The signals that this process ignores, bit `n - 1` for signal `n`: those of its parent, as long
/// as nothing was changed. Empty where the system does not say.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0))
}

fn is_in(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}
