//! The (t, ε) pairs at which an action's flow-matching loss is computed, before and after learning.

use fpo_flow::{TimeSampler, embed_time, interpolate, stratum};
use fpo_rng::{Key, Philox, Stream, fill_normal};

/// How the pairs of an action are drawn.
#[derive(Clone, Copy, Debug)]
pub struct PairSampler {
    /// Distribution of t.
    pub time: TimeSampler,
    /// Whether each pair draws its t from its own quantile range, one N-th of the distribution.
    pub stratified: bool,
    /// Whether noises are drawn as antithetic couples ε, −ε.
    pub antithetic: bool,
}

impl PairSampler {
    /// Draws the N pairs of one action and prepares the network's inputs.
    ///
    /// * `key`: seed, environment and step of the action; its stream is replaced
    /// * `action` `[d]`
    /// * `noises` `[N, d]`, `times` `[N]`: written
    /// * `inputs` `[N, d + embedding]`: written with x_t and embed(t)
    pub fn draw(
        &self,
        key: Key,
        action: &[f32],
        noises: &mut [f32],
        times: &mut [f32],
        inputs: &mut [f32],
    ) {
        let (d, pairs) = (action.len(), times.len());
        let mut uniform = Philox::new(Key {
            stream: Stream::PairTime,
            ..key
        });
        for (i, t) in times.iter_mut().enumerate() {
            let u = uniform.unit();
            *t = self.time.time(if self.stratified {
                stratum(u, i, pairs)
            } else {
                u
            });
        }
        let noise_key = Key {
            stream: Stream::PairNoise,
            ..key
        };
        if self.antithetic {
            let (first, second) = noises.split_at_mut(pairs / 2 * d);
            fill_normal(noise_key, first);
            second.iter_mut().zip(first).for_each(|(b, a)| *b = -*a);
        } else {
            fill_normal(noise_key, noises);
        }
        let rows = inputs.chunks_exact_mut(inputs.len() / pairs);
        for ((row, noise), &t) in rows.zip(noises.chunks_exact(d)).zip(times.iter()) {
            let (x, embedding) = row.split_at_mut(d);
            interpolate(action, noise, t, x);
            embed_time(t, embedding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(stratified: bool, antithetic: bool) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let sampler = PairSampler {
            time: TimeSampler::Uniform,
            stratified,
            antithetic,
        };
        let (mut noises, mut times, mut inputs) =
            (vec![0.0; 8 * 2], vec![0.0; 8], vec![0.0; 8 * 6]);
        let key = Key::new(1, Stream::Test).index(4).step(9);
        sampler.draw(key, &[3.0, -1.0], &mut noises, &mut times, &mut inputs);
        (noises, times, inputs)
    }

    #[test]
    fn inputs_are_the_path_and_the_embedding() {
        let (noises, times, inputs) = draw(false, false);
        for i in 0..8 {
            let (t, e, row) = (times[i], &noises[2 * i..], &inputs[6 * i..]);
            assert!((row[0] - (t * e[0] + (1.0 - t) * 3.0)).abs() < 1e-6);
            assert!((row[1] - (t * e[1] - (1.0 - t))).abs() < 1e-6);
            assert!((row[3] - (2.0 * t).cos()).abs() < 1e-6 && (row[4] - t.sin()).abs() < 1e-6);
        }
    }

    #[test]
    fn strata_and_opposite_couples() {
        let (noises, times, _) = draw(true, true);
        assert!(
            times
                .iter()
                .enumerate()
                .all(|(i, t)| (t * 8.0) as usize == i),
            "{times:?}"
        );
        assert!((0..8).all(|i| noises[i] == -noises[8 + i] && noises[i] != 0.0));
    }
}
