//! The functions that C calls. Each checks its pointers, catches panics, and says what its caller
//! has to guarantee.

#![allow(unsafe_code)]

use crate::last_error;
use crate::policy::FpoPolicy;
use crate::status::{Failure, FpoStatus};
use fpo_files::read_capped;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::{ptr, slice};

/// Bound on the size of a policy file, 1 GiB, as elsewhere.
const LARGEST_POLICY: u64 = 1 << 30;

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn fpo_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version has no zero byte"),
        };
    VERSION.as_ptr()
}

/// The message of the calling thread's last status that was not FPO_STATUS_OK: one line, in UTF-8,
/// empty at first. It is valid until the thread's next call of a function that returns a status.
#[unsafe(no_mangle)]
pub extern "C" fn fpo_last_error() -> *const c_char {
    last_error::pointer()
}

/// Loads the policy file at `path`, to act on up to `max_rows` observations at a time, and stores
/// it in `*policy`, which fpo_policy_free frees. The file may come from anywhere: it is checked
/// before it is used. On failure `*policy` is NULL.
///
/// # Safety
/// `path` is a string that ends with a zero; `policy` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_load(
    path: *const c_char,
    max_rows: usize,
    policy: *mut *mut FpoPolicy,
) -> FpoStatus {
    // SAFETY: the caller's promise.
    unsafe { clear(policy) };
    guarded(|| {
        if path.is_null() || policy.is_null() {
            return null(if path.is_null() { "path" } else { "policy" });
        }
        // SAFETY: not NULL, and the caller's promise.
        let path = path_of(unsafe { CStr::from_ptr(path) });
        let loaded = read_capped(&path, LARGEST_POLICY)
            .map_err(|e| (FpoStatus::CannotRead, e.to_string()))
            .and_then(|bytes| FpoPolicy::load(&bytes, max_rows))
            .map_err(|(status, why)| (status, format!("{}: {why}", path.display())));
        // SAFETY: not NULL, and the caller's promise.
        unsafe { hand_out(loaded, policy) }
    })
}

/// Loads a policy file from memory, as fpo_policy_load does. The bytes are not needed afterwards.
///
/// # Safety
/// `bytes` are `length` bytes; `policy` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_load_bytes(
    bytes: *const u8,
    length: usize,
    max_rows: usize,
    policy: *mut *mut FpoPolicy,
) -> FpoStatus {
    // SAFETY: the caller's promise.
    unsafe { clear(policy) };
    guarded(|| {
        if bytes.is_null() || policy.is_null() {
            return null(if bytes.is_null() { "bytes" } else { "policy" });
        }
        if length as u64 > LARGEST_POLICY {
            let why = format!("length is {length}; a policy has at most {LARGEST_POLICY} bytes");
            return failed(FpoStatus::InvalidPolicy, why);
        }
        // SAFETY: not NULL, below isize::MAX, and the caller's promise.
        let bytes = unsafe { slice::from_raw_parts(bytes, length) };
        // SAFETY: not NULL, and the caller's promise.
        unsafe { hand_out(FpoPolicy::load(bytes, max_rows), policy) }
    })
}

/// Stores in `*copy` a policy with buffers of its own that shares the parameters of `policy`, for
/// another thread. Each is freed by itself, in any order. On failure `*copy` is NULL.
///
/// # Safety
/// `policy` came from this library and was not freed; `copy` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_clone(
    policy: *const FpoPolicy,
    copy: *mut *mut FpoPolicy,
) -> FpoStatus {
    // SAFETY: the caller's promise.
    unsafe { clear(copy) };
    guarded(|| {
        // SAFETY: the caller's promise.
        let Some(policy) = (unsafe { policy.as_ref() }) else {
            return null("policy");
        };
        if copy.is_null() {
            return null("copy");
        }
        // SAFETY: not NULL, and the caller's promise.
        unsafe { hand_out(Ok(policy.another()), copy) }
    })
}

/// Frees a policy; NULL is allowed. No thread may be using it.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_free(policy: *mut FpoPolicy) {
    if policy.is_null() {
        return;
    }
    guarded(|| {
        // SAFETY: it came from `hand_out`, which made it of a box.
        drop(unsafe { Box::from_raw(policy) });
        FpoStatus::Ok
    });
}

