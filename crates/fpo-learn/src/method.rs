//! The methods, and the table of what each is made of.

use crate::objective::{
    BoundPull, EntropyBonus, ObjectiveConfig, PolicyObjective, RatioKind, RatioObjective,
    SampleLoss, StepLikelihood,
};
use crate::rollout::SampleSource;
use fpo_policy::{PolicyConfig, PolicyKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The method that learns. It decides what kind of policy is learned.
///
/// All have in common that an action has N stored samples, each with a loss ℓ that the policy's
/// network has for it, and that exp(ℓ_old − ℓ) stands for the ratio of probabilities.
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
    /// 2507.21053): a flow policy whose steps add noise; the samples of an action are its steps, ℓ
    /// is a step's negative log-likelihood, and each step has its ratio.
    Dppo,
    /// Advantage-weighted flow matching: a flow policy and the samples of fpo, but no ratio; the
    /// flow-matching losses of the actions taken are minimized, those of better actions with more
    /// weight.
    Awfm,
}

/// What a method is made of.
#[derive(Clone, Debug)]
pub struct MethodParts {
    /// The policy that it learns.
    pub policy: PolicyKind,
    /// How the samples of an action come about.
    pub samples: SampleSource,
    /// Their number N.
    pub samples_per_action: usize,
    /// The loss ℓ of a sample.
    pub loss: SampleLoss,
    /// What the policy minimizes, given those losses.
    pub objective: PolicyObjective,
    /// What keeps a flow within the bound on actions, if there is one; of weight 0 it only watches.
    pub pull: Option<BoundPull>,
    /// The entropy bonus, for policies whose entropy is known.
    pub entropy: Option<EntropyBonus>,
}

impl Method {
    /// The table from a method to its parts.
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
                    ..objective.ratio_objective()
                }),
                pull: None,
                entropy: Some(EntropyBonus {
                    coefficient: objective.entropy,
                    squash: policy.squash,
                }),
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
                        ..objective.ratio_objective()
                    }),
                    pull: None,
                    entropy: None,
                }
            }
        }
    }
}
