//! Counter-based random numbers.
//!
//! Every random number of a run has an address, a [`Key`]: the seed, its purpose ([`Stream`]), its
//! owner (`index`: an environment, a network, an episode) and its time (`step`). The number is a
//! pure function of its address, so it is the same on any thread, in any order, and after a resume;
//! there is no generator state to save, and no global generator.
//!
//! The function is Philox4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC
//! 2011). [`Philox`] is a generator for the distributions of the `rand` crates; [`fill_normal`] and
//! [`fill_uniform`] are vectorized and fast for large arrays.

#![forbid(unsafe_code)]

mod normal;
mod philox;
pub mod simd;

pub use normal::{fill_normal, fill_uniform};
pub use philox::Philox;

/// The purpose of a random number. Two streams never share numbers, for any indices and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Initial network parameters; `index` is the network.
    Init = 0,
    /// Initial states of environments; `index` is the environment, `step` the number of its reset.
    Reset = 1,
    /// The noise x₁ from which an action is sampled; `index` is the environment.
    Action = 2,
    /// The noises ε of the pairs of the conditional flow-matching loss; `index` is the environment.
    PairNoise = 3,
    /// The order of the transitions in an epoch; `step` counts epochs.
    Shuffle = 4,
    /// Random lengths of the first episodes.
    Stagger = 5,
    /// Initial states while evaluating.
    EvalReset = 6,
    /// Action noise while evaluating.
    EvalAction = 7,
    /// The times t of the pairs of the conditional flow-matching loss; `index` is the environment.
    PairTime = 8,
    /// Samples for the estimate of a policy's entropy; `index` is the transition, `step` counts
    /// gradient steps.
    Entropy = 9,
    /// Noise added to actions in training; `index` is the environment.
    ActionNoise = 10,
    /// The noises of further actions for an observation, from which the surprisal of the action
    /// taken is estimated; `index` is the environment.
    Particles = 11,
    /// The noise of an action whose value stands for the rest of an episode that a rollout cuts;
    /// `index` is the environment.
    NextAction = 12,
    /// What happens during an episode by chance, under a seed that is drawn at its beginning.
    Event = 13,
    /// Noise on a Gaussian's means while it learns; `index` is the transition, `step` counts
    /// gradient steps.
    MeanNoise = 14,
    /// The noise of an action whose value is the baseline of an advantage; `index` is the
    /// environment.
    Baseline = 15,
    /// Resamples of results for the intervals of a report; `index` is the statistic, `step` the
    /// resample.
    Bootstrap = 64,
    /// Tests, examples and benchmarks.
    Test = 255,
}

/// The address of a sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The seed of the run.
    pub seed: u64,
    /// The purpose of the numbers.
    pub stream: Stream,
    /// The owner of the numbers (environment, network, …).
    pub index: u32,
    /// The time at which they are drawn; below 2⁵⁶.
    pub step: u64,
}

impl Key {
    /// The key of `stream` under `seed`, at index 0 and step 0.
    pub fn new(seed: u64, stream: Stream) -> Self {
        Self {
            seed,
            stream,
            index: 0,
            step: 0,
        }
    }

    /// The same key at another index.
    pub fn index(self, index: u32) -> Self {
        Self { index, ..self }
    }

    /// The same key at another step.
    pub fn step(self, step: u64) -> Self {
        assert!(step < 1 << 56, "steps have 56 bits in the counter");
        Self { step, ..self }
    }

    /// The Philox key and the upper three words of its counter; the lowest word counts blocks of
    /// four numbers.
    fn words(self) -> ([u32; 2], [u32; 3]) {
        (
            [self.seed as u32, (self.seed >> 32) as u32],
            [
                self.step as u32,
                self.index,
                ((self.stream as u32) << 24) | ((self.step >> 32) as u32 & 0x00ff_ffff),
            ],
        )
    }
}
