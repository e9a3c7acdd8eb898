//! Wrong arguments and hostile files: each is a status and a line, never a crash.

use crate::policies::{ACTION, OBSERVATION, file, inputs};
use fpo_c::{
    FpoPolicy, FpoStatus, fpo_last_error, fpo_policy_act, fpo_policy_action_size, fpo_policy_clone,
    fpo_policy_free, fpo_policy_load, fpo_policy_load_bytes, fpo_policy_max_rows,
    fpo_policy_noise_size, fpo_policy_observation_size, fpo_policy_task,
};
use fpo_policy::{Policy, PolicyKind};
use std::ffi::{CStr, CString};
use std::ptr;

/// A policy that frees itself.
pub struct Loaded(pub *mut FpoPolicy);

// SAFETY: the header allows it to be used by one thread after another, and reports others.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: it was loaded, and is freed once.
        unsafe { fpo_policy_free(self.0) };
    }
}

pub fn load(bytes: &[u8], max_rows: usize) -> Result<Loaded, FpoStatus> {
    let mut policy = ptr::null_mut();
    // SAFETY: both pointers are of living values.
    let status =
        unsafe { fpo_policy_load_bytes(bytes.as_ptr(), bytes.len(), max_rows, &mut policy) };
    assert_eq!(status == FpoStatus::Ok, !policy.is_null());
    match status {
        FpoStatus::Ok => Ok(Loaded(policy)),
        status => Err(status),
    }
}

pub fn act(
    policy: &Loaded,
    observation: &[f32],
    noise: Option<&[f32]>,
    action: &mut [f32],
) -> FpoStatus {
    let (noise, noise_len) = noise.map_or((ptr::null(), 0), |noise| (noise.as_ptr(), noise.len()));
    // SAFETY: pointers and lengths are those of slices.
    unsafe {
        fpo_policy_act(
            policy.0,
            observation.as_ptr(),
            observation.len(),
            noise,
            noise_len,
            action.as_mut_ptr(),
            action.len(),
        )
    }
}

pub fn message() -> String {
    // SAFETY: it ends with a zero.
    let message = unsafe { CStr::from_ptr(fpo_last_error()) };
    let message = message.to_str().unwrap().to_owned();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn null_is_answered() {
    let mut policy = ptr::null_mut();
    let path = CString::new("somewhere").unwrap();
    let (null, nowhere) = (ptr::null(), ptr::null_mut());
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        assert_eq!(
            fpo_policy_load(ptr::null(), 1, &mut policy),
            FpoStatus::NullPointer
        );
        assert_eq!(message(), "path is NULL");
        let status = fpo_policy_load(path.as_ptr(), 1, ptr::null_mut());
        assert_eq!(status, FpoStatus::NullPointer);
        let status = fpo_policy_load_bytes(ptr::null(), 9, 1, &mut policy);
        assert_eq!(status, FpoStatus::NullPointer);
        assert_eq!(fpo_policy_clone(null, &mut policy), FpoStatus::NullPointer);
        let status = fpo_policy_act(null, ptr::null(), 0, ptr::null(), 0, nowhere, 0);
        assert_eq!(status, FpoStatus::NullPointer);
        fpo_policy_free(ptr::null_mut());
        assert_eq!(fpo_policy_observation_size(null), 0);
        assert_eq!(fpo_policy_noise_size(null), 0);
        assert_eq!(fpo_policy_action_size(null), 0);
        assert_eq!(fpo_policy_max_rows(null), 0);
        assert!(fpo_policy_task(null).is_null());
    }
    assert!(policy.is_null());
}

