//! Bandits: one action, one reward, and a known optimal distribution.
//!
//! Observation: a constant. An episode is one step. The reward of an action a is a sum of equal
//! bumps, r(a) = Σₖ exp(−|a − mₖ|² / (2σ²)), around modes mₖ that are far enough from each other
//! (5σ or more) that each is a peak of height 1 (to within 10⁻⁵), so:
//!
//! * the best return is 1, and optimal policies put all their mass on the modes, in any
//!   proportions;
//! * the distribution of greatest E\[r\] + τ·entropy, the one that keeps every mode, is p(a) ∝
//!   exp(r(a)/τ), which is the same around each mode: a fair policy gives each a share of 1/K.
//!
//! A Gaussian that covers two modes has its mean between them, where the reward is almost zero.

#[cfg(test)]
mod tests;

use crate::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;
use std::sync::Arc;

/// A bandit's reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Bumps {
    /// The modes mₖ, `[K][action_dim]`, in the units of the action, which lie in [−1, 1].
    pub modes: Vec<Vec<f32>>,
    /// Width σ of a bump.
    pub sigma: f32,
}

impl Bumps {
    /// Two modes on a line, at ±0.6.
    fn two_modes() -> Self {
        Self {
            modes: vec![vec![-0.6], vec![0.6]],
            sigma: 0.1,
        }
    }

    /// Eight modes in the plane, evenly on a circle of radius 0.7, the first to the right.
    fn eight_modes() -> Self {
        let mode = |k: u8| {
            let (sin, cos) = libm::sincosf(f32::from(k) * std::f32::consts::FRAC_PI_4);
            vec![0.7 * cos, 0.7 * sin]
        };
        Self {
            modes: (0..8).map(mode).collect(),
            sigma: 0.1,
        }
    }

    /// The reward of `action`.
    pub fn reward(&self, action: &[f32]) -> f32 {
        let bump = |mode: &Vec<f32>| {
            libm::expf(-distance2(mode, action) / (2.0 * self.sigma * self.sigma))
        };
        self.modes.iter().map(bump).sum()
    }

    /// The index of the mode nearest to `action`.
    pub fn nearest(&self, action: &[f32]) -> usize {
        let distance = |k: &usize| distance2(&self.modes[*k], action);
        (0..self.modes.len())
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or(0)
    }
}

fn distance2(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Names, summaries and rewards.
fn plans() -> [(&'static str, &'static str, Bumps); 2] {
    [
        (
            "bandit-two_modes",
            "one action on a line: two equal peaks",
            Bumps::two_modes(),
        ),
        (
            "bandit-eight_modes",
            "one action in the plane: eight equal peaks on a circle",
            Bumps::eight_modes(),
        ),
    ]
}

/// The reward of the task called `task`, as in `bandit-two_modes`.
pub fn bumps(task: &str) -> Option<Bumps> {
    let plan = plans().into_iter().find(|(name, ..)| *name == task)?;
    Some(plan.2)
}

struct BanditTask {
    spec: EnvSpec,
    bumps: Arc<Bumps>,
}

impl Task for BanditTask {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(Bandit {
            spec: self.spec.clone(),
            bumps: Arc::clone(&self.bumps),
        }))
    }
}

/// The tasks.
pub(crate) fn tasks() -> impl Iterator<Item = Arc<dyn Task>> {
    plans().into_iter().map(|(name, summary, bumps)| {
        let actions = bumps.modes[0].len();
        let spec = EnvSpec {
            name: name.into(),
            summary: summary.into(),
            observation: vec![("constant".into(), 1)],
            action_min: vec![-1.0; actions],
            action_max: vec![1.0; actions],
            control_timestep: 1.0,
            step_limit: Some(1),
        };
        Arc::new(BanditTask {
            spec,
            bumps: Arc::new(bumps),
        }) as Arc<dyn Task>
    })
}

/// The environment has no state: all episodes are equal.
struct Bandit {
    spec: EnvSpec,
    bumps: Arc<Bumps>,
}

/// The constant observation.
const CONSTANT: f32 = 1.0;

impl Env for Bandit {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, _: &mut Philox, observation: &mut [f32]) {
        observation.fill(CONSTANT);
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        observation.fill(CONSTANT);
        Step {
            reward: self.bumps.reward(action),
            end: StepEnd::Terminated,
        }
    }

    fn save_state(&self, _: &mut Vec<u8>) -> Result<(), NoState> {
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(StateError(format!(
                "{} bytes where a bandit has none",
                bytes.len()
            )))
        }
    }
}
