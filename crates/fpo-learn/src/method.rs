//! The methods, and the table of each method's parts.

use crate::objective::{
    ActionSource, AnchorObjective, BoundPull, EntropyBonus, LossPull, MeanNoise, ObjectiveConfig,
    PolicyObjective, QGradient, RatioKind, RatioObjective, SampleLoss, StepLikelihood,
};
use crate::rollout::SampleSource;
use fpo_policy::{PolicyConfig, PolicyKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learning method. It also decides the kind of policy.
///
/// In all methods an action has N stored samples, each with a loss ℓ of the policy's network, and
/// exp(ℓ_old − ℓ) stands in for the ratio of probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Flow Policy Optimization (arXiv 2507.21053, FPO++: 2602.02481): a flow policy; the samples
    /// of an action are (t, ε) pairs, ℓ is the flow-matching loss.
    Fpo,
    /// Proximal Policy Optimization (arXiv 1707.06347): a Gaussian policy; an action has one
    /// sample, ℓ is its negative log-likelihood.
    Ppo,
    /// Policy gradients through the denoising steps (DPPO, arXiv 2409.00588; the denoising MDP of
    /// 2507.21053): a flow policy whose steps add noise; the samples of an action are the sampler's
    /// steps, ℓ is a step's negative log-likelihood, and each step has its own ratio.
    Dppo,
    /// Advantage-weighted flow matching: a flow policy and the samples of fpo, but no ratio; it
    /// minimizes the flow-matching losses of the actions taken, with more weight on better actions.
    Awfm,
    /// Flow matching along the gradient of a Q-function: a flow policy and the samples of fpo; the
    /// critic judges actions, and every one-step prediction follows its gradient (the actor's loss
    /// of QF3, arXiv 2610.08789) while the flow-matching loss holds the rest. Everything is learned
    /// from the latest rollout, with TD(λ) returns (the critic of REPPO, arXiv 2507.11019).
    Qfm,
    /// The same critic with a Gaussian policy, whose samples follow the gradient (after REPPO,
    /// arXiv 2507.11019, with an entropy bonus and a limit on the KL divergence of fixed size
    /// instead of learned multipliers).
    Reppo,
}

/// The parts of a method.
#[derive(Clone, Debug)]
pub struct MethodParts {
    /// The kind of policy.
    pub policy: PolicyKind,
    /// Where the samples of an action come from.
    pub samples: SampleSource,
    /// Their number N.
    pub samples_per_action: usize,
    /// The loss ℓ of a sample.
    pub loss: SampleLoss,
    /// The objective that the policy minimizes, given those losses.
    pub objective: PolicyObjective,
    /// The penalty that keeps a flow within the bound on actions, if there is one; with weight 0 it
    /// only computes metrics.
    pub pull: Option<BoundPull>,
    /// The entropy bonus, for policies whose entropy is known.
    pub entropy: Option<EntropyBonus>,
    /// Noise on the means of a Gaussian while it learns.
    pub mean_noise: Option<MeanNoise>,
    /// How the policy follows the gradient of a critic that judges actions; none where the critic
    /// judges observations.
    pub q: Option<QGradient>,
}

impl Method {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fpo => "fpo",
            Self::Ppo => "ppo",
            Self::Dppo => "dppo",
            Self::Awfm => "awfm",
            Self::Qfm => "qfm",
            Self::Reppo => "reppo",
        }
    }

    /// Whether an action's samples are (t, ε) pairs.
    pub fn draws_pairs(self) -> bool {
        matches!(self, Self::Fpo | Self::Awfm | Self::Qfm)
    }

    /// Whether its gradients depend on ratios; without, they are statistics.
    pub fn uses_ratios(self) -> bool {
        matches!(self, Self::Fpo | Self::Ppo | Self::Dppo)
    }

    /// Whether the policy follows the gradient of a critic that judges actions.
    pub fn follows_q(self) -> bool {
        matches!(self, Self::Qfm | Self::Reppo)
    }

    /// The parts of this method under these settings.
    pub fn parts(self, policy: &PolicyConfig, objective: &ObjectiveConfig) -> MethodParts {
        match self {
            Self::Fpo => MethodParts {
                policy: PolicyKind::Flow,
                samples: SampleSource::Pairs(objective.pair_sampler(policy.flow_steps)),
                samples_per_action: objective.samples,
                loss: SampleLoss::FlowMatching(objective.cfm()),
                objective: PolicyObjective::Ratio(objective.ratio_objective()),
                pull: (policy.action_bound > 0.0).then_some(BoundPull {
                    weight: objective.bound_pull,
                    bound: policy.action_bound,
                }),
                entropy: None,
                mean_noise: None,
                q: None,
            },
            // As fpo, without a ratio.
            Self::Awfm => MethodParts {
                objective: PolicyObjective::Weighted(objective.weighted_objective()),
                ..Self::Fpo.parts(policy, objective)
            },
            Self::Ppo => MethodParts {
                policy: PolicyKind::Gaussian,
                samples: SampleSource::Action,
                samples_per_action: 1,
                loss: SampleLoss::Gaussian,
                objective: PolicyObjective::Ratio(RatioObjective {
                    // A likelihood has no natural bound, and its loss may be negative.
                    loss_max: f32::INFINITY,
                    loss_pull: LossPull::NONE,
                    ..objective.ratio_objective()
                }),
                pull: None,
                entropy: Some(EntropyBonus {
                    coefficient: objective.entropy,
                    squash: policy.squash,
                }),
                mean_noise: (objective.mean_noise > 0.0).then_some(MeanNoise {
                    half_width: objective.mean_noise,
                }),
                q: None,
            },
            // As fpo, but along a gradient of Q.
            Self::Qfm => MethodParts {
                objective: PolicyObjective::Anchor(objective.anchor_objective()),
                q: Some(QGradient {
                    source: ActionSource::OneStep {
                        clip: match objective.gap_clip {
                            clip if clip > 0.0 => clip,
                            _ => f32::INFINITY,
                        },
                    },
                    squash: policy.squash,
                    bound: policy.action_bound,
                }),
                ..Self::Fpo.parts(policy, objective)
            },
            // As ppo, but along a gradient of Q.
            Self::Reppo => MethodParts {
                objective: PolicyObjective::Anchor(AnchorObjective {
                    weight: 0.0,
                    ..objective.anchor_objective()
                }),
                q: Some(QGradient {
                    source: ActionSource::Reparameterized,
                    squash: policy.squash,
                    bound: policy.action_bound,
                }),
                ..Self::Ppo.parts(policy, objective)
            },
            Self::Dppo => {
                let steps = match objective.final_steps {
                    0 => policy.flow_steps,
                    last => last,
                };
                let step = StepLikelihood::new(1.0 / policy.flow_steps as f32, policy.step_noise);
                MethodParts {
                    policy: PolicyKind::NoisyFlow,
                    samples: SampleSource::Steps {
                        first: policy.flow_steps.saturating_sub(steps),
                    },
                    samples_per_action: steps,
                    loss: SampleLoss::Step(step),
                    objective: PolicyObjective::Ratio(RatioObjective {
                        ratio: RatioKind::PerSample,
                        loss_max: f32::INFINITY,
                        loss_pull: LossPull::NONE,
                        ..objective.ratio_objective()
                    }),
                    pull: None,
                    entropy: None,
                    mean_noise: None,
                    q: None,
                }
            }
        }
    }
}
