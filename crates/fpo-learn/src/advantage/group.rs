//! Group-relative advantages (Shao et al., arXiv 2402.03300, section 4.1): the return after an
//! action is compared with the returns after other actions from the same initial state, so no
//! critic is needed.
//!
//! A group is G environments whose episodes begin in the same state. All steps of an episode with
//! return R have the advantage A = (R − mean)/(std + δ), with the mean and standard deviation of
//! the group's returns (the paper's outcome supervision). It suits episodes of one step best, where
//! R is the reward of one action among G from one observation.

use super::mean_std;
use fpo_env::StepEnd;

/// Added to the standard deviation of a group, so that a group of equal returns has zero
/// advantages.
const STD_FLOOR: f64 = 1e-4;

/// The advantages of groups of environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAdvantage {
    /// Environments G of a group, at least 1; those of a group are adjacent.
    pub size: usize,
    /// Steps of every episode, at least 1.
    pub length: usize,
}

/// An episode that is shorter than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "advantage.estimator = \"group\" compares episodes of equal length, here {length} steps, but \
    one of environment {env} ended after \
     {ended} of them: use advantage.estimator = \"gae\" for this task"
)]
pub struct UnequalEpisode {
    /// The environment.
    pub env: usize,
    /// Steps that an episode should have.
    pub length: usize,
    /// Steps that this one had.
    pub ended: usize,
}

impl GroupAdvantage {
    /// The advantages of whole groups over `steps` steps of each environment, a multiple of the
    /// episodes' length.
    ///
    /// * `rewards`, `ends` `[environments, steps]`; episodes begin at step 0
    /// * `advantages` `[environments, steps]`: written
    ///
    /// ```
    /// use fpo_env::StepEnd::Terminated;
    /// use fpo_learn::advantage::GroupAdvantage;
    ///
    /// let group = GroupAdvantage { size: 2, length: 1 };
    /// let mut advantages = [0.0; 4];
    /// // Two environments, two episodes of one step; the first two are compared, and so are
    /// // the last two.
    /// group.estimate(2, &[1.0, 5.0, 3.0, 5.0], &[Terminated; 4], &mut advantages)?;
    /// assert!((advantages[0] + 1.0).abs() < 1e-3 && (advantages[2] - 1.0).abs() < 1e-3);
    /// assert_eq!((advantages[1], advantages[3]), (0.0, 0.0));
    /// # Ok::<(), fpo_learn::advantage::UnequalEpisode>(())
    /// ```
    ///
    /// # Errors
    /// If an episode ended early.
    pub fn estimate(
        &self,
        steps: usize,
        rewards: &[f32],
        ends: &[StepEnd],
        advantages: &mut [f32],
    ) -> Result<(), UnequalEpisode> {
        self.check(steps, ends)?;
        let (envs, length) = (rewards.len() / steps, self.length);
        for first in (0..envs).step_by(self.size) {
            for start in (0..steps).step_by(length) {
                let episode = |env: usize| {
                    (first + env) * steps + start..(first + env) * steps + start + length
                };
                let returns = (0..self.size).map(|env| rewards[episode(env)].iter().sum::<f32>());
                let (mean, std) = mean_std(returns.clone());
                for (env, total) in returns.enumerate() {
                    let advantage = (f64::from(total) - mean) / (std + STD_FLOOR);
                    advantages[episode(env)].fill(advantage as f32);
                }
            }
        }
        Ok(())
    }

    /// Checks that episodes end at multiples of their length and nowhere else.
    fn check(&self, steps: usize, ends: &[StepEnd]) -> Result<(), UnequalEpisode> {
        let length = self.length;
        for (episode, steps_of_it) in ends.chunks(length).enumerate() {
            let early = steps_of_it[..length - 1]
                .iter()
                .position(|f| *f != StepEnd::Running);
            if let Some(last) = early {
                return Err(UnequalEpisode {
                    env: episode * length / steps,
                    length,
                    ended: last + 1,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StepEnd::{Running, Terminated, Truncated};

    /// Returns 1, 2, 3, 6 have mean 3 and standard deviation √3.5; the second group's are equal.
    #[test]
    fn advantages_by_hand() {
        let group = GroupAdvantage { size: 4, length: 1 };
        let rewards = [1.0, 2.0, 3.0, 6.0, 7.0, 7.0, 7.0, 7.0];
        let mut advantages = [f32::NAN; 8];
        group
            .estimate(1, &rewards, &[Terminated; 8], &mut advantages)
            .unwrap();
        for (a, r) in advantages.iter().zip(&rewards[..4]) {
            let expected = (f64::from(*r) - 3.0) / (3.5f64.sqrt() + 1e-4);
            assert!((f64::from(*a) - expected).abs() < 1e-6, "{advantages:?}");
        }
        assert_eq!(advantages[4..], [0.0; 4]);
    }

    /// Two environments with two episodes of two steps: returns 3 and 7 against 5 and 7.
    #[test]
    fn all_steps_of_an_episode_have_the_advantage_of_its_return() {
        let group = GroupAdvantage { size: 2, length: 2 };
        let rewards = [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 7.0];
        let mut advantages = [f32::NAN; 8];
        let ends = [
            Running, Terminated, Running, Truncated, Running, Truncated, Running, Terminated,
        ];
        group.estimate(4, &rewards, &ends, &mut advantages).unwrap();
        let one = (1.0 / (1.0 + 1e-4)) as f32;
        assert_eq!(advantages, [-one, -one, 0.0, 0.0, one, one, 0.0, 0.0]);
    }

    #[test]
    fn an_episode_that_ends_early_is_named() {
        let group = GroupAdvantage { size: 1, length: 3 };
        let ends = [Running, Running, Terminated, Running, Terminated, Running];
        let error = group
            .estimate(3, &[0.0; 6], &ends, &mut [0.0; 6])
            .unwrap_err();
        assert_eq!((error.env, error.length, error.ended), (1, 3, 2));
    }
}
