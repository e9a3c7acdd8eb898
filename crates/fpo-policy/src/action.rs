//! From the policy's unbounded action to the environment's range.

use crate::Squash;
use fpo_env::EnvSpec;
use serde::{Deserialize, Serialize};

impl Squash {
    /// The unbounded action entry `a` in [−1, 1]: clipped to ± `bound` unless that is 0, and
    /// squashed.
    pub fn apply(self, bound: f32, a: f32) -> f32 {
        let a = clip(bound, a);
        match self {
            Self::Tanh => libm::tanhf(a),
            Self::Clip => a.clamp(-1.0, 1.0),
        }
    }
}

/// `a` within ± `bound`, or as it is with a bound of 0.
fn clip(bound: f32, a: f32) -> f32 {
    if bound > 0.0 {
        a.clamp(-bound, bound)
    } else {
        a
    }
}

/// Clips a policy's action to a bound, squashes it into [−1, 1] and maps it linearly onto the
/// environment's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionMap {
    squash: Squash,
    /// 0 for none.
    bound: f32,
    middle: Vec<f32>,
    half_range: Vec<f32>,
}

impl ActionMap {
    /// The map onto the action range of `spec`; `bound` is [`crate::PolicyConfig::action_bound`].
    pub fn new(squash: Squash, bound: f32, spec: &EnvSpec) -> Self {
        let bounds = || spec.action_min.iter().zip(&spec.action_max);
        Self {
            squash,
            bound,
            middle: bounds().map(|(lo, hi)| 0.5 * (lo + hi)).collect(),
            half_range: bounds().map(|(lo, hi)| 0.5 * (hi - lo)).collect(),
        }
    }

    /// Clips actions to the bound.
    pub fn cut(&self, actions: &mut [f32]) {
        actions.iter_mut().for_each(|a| *a = clip(self.bound, *a));
    }

    /// Squashes actions into [−1, 1], whatever the environment's range.
    pub fn squash(&self, actions: &mut [f32]) {
        actions
            .iter_mut()
            .for_each(|a| *a = self.squash.apply(self.bound, *a));
    }

    /// Maps one `action` to `out`, both `[action_dim]`.
    pub fn apply(&self, action: &[f32], out: &mut [f32]) {
        out.copy_from_slice(action);
        self.apply_in_place(out);
    }

    /// Maps one action, `[action_dim]`, in place.
    pub fn apply_in_place(&self, action: &mut [f32]) {
        for ((a, middle), half) in action.iter_mut().zip(&self.middle).zip(&self.half_range) {
            *a = half.mul_add(self.squash.apply(self.bound, *a), *middle);
        }
    }

    /// Mean over the entries of the squared environment action, rescaled to [−1, 1] over its range:
    /// 1 if every entry is at a bound.
    pub fn saturation(&self, env_action: &[f32]) -> f64 {
        let entries = env_action.iter().zip(&self.middle).zip(&self.half_range);
        let sum: f64 = entries
            .map(|((a, m), h)| f64::from((a - m) / h).powi(2))
            .sum();
        sum / self.dim() as f64
    }

    /// Whether it maps onto the action range of `spec`.
    pub fn spans(&self, spec: &EnvSpec) -> bool {
        *self == Self::new(self.squash, self.bound, spec)
    }

    /// How unbounded actions are squashed.
    pub fn squashing(&self) -> Squash {
        self.squash
    }

    /// What unbounded actions are clipped to before, on both sides; 0 for none.
    pub fn bound(&self) -> f32 {
        self.bound
    }

    /// The middle of each entry's range.
    pub fn middle(&self) -> &[f32] {
        &self.middle
    }

    /// Half of the width of each entry's range.
    pub fn half_range(&self) -> &[f32] {
        &self.half_range
    }

    /// Entries of an action.
    pub fn dim(&self) -> usize {
        self.middle.len()
    }

    /// Whether the numbers are those of a range: equal lengths, ends that are finite, the lower one
    /// below the upper one; and a finite bound.
    pub(super) fn is_valid(&self) -> bool {
        let ranges = || self.middle.iter().zip(&self.half_range);
        (0.0..=f32::MAX).contains(&self.bound)
            && self.middle.len() == self.half_range.len()
            && ranges().all(|(middle, half)| {
                *half > 0.0 && (middle - half).is_finite() && (middle + half).is_finite()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(min: &[f32], max: &[f32]) -> EnvSpec {
        EnvSpec {
            name: "test".into(),
            summary: String::new(),
            observation: vec![("x".into(), 1)],
            action_min: min.to_vec(),
            action_max: max.to_vec(),
            control_timestep: 0.1,
            step_limit: Some(10),
        }
    }

    #[test]
    fn actions_reach_the_range_and_never_leave_it() {
        let spec = spec(&[-1.0, 2.0], &[1.0, 6.0]);
        for (squash, one) in [(Squash::Tanh, 1f32.tanh()), (Squash::Clip, 1.0)] {
            let map = ActionMap::new(squash, 0.0, &spec);
            let mut out = [0.0; 2];
            map.apply(&[0.0, 0.0], &mut out);
            assert_eq!(out, [0.0, 4.0], "zero is the middle of the range");
            map.apply(&[1.0, -1.0], &mut out);
            assert_eq!(out, [one, 4.0 - 2.0 * one]);
            assert!((map.saturation(&out) - f64::from(one * one)).abs() < 1e-6);
            map.apply(&[1e30, -1e30], &mut out);
            assert_eq!(out, [1.0, 2.0]);
            assert_eq!(map.saturation(&out), 1.0);
        }
    }

    #[test]
    fn the_bound_clips_before_squashing() {
        let map = ActionMap::new(Squash::Tanh, 2.0, &spec(&[-1.0], &[1.0]));
        let mut actions = [5.0, -0.5, -9.0];
        map.cut(&mut actions);
        assert_eq!(actions, [2.0, -0.5, -2.0]);
        let mut out = [0.0];
        map.apply(&[5.0], &mut out);
        assert_eq!(out, [2f32.tanh()]);
    }

    #[test]
    fn a_map_knows_its_range() {
        let here = spec(&[-1.0, 0.0], &[1.0, 0.8]);
        let map = ActionMap::new(Squash::Clip, 1.5, &here);
        assert!(map.spans(&here));
        assert!(!map.spans(&spec(&[-1.0, 0.0], &[1.0, 0.9])));
        assert!(!map.spans(&spec(&[-1.0], &[1.0])));
    }
}
