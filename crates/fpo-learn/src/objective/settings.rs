//! Settings of the objective: what the policy maximizes.

use super::{AnchorObjective, KnnEntropy, LossPull, RatioObjective, WeightedObjective};
use crate::advantage::SoftmaxWeights;
use crate::method::Method;
use crate::rollout::PairSampler;
use fpo_flow::{CfmLoss, CfmTarget, Penalty, Prediction, Reduction, TimeSampler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How advantage-weighted flow matching weighs an action of (normalized) advantage A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightKind {
    /// A minus the lowest of the minibatch.
    Shift,
    /// ln(1 + exp(A/β)), β = objective.temperature.
    Softplus,
    /// exp(A/β), β = objective.temperature.
    Exp,
    /// exp(A/β) over its mean over the whole batch, with β found in each iteration so that the
    /// effective sample size is objective.weight_ess of the batch.
    Softmax,
}

/// Which ratio FPO clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatioKind {
    /// One ratio per action: exp of the mean difference over its pairs.
    PerAction,
    /// One ratio per (t, ε) pair, averaged after clipping.
    PerSample,
}

/// How the ratio follows from a difference of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatioForm {
    /// exp(ℓ_old − ℓ), as published: the ratio of probabilities where ℓ is a negative
    /// log-likelihood.
    Exp,
    /// Its tangent 1 + ℓ_old − ℓ. Where a loss has risen far, exp and with it every force on the
    /// loss vanish; here the penalty of spo and aspo pulls back harder the further a loss has gone.
    Linear,
}

/// How a ratio is kept near 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustRegion {
    /// Clipping (PPO): zero gradient for a ratio that has left its range.
    Ppo,
    /// A quadratic penalty (SPO): a ratio that has left its range is pulled back.
    Spo,
    /// Clipping where the advantage is positive, the penalty elsewhere (FPO++): bounds the growth
    /// of the losses of bad actions.
    Aspo,
}

/// Distribution of the times of the (t, ε) pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeKind {
    /// The sampler's own grid {1, 1 − 1/K, …, 1/K}, K = policy.flow_steps.
    Grid,
    /// That grid without t = 1, where the epsilon loss has no gradient: {1 − 1/K, …, 1/K}; K is at
    /// least 2.
    InnerGrid,
    /// Uniform on [0, 1].
    Uniform,
    /// 0.005 + 0.99·(1 − (1 − u)^(1/β)), β = objective.time_beta.
    Beta,
    /// 1/(1 + exp(m + s·z)), m = −1.2, s = 1.2.
    LogitNormal,
}

