//! Everything that one iteration learns from, stored environment by environment.

use super::samples::StoredSamples;
use fpo_env::StepEnd;

/// Sizes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchDims {
    /// Sequences S; those of one environment are adjacent.
    pub sequences: usize,
    /// Sequences each environment contributes.
    pub sequences_per_env: usize,
    /// Steps T of a sequence.
    pub num_steps: usize,
    /// Entries of an observation.
    pub observation: usize,
    /// Entries of the critic's own observation; 0 where it sees the policy's.
    pub critic_observation: usize,
    /// Entries of an action.
    pub action: usize,
    /// Samples N of an action.
    pub samples: usize,
    /// Entries of the part of the network's input that differs from sample to sample: x_t and the
    /// embedding of t of a pair or a step.
    pub sample_input: usize,
    /// Entries of a sample's regression target: ε of a pair, the velocity of a step.
    pub target: usize,
}

impl BatchDims {
    /// Environments.
    pub fn envs(&self) -> usize {
        self.sequences / self.sequences_per_env
    }

    /// Steps of each environment.
    pub fn steps(&self) -> usize {
        self.sequences_per_env * self.num_steps
    }

    /// Transitions S·T.
    pub fn transitions(&self) -> usize {
        self.sequences * self.num_steps
    }

    /// Entries of what the critic sees.
    pub fn critic_input(&self) -> usize {
        match self.critic_observation {
            0 => self.observation,
            own => own,
        }
    }

    /// Which of a batch's observations the critic sees: its `own`, or the `policy`'s where it has
    /// none.
    pub(super) fn seen_by_critic<'a>(&self, policy: &'a [f32], own: &'a [f32]) -> &'a [f32] {
        match self.critic_observation {
            0 => policy,
            _ => own,
        }
    }

    /// The observation row before transition `i`: sequences have T + 1 observations.
    pub fn row(&self, transition: usize) -> usize {
        transition + transition / self.num_steps
    }
}

/// One iteration's transitions; transition i = sequence·T + step = environment·steps + step of the
/// environment.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The sizes.
    pub dims: BatchDims,
    /// Normalized observations `[S, T + 1, observation]`; the last of a sequence follows its last
    /// step.
    pub observations: Vec<f32>,
    /// The critic's own normalized observations `[S, T + 1, critic_observation]`; empty where it
    /// sees the policy's.
    pub critic_observations: Vec<f32>,
    /// Unbounded actions `[S, T, action]`.
    pub actions: Vec<f32>,
    /// Scaled rewards `[S, T]`.
    pub rewards: Vec<f32>,
    /// How the steps ended `[S, T]`.
    pub ends: Vec<StepEnd>,
    /// Values of the final observations of episodes truncated at a step `[S, T]`; unspecified
    /// elsewhere.
    pub final_values: Vec<f32>,
    /// Values of the observations `[S, T + 1]` at the end of the rollout.
    pub values: Vec<f32>,
    /// Advantages `[S, T]`.
    pub advantages: Vec<f32>,
    /// Returns `[S, T]`, the regression targets of the critic.
    pub returns: Vec<f32>,
    /// Surprisal of the actions relative to the policy's other actions, in nats `[S, T]`; zeros
    /// without an entropy bonus on a flow.
    pub surprisals: Vec<f32>,
    /// The samples' part of the network's input `[S, T, N, sample_input]`.
    pub sample_inputs: Vec<f32>,
    /// The samples' regression targets `[S, T, N, target]`.
    pub sample_targets: Vec<f32>,
    /// Times of the samples `[S, T, N]`.
    pub sample_times: Vec<f32>,
    /// Losses of the samples under the policy that acted, `[S, T, N]`.
    pub old_losses: Vec<f32>,
    /// A flow network's outputs for the samples under that policy, the velocities v̂_old `[S, T, N,
    /// target]`.
    pub old_velocities: Vec<f32>,
}

impl Batch {
    /// A batch of zeros.
    pub fn new(dims: BatchDims) -> Self {
        let (s, n) = (dims.sequences, dims.transitions());
        Self {
            dims,
            observations: vec![0.0; (n + s) * dims.observation],
            critic_observations: vec![0.0; (n + s) * dims.critic_observation],
            actions: vec![0.0; n * dims.action],
            rewards: vec![0.0; n],
            ends: vec![StepEnd::Running; n],
            final_values: vec![0.0; n],
            values: vec![0.0; n + s],
            advantages: vec![0.0; n],
            returns: vec![0.0; n],
            surprisals: vec![0.0; n],
            sample_inputs: vec![0.0; n * dims.samples * dims.sample_input],
            sample_targets: vec![0.0; n * dims.samples * dims.target],
            sample_times: vec![0.0; n * dims.samples],
            old_losses: vec![0.0; n * dims.samples],
            old_velocities: vec![0.0; n * dims.samples * dims.target],
        }
    }

