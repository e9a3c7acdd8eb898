//! Thresholds of the health checks, with the data behind them.
//!
//! "Healthy runs" are about a hundred runs of this program: DM Control, grids and bandits, trained
//! with FPO, FPO++, Gaussian PPO and DPPO. "Collapsed runs" are three of plain FPO (two on
//! cartpole-balance, one on cheetah-run) whose evaluations lost more than half of their gain.

/// Iterations with episodes over which the training return is averaged; a single iteration may hold
/// as few as two episodes.
pub const RETURN_WINDOW: usize = 21;
/// Iterations over which the noise of one iteration's return is estimated.
pub const NOISE_WINDOW: usize = 200;
/// A return has collapsed if it has lost this share of its gain. Healthy runs whose gain exceeded
/// noise lost at most 0.45; collapsed ones 0.6 to 1.3.
pub const LOST_SHARE: f64 = 0.5;
/// The loss must also exceed the noise of one iteration by this factor. Early in a run, with a
/// small gain and rare rewards, healthy runs lost all of their gain, but less than this.
pub const LOST_NOISE: f64 = 4.0;
/// For this many consecutive iterations, so that one bad batch of episodes does not count.
pub const LOST_FOR: usize = 10;

/// An evaluation's fall must exceed this many standard deviations of its episodes: before a run has
/// learned much, half of a tiny gain is easily lost (fish-swim with DPPO: from 84 to 74).
pub const LOST_SPREAD: f64 = 1.0;
/// The return counts as risen if its mean over [`RETURN_WINDOW`] iterations has risen by this
/// multiple of one iteration's noise, which is four to five standard errors of the mean.
pub const GAINED_NOISE: f64 = 1.0;

/// Iterations whose median is the present value of other metrics.
pub const LEVEL_WINDOW: usize = 11;
/// A watch that has warned can warn again once its metric is below this share of its threshold.
pub const CALM_SHARE: f64 = 0.5;
/// How far the largest ratio, or the inverse of the smallest, may be from 1. Healthy runs: at most
/// 8.3 (DPPO), mostly below 3; collapsed runs: hundreds and more.
pub const RATIO_TAIL: f64 = 20.0;
/// Share of losses beyond `objective.loss_max`, which have no gradient; a healthy flow has almost
/// none.
pub const CLAMPED_SHARE: f64 = 0.01;
/// How much larger than its running median the gradient may be. Narrowing Gaussians reached 34 in
/// healthy runs; collapsing flows 10 to 10⁶.
pub const GRADIENT_GROWTH: f64 = 50.0;
/// The least that a gradient is compared with. While a policy waits for its first reward, its
/// gradients are close to 0, and the first ones after that are thousands of times as large and
/// still small.
pub const GRADIENT_FLOOR: f64 = 0.1;
/// Iterations in the running median of the gradient.
pub const GRADIENT_WINDOW: usize = 200;
/// Iterations that this median needs before it is used.
pub const GRADIENT_EARLIEST: usize = 50;
/// How much larger than its lowest the flow-matching loss may be. Healthy runs: at most 6.2;
/// collapsed ones: 40 to 170.
pub const LOSS_GROWTH: f64 = 10.0;
/// The flow-matching loss above which growth matters: a narrow policy has a small loss, and may
/// widen again. An untrained flow has 2 with velocities, 1 with noises. Healthy runs had at most
/// 3.5; plain FPO still learns with 5 to 8, but not well.
pub const LOSS_LEVEL: f64 = 10.0;
/// Share of the entries of one-step predictions beyond `policy.action_bound` from which this is
/// reported as the cause of such growth. With the penalty `objective.bound_pull`: at most 0.01 on
/// DM Control, 0.05 on grids, whose best actions lie at the bound.
pub const OUTSIDE_SHARE: f64 = 0.05;
/// Iterations before the lowest level of the loss is recorded.
pub const LOSS_EARLIEST: usize = 20;

/// Bound on the rollbacks of a run. If training collapses even with an eighth of the learning
/// rates, they are not the cause.
pub const MAX_ROLLBACKS: u32 = 3;

/// Share of the size of its parameters by which a policy moves at most in an iteration in which
/// it stands still. Healthy runs move by 1e-4 and more, next to the end of a schedule that lowers
/// the learning rate to 0 still by 1e-6; one parameter of 5000 that is rounded to its neighbor is
/// 1e-9.
pub const STANDING_POLICY: f64 = 1e-10;
/// Mean size of the advantages that the objective sees, up to which all of them are 0. Normalized
/// ones have 0.5 to 0.8; without normalization they have the size of the rewards.
pub const ZERO_ADVANTAGE: f64 = 1e-12;

/// Iterations that `fpo doctor` regards as the present.
pub const PRESENT: usize = 50;
/// Iterations before `fpo doctor` reports that something has not happened yet.
pub const YOUNG: usize = 100;
/// Share of returns beyond the critic's bins above which it cannot tell them apart.
pub const BINS_MISSED: f64 = 0.05;
/// Share of ratios outside the trust region above which steps are too large. Healthy runs: up to
/// 0.65 temporarily, at most 0.32 in the end.
pub const CLIPPED_MOST: f64 = 0.5;
/// Share of ratios outside the trust region below which it has no effect, so that a higher learning
/// rate may learn faster.
pub const CLIPPED_LEAST: f64 = 5e-4;
/// Mean square of actions, from 0 to 1, above which nearly all are at their bounds. Healthy runs:
/// at most 0.87; a run whose flow left its box temporarily: 0.98.
pub const SATURATED: f64 = 0.95;
/// Share of episodes that may end in a diverged simulation before it distorts learning.
pub const DIVERGED_SHARE: f64 = 0.01;
/// The variance below which a column counts as constant (the normalizer's own floor).
pub const CONSTANT_VARIANCE: f64 = 1e-6;
/// Bound on the mean and the standard deviation of an observation; beyond it, single precision
/// loses differences.
pub const LARGEST_OBSERVATION: f64 = 1e6;
/// Bound on the change of an observation's mean, in standard deviations, between two checkpoints of
/// which the older has seen a quarter of the newer's data. Beyond it, the policy's inputs differ
/// from those it was trained on.
pub const NORMALIZER_DRIFT: f64 = 3.0;
/// Bound on the factor by which its standard deviation may change in between.
pub const NORMALIZER_SCALE: f64 = 10.0;
/// Upper limit on sensible learning rates. The presets have 1e-4 to 4e-3; Adam rarely works with
/// much more.
pub const HIGHEST_RATE: f64 = 1e-2;
/// Lower limit on sensible learning rates: below it, the policy does not change within a run.
pub const LOWEST_RATE: f64 = 1e-7;
/// Share of the time that evaluations may take.
pub const EVALUATION_SHARE: f64 = 0.5;
