//! Everything one iteration learns from, stored environment by environment.

use super::samples::StoredViews;
use fpo_env::StepEnd;

/// Sizes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Sequences S; those of an environment follow each other.
    pub sequences: usize,
    /// Sequences each environment contributes.
    pub unrolls: usize,
    /// Steps T of a sequence.
    pub unroll: usize,
    /// Entries of an observation.
    pub observation: usize,
    /// Entries of an action.
    pub action: usize,
    /// Views N of an action.
    pub views: usize,
    /// Entries of the part of the network's input that differs from view to view: x_t and the embedding of t of a pair or a step.
    pub tail: usize,
    /// Entries of what a view's prediction is compared with, besides the action: ε of a pair, the velocity of a step.
    pub target: usize,
}

impl Dims {
    /// Environments.
    pub fn envs(&self) -> usize {
        self.sequences / self.unrolls
    }

    /// Steps of each environment.
    pub fn steps(&self) -> usize {
        self.unrolls * self.unroll
    }

    /// Transitions S·T.
    pub fn transitions(&self) -> usize {
        self.sequences * self.unroll
    }

    /// The observation row before transition `i`: sequences have T + 1 observations.
    pub fn row(&self, transition: usize) -> usize {
        transition + transition / self.unroll
    }
}

/// One iteration's transitions; transition i = sequence·T + step = environment·steps + step of the environment.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The sizes.
    pub dims: Dims,
    /// Normalised observations `[S, T + 1, observation]`, the last of a sequence being that after its last step.
    pub observations: Vec<f32>,
    /// Unbounded actions `[S, T, action]`.
    pub actions: Vec<f32>,
    /// Scaled rewards `[S, T]`.
    pub rewards: Vec<f32>,
    /// How the steps ended `[S, T]`.
    pub ends: Vec<StepEnd>,
    /// Values of the final observations of episodes truncated at a step `[S, T]`; anything elsewhere.
    pub final_values: Vec<f32>,
    /// Values of the observations `[S, T + 1]` at the end of the rollout.
    pub values: Vec<f32>,
    /// Advantages `[S, T]`.
    pub advantages: Vec<f32>,
    /// Value targets `[S, T]`.
    pub targets: Vec<f32>,
    /// How much rarer than others of the policy the actions are, in nats `[S, T]`; zeros unless a bonus asks for it.
    pub rarities: Vec<f32>,
    /// The views' part of the network's input `[S, T, N, tail]`.
    pub view_inputs: Vec<f32>,
    /// What the views' predictions are compared with, besides the action `[S, T, N, target]`.
    pub view_targets: Vec<f32>,
    /// Times of the views `[S, T, N]`.
    pub view_times: Vec<f32>,
    /// Losses of the views under the policy that acted, `[S, T, N]`.
    pub old_losses: Vec<f32>,
    /// What a flow's network answered to the views then, the velocities v̂_old `[S, T, N, target]`.
    pub old_velocities: Vec<f32>,
}

impl Batch {
    /// A batch of zeros.
    pub fn new(dims: Dims) -> Self {
        let (s, n) = (dims.sequences, dims.transitions());
        Self {
            dims,
            observations: vec![0.0; (n + s) * dims.observation],
            actions: vec![0.0; n * dims.action],
            rewards: vec![0.0; n],
            ends: vec![StepEnd::Running; n],
            final_values: vec![0.0; n],
            values: vec![0.0; n + s],
            advantages: vec![0.0; n],
            targets: vec![0.0; n],
            rarities: vec![0.0; n],
            view_inputs: vec![0.0; n * dims.views * dims.tail],
            view_targets: vec![0.0; n * dims.views * dims.target],
            view_times: vec![0.0; n * dims.views],
            old_losses: vec![0.0; n * dims.views],
            old_velocities: vec![0.0; n * dims.views * dims.target],
        }
    }

    /// Whether nothing in it tells a good action from a bad one: all rewards are alike, and every
    /// episode that ended was truncated.
    pub fn is_uniform(&self) -> bool {
        let goes_on = |end: &StepEnd| matches!(end, StepEnd::Running | StepEnd::Truncated);
        self.rewards.iter().all(|r| *r == self.rewards[0]) && self.ends.iter().all(goes_on)
    }

