//! Policies for C and C++: what `include/fpo.h` declares.
//!
//! [`FpoPolicy`] is a policy with its buffers, in safe Rust; the functions that C calls are in
//! `border.rs`, which checks every pointer and length and lets no panic through.

#![deny(unsafe_code)]

mod border;
mod last_error;
mod policy;
mod status;

pub use border::{
    fpo_last_error, fpo_policy_act, fpo_policy_action_size, fpo_policy_clone, fpo_policy_free,
    fpo_policy_load, fpo_policy_load_bytes, fpo_policy_max_rows, fpo_policy_noise_size,
    fpo_policy_observation_size, fpo_policy_task, fpo_version,
};
pub use policy::FpoPolicy;
pub use status::FpoStatus;
