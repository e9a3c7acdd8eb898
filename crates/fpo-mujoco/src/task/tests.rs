//! Tests of every task that need more than the public interface, and helpers for the tests of the
//! families.

pub(crate) mod distributions;
mod divergence;
mod golden;
mod resets;
mod state;
mod trim;

use super::ModelEnv;
use fpo_env::Env;
use fpo_rng::{Key, Philox, Stream};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// An environment of the task called `name`.
pub(crate) fn make(name: &str) -> ModelEnv {
    let task = crate::all().find(|task| task.spec.name == name);
    task.expect("it is in the list")
        .make_env()
        .expect("its model compiles")
}

/// Resets with the random numbers at `step`; returns the observation.
pub(crate) fn reset(env: &mut dyn Env, step: u64) -> Vec<f32> {
    let mut observation = vec![f32::NAN; env.spec().observation_dim()];
    env.reset(
        &mut Philox::new(Key::new(1, Stream::Reset).step(step)),
        &mut observation,
    );
    observation
}

/// Random actions for `n` steps.
fn actions(env: &dyn Env, n: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Philox::new(Key::new(seed, Stream::Test));
    let dim = env.spec().action_dim();
    (0..n)
        .map(|_| (0..dim).map(|_| 2.0 * rng.unit() - 1.0).collect())
        .collect()
}

/// A file of numbers computed by the task's authors' code.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    fn path(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(file)
    }

    pub(crate) fn open(file: &str) -> Self {
        Self(std::fs::read(Self::path(file)).expect("it is in the repository"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<f64>> {
        let tensors = SafeTensors::deserialize(&self.0).expect("a safetensors file");
        let tensor = tensors.tensor(name).ok()?;
        assert_eq!(tensor.dtype(), Dtype::F64);
        Some(
            tensor
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from_le_bytes(bytes))
                .collect(),
        )
    }

    pub(crate) fn rows(&self, name: &str, width: usize) -> Vec<Vec<f64>> {
        self.get(name)
            .expect("every trajectory has it")
            .chunks(width)
            .map(<[f64]>::to_vec)
            .collect()
    }
}