    /// Cuts the batch into parts of whole environments, for the shards to fill.
    pub fn parts(&mut self, envs: impl IntoIterator<Item = usize>) -> Vec<Part<'_>> {
        let dims = self.dims;
        let mut observations = self.observations.as_mut_slice();
        let mut actions = self.actions.as_mut_slice();
        let mut rewards = self.rewards.as_mut_slice();
        let mut ends = self.ends.as_mut_slice();
        let mut final_values = self.final_values.as_mut_slice();
        let mut values = self.values.as_mut_slice();
        let mut advantages = self.advantages.as_mut_slice();
        let mut targets = self.targets.as_mut_slice();
        let mut rarities = self.rarities.as_mut_slice();
        let mut view_inputs = self.view_inputs.as_mut_slice();
        let mut view_targets = self.view_targets.as_mut_slice();
        let mut view_times = self.view_times.as_mut_slice();
        let mut old_losses = self.old_losses.as_mut_slice();
        let mut old_velocities = self.old_velocities.as_mut_slice();
        let mut parts = Vec::new();
        for count in envs.into_iter().map(|n| n * dims.unrolls) {
            let dims = Dims {
                sequences: count,
                ..dims
            };
            let n = dims.transitions();
            parts.push(Part {
                dims,
                observations: take(&mut observations, (n + count) * dims.observation),
                actions: take(&mut actions, n * dims.action),
                rewards: take(&mut rewards, n),
                ends: take(&mut ends, n),
                final_values: take(&mut final_values, n),
                values: take(&mut values, n + count),
                advantages: take(&mut advantages, n),
                targets: take(&mut targets, n),
                rarities: take(&mut rarities, n),
                view_inputs: take(&mut view_inputs, n * dims.views * dims.tail),
                view_targets: take(&mut view_targets, n * dims.views * dims.target),
                view_times: take(&mut view_times, n * dims.views),
                old_losses: take(&mut old_losses, n * dims.views),
                old_velocities: take(&mut old_velocities, n * dims.views * dims.target),
            });
        }
        parts
    }

    /// What a flow's network answered to view `n` of `transition` when it acted; empty for a Gaussian.
    #[inline]
    pub(crate) fn old_velocity(&self, transition: usize, n: usize) -> &[f32] {
        let Dims { target, views, .. } = self.dims;
        &self.old_velocities[(transition * views + n) * target..][..target]
    }

    /// The views of all transitions.
    pub(crate) fn views(&self) -> StoredViews<'_> {
        StoredViews {
            dims: self.dims,
            actions: &self.actions,
            targets: &self.view_targets,
            times: &self.view_times,
        }
    }
}

/// Cuts the first `n` entries off `slice`.
fn take<'a, T>(slice: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    slice
        .split_off_mut(..n)
        .expect("the parts' environments add up to the batch's")
}

/// Some sequences of a [`Batch`]; the fields are its fields.
#[expect(missing_docs, reason = "the fields are those of `Batch`")]
pub struct Part<'a> {
    pub dims: Dims,
    pub observations: &'a mut [f32],
    pub actions: &'a mut [f32],
    pub rewards: &'a mut [f32],
    pub ends: &'a mut [StepEnd],
    pub final_values: &'a mut [f32],
    pub values: &'a mut [f32],
    pub advantages: &'a mut [f32],
    pub targets: &'a mut [f32],
    pub rarities: &'a mut [f32],
    pub view_inputs: &'a mut [f32],
    pub view_targets: &'a mut [f32],
    pub view_times: &'a mut [f32],
    pub old_losses: &'a mut [f32],
    pub old_velocities: &'a mut [f32],
}

/// Writes the N network inputs of one transition's views: `rows` `[N, observation + tail]`.
///
/// `observations` and `view_inputs` are those of a [`Batch`] or a [`Part`] of these `dims`.
pub(crate) fn view_rows(
    dims: &Dims,
    observations: &[f32],
    view_inputs: &[f32],
    transition: usize,
    rows: &mut [f32],
) {
    let (od, tail) = (dims.observation, dims.tail);
    let observation = &observations[dims.row(transition) * od..][..od];
    let mut tails = &view_inputs[transition * dims.views * tail..];
    for row in rows.chunks_exact_mut(od + tail) {
        let (head, rest) = row.split_at_mut(od);
        let (first, others) = tails.split_at(tail);
        head.copy_from_slice(observation);
        rest.copy_from_slice(first);
        tails = others;
    }
}
