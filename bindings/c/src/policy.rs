//! A loaded policy with the buffers to act.

use crate::status::{Failure, FpoStatus};
use fpo_policy::{ActBuffers, NonFiniteAction, Policy};
use std::ffi::CString;
use std::sync::{Arc, Mutex, TryLockError};

/// Bound on the bytes of a policy's buffers, 1 GiB.
const LARGEST_BUFFERS: usize = 1 << 30;

/// A loaded policy, with buffers for a number of observations at a time.
pub struct FpoPolicy {
    shared: Arc<Shared>,
    buffers: Mutex<ActBuffers>,
}

/// What clones share.
struct Shared {
    policy: Policy,
    task: CString,
    max_rows: usize,
    /// Zero noise for `max_rows` rows.
    zeros: Vec<f32>,
}

impl FpoPolicy {
    /// Loads an untrusted policy file, with buffers for up to `max_rows` observations.
    pub(crate) fn load(bytes: &[u8], max_rows: usize) -> Result<Self, Failure> {
        if max_rows == 0 {
            let message = "max_rows is 0: it is the most observations that you act on at once";
            return Err((FpoStatus::BadArgument, message.to_owned()));
        }
        // It would be a panic later.
        fpo_rng::simd::check().map_err(|e| (FpoStatus::BadArgument, e))?;
        let policy = Policy::load(bytes).map_err(|e| (FpoStatus::InvalidPolicy, e.to_string()))?;
        let noise = max_rows.checked_mul(policy.noise_dim() * size_of::<f32>());
        let bytes = policy.buffer_bytes(max_rows).zip(noise);
        if bytes.is_none_or(|(buffers, noise)| buffers.saturating_add(noise) > LARGEST_BUFFERS) {
            let message = format!(
                "buffers for {max_rows} observations of this policy would take more than \
                {LARGEST_BUFFERS} bytes: load it with a smaller max_rows"
            );
            return Err((FpoStatus::TooLarge, message));
        }
        // A name with a zero in it ends there, for C.
        let task = policy.task().split('\0').next().unwrap_or_default();
        let shared = Shared {
            task: CString::new(task).unwrap_or_default(),
            max_rows,
            zeros: vec![0.0; max_rows * policy.noise_dim()],
            policy,
        };
        Ok(Self::with(Arc::new(shared)))
    }

    /// Another one of the same policy, for another thread.
    pub(crate) fn another(&self) -> Self {
        Self::with(self.shared.clone())
    }

    fn with(shared: Arc<Shared>) -> Self {
        let Shared {
            policy,
            max_rows,
            zeros,
            ..
        } = shared.as_ref();
        let mut buffers = policy.buffers(*max_rows);
        // All buffers grow now, so that acting allocates nothing. Whether these actions are finite
        // does not matter.
        let observations = vec![0.0; max_rows * policy.observation_dim()];
        let mut actions = vec![0.0; max_rows * policy.action_dim()];
        let _ = policy.act(&mut buffers, &observations, zeros, &mut actions);
        Self {
            buffers: Mutex::new(buffers),
            shared,
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    pub(crate) fn task(&self) -> &CString {
        &self.shared.task
    }

    pub(crate) fn max_rows(&self) -> usize {
        self.shared.max_rows
    }

    /// Checks the lengths of a call of `act`, without noise where it is to be zero.
    pub(crate) fn check(
        &self,
        observation: usize,
        noise: Option<usize>,
        action: usize,
    ) -> Result<(), Refusal> {
        let (policy, most) = (self.policy(), self.max_rows());
        let dim = policy.observation_dim();
        let rows = observation / dim;
        if rows == 0 || !observation.is_multiple_of(dim) {
            let found = observation;
            return Err(Refusal::Observation { found, dim });
        }
        if rows > most {
            return Err(Refusal::Rows { rows, most });
        }
        let lengths = [
            ("noise", noise, rows * policy.noise_dim()),
            ("action", Some(action), rows * policy.action_dim()),
        ];
        for (what, found, expected) in lengths {
            if let Some(found) = found.filter(|found| *found != expected) {
                return Err(Refusal::Length {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Acts on rows whose lengths were checked. Allocates nothing.
    pub(crate) fn act(
        &self,
        observation: &[f32],
        noise: Option<&[f32]>,
        action: &mut [f32],
    ) -> Result<(), Refusal> {
        let mut buffers = match self.buffers.try_lock() {
            Ok(buffers) => buffers,
            Err(TryLockError::WouldBlock) => return Err(Refusal::Busy),
            Err(TryLockError::Poisoned(_)) => return Err(Refusal::Poisoned),
        };
        let policy = self.policy();
        let rows = observation.len() / policy.observation_dim();
        let noise = noise.unwrap_or(&self.shared.zeros[..rows * policy.noise_dim()]);
        policy
            .act(&mut buffers, observation, noise, action)
            .map_err(|error| {
                action.fill(f32::NAN);
                Refusal::NotFinite(error)
            })
    }
}

/// Why there is no action. Unlike a [`Failure`], it owns no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("observation has {found} numbers, not one or more observations of {dim}")]
    Observation { found: usize, dim: usize },
    #[error("{what} has {found} numbers; for these observations it has {expected}")]
    Length {
        what: &'static str,
        found: usize,
        expected: usize,
    },
    #[error("{rows} observations at once; the policy was loaded for at most {most}")]
    Rows { rows: usize, most: usize },
    #[error("{0}; all actions were set to NaN")]
    NotFinite(NonFiniteAction),
    #[error("another thread is acting with this policy; fpo_policy_clone gives it one of its own")]
    Busy,
    #[error("an earlier call of this policy failed inside the library; load it anew")]
    Poisoned,
}

impl Refusal {
    pub(crate) fn status(self) -> FpoStatus {
        match self {
            Self::Observation { .. } | Self::Length { .. } | Self::Rows { .. } => {
                FpoStatus::WrongLength
            }
            Self::NotFinite(_) => FpoStatus::NotFinite,
            Self::Busy => FpoStatus::Busy,
            Self::Poisoned => FpoStatus::Internal,
        }
    }
}
