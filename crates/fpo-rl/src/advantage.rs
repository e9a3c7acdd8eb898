//! Generalised advantage estimation (Schulman et al., arXiv 1506.02438) and normalisation; in [`GroupAdvantage`], what does without
//! a critic.

mod group;

pub use group::{GroupAdvantage, UnequalEpisode};

use crate::config::GaeForm;

/// How a step's episode went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Follow {
    /// With the next step of the sequence.
    Next = 0,
    /// It ended in a terminal (or diverged) state: worth nothing.
    Terminal = 1,
    /// It was cut off at its time limit: worth the value of its final observation.
    Truncated = 2,
}

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
    /// Advantages and value targets of one sequence of T consecutive steps of one environment.
    ///
    /// * `rewards` `[T]`, in the units of the values
    /// * `values` `[T + 1]`: of the observation before each step, then of the one after the last
    /// * `follow` `[T]`: how the episode went on after each step
    /// * `final_value(step)`: value of the final observation of the episode truncated at `step`; asked for with
    ///   [`GaeForm::Textbook`] only
    /// * `advantages`, `targets` `[T]`: written
    ///
    /// Textbook: A = Σ (γλ)^k δ with δ = r + γV' − V, target = A + V; a truncated step bootstraps from its final
    /// observation. Brax: the same λ-return G gives A = r + γG' − V, and truncated steps get A = 0 and no value target
    /// (target = V).
    ///
    /// ```
    /// use fpo_rl::advantage::{Follow, Gae};
    /// use fpo_rl::config::GaeForm;
    ///
    /// let gae = Gae { gamma: 0.5, lambda: 0.5, form: GaeForm::Textbook };
    /// let (mut a, mut target) = ([0.0; 2], [0.0; 2]);
    /// gae.estimate(&[1.0, 2.0], &[4.0, 8.0, 12.0], &[Follow::Next; 2], |_| unreachable!(), &mut a, &mut target);
    /// // δ₁ = 2 + 0.5·12 − 8 = 0;  δ₀ = 1 + 0.5·8 − 4 = 1
    /// assert_eq!(a, [1.0, 0.0]);
    /// assert_eq!(target, [5.0, 8.0]);
    /// ```
    pub fn estimate(
        &self,
        rewards: &[f32],
        values: &[f32],
        follow: &[Follow],
        final_value: impl Fn(usize) -> f32,
        advantages: &mut [f32],
        targets: &mut [f32],
    ) {
        let (gamma, lambda) = (self.gamma as f32, self.lambda as f32);
        // The advantage carried back, and the λ-return of the following step.
        let mut trace = 0.0;
        let mut next_return = values[rewards.len()];
        for t in (0..rewards.len()).rev() {
            let next_value = match follow[t] {
                Follow::Next => values[t + 1],
                Follow::Terminal => 0.0,
                Follow::Truncated if self.form == GaeForm::Textbook => final_value(t),
                // Masked below: no value of this step's next observation is known.
                Follow::Truncated => values[t],
            };
            if follow[t] != Follow::Next {
                trace = 0.0;
                next_return = next_value;
            }
            let delta = rewards[t] + gamma * next_value - values[t];
            trace = delta + gamma * lambda * trace;
            advantages[t] = match self.form {
                GaeForm::Textbook => trace,
                GaeForm::Brax => rewards[t] + gamma * next_return - values[t],
            };
            if self.form == GaeForm::Brax && follow[t] == Follow::Truncated {
                trace = 0.0;
                advantages[t] = 0.0;
            }
            targets[t] = trace + values[t];
            next_return = targets[t];
        }
    }
}

/// Mean and standard deviation (population) of `values`, in f64; zeros of none.
pub fn mean_std(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    let variance = values.map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Added to the standard deviation that advantages are divided by.
pub const STD_FLOOR: f64 = 1e-8;

#[cfg(test)]
mod tests {
    use super::*;

    const REWARDS: [f32; 5] = [1.0, -2.0, 0.5, 3.0, 1.5];
    const VALUES: [f32; 6] = [0.3, 1.0, -0.4, 2.0, 0.7, 5.0];

    fn run(form: GaeForm, follow: &[Follow; 5], final_value: f32) -> ([f32; 5], [f32; 5]) {
        let gae = Gae {
            gamma: 0.9,
            lambda: 0.8,
            form,
        };
        let (mut a, mut t) = ([0.0; 5], [0.0; 5]);
        gae.estimate(&REWARDS, &VALUES, follow, |_| final_value, &mut a, &mut t);
        (a, t)
    }

    /// The defining sum, term by term.
    fn by_definition(follow: &[Follow; 5], final_value: f32) -> [f32; 5] {
        std::array::from_fn(|start| {
            let (mut sum, mut weight) = (0.0f64, 1.0f64);
            for t in start..5 {
                let next = match follow[t] {
                    Follow::Next => VALUES[t + 1],
                    Follow::Terminal => 0.0,
                    Follow::Truncated => final_value,
                };
                sum += weight * (f64::from(REWARDS[t]) + 0.9 * f64::from(next) - f64::from(VALUES[t]));
                weight *= 0.9 * 0.8;
                if follow[t] != Follow::Next {
                    break;
                }
            }
            sum as f32
        })
    }

    #[test]
    fn textbook_equals_the_defining_sum() {
        use Follow::{Next, Terminal, Truncated};
        for follow in [
            [Next; 5],
            [Next, Terminal, Next, Truncated, Next],
            [Truncated, Next, Next, Next, Terminal],
        ] {
            let (a, target) = run(GaeForm::Textbook, &follow, 7.0);
            let expected = by_definition(&follow, 7.0);
            for t in 0..5 {
                assert!((a[t] - expected[t]).abs() < 1e-5, "{a:?} against {expected:?}");
                assert!((target[t] - a[t] - VALUES[t]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn brax_masks_truncated_steps_and_keeps_their_neighbours_apart() {
        use Follow::{Next, Truncated};
        let follow = [Next, Truncated, Next, Next, Next];
        let (a, target) = run(GaeForm::Brax, &follow, f32::NAN);
        assert_eq!((a[1], target[1]), (0.0, VALUES[1]));
        // Step 0 sees the λ-return of step 1, which is its value.
        assert!((a[0] - (1.0 + 0.9 * 1.0 - 0.3)).abs() < 1e-6);
    }

    #[test]
    fn brax_is_not_textbook() {
        let (textbook, _) = run(GaeForm::Textbook, &[Follow::Next; 5], 0.0);
        let (brax, _) = run(GaeForm::Brax, &[Follow::Next; 5], 0.0);
        assert!((textbook[4] - brax[4]).abs() < 1e-6, "the last step agrees");
        assert!((textbook[0] - brax[0]).abs() > 1e-3);
    }
}
