//! Normalization: what the objective sees of advantages.

use super::AdvantageNormalization;
use crate::rollout::Batch;

/// Added to the standard deviation that advantages are divided by.
pub const STD_FLOOR: f64 = 1e-8;

/// Mean of `values`, in f64.
pub(crate) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64
}

/// Mean and (population) standard deviation of `values`, in f64; zeros if there are none.
pub fn mean_std(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    let variance = values.map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Shifts and scales `advantages` to mean 0 and standard deviation 1: over a whole batch, with
/// [`AdvantageNormalization::Batch`].
pub fn normalize(advantages: &mut [f32]) {
    let (mean, std) = mean_std(advantages.iter().copied());
    let (mean, scale) = (mean as f32, (1.0 / (std + STD_FLOOR)) as f32);
    advantages.iter_mut().for_each(|a| *a = (*a - mean) * scale);
}

/// The objective receives (A − mean)·inverse_std, plus a bonus.
#[derive(Clone, Copy, Debug)]
pub struct Normalization {
    mean: f32,
    inverse_std: f32,
    /// Weight of an action's surprisal.
    bonus: f32,
    /// The lowest normalized advantage of the minibatch.
    pub lowest: f32,
    /// Σ of their sizes.
    pub sizes: f64,
}

impl Normalization {
    /// That of a minibatch of which no advantage is looked at.
    pub const NONE: Self = Self {
        mean: 0.0,
        inverse_std: 1.0,
        bonus: 0.0,
        lowest: f32::INFINITY,
        sizes: 0.0,
    };

    /// That of a minibatch whose transitions are `all`, with `bonus` the weight of their
    /// surprisals. Mean and deviation are its own with [`AdvantageNormalization::Minibatch`], 0 and
    /// 1 otherwise.
    pub fn new(
        over: AdvantageNormalization,
        bonus: f32,
        batch: &Batch,
        all: impl Iterator<Item = usize> + Clone,
    ) -> Self {
        let (mean, inverse_std) = match over {
            AdvantageNormalization::Minibatch => {
                let (mean, std) = mean_std(all.clone().map(|i| batch.advantages[i]));
                (mean as f32, (1.0 / (std + STD_FLOOR)) as f32)
            }
            AdvantageNormalization::Batch | AdvantageNormalization::None => (0.0, 1.0),
        };
        let mut normalization = Self {
            mean,
            inverse_std,
            bonus,
            lowest: f32::INFINITY,
            sizes: 0.0,
        };
        let (mut lowest, mut sizes) = (f32::INFINITY, 0.0);
        for advantage in all.map(|i| normalization.of(batch, i)) {
            lowest = f32::min(lowest, advantage);
            sizes += f64::from(advantage.abs());
        }
        (normalization.lowest, normalization.sizes) = (lowest, sizes);
        normalization
    }

    /// What the objective sees of transition `i`.
    #[inline]
    pub fn of(&self, batch: &Batch, i: usize) -> f32 {
        let normalized = (batch.advantages[i] - self.mean) * self.inverse_std;
        if self.bonus > 0.0 {
            normalized + self.bonus * batch.surprisals[i]
        } else {
            normalized
        }
    }
}
