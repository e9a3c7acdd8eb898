//! The settings that the pages train with: sizes that a browser steps through many times a second.

use fpo_flow::{CfmTarget, Reduction};
use fpo_learn::config::{
    AdvantageEstimator, Config, GaeForm, LearningPrecision, Method, RatioForm, RatioKind,
    Recompute, StdKind, TrustRegion, ValueScale, WeightKind,
};

use crate::reward::BOUND;

/// What is trained, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Approach {
    /// Advantage-weighted flow matching with this weight, and its temperature.
    Weighted(WeightKind, f32),
    /// FPO: a flow, one ratio an action, PPO's clipping.
    Fpo,
    /// FPO++: a flow, one ratio a pair, ASPO.
    FpoPlusPlus,
    /// PPO with a Gaussian.
    Gaussian,
}

/// What all trainings of the pages share: small networks, velocities as targets, one network
/// precision.
fn common(approach: Approach, seed: u64) -> Config {
    let mut config = Config {
        seed,
        ..Config::default()
    };
    config.env.reward_scale = 1.0;
    config.policy.hidden = vec![32, 32];
    config.policy.action_bound = BOUND;
    config.objective.samples = 8;
    config.objective.target = CfmTarget::Velocity;
    config.objective.reduction = Reduction::Mean;
    config.objective.stratified = true;
    config.optimizer.max_grad_norm = 1.0;
    config.train.precision = LearningPrecision::F32;
    match approach {
        Approach::Weighted(weight, temperature) => {
            config.objective.method = Method::Awfm;
            config.objective.weight = weight;
            config.objective.temperature = temperature;
        }
        Approach::Fpo => {
            config.objective.method = Method::Fpo;
            config.objective.ratio = RatioKind::PerAction;
            config.objective.trust_region = TrustRegion::Ppo;
            config.objective.clip = 0.05;
        }
        Approach::FpoPlusPlus => {
            config.objective.method = Method::Fpo;
            config.objective.ratio = RatioKind::PerSample;
            config.objective.ratio_form = RatioForm::Linear;
            config.objective.trust_region = TrustRegion::Aspo;
            config.objective.clip = 0.05;
            config.objective.bound_pull = 1.0;
        }
        Approach::Gaussian => {
            config.objective.method = Method::Ppo;
            config.objective.trust_region = TrustRegion::Ppo;
            config.objective.clip = 0.1;
            config.policy.std = StdKind::StateIndependent;
            config.policy.initial_std = 1.0;
            config.policy.final_gain = 0.1;
        }
    }
    config
}

/// A bandit's: 512 actions an iteration, whose rewards are compared with each other, without a
/// critic. `bonus` is the weight of a flow's entropy, estimated from neighbors; a Gaussian has
/// none, since it would only stay wide.
pub fn bandit(approach: Approach, bonus: f32, seed: u64) -> Config {
    /// Actions of an iteration.
    const ACTIONS: usize = 512;
    let mut config = common(approach, seed);
    config.task = "bandit-drawn".into();
    config.env.num_envs = ACTIONS;
    config.env.num_steps = 1;
    config.env.sequences = 1;
    config.env.random_initial_length = false;
    config.advantage.estimator = AdvantageEstimator::Group;
    config.advantage.group_size = ACTIONS;
    // The observation is a constant.
    config.normalizer.enabled = false;
    config.optimizer.epochs = 4;
    config.optimizer.minibatches = 4;
    config.optimizer.learning_rate = 2e-3;
    match approach {
        Approach::Gaussian => {
            // Faster, so that it leaves the middle between two peaks, and bounded in return.
            config.optimizer.learning_rate = 5e-3;
            config.optimizer.max_kl = 0.03;
        }
        _ => config.objective.knn_entropy = bonus,
    }
    if matches!(approach, Approach::Fpo | Approach::Weighted(..)) {
        config.optimizer.learning_rate = 1e-3;
    }
    config
}

/// GridWorld's: 64 walkers of 32 steps an iteration.
pub fn gridworld(approach: Approach, seed: u64) -> Config {
    let mut config = common(approach, seed);
    config.task = "gridworld-drawn".into();
    config.env.num_envs = 64;
    config.env.num_steps = 32;
    config.env.sequences = 1;
    config.policy.hidden = vec![32, 32];
    config.critic.hidden = vec![64, 64];
    config.critic.value_scale = ValueScale::Horizon;
    config.objective.samples = 4;
    config.advantage.gamma = 0.99;
    config.advantage.recompute = Recompute::PerIteration;
    config.advantage.form = GaeForm::Textbook;
    config.advantage.wait_for_reward = true;
    config.optimizer.learning_rate = 1e-3;
    config.optimizer.critic_learning_rate = 2e-3;
    config.optimizer.epochs = 4;
    config.optimizer.minibatches = 16;
    config
}