/// Turns observations into actions.
///
/// * `observation`: `observation_len` numbers, one or more observations of
///   fpo_policy_observation_size numbers after each other, in the task's units
/// * `noise`: `noise_len` numbers, fpo_policy_noise_size for each observation: standard normal
///   numbers for a sample, zeros for the deterministic action. NULL with a length of 0 stands for
///   zeros
/// * `action`: written with `action_len` numbers, fpo_policy_action_size for each observation, in
///   the task's units. It must not overlap the inputs
///
/// Allocates nothing. On FPO_STATUS_NOT_FINITE all actions are NaN; on any other failure nothing
/// was written.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed; the other pointers are NULL or
/// point to as many numbers as their lengths say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_act(
    policy: *const FpoPolicy,
    observation: *const f32,
    observation_len: usize,
    noise: *const f32,
    noise_len: usize,
    action: *mut f32,
    action_len: usize,
) -> FpoStatus {
    guarded(|| {
        // SAFETY: the caller's promise.
        let Some(policy) = (unsafe { policy.as_ref() }) else {
            return null("policy");
        };
        if observation.is_null() || action.is_null() {
            let observation = observation.is_null();
            return null(if observation { "observation" } else { "action" });
        }
        if !(observation.is_aligned() && noise.is_aligned() && action.is_aligned()) {
            let why = "observation, noise or action is not aligned to 4 bytes";
            return failed(FpoStatus::BadArgument, why);
        }
        let given = (!(noise.is_null() && noise_len == 0)).then_some(noise_len);
        if let Err(refusal) = policy.check(observation_len, given, action_len) {
            return failed(refusal.status(), refusal);
        }
        if given.is_some() && noise.is_null() {
            return null("noise");
        }
        let overlaps = |input: *const f32, len: usize| {
            let (input, output) = (input.addr(), action.addr());
            let [input_end, output_end] =
                [(input, len), (output, action_len)].map(|(first, len)| first + 4 * len);
            input < output_end && output < input_end
        };
        if overlaps(observation, observation_len) || (given.is_some() && overlaps(noise, noise_len))
        {
            return failed(
                FpoStatus::BadArgument,
                "action overlaps observation or noise",
            );
        }
        // SAFETY: not NULL, aligned, of lengths that are a policy's, and the caller's promise.
        let observation = unsafe { slice::from_raw_parts(observation, observation_len) };
        // SAFETY: as above.
        let noise = given.map(|len| unsafe { slice::from_raw_parts(noise, len) });
        // SAFETY: as above, and it overlaps neither of the inputs.
        let action = unsafe { slice::from_raw_parts_mut(action, action_len) };
        match policy.act(observation, noise, action) {
            Ok(()) => FpoStatus::Ok,
            Err(refusal) => failed(refusal.status(), refusal),
        }
    })
}

/// Numbers in an observation; 0 for NULL.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_observation_size(policy: *const FpoPolicy) -> usize {
    // SAFETY: the caller's promise.
    unsafe { policy.as_ref() }.map_or(0, |policy| policy.policy().observation_dim())
}

/// Numbers in the noise of an action; 0 for NULL.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_noise_size(policy: *const FpoPolicy) -> usize {
    // SAFETY: the caller's promise.
    unsafe { policy.as_ref() }.map_or(0, |policy| policy.policy().noise_dim())
}

/// Numbers in an action; 0 for NULL.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_action_size(policy: *const FpoPolicy) -> usize {
    // SAFETY: the caller's promise.
    unsafe { policy.as_ref() }.map_or(0, |policy| policy.policy().action_dim())
}

/// The most observations that it acts on at a time; 0 for NULL.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_max_rows(policy: *const FpoPolicy) -> usize {
    // SAFETY: the caller's promise.
    unsafe { policy.as_ref() }.map_or(0, FpoPolicy::max_rows)
}

/// The name of the task that it was trained on, in UTF-8, valid until the policy is freed; NULL for
/// NULL.
///
/// # Safety
/// `policy` is NULL, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fpo_policy_task(policy: *const FpoPolicy) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { policy.as_ref() }.map_or(ptr::null(), |policy| policy.task().as_ptr())
}

/// What `f` returns; a panic does not get through to C.
fn guarded(f: impl FnOnce() -> FpoStatus) -> FpoStatus {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        failed(
            FpoStatus::Internal,
            "a defect of this library; standard error has more about it",
        )
    })
}

fn failed(status: FpoStatus, message: impl fmt::Display) -> FpoStatus {
    last_error::set(message);
    status
}

fn null(name: &str) -> FpoStatus {
    failed(FpoStatus::NullPointer, format_args!("{name} is NULL"))
}

/// Sets `*policy` to NULL, if it can be written to.
///
/// # Safety
/// `policy` is NULL or may be written to.
unsafe fn clear(policy: *mut *mut FpoPolicy) {
    if !policy.is_null() {
        // SAFETY: not NULL, and the caller's promise.
        unsafe { policy.write(ptr::null_mut()) };
    }
}

/// Stores a policy for C to own.
///
/// # Safety
/// `policy` may be written to.
unsafe fn hand_out(loaded: Result<FpoPolicy, Failure>, policy: *mut *mut FpoPolicy) -> FpoStatus {
    match loaded {
        Ok(loaded) => {
            // SAFETY: the caller's promise.
            unsafe { policy.write(Box::into_raw(Box::new(loaded))) };
            FpoStatus::Ok
        }
        Err((status, message)) => failed(status, fpo_files::one_line(&message)),
    }
}

#[cfg(unix)]
fn path_of(path: &CStr) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path.to_bytes()).into()
}

#[cfg(not(unix))]
fn path_of(path: &CStr) -> PathBuf {
    path.to_string_lossy().into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        let status = guarded(|| panic!("this panic is part of a test"));
        assert_eq!(status, FpoStatus::Internal);
        // SAFETY: the message ends with a zero.
        let message = unsafe { CStr::from_ptr(fpo_last_error()) };
        assert!(message.to_str().unwrap().contains("a defect"));
    }
}
