//! Work in Rust that calls Python: on a thread of its own, while the thread that called from Python
//! serves it.
//!
//! A user's environment and callbacks so run in the thread that called [`serve`], as if training
//! were written in Python: what belongs to a thread (windows, OpenGL, event loops, debuggers)
//! works, tracebacks are whole, and Ctrl-C is handled, which Python does on its main thread alone.
//! That thread holds the interpreter's lock (GIL) only while it runs Python code.

use crate::errors;
use fpo_files::one_line;
use pyo3::prelude::*;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often signals are looked for while there is nothing to serve.
const POLL: Duration = Duration::from_millis(50);

type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// Runs code on the thread that serves.
#[derive(Clone)]
pub(crate) struct Host {
    jobs: mpsc::Sender<Job>,
    /// The first exception of the user's code; it ends the work and is raised at the end.
    raised: Arc<Mutex<Option<PyErr>>>,
}

impl Host {
    /// What `work` returns on the serving thread; none if there is no such thread any longer.
    pub(crate) fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>) -> R + Send + 'static,
    ) -> Option<R> {
        let (reply, answer) = mpsc::sync_channel(1);
        let job = move |py: Python<'_>| {
            // Nobody waits for an answer any longer if this fails.
            let _ = reply.send(work(py));
        };
        self.jobs.send(Box::new(job)).ok()?;
        answer.recv().ok()
    }

    /// What `work` returns on the serving thread. An exception is kept, to be raised where the work
    /// was begun, and is returned as one line.
    pub(crate) fn try_call<R: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>) -> PyResult<R> + Send + 'static,
    ) -> Result<R, String> {
        let raised = Arc::clone(&self.raised);
        let answer = self.call(move |py| {
            work(py).map_err(|error| {
                let line = one_line(&error.to_string());
                keep(&raised, error);
                line
            })
        });
        answer.unwrap_or_else(|| Err("Python does not answer any longer".into()))
    }
}

/// Keeps the first exception.
fn keep(raised: &Mutex<Option<PyErr>>, error: PyErr) {
    let mut first = raised.lock().unwrap_or_else(PoisonError::into_inner);
    first.get_or_insert(error);
}

/// Does `work` on another thread while this one serves it. Returns what it returns, and the
/// exception of the user's code that ended it, if one did.
///
/// # Errors
/// If no thread can be started, or `work` panics.
pub(crate) fn serve<R: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(Host) -> R + Send + 'static,
) -> PyResult<(R, Option<PyErr>)> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let queue = Mutex::new(queue);
    let raised = Arc::new(Mutex::new(None));
    let host = Host {
        jobs,
        raised: Arc::clone(&raised),
    };
    let worker = thread::Builder::new()
        .name("fpo-session".into())
        .spawn(move || work(host))
        .map_err(|e| errors::TrainingError::new_err(format!("cannot start a thread: {e}")))?;
    loop {
        let next = || {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.recv_timeout(POLL)
        };
        match py.detach(next) {
            Ok(job) => job(py),
            Err(RecvTimeoutError::Timeout) => {}
            // The work is done.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // The handler of a second Ctrl-C raises; the first has asked the work to stop.
        if let Err(error) = py.check_signals() {
            keep(&raised, error);
        }
    }
    let done = py.detach(|| worker.join());
    let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
    match done {
        Ok(result) => Ok((result, raised)),
        Err(panic) => Err(errors::panicked(panic.as_ref())),
    }
}