/// What the policy maximizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// The method, which also decides the kind of policy.
    pub method: Method,
    /// (t, ε) pairs drawn for each action (fpo, awfm, qfm).
    pub samples: usize,
    /// What the flow-matching loss compares: velocities or noises (fpo, awfm, qfm).
    pub target: CfmTarget,
    /// How the squared errors of the action entries become one number (fpo, awfm, qfm).
    pub reduction: Reduction,
    /// Huber loss: errors of an action entry beyond this count linearly (fpo, awfm, qfm; FPO++ uses
    /// it in fine-tuning); 0: all are squared. In the units of objective.target.
    pub huber_delta: f32,
    /// One ratio per action or per pair (fpo; dppo has one per step, ppo one per action).
    pub ratio: RatioKind,
    /// How the ratio follows from the difference of losses (fpo, ppo, dppo).
    pub ratio_form: RatioForm,
    /// How a ratio is kept near 1 (fpo, ppo, dppo).
    pub trust_region: TrustRegion,
    /// Range of the trust region around 1; with other methods, of the ratios that are not counted
    /// as clipped.
    pub clip: f32,
    /// Bound on |ℓ_old − ℓ| before exp, with zero gradient beyond; 0 for none.
    pub log_ratio_clamp: f32,
    /// Bound on ℓ_old − ℓ from above, with its gradient kept beyond (FPO++: 10); 0 for none.
    pub log_ratio_max: f32,
    /// Bound on each pair's loss, with zero gradient beyond (fpo; FPO++: 20);
    /// 0 for none.
    pub loss_max: f32,
    /// Weight of a pull on losses beyond objective.loss_pull_from, back to it (fpo); 0 for none. It
    /// ends the drift of losses in long runs of small batches, whose epochs are over before
    /// optimizer.max_kl ends them.
    pub loss_pull: f32,
    /// The loss that objective.loss_pull begins at. With target = "velocity" and reduction = "mean"
    /// an untrained flow's losses are 2 on average.
    pub loss_pull_from: f32,
    /// Weight of a penalty on one-step predictions â = x_t − t·v̂ beyond ± policy.action_bound
    /// (fpo, awfm, qfm); 0 for none. Without it a flow may leave the bound for good: beyond it,
    /// changes of the flow no longer change the action that the environment receives.
    pub bound_pull: f32,
    /// Distribution of the times of the pairs (fpo, awfm, qfm).
    pub time: TimeKind,
    /// β of `time = "beta"`.
    pub time_beta: f32,
    /// Stratified sampling: spread the times of an action's pairs evenly over their distribution
    /// instead of drawing them independently (fpo, awfm, qfm).
    pub stratified: bool,
    /// Antithetic sampling: draw the noises of an action's pairs as couples ε, −ε (fpo, awfm, qfm).
    pub antithetic: bool,
    /// How an advantage becomes a weight (awfm).
    pub weight: WeightKind,
    /// β of the weight (awfm with softplus or exp).
    pub temperature: f32,
    /// Effective sample size (Σw)²/Σw² of the weights, as a share of the batch (awfm with softmax):
    /// the smaller, the fewer actions rule an iteration.
    pub weight_ess: f64,
    /// Upper bound on a weight (awfm, qfm).
    pub weight_max: f32,
    /// Weight λ of the flow-matching loss beside the gradient of Q, which is scaled to a mean of 1
    /// an entry (qfm): at a pair's time t the policy's fixed point is t²/(2λ) from the action
    /// taken, along the scaled gradient.
    pub anchor: f32,
    /// β: that loss of an action also counts by exp(A/β) of its advantage, at most
    /// objective.weight_max (qfm), which is advantage-weighted flow matching; 0: all actions count
    /// alike. Rare rewards have advantages of many standard deviations, and are followed at once.
    pub anchor_temperature: f32,
    /// Bound α on the gap v̂ − (ε − a) of an action entry, beyond which the gradient of Q is
    /// ignored (qfm); 0 for none.
    pub gap_clip: f32,
    /// How many of the sampler's last steps are learned from (dppo); 0 for all. All add noise.
    pub final_steps: usize,
    /// Weight of a bonus on a flow's entropy (fpo, awfm, dppo); 0 for none. An action's surprisal
    /// −ln p is estimated from the distance to its k-th nearest neighbor among further squashed
    /// actions for the same observation; weight × (surprisal − mean surprisal) is added to the
    /// normalized advantage. Samples objective.knn_samples more actions for each action taken.
    pub knn_entropy: f32,
    /// Further actions sampled for each observation, as neighbors of the action taken.
    pub knn_samples: usize,
    /// k of the k-NN estimate: 1 for the nearest neighbor.
    pub knn_k: usize,
    /// Weight of the policy's entropy, a sum over the action's entries (ppo, reppo; 0.01 in the
    /// published comparison with FPO; with reppo beside a gradient of Q that is scaled to a mean of
    /// 1 an entry and averaged over entries). With
    /// policy.squash = "tanh" it is the entropy of the squashed action, estimated from a fresh
    /// sample, otherwise that of the Gaussian.
    pub entropy: f32,
    /// Half the width of uniform noise that is added to the means when likelihoods are computed for
    /// a gradient step, in units of the unbounded action (ppo; RPO, arXiv 2212.07536: 0.5); 0 for
    /// none. It keeps the standard deviation large.
    pub mean_noise: f32,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            method: Method::Fpo,
            samples: 8,
            target: CfmTarget::Epsilon,
            reduction: Reduction::Mean,
            huber_delta: 0.0,
            ratio: RatioKind::PerAction,
            ratio_form: RatioForm::Exp,
            trust_region: TrustRegion::Ppo,
            clip: 0.05,
            log_ratio_clamp: 0.0,
            log_ratio_max: 0.0,
            loss_max: 0.0,
            loss_pull: 0.0,
            loss_pull_from: 10.0,
            bound_pull: 0.0,
            time: TimeKind::Grid,
            time_beta: 1.0,
            stratified: false,
            antithetic: false,
            weight: WeightKind::Exp,
            temperature: 1.0,
            weight_ess: 0.4,
            weight_max: 20.0,
            anchor: 1.0,
            anchor_temperature: 0.0,
            gap_clip: 1.0,
            final_steps: 0,
            knn_entropy: 0.0,
            knn_samples: 8,
            knn_k: 2,
            entropy: 0.0,
            mean_noise: 0.0,
        }
    }
}

