//! Epochs over a batch: shuffle, minibatches, gradient steps, and when to end.

use super::{LearnPlan, LearnStats, LearnerSettings, MinibatchStats, Movement};
use crate::advantage::{AdvantageNormalization, mean, normalize};
use crate::reduce::{Reduce, ReduceError};
use crate::rollout::Batch;
use crate::trainer::TrainError;
use fpo_rng::{Key, Philox, Stream};
use rand::seq::SliceRandom;

/// How far the ratios of an iteration's first minibatch may be from 1: rounding, and no more.
const RATIO_TOLERANCE: f64 = 1e-5;

/// The networks that a gradient step improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Networks {
    /// The policy and the critic.
    Both,
    /// The critic only (`optimizer.policy_every`).
    Critic,
}

/// What [`run_epochs`] needs of a learner.
pub trait GradientSteps {
    /// Finds the gradient of a minibatch and keeps it for [`GradientSteps::step`]. Where the critic
    /// improves alone, the policy's gradient is 0 and so are its sums.
    ///
    /// `indices` are transitions of `batch`, or its sequences where advantages are computed per
    /// minibatch; advantages (zeros where [`LearnerSettings::waits`]) and returns of the latter are
    /// written into the batch. Ranks may share the work; all of them are left with the same
    /// gradient and the same sums.
    ///
    /// # Errors
    /// If a rank is gone.
    fn differentiate(
        &mut self,
        batch: &mut Batch,
        indices: &[u32],
        networks: Networks,
        reduce: &dyn Reduce,
    ) -> Result<MinibatchStats, ReduceError>;

    /// Clips the latest gradient, whose norm is `norm`, and steps the optimizers of `networks` with
    /// their learning rates: the policy's, the critic's. A critic that is not learned stays as it
    /// is.
    fn step(&mut self, norm: f64, networks: Networks, lrs: [f32; 2]);
}

/// All epochs of an iteration.
///
/// # Errors
/// If a loss or a gradient is not a number, a ratio is not 1 before the first step, or a rank is
/// gone.
pub fn run_epochs(
    learner: &mut impl GradientSteps,
    settings: &LearnerSettings,
    batch: &mut Batch,
    plan: &LearnPlan,
    reduce: &dyn Reduce,
) -> Result<LearnStats, TrainError> {
    prepare_advantages(settings, batch);
    let mut learned = LearnStats::default();
    let movement = Movement::new(&settings.loss, batch.dims.action, mean(&batch.old_losses));
    let mut order = vec![0; settings.indices(&batch.dims).0];
    let per_minibatch = order.len() / settings.minibatches;
    for epoch in 0..settings.epochs as u64 {
        shuffle(settings, plan.iteration, epoch, &mut order);
        for (minibatch, indices) in order.chunks_exact(per_minibatch).enumerate() {
            let networks = settings.improves(epoch as usize * settings.minibatches + minibatch);
            let stats = learner.differentiate(batch, indices, networks, reduce)?;
            check_finite(&stats, plan.iteration, epoch, minibatch)?;
            // Noise on the means moves the ratios before any step does.
            if epoch == 0 && minibatch == 0 && settings.mean_noise.is_none() {
                learned.first_ratio_error = check_first_ratio(&stats, plan.iteration)?;
            }
            if networks == Networks::Both {
                learned.approx_kl = movement.kl(&stats);
            }
            // Far enough: the rest of the epochs would carry the policy to where its batch says
            // nothing. What rounding moved is no move.
            let far = learned.approx_kl > settings.max_kl && learned.steps > 0;
            // All ranks know the same sums, and so need not ask each other.
            if settings.max_kl.is_finite() && far {
                return Ok(learned);
            }
            learner.step(stats.grad_norm, networks, [plan.policy_lr, plan.critic_lr]);
            learned.minibatches.merge(&stats);
            learned.steps += 1;
        }
    }
    Ok(learned)
}

/// The order of `epoch` of an iteration: `order` becomes a permutation of 0, 1, …. It starts from
/// the same each time, so that it depends on its number alone.
pub fn shuffle(settings: &LearnerSettings, iteration: u64, epoch: u64, order: &mut [u32]) {
    order.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
    let number = iteration * settings.epochs as u64 + epoch;
    let key = Key::new(settings.seed, Stream::Shuffle).step(number);
    order.shuffle(&mut Philox::new(key));
}

/// What is done to advantages once an iteration.
fn prepare_advantages(settings: &LearnerSettings, batch: &mut Batch) {
    if settings.waits(batch) {
        batch.advantages.fill(0.0);
    }
    if settings.normalize == AdvantageNormalization::Batch {
        normalize(&mut batch.advantages);
    }
    if let Some(weights) = settings.weights {
        weights.apply(&mut batch.advantages);
    }
}

fn check_finite(
    stats: &MinibatchStats,
    iteration: u64,
    epoch: u64,
    minibatch: usize,
) -> Result<(), TrainError> {
    if stats.is_finite() {
        return Ok(());
    }
    Err(TrainError::NonFiniteGradient {
        iteration,
        epoch,
        minibatch,
        policy_loss: stats.ratio.loss / stats.policy_rows.max(1) as f64,
        value_loss: stats.value_loss / stats.rows as f64,
        ratio_max: stats.ratio.max,
    })
}

/// How far the ratios are from 1, which they have to be before the first step.
fn check_first_ratio(stats: &MinibatchStats, iteration: u64) -> Result<f64, TrainError> {
    let (min, max) = (f64::from(stats.ratio.min), f64::from(stats.ratio.max));
    let deviation = (max - 1.0).max(1.0 - min);
    if deviation > RATIO_TOLERANCE {
        return Err(TrainError::FirstRatio {
            iteration,
            deviation,
        });
    }
    Ok(deviation)
}
