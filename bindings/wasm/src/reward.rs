//! A bandit whose reward the reader draws.
//!
//! The policy's action is unbounded, u ∈ [−3, 3] and up to three such numbers a side; the
//! environment receives tanh(u). The reward is drawn over u, the axis on which flows and Gaussians
//! live, so the environment undoes the squashing before it looks the reward up.

use fpo_env::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;
use std::sync::{Arc, RwLock};

/// Half the width of the axis: `policy.action_bound` of the trainings on it.
pub const BOUND: f32 = 3.0;

/// The constant observation.
const CONSTANT: f32 = 1.0;

/// A reward over one or two entries of an action, given at evenly spaced points and linear between
/// them; it can be drawn anew while a policy learns from it.
#[derive(Clone)]
pub struct DrawnReward {
    spec: EnvSpec,
    /// Points along an axis.
    points: usize,
    /// `[points]` or `[points, points]`, the second entry of the action first.
    table: Arc<RwLock<Vec<f32>>>,
}

impl DrawnReward {
    /// No reward anywhere, over actions of `dim` entries (1 or 2), with `points` points an axis.
    ///
    /// # Errors
    /// If there are less than two points, or other numbers of entries.
    pub fn new(dim: usize, points: usize) -> Result<Self, String> {
        if !(1..=2).contains(&dim) || points < 2 {
            return Err("a reward is drawn over one or two axes of at least two points".into());
        }
        Ok(Self {
            spec: EnvSpec {
                name: "bandit-drawn".into(),
                summary: "one action; the reward is drawn by hand".into(),
                observation: vec![("constant".into(), 1)],
                action_min: vec![-1.0; dim],
                action_max: vec![1.0; dim],
                control_timestep: 1.0,
                step_limit: Some(1),
            },
            points,
            table: Arc::new(RwLock::new(vec![0.0; points.pow(dim as u32)])),
        })
    }

    /// Draws the reward anew.
    ///
    /// # Errors
    /// If the numbers are not as many as the points, or not finite; the reward then stays.
    pub fn draw(&self, rewards: &[f32]) -> Result<(), String> {
        let mut table = self.table.write().map_err(|e| e.to_string())?;
        if rewards.len() != table.len() || !rewards.iter().all(|r| r.is_finite()) {
            let points = table.len();
            return Err(format!("a reward has {points} finite numbers"));
        }
        table.copy_from_slice(rewards);
        Ok(())
    }

    /// The parts of the first axis where the reward is at least half of its highest, from below:
    /// first and last place of each. None where there is no reward.
    pub fn peaks(&self) -> Vec<[f32; 2]> {
        let table = self.table.read().expect("drawing does not panic");
        let row = &table[..self.points];
        let highest = row.iter().copied().fold(0.0, f32::max);
        let place = |i: usize| 2.0 * BOUND * i as f32 / (self.points - 1) as f32 - BOUND;
        let mut peaks: Vec<[f32; 2]> = Vec::new();
        let mut inside = false;
        for (i, &reward) in row.iter().enumerate() {
            let high = highest > 0.0 && reward >= 0.5 * highest;
            match (high, inside) {
                (true, false) => peaks.push([place(i); 2]),
                (true, true) => peaks.last_mut().expect("one has begun")[1] = place(i),
                (false, _) => {}
            }
            inside = high;
        }
        peaks
    }

    /// The reward of the unbounded action `u`.
    pub fn at(&self, u: &[f32]) -> f32 {
        let table = self.table.read().expect("drawing does not panic");
        let n = self.points;
        let along = |u: f32| {
            let place = (u.clamp(-BOUND, BOUND) + BOUND) / (2.0 * BOUND) * (n - 1) as f32;
            let low = (place as usize).min(n - 2);
            (low, place - low as f32)
        };
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let (low, share) = along(u[0]);
        let row = |row: usize| mix(table[row * n + low], table[row * n + low + 1], share);
        match u.get(1) {
            None => row(0),
            Some(&u) => {
                let (low, share) = along(u);
                mix(row(low), row(low + 1), share)
            }
        }
    }
}

impl Task for DrawnReward {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.clone()))
    }
}

impl Env for DrawnReward {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, _: &mut Philox, observation: &mut [f32]) {
        observation.fill(CONSTANT);
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        observation.fill(CONSTANT);
        let mut u = [0.0; 2];
        for (u, a) in u.iter_mut().zip(action) {
            // Beyond the bound tanh is almost flat; f32 has no inverse of ±1.
            *u = libm::atanhf(a.clamp(-0.999_99, 0.999_99));
        }
        Step {
            reward: self.at(&u[..action.len()]),
            end: StepEnd::Terminated,
        }
    }

    fn save_state(&self, _: &mut Vec<u8>) -> Result<(), NoState> {
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        match bytes {
            [] => Ok(()),
            _ => Err(StateError("a bandit has no state".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_is_linear_between_its_points_and_constant_beyond() {
        let reward = DrawnReward::new(1, 4).unwrap();
        reward.draw(&[0.0, 1.0, 0.5, 2.0]).unwrap();
        for (u, expected) in [
            (-3.0, 0.0),
            (-2.0, 0.5),
            (-1.0, 1.0),
            (0.0, 0.75),
            (9.0, 2.0),
        ] {
            assert!((reward.at(&[u]) - expected).abs() < 1e-6, "{u}");
        }
        assert!(reward.draw(&[0.0; 3]).is_err() && reward.draw(&[f32::NAN; 4]).is_err());
        assert_eq!(reward.at(&[9.0]), 2.0, "it stays");
    }

    #[test]
    fn peaks_are_where_the_reward_is_high() {
        let reward = DrawnReward::new(1, 7).unwrap();
        assert!(reward.peaks().is_empty());
        reward.draw(&[0.6, 1.0, 0.4, 0.0, 0.0, 0.5, 0.2]).unwrap();
        assert_eq!(reward.peaks(), [[-3.0, -2.0], [2.0, 2.0]]);
    }

    #[test]
    fn the_second_entry_chooses_the_row() {
        let reward = DrawnReward::new(2, 2).unwrap();
        reward.draw(&[0.0, 1.0, 2.0, 5.0]).unwrap();
        for (u, expected) in [
            ([-3.0, -3.0], 0.0),
            ([3.0, -3.0], 1.0),
            ([-3.0, 3.0], 2.0),
            ([3.0, 3.0], 5.0),
            ([0.0, 0.0], 2.0),
        ] {
            assert!((reward.at(&u) - expected).abs() < 1e-6, "{u:?}");
        }
        assert!(DrawnReward::new(3, 2).is_err() && DrawnReward::new(1, 1).is_err());
    }

    #[test]
    fn an_environment_undoes_the_squashing() {
        let reward = DrawnReward::new(1, 2).unwrap();
        reward.draw(&[-3.0, 3.0]).unwrap();
        let mut env = reward.make().unwrap();
        for u in [-2.9f32, -1.0, 0.0, 0.3, 2.5] {
            let step = env.step(&[libm::tanhf(u)], &mut [0.0]);
            assert!((step.reward - u).abs() < 1e-4, "{u}: {}", step.reward);
            assert_eq!(step.end, StepEnd::Terminated);
        }
    }
}
