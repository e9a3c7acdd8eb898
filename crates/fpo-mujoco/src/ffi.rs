//! MuJoCo's functions that can fail, declared so that a failure unwinds, and the log handler that
//! starts the unwinding.
//!
//! MuJoCo reports an error by calling its log handler, and ends the process when the handler
//! returns. This handler does not return from an error: it unwinds to the [`guard`] around the
//! call. Warnings are dropped; those that matter are counted in `mjData.warning`.

#![allow(unsafe_code)]

use mujoco_rs::mujoco_c::{mjData, mjModel, mjVFS, mjtLogLevel};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

unsafe extern "C-unwind" {
    pub(crate) fn mj_defaultVFS(vfs: *mut mjVFS);
    pub(crate) fn mj_addBufferVFS(
        vfs: *mut mjVFS,
        name: *const c_char,
        buffer: *const c_void,
        nbuffer: c_int,
    ) -> c_int;
    pub(crate) fn mj_deleteVFS(vfs: *mut mjVFS);
    pub(crate) fn mj_loadXML(
        filename: *const c_char,
        vfs: *const mjVFS,
        error: *mut c_char,
        error_sz: c_int,
    ) -> *mut mjModel;
    pub(crate) fn mj_makeData(m: *const mjModel) -> *mut mjData;
    pub(crate) fn mj_resetData(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_resetDataKeyframe(m: *const mjModel, d: *mut mjData, key: c_int);
    pub(crate) fn mj_forward(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_kinematics(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_step(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_step1(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_step2(m: *const mjModel, d: *mut mjData);
    pub(crate) fn mj_getState(m: *const mjModel, d: *const mjData, state: *mut f64, sig: c_int);
    pub(crate) fn mj_setState(m: *const mjModel, d: *mut mjData, state: *const f64, sig: c_int);
    fn mju_setLogHandler(handler: Option<Handler>) -> Option<Handler>;
}

type Handler = unsafe extern "C-unwind" fn(*const LogMessage);

/// The head of MuJoCo's `mjLogMessage`.
#[repr(C)]
struct LogMessage {
    level: c_int,
    topic: c_int,
    subject: [c_char; 1024],
    body: *const c_char,
}

/// The payload of the unwinding.
struct Raised(String);

/// Turns MuJoCo's errors, after which it would end the process, into unwinding that [`guard`]
/// catches.
///
/// The unwinding passes through frames of the pinned library, which is C and C++ built with unwind
/// tables; its C++ code assumes that errors do not return, so no frame expects to continue.
/// Allocations of such a call leak, and the caller resets or discards its arguments.
unsafe extern "C-unwind" fn handler(message: *const LogMessage) {
    // SAFETY: MuJoCo passes a message that is valid during this call, with a NUL-terminated
    // subject.
    let (level, subject) = unsafe {
        (
            (*message).level,
            CStr::from_ptr((*message).subject.as_ptr()),
        )
    };
    if level == mjtLogLevel::mjLOG_ERROR as c_int {
        // Not `panic!`, because the panic hook would print a message.
        resume_unwind(Box::new(Raised(subject.to_string_lossy().into_owned())));
    }
}

/// Installs the log handler, once.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: every call of MuJoCo that can raise an error goes through `guard`, which waits
        // here until the handler is set; the handler may be called from any thread.
        unsafe { mju_setLogHandler(Some(handler)) };
    });
}

/// Calls MuJoCo; if it raises an error, returns the text.
#[inline]
pub(crate) fn guard<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    install();
    // After a failed call the caller resets or discards all arguments before using them again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| match payload.downcast::<Raised>() {
        Ok(raised) => raised.0,
        Err(payload) => resume_unwind(payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C-unwind" {
        fn mju_error(format: *const c_char, ...);
        fn mju_warning(format: *const c_char, ...);
    }

    #[test]
    fn errors_come_back_from_every_thread() {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for i in 0..1000 {
                        let number: c_int = 1000 * thread + i;
                        // SAFETY: a format and its number.
                        let error = guard(|| unsafe { mju_error(c"number %d".as_ptr(), number) });
                        let text = error.expect_err("it is an error");
                        assert!(text.contains(&format!("number {number}")), "{text}");
                    }
                });
            }
        });
    }

    #[test]
    fn warnings_pass() {
        // SAFETY: a format without arguments.
        let warn = || unsafe { mju_warning(c"all is well".as_ptr()) };
        assert_eq!(guard(warn), Ok(()));
        assert!(!std::path::Path::new("MUJOCO_LOG.TXT").exists());
    }

    #[test]
    fn rust_panics_are_not_mistaken_for_errors() {
        let panic = std::panic::catch_unwind(|| guard(|| resume_unwind(Box::new("ours"))));
        assert_eq!(
            panic.expect_err("it continues to unwind").downcast_ref(),
            Some(&"ours")
        );
    }
}