    /// Whether it holds no learning signal: all rewards are equal, and every episode that ended was
    /// truncated.
    pub fn is_uniform(&self) -> bool {
        let goes_on = |end: &StepEnd| matches!(end, StepEnd::Running | StepEnd::Truncated);
        self.rewards.iter().all(|r| *r == self.rewards[0]) && self.ends.iter().all(goes_on)
    }

    /// Splits the batch into slices of whole environments, for the rollout workers to fill.
    pub fn parts(&mut self, envs: impl IntoIterator<Item = usize>) -> Vec<BatchSlice<'_>> {
        let dims = self.dims;
        let mut observations = self.observations.as_mut_slice();
        let mut critic_observations = self.critic_observations.as_mut_slice();
        let mut actions = self.actions.as_mut_slice();
        let mut rewards = self.rewards.as_mut_slice();
        let mut ends = self.ends.as_mut_slice();
        let mut final_values = self.final_values.as_mut_slice();
        let mut values = self.values.as_mut_slice();
        let mut advantages = self.advantages.as_mut_slice();
        let mut returns = self.returns.as_mut_slice();
        let mut surprisals = self.surprisals.as_mut_slice();
        let mut sample_inputs = self.sample_inputs.as_mut_slice();
        let mut sample_targets = self.sample_targets.as_mut_slice();
        let mut sample_times = self.sample_times.as_mut_slice();
        let mut old_losses = self.old_losses.as_mut_slice();
        let mut old_velocities = self.old_velocities.as_mut_slice();
        let mut parts = Vec::new();
        for count in envs.into_iter().map(|n| n * dims.sequences_per_env) {
            let dims = BatchDims {
                sequences: count,
                ..dims
            };
            let n = dims.transitions();
            parts.push(BatchSlice {
                dims,
                observations: take(&mut observations, (n + count) * dims.observation),
                critic_observations: take(
                    &mut critic_observations,
                    (n + count) * dims.critic_observation,
                ),
                actions: take(&mut actions, n * dims.action),
                rewards: take(&mut rewards, n),
                ends: take(&mut ends, n),
                final_values: take(&mut final_values, n),
                values: take(&mut values, n + count),
                advantages: take(&mut advantages, n),
                returns: take(&mut returns, n),
                surprisals: take(&mut surprisals, n),
                sample_inputs: take(&mut sample_inputs, n * dims.samples * dims.sample_input),
                sample_targets: take(&mut sample_targets, n * dims.samples * dims.target),
                sample_times: take(&mut sample_times, n * dims.samples),
                old_losses: take(&mut old_losses, n * dims.samples),
                old_velocities: take(&mut old_velocities, n * dims.samples * dims.target),
            });
        }
        parts
    }

    /// What the critic sees `[S, T + 1, critic_input]`: its own observations or the policy's.
    pub fn critic_input(&self) -> &[f32] {
        self.dims
            .seen_by_critic(&self.observations, &self.critic_observations)
    }

    /// What a flow's network answered to sample `n` of `transition` when it acted; empty for a
    /// Gaussian.
    #[inline]
    pub(crate) fn old_velocity(&self, transition: usize, n: usize) -> &[f32] {
        let BatchDims {
            target, samples, ..
        } = self.dims;
        &self.old_velocities[(transition * samples + n) * target..][..target]
    }

    /// The samples of all transitions.
    pub(crate) fn samples(&self) -> StoredSamples<'_> {
        StoredSamples {
            dims: self.dims,
            observations: &self.observations,
            inputs: &self.sample_inputs,
            actions: &self.actions,
            targets: &self.sample_targets,
            times: &self.sample_times,
        }
    }
}

/// Splits the first `n` entries off `slice`.
fn take<'a, T>(slice: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    slice
        .split_off_mut(..n)
        .expect("the slices' environments add up to the batch's")
}

/// Some sequences of a [`Batch`], with the same fields.
#[expect(missing_docs, reason = "the fields are those of `Batch`")]
pub struct BatchSlice<'a> {
    pub dims: BatchDims,
    pub observations: &'a mut [f32],
    pub critic_observations: &'a mut [f32],
    pub actions: &'a mut [f32],
    pub rewards: &'a mut [f32],
    pub ends: &'a mut [StepEnd],
    pub final_values: &'a mut [f32],
    pub values: &'a mut [f32],
    pub advantages: &'a mut [f32],
    pub returns: &'a mut [f32],
    pub surprisals: &'a mut [f32],
    pub sample_inputs: &'a mut [f32],
    pub sample_targets: &'a mut [f32],
    pub sample_times: &'a mut [f32],
    pub old_losses: &'a mut [f32],
    pub old_velocities: &'a mut [f32],
}

impl BatchSlice<'_> {
    /// The samples of all transitions, and where their scores go: `old_losses` and
    /// `old_velocities`.
    pub(crate) fn scored(&mut self) -> (StoredSamples<'_>, &mut [f32], &mut [f32]) {
        let samples = StoredSamples {
            dims: self.dims,
            observations: self.observations,
            inputs: self.sample_inputs,
            actions: self.actions,
            targets: self.sample_targets,
            times: self.sample_times,
        };
        (samples, self.old_losses, self.old_velocities)
    }
}
