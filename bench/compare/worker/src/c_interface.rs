//! A policy through the functions that C calls.

#![allow(unsafe_code)]

use anyhow::{Result, bail};
use fpo_c::{FpoPolicy, FpoStatus, fpo_policy_act, fpo_policy_free, fpo_policy_load_bytes};
use std::ptr;

/// A loaded policy.
pub struct Loaded(*mut FpoPolicy);

impl Loaded {
    pub fn new(file: &[u8]) -> Result<Self> {
        let mut policy = ptr::null_mut();
        // SAFETY: pointers and length of living values.
        match unsafe { fpo_policy_load_bytes(file.as_ptr(), file.len(), 1, &mut policy) } {
            FpoStatus::Ok => Ok(Self(policy)),
            status => bail!("loading: {status:?}"),
        }
    }

    pub fn act(&self, observation: &[f32], noise: &[f32], action: &mut [f32]) -> Result<()> {
        // SAFETY: it is loaded; pointers and lengths are those of slices.
        let status = unsafe {
            fpo_policy_act(
                self.0,
                observation.as_ptr(),
                observation.len(),
                noise.as_ptr(),
                noise.len(),
                action.as_mut_ptr(),
                action.len(),
            )
        };
        match status {
            FpoStatus::Ok => Ok(()),
            status => bail!("acting: {status:?}"),
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: it was loaded, and is freed once.
        unsafe { fpo_policy_free(self.0) };
    }
}