#[test]
fn wrong_lengths_and_places_are_answered_and_nothing_is_written() {
    let loaded = load(&file(PolicyKind::NoisyFlow), 2).unwrap();
    // SAFETY: it is loaded.
    let (o, n, a) = unsafe {
        (
            fpo_policy_observation_size(loaded.0),
            fpo_policy_noise_size(loaded.0),
            fpo_policy_action_size(loaded.0),
        )
    };
    assert_eq!((o, n, a), (OBSERVATION, ACTION * (5 + 1), ACTION));
    let numbers = vec![0.5; 64 * o];
    let wrong = FpoStatus::WrongLength;
    for (observation, noise, action, expected) in [
        (
            o - 1,
            None,
            a,
            "observation has 4 numbers, not one or more observations of 5",
        ),
        (
            0,
            None,
            0,
            "observation has 0 numbers, not one or more observations of 5",
        ),
        (
            3 * o,
            None,
            3 * a,
            "3 observations at once; the policy was loaded for at most 2",
        ),
        (
            o,
            Some(n - 1),
            a,
            "noise has 17 numbers; for these observations it has 18",
        ),
        (
            2 * o,
            Some(n),
            2 * a,
            "noise has 18 numbers; for these observations it has 36",
        ),
        (
            2 * o,
            None,
            a,
            "action has 3 numbers; for these observations it has 6",
        ),
    ] {
        let mut out = vec![7.0; action];
        let noise = noise.map(|n| &numbers[..n]);
        assert_eq!(
            act(&loaded, &numbers[..observation], noise, &mut out),
            wrong
        );
        assert_eq!(message(), expected);
        assert!(out.iter().all(|x| *x == 7.0));
    }
    let mut buffer = vec![0.5f32; 64];
    let start = buffer.as_mut_ptr();
    // SAFETY: all of it is inside `buffer`; the calls are refused before anything is read.
    unsafe {
        let status = fpo_policy_act(loaded.0, start, o, ptr::null(), 0, start.add(o - 1), a);
        assert_eq!(status, FpoStatus::BadArgument);
        assert_eq!(message(), "action overlaps observation or noise");
        let odd = start.byte_add(1);
        let status = fpo_policy_act(loaded.0, odd, o, ptr::null(), 0, start.add(40), a);
        assert_eq!(status, FpoStatus::BadArgument);
        let status = fpo_policy_act(loaded.0, ptr::null(), o, ptr::null(), 0, start, a);
        assert_eq!(status, FpoStatus::NullPointer);
        let status = fpo_policy_act(loaded.0, start, o, ptr::null(), n, start.add(40), a);
        assert_eq!(
            (status, &message()[..]),
            (FpoStatus::NullPointer, "noise is NULL")
        );
        let status = fpo_policy_act(
            loaded.0,
            start,
            usize::MAX,
            ptr::null(),
            0,
            start,
            usize::MAX,
        );
        assert_eq!(status, wrong);
    }
    let mut out = vec![7.0; a];
    let mut broken = numbers[..o].to_vec();
    broken[3] = f32::NAN;
    assert_eq!(act(&loaded, &broken, None, &mut out), FpoStatus::NotFinite);
    assert!(out.iter().all(|x| x.is_nan()), "{out:?}");
    assert!(message().starts_with("the policy's action for observation 0 is not finite"));
    assert_eq!(act(&loaded, &numbers[..o], None, &mut out), FpoStatus::Ok);
    assert!(out.iter().all(|x| x.is_finite()));
}