impl ObjectiveConfig {
    /// The objective on the ratios, which [`Method::parts`] adapts to the method.
    pub fn ratio_objective(&self) -> RatioObjective {
        let bound = |x: f32| if x > 0.0 { x } else { f32::INFINITY };
        RatioObjective {
            ratio: self.ratio,
            form: self.ratio_form,
            trust_region: self.trust_region,
            clip: self.clip,
            log_ratio_clamp: bound(self.log_ratio_clamp),
            log_ratio_max: bound(self.log_ratio_max),
            loss_max: bound(self.loss_max),
            loss_pull: LossPull {
                weight: self.loss_pull,
                from: self.loss_pull_from,
            },
        }
    }

    /// The weights of advantage-weighted flow matching.
    pub fn weighted_objective(&self) -> WeightedObjective {
        WeightedObjective {
            weight: self.weight,
            temperature: self.temperature,
            weight_max: self.weight_max,
            clip: self.clip,
        }
    }

    /// The weights of a whole batch, where they are found together.
    pub fn softmax_weights(&self) -> Option<SoftmaxWeights> {
        (self.method == Method::Awfm && self.weight == WeightKind::Softmax).then_some(
            SoftmaxWeights {
                ess: self.weight_ess,
                max: self.weight_max,
            },
        )
    }

    /// The anchor of a policy that follows a gradient of Q.
    pub fn anchor_objective(&self) -> AnchorObjective {
        AnchorObjective {
            weight: self.anchor,
            temperature: match self.anchor_temperature {
                beta if beta > 0.0 => beta,
                _ => f32::INFINITY,
            },
            weight_max: self.weight_max,
            clip: self.clip,
        }
    }

    /// The number of further actions, of `action_dim` entries, sampled for each observation, and
    /// the estimator of surprisal; none without a bonus.
    pub fn knn(&self, action_dim: usize) -> Option<(usize, KnnEntropy)> {
        let samples = self.knn_samples;
        (self.knn_entropy > 0.0).then(|| {
            let among = KnnEntropy::new(samples + 1, action_dim, self.knn_k);
            (samples, among)
        })
    }

    /// The flow-matching loss; networks predict velocities.
    pub fn cfm(&self) -> CfmLoss {
        CfmLoss {
            prediction: Prediction::Velocity,
            target: self.target,
            penalty: match self.huber_delta {
                delta if delta > 0.0 => Penalty::Huber { delta },
                _ => Penalty::Squared,
            },
            reduction: self.reduction,
        }
    }

    /// How the pairs of a policy with `flow_steps` steps are drawn.
    pub fn pair_sampler(&self, flow_steps: usize) -> PairSampler {
        let time = match self.time {
            TimeKind::Grid => TimeSampler::Grid {
                steps: flow_steps as u32,
            },
            TimeKind::InnerGrid => TimeSampler::InnerGrid {
                steps: flow_steps as u32,
            },
            TimeKind::Uniform => TimeSampler::Uniform,
            TimeKind::Beta => TimeSampler::Beta {
                beta: self.time_beta,
            },
            TimeKind::LogitNormal => TimeSampler::LogitNormal {
                mean: -1.2,
                std: 1.2,
            },
        };
        PairSampler {
            time,
            stratified: self.stratified,
            antithetic: self.antithetic,
        }
    }
}
