//! Generalized advantage estimation (Schulman et al., arXiv 1506.02438) and normalization; and
//! group-relative advantages without a critic ([`GroupAdvantage`]).

mod group;
mod normalize;
mod settings;
mod weights;

pub use group::{GroupAdvantage, UnequalEpisode};
pub use normalize::{Normalization, STD_FLOOR, mean_std, normalize};

pub(crate) use normalize::mean;
pub use settings::{
    AdvantageConfig, AdvantageEstimator, AdvantageNormalization, GaeForm, Recompute,
};
pub use weights::SoftmaxWeights;

use fpo_env::StepEnd;

/// Discounting, trace decay and formula of the estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gae {
    /// Discount γ.
    pub gamma: f64,
    /// Trace decay λ.
    pub lambda: f64,
    /// Which formula.
    pub form: GaeForm,
}

impl Gae {
    /// Advantages and returns of one sequence of T consecutive steps of one environment.
    ///
    /// * `rewards` `[T]`, in the units of the values
    /// * `values` `[T + 1]`: of the observation before each step, then of the one after the last
    /// * `ends` `[T]`: how each step ended; a diverged one has no future value, like a terminal one
    /// * `final_value(step)`: value of the final observation of the episode truncated at `step`;
    ///   called with [`GaeForm::Textbook`] only
    /// * `advantages`, `returns` `[T]`: written
    ///
    /// Textbook: A = Σ (γλ)^k δ with δ = r + γV' − V, target = A + V; a truncated step bootstraps
    /// from its final observation. Brax: the same λ-return G gives A = r + γG' − V, and truncated
    /// steps get A = 0 and no value target (target = V).
    ///
    /// ```
    /// use fpo_env::StepEnd;
    /// use fpo_learn::advantage::{Gae, GaeForm};
    ///
    /// let gae = Gae { gamma: 0.5, lambda: 0.5, form: GaeForm::Textbook };
    /// let (mut a, mut target) = ([0.0; 2], [0.0; 2]);
    /// let (values, ends) = ([4.0, 8.0, 12.0], [StepEnd::Running; 2]);
    /// gae.estimate(&[1.0, 2.0], &values, &ends, |_| unreachable!(), &mut a, &mut target);
    /// // δ₁ = 2 + 0.5·12 − 8 = 0;  δ₀ = 1 + 0.5·8 − 4 = 1
    /// assert_eq!(a, [1.0, 0.0]);
    /// assert_eq!(target, [5.0, 8.0]);
    /// ```
    pub fn estimate(
        &self,
        rewards: &[f32],
        values: &[f32],
        ends: &[StepEnd],
        final_value: impl Fn(usize) -> f32,
        advantages: &mut [f32],
        returns: &mut [f32],
    ) {
        let (gamma, lambda) = (self.gamma as f32, self.lambda as f32);
        // Both run backward in time: the discounted sum of errors, and the λ-return of the next
        // step.
        let mut trace = 0.0;
        let mut next_return = values[rewards.len()];
        for t in (0..rewards.len()).rev() {
            let next_value = match ends[t] {
                StepEnd::Running => values[t + 1],
                StepEnd::Terminated | StepEnd::Diverged => 0.0,
                StepEnd::Truncated if self.form == GaeForm::Textbook => final_value(t),
                // Masked below: no value of this step's next observation is known.
                StepEnd::Truncated => values[t],
            };
            if ends[t] != StepEnd::Running {
                trace = 0.0;
                next_return = next_value;
            }
            let delta = rewards[t] + gamma * next_value - values[t];
            trace = delta + gamma * lambda * trace;
            advantages[t] = match self.form {
                GaeForm::Textbook => trace,
                GaeForm::Brax => rewards[t] + gamma * next_return - values[t],
            };
            if self.form == GaeForm::Brax && ends[t] == StepEnd::Truncated {
                trace = 0.0;
                advantages[t] = 0.0;
            }
            returns[t] = trace + values[t];
            next_return = returns[t];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REWARDS: [f32; 5] = [1.0, -2.0, 0.5, 3.0, 1.5];
    const VALUES: [f32; 6] = [0.3, 1.0, -0.4, 2.0, 0.7, 5.0];

    fn run(form: GaeForm, ends: &[StepEnd; 5], final_value: f32) -> ([f32; 5], [f32; 5]) {
        let gae = Gae {
            gamma: 0.9,
            lambda: 0.8,
            form,
        };
        let (mut a, mut t) = ([0.0; 5], [0.0; 5]);
        gae.estimate(&REWARDS, &VALUES, ends, |_| final_value, &mut a, &mut t);
        (a, t)
    }

    /// The defining sum, term by term.
    fn by_definition(ends: &[StepEnd; 5], final_value: f32) -> [f32; 5] {
        std::array::from_fn(|start| {
            let (mut sum, mut weight) = (0.0f64, 1.0f64);
            for t in start..5 {
                let next = match ends[t] {
                    StepEnd::Running => VALUES[t + 1],
                    StepEnd::Terminated | StepEnd::Diverged => 0.0,
                    StepEnd::Truncated => final_value,
                };
                sum +=
                    weight * (f64::from(REWARDS[t]) + 0.9 * f64::from(next) - f64::from(VALUES[t]));
                weight *= 0.9 * 0.8;
                if ends[t] != StepEnd::Running {
                    break;
                }
            }
            sum as f32
        })
    }

    #[test]
    fn textbook_equals_the_defining_sum() {
        use StepEnd::{Diverged, Running, Terminated, Truncated};
        for ends in [
            [Running; 5],
            [Running, Terminated, Running, Truncated, Running],
            [Truncated, Running, Running, Running, Terminated],
            [Running, Diverged, Running, Running, Truncated],
        ] {
            let (a, target) = run(GaeForm::Textbook, &ends, 7.0);
            let expected = by_definition(&ends, 7.0);
            for t in 0..5 {
                assert!(
                    (a[t] - expected[t]).abs() < 1e-5,
                    "{a:?} against {expected:?}"
                );
                assert!((target[t] - a[t] - VALUES[t]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn brax_masks_truncated_steps_and_carries_nothing_across_them() {
        use StepEnd::{Running, Truncated};
        let ends = [Running, Truncated, Running, Running, Running];
        let (a, target) = run(GaeForm::Brax, &ends, f32::NAN);
        assert_eq!((a[1], target[1]), (0.0, VALUES[1]));
        // Step 0 sees the λ-return of step 1, which is its value.
        assert!((a[0] - (1.0 + 0.9 * 1.0 - 0.3)).abs() < 1e-6);
    }

    #[test]
    fn brax_is_not_textbook() {
        let (textbook, _) = run(GaeForm::Textbook, &[StepEnd::Running; 5], 0.0);
        let (brax, _) = run(GaeForm::Brax, &[StepEnd::Running; 5], 0.0);
        assert!(
            (textbook[4] - brax[4]).abs() < 1e-6,
            "the last step is equal"
        );
        assert!((textbook[0] - brax[0]).abs() > 1e-3);
    }
}