#[test]
fn hostile_files_are_answered() {
    let good = file(PolicyKind::Flow);
    assert!(load(&good, 1).is_ok());
    for (rows, status) in [
        (0, FpoStatus::BadArgument),
        (usize::MAX, FpoStatus::TooLarge),
        (1 << 40, FpoStatus::TooLarge),
    ] {
        assert_eq!(load(&good, rows).err(), Some(status));
    }
    for length in 0..good.len() {
        assert_eq!(
            load(&good[..length], 1).err(),
            Some(FpoStatus::InvalidPolicy)
        );
        assert!(!message().is_empty());
    }
    // Every byte of the header, and some of the numbers.
    let header = 8 + u64::from_le_bytes(*good.first_chunk().unwrap()) as usize;
    let (mut refused, mut accepted) = (0, 0);
    for i in (0..header).chain((header..good.len()).step_by(7)) {
        for bit in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[i] ^= bit;
            match load(&bytes, 1) {
                Err(_) => refused += 1,
                // Another name, or another number: then it acts, or says why not.
                Ok(policy) => {
                    accepted += 1;
                    // SAFETY: it is loaded.
                    let (o, a) = unsafe {
                        (
                            fpo_policy_observation_size(policy.0),
                            fpo_policy_action_size(policy.0),
                        )
                    };
                    let status = act(&policy, &vec![0.1; o], None, &mut vec![0.0; a]);
                    assert!(matches!(status, FpoStatus::Ok | FpoStatus::NotFinite));
                }
            }
        }
    }
    assert!(
        refused > 100 && accepted > 10,
        "{refused} refused, {accepted} accepted"
    );

    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("missing");
    let text = CString::new(path.to_str().unwrap()).unwrap();
    let mut policy = ptr::null_mut();
    // SAFETY: both pointers are of living values.
    let status = unsafe { fpo_policy_load(text.as_ptr(), 1, &mut policy) };
    assert_eq!(status, FpoStatus::CannotRead);
    assert!(policy.is_null() && message().starts_with(text.to_str().unwrap()));
    std::fs::write(&path, &good).unwrap();
    // SAFETY: as above.
    let status = unsafe { fpo_policy_load(text.as_ptr(), 1, &mut policy) };
    assert_eq!(status, FpoStatus::Ok);
    let loaded = Loaded(policy);
    // SAFETY: it is loaded.
    let name = unsafe { CStr::from_ptr(fpo_policy_task(loaded.0)) };
    assert_eq!(name.to_str(), Ok("a-task"));
}

#[test]
fn a_clone_acts_in_another_thread_and_outlives_its_original() {
    let bytes = file(PolicyKind::Gaussian);
    let policy = Policy::load(&bytes).unwrap();
    let (observations, noise) = inputs(&policy, 8);
    let mut expected = vec![0.0; 8 * policy.action_dim()];
    let mut actor = policy.actor(8);
    actor.act(&observations, &noise, &mut expected).unwrap();

    let loaded = load(&bytes, 8).unwrap();
    let mut copy = ptr::null_mut();
    // SAFETY: it is loaded.
    let status = unsafe { fpo_policy_clone(loaded.0, &mut copy) };
    assert_eq!(status, FpoStatus::Ok);
    let copy = Loaded(copy);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = vec![0.0; expected.len()];
            assert_eq!(
                act(&loaded, &observations, Some(&noise), &mut out),
                FpoStatus::Ok
            );
            assert_eq!(out, expected);
        });
        let mut out = vec![0.0; expected.len()];
        assert_eq!(
            act(&copy, &observations, Some(&noise), &mut out),
            FpoStatus::Ok
        );
        assert_eq!(out, expected);
    });
    drop(loaded);
    let mut out = vec![0.0; expected.len()];
    assert_eq!(
        act(&copy, &observations, Some(&noise), &mut out),
        FpoStatus::Ok
    );
    assert_eq!(out, expected);
}

#[test]
fn threads_that_share_a_policy_are_told_so_and_never_disturb_each_other() {
    let bytes = file(PolicyKind::Flow);
    let policy = Policy::load(&bytes).unwrap();
    let (observations, noise) = inputs(&policy, 64);
    let mut expected = vec![0.0; 64 * policy.action_dim()];
    let mut actor = policy.actor(64);
    actor.act(&observations, &noise, &mut expected).unwrap();
    let loaded = load(&bytes, 64).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut out = vec![7.0; expected.len()];
                    match act(&loaded, &observations, Some(&noise), &mut out) {
                        FpoStatus::Ok => assert_eq!(out, expected),
                        FpoStatus::Busy => assert!(out.iter().all(|x| *x == 7.0)),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
}
