//! A policy that acts.

use super::{Policy, PolicyScratch};

/// A non-finite action. Loaded weights are finite, but large ones can overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy's action for observation {row} is not finite: the observation is not, or the \
    network overflows"
)]
pub struct NonFiniteAction {
    /// The first row with a non-finite action.
    pub row: usize,
}

/// What [`Policy::act`] needs besides the policy, for a number of observations at a time. One
/// thread uses one of them; several may share a policy.
pub struct ActBuffers {
    scratch: PolicyScratch,
    observations: Vec<f32>,
}

impl ActBuffers {
    /// Observations that can be acted on at once.
    pub fn capacity(&self) -> usize {
        self.scratch.capacity()
    }
}

impl Policy {
    /// Buffers to act for up to `rows` observations at a time. Some of them grow when they are used
    /// first; after that, acting allocates nothing.
    pub fn buffers(&self, rows: usize) -> ActBuffers {
        ActBuffers {
            scratch: self.model().scratch(rows),
            observations: vec![0.0; rows * self.observation_dim()],
        }
    }

    /// An upper bound on the bytes of [`Policy::buffers`] for `rows` rows; none if it overflows.
    pub fn buffer_bytes(&self, rows: usize) -> Option<usize> {
        /// Room of a row for padding to whole vectors.
        const PADDING: usize = 64;
        /// Rows for padding to whole blocks.
        const MORE_ROWS: usize = 64;
        let spec = self.model().network().spec();
        let widest = spec.hidden.iter().copied().max().unwrap_or(0);
        // Two buffers between layers, and the sums of the first one; the sampler's four.
        let row = self.observation_dim()
            + 2 * (spec.input + spec.output + PADDING)
            + 3 * (widest + PADDING)
            + 4 * self.action_dim();
        rows.checked_add(MORE_ROWS)?
            .checked_mul(row)?
            .checked_mul(size_of::<f32>())
    }

    /// Turns observations and noise into actions.
    ///
    /// * `observations` `[rows, observation]`, as the environment gives them
    /// * `noise` `[rows, noise_dim]`: standard normal numbers, or zeros for the deterministic
    ///   action
    /// * `actions` `[rows, action]`: written with actions in the environment's units
    ///
    /// # Errors
    /// If an action is non-finite before it is mapped to the environment's range, which could hide
    /// it. Do not use any of the actions then.
    ///
    /// # Panics
    /// If the lengths contradict each other, or the buffers are too small or another policy's.
    pub fn act(
        &self,
        buffers: &mut ActBuffers,
        observations: &[f32],
        noise: &[f32],
        actions: &mut [f32],
    ) -> Result<(), NonFiniteAction> {
        let normalized = &mut buffers.observations[..observations.len()];
        self.normalizer().normalize(observations, normalized);
        self.model().sample(
            self.weights(),
            normalized,
            noise,
            actions,
            &mut buffers.scratch,
        );
        for (row, action) in actions.chunks_exact_mut(self.action_dim()).enumerate() {
            if !action.iter().all(|a| a.is_finite()) {
                return Err(NonFiniteAction { row });
            }
            self.action_map().apply_in_place(action);
        }
        Ok(())
    }

    /// The policy with buffers to act for up to `rows` observations at a time.
    pub fn actor(&self, rows: usize) -> Actor<'_> {
        Actor {
            policy: self,
            buffers: self.buffers(rows),
        }
    }
}

/// A policy with the buffers to act.
pub struct Actor<'a> {
    policy: &'a Policy,
    buffers: ActBuffers,
}

impl Actor<'_> {
    /// Turns observations and noise into actions; as [`Policy::act`].
    ///
    /// # Errors
    /// As [`Policy::act`].
    ///
    /// # Panics
    /// As [`Policy::act`].
    pub fn act(
        &mut self,
        observations: &[f32],
        noise: &[f32],
        actions: &mut [f32],
    ) -> Result<(), NonFiniteAction> {
        self.policy
            .act(&mut self.buffers, observations, noise, actions)
    }
}
