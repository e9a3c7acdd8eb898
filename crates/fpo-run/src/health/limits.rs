//! From where on something counts as wrong, and why.
//!
//! "Healthy runs" are some hundred of this program: DM Control, grids and bandits, learnt with FPO,
//! FPO++, Gaussian PPO and DPPO. "Collapsed runs" are three of plain FPO (two on cartpole-balance,
//! one on cheetah-run) whose evaluations fell by more than half of what they had gained.

/// Iterations with episodes over which the training return is averaged. One iteration may hold two
/// episodes.
pub const RETURN_WINDOW: usize = 21;
/// Iterations from whose deviations the noise of one iteration's return is estimated.
pub const NOISE_WINDOW: usize = 200;
/// A return has collapsed when this share of what had been gained is lost. Healthy runs lost 0.45
/// at most where they had gained more than noise; collapsed ones 0.6 to 1.3.
pub const LOST_SHARE: f64 = 0.5;
/// And what is lost exceeds the noise of one iteration this many times. Early in a run, with little
/// gained and rare rewards, means of healthy runs fell by all they had gained, but by less than
/// this.
pub const LOST_NOISE: f64 = 4.0;
/// For so many iterations in a row, so that one bad batch of episodes is none.
pub const LOST_FOR: usize = 10;

/// An evaluation's fall counts from this many standard deviations of its episodes: where nothing
/// was learnt yet, half of next to nothing is soon lost (fish-swim with DPPO: from 84 to 74).
pub const LOST_SPREAD: f64 = 1.0;
/// A mean of [`RETURN_WINDOW`] iterations that has risen by this much of one iteration's noise has
/// risen: four to five of its standard errors.
pub const GAINED_NOISE: f64 = 1.0;

/// Iterations whose median stands for the present value of other figures.
pub const LEVEL_WINDOW: usize = 11;
/// A watch that has warned is ready to warn again once its figure is below this share of its
/// threshold.
pub const CALM_SHARE: f64 = 0.5;
/// How far the largest ratio, or the inverse of the smallest, may be from 1. Healthy runs: 8.3 at
/// most (DPPO), mostly below 3; the runs that fell had hundreds and more.
pub const RATIO_TAIL: f64 = 20.0;
/// Share of losses beyond `objective.loss_max`. Such a loss is no longer learnt from; a healthy
/// flow has next to none.
pub const CLAMPED_SHARE: f64 = 0.01;
/// How much larger than its running median the gradient may be. Gaussians that narrow reached 34 in
/// healthy runs; flows that fell 10 to 10⁶.
pub const GRADIENT_GROWTH: f64 = 50.0;
/// The least that a gradient is compared with. Where a policy waits for its first reward, gradients
/// are next to 0, and those of its first lessons are thousands of times as large and still small.
pub const GRADIENT_FLOOR: f64 = 0.1;
/// Iterations that the running median of the gradient looks back.
pub const GRADIENT_WINDOW: usize = 200;
/// And those it needs before it says anything.
pub const GRADIENT_EARLIEST: usize = 50;
/// How much larger than its lowest the flow-matching loss may be. Healthy runs: 6.2 at most;
/// collapsed ones 40 to 170.
pub const LOSS_GROWTH: f64 = 10.0;
/// The flow-matching loss from which growth matters: a policy that narrows has a small one, and may
/// widen again. An untrained flow has 2 with velocities, 1 with noises. Healthy runs had 3.5 at
/// most; plain FPO learns with 5 to 8, too, if not well.
pub const LOSS_LEVEL: f64 = 10.0;
/// Share of the entries of one-step predictions beyond `policy.action_bound` from which they are
/// named as the cause of such growth. With a pull: 0.01 at most on DM Control, 0.05 on grids, whose
/// best actions lie at the bound.
pub const OUTSIDE_SHARE: f64 = 0.05;
/// Iterations before the lowest level of the loss is taken.
pub const LOSS_EARLIEST: usize = 20;

/// Rollbacks of a run. With rates at an eighth of what they were, rates are not the cause.
pub const MAX_ROLLBACKS: u32 = 3;

/// Iterations that `fpo doctor` takes for the present.
pub const PRESENT: usize = 50;
/// Iterations of a run before it says that something has not happened yet.
pub const YOUNG: usize = 100;
/// Share of ratios outside the trust region above which steps are too large: in healthy runs up to
/// 0.65 for a while, 0.32 at most in the end.
pub const CLIPPED_MOST: f64 = 0.5;
/// And below which the trust region does nothing while rates are high, so that higher ones may
/// learn faster.
pub const CLIPPED_LEAST: f64 = 5e-4;
/// The size of actions, mean square from 0 to 1, from which all are at their bounds: healthy runs
/// 0.87 at most, one that lost its flow for a while 0.98.
pub const SATURATED: f64 = 0.95;
/// Share of episodes that may end in a diverged simulation before it distorts learning.
pub const DIVERGED_SHARE: f64 = 0.01;
/// The variance below which the normalizer takes a column for a constant (its own floor).
pub const CONSTANT_VARIANCE: f64 = 1e-6;
/// The largest mean or standard deviation of an observation; beyond, single precision begins to
/// lose it.
pub const LARGEST_OBSERVATION: f64 = 1e6;
/// By how many standard deviations an observation's mean may move between two checkpoints of which
/// the older has seen a quarter of what the newer has: the policy then sees other inputs than it
/// learnt from.
pub const NORMALISER_DRIFT: f64 = 3.0;
/// By how much its standard deviation may change in between.
pub const NORMALISER_SCALE: f64 = 10.0;
/// Learning rates of the presets lie from 1e-4 to 4e-3; Adam seldom bears more.
pub const HIGHEST_RATE: f64 = 1e-2;
/// And below this nothing moves in the length of a run.
pub const LOWEST_RATE: f64 = 1e-7;
/// Share of the time that evaluations may take.
pub const EVALUATION_SHARE: f64 = 0.5;
