//! From the flow's unbounded action to the environment's range.

use crate::config::Squash;
use fpo_env::EnvSpec;
use serde::{Deserialize, Serialize};

/// Cuts an action of the flow to a bound, squashes it into [−1, 1] and maps it linearly onto the environment's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionMap {
    squash: Squash,
    /// 0 for none.
    bound: f32,
    middle: Vec<f32>,
    half_range: Vec<f32>,
}

impl ActionMap {
    /// The map onto the action range of `spec`; `bound` is [`crate::config::PolicyConfig::action_bound`].
    pub fn new(squash: Squash, bound: f32, spec: &EnvSpec) -> Self {
        let bounds = || spec.action_min.iter().zip(&spec.action_max);
        Self {
            squash,
            bound,
            middle: bounds().map(|(lo, hi)| 0.5 * (lo + hi)).collect(),
            half_range: bounds().map(|(lo, hi)| 0.5 * (hi - lo)).collect(),
        }
    }

    /// Cuts actions of the flow to the bound; what is learnt from afterwards is what acted.
    pub fn cut(&self, actions: &mut [f32]) {
        if self.bound > 0.0 {
            actions
                .iter_mut()
                .for_each(|a| *a = a.clamp(-self.bound, self.bound));
        }
    }

    /// Maps one `action` to `out`, both `[action_dim]`.
    pub fn apply(&self, action: &[f32], out: &mut [f32]) {
        out.copy_from_slice(action);
        self.apply_in_place(out);
    }

    /// Maps one action, `[action_dim]`, where it is.
    pub fn apply_in_place(&self, action: &mut [f32]) {
        self.cut(action);
        for ((a, middle), half) in action.iter_mut().zip(&self.middle).zip(&self.half_range) {
            let unit = match self.squash {
                Squash::Tanh => a.tanh(),
                Squash::Clip => a.clamp(-1.0, 1.0),
            };
            *a = half.mul_add(unit, *middle);
        }
    }

    /// Mean over the entries of the square of an environment action, measured from the middle of its range in half ranges: 1
    /// where every entry is at a bound.
    pub fn saturation(&self, env_action: &[f32]) -> f64 {
        let entries = env_action.iter().zip(&self.middle).zip(&self.half_range);
        let sum: f64 = entries.map(|((a, m), h)| f64::from((a - m) / h).powi(2)).sum();
        sum / self.dim() as f64
    }

    /// Whether it maps onto the action range of `spec`.
    pub fn spans(&self, spec: &EnvSpec) -> bool {
        *self == Self::new(self.squash, self.bound, spec)
    }

    /// Entries of an action.
    pub fn dim(&self) -> usize {
        self.middle.len()
    }

    /// Whether the numbers are usable: equal lengths, finite.
    pub(super) fn is_sound(&self) -> bool {
        self.bound >= 0.0
            && self.middle.len() == self.half_range.len()
            && self.middle.iter().chain(&self.half_range).all(|x| x.is_finite())
    }
}
