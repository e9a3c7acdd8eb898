//! Sums over the transitions of a minibatch.

use crate::objective::{QStats, RatioStats};
use crate::reduce::{Part, Reader, ReduceError, put_f32s, put_f64s, put_u64s};

/// Sums over a minibatch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MinibatchStats {
    /// Transitions.
    pub rows: u64,
    /// Σ over the transitions of |A|, as the objective sees the advantage.
    pub advantage: f64,
    /// Those that the policy learned from as well.
    pub policy_rows: u64,
    /// The policy's: Σ −ψ and the ratios.
    pub ratio: RatioStats,
    /// Samples of their actions.
    pub samples: u64,
    /// Σ over the samples of the [`distance`](crate::objective::SampleLoss::distance) of a flow's
    /// velocities from those of the policy that acted.
    pub moved: f64,
    /// Σ over the actions of the mean penalty of their samples for being outside of the bound on
    /// actions.
    pub pull_loss: f64,
    /// Entries of the samples' one-step predictions that are outside of it.
    pub outside: u64,
    /// Σ of the value loss.
    pub value_loss: f64,
    /// Σ of the policy's entropy, where it is known.
    pub entropy: f64,
    /// Σ of its standard deviations' means over the action, where it has any.
    pub std: f64,
    /// Of the gradient of Q, where the policy follows one.
    pub q: QStats,
    /// Σ of the gradient norms of the minibatches, before clipping.
    pub grad_norm: f64,
}

impl MinibatchStats {
    /// Adds another part's, or another minibatch's.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.advantage += other.advantage;
        self.policy_rows += other.policy_rows;
        self.ratio.merge(&other.ratio);
        self.samples += other.samples;
        self.moved += other.moved;
        self.pull_loss += other.pull_loss;
        self.outside += other.outside;
        self.value_loss += other.value_loss;
        self.entropy += other.entropy;
        self.std += other.std;
        self.q.merge(&other.q);
        self.grad_norm += other.grad_norm;
    }

    /// Whether losses and gradients are numbers.
    pub fn is_finite(&self) -> bool {
        [
            self.ratio.loss,
            self.pull_loss,
            self.value_loss,
            self.q.slope,
            self.grad_norm,
        ]
        .iter()
        .all(|x| x.is_finite())
    }
}

/// What an iteration of learning did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LearnStats {
    /// Sums over the minibatches that led to a step.
    pub minibatches: MinibatchStats,
    /// How far the policy had moved before the last minibatch, in nats.
    pub approx_kl: f64,
    /// Gradient steps.
    pub steps: u64,
    /// The largest deviation from 1 of the first minibatch's ratios.
    pub first_ratio_error: f64,
}

// Fields are named one by one, so that one that is added is not forgotten here.
impl Part for MinibatchStats {
    fn write(&mut self, out: &mut Vec<u8>) {
        let Self {
            rows,
            advantage,
            policy_rows,
            ratio,
            samples,
            moved,
            pull_loss,
            outside,
            value_loss,
            entropy,
            std,
            q,
            grad_norm,
        } = *self;
        let RatioStats {
            loss,
            count,
            clipped,
            sum,
            divergence,
            min,
            max,
            bounded,
        } = ratio;
        let QStats {
            entries,
            inside,
            slope,
        } = q;
        put_u64s(out, &[rows, policy_rows, samples, outside]);
        put_u64s(out, &[count, clipped, bounded, entries, inside]);
        put_f64s(out, &[moved, pull_loss, value_loss, entropy, std]);
        put_f64s(out, &[grad_norm, loss, sum, divergence, slope, advantage]);
        put_f32s(out, &[min, max]);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        let [rows, policy_rows, samples, outside] = bytes.u64s()?;
        let [count, clipped, bounded, entries, inside] = bytes.u64s()?;
        let (mut sums, mut bounds) = ([0.0; 11], [0.0; 2]);
        bytes.f64s(&mut sums)?;
        bytes.f32s(&mut bounds)?;
        let [
            moved,
            pull_loss,
            value_loss,
            entropy,
            std,
            grad_norm,
            loss,
            sum,
            divergence,
            slope,
            advantage,
        ] = sums;
        let [min, max] = bounds;
        *self = Self {
            rows,
            advantage,
            policy_rows,
            ratio: RatioStats {
                loss,
                count,
                clipped,
                sum,
                divergence,
                min,
                max,
                bounded,
            },
            samples,
            moved,
            pull_loss,
            outside,
            value_loss,
            entropy,
            std,
            q: QStats {
                entries,
                inside,
                slope,
            },
            grad_norm,
        };
        Ok(())
    }
}
