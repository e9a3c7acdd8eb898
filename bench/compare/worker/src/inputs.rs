//! The input file that all contenders share.

use anyhow::{Context, Result};
use fpo_nn::Mlp;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use std::fs;
use std::path::Path;

/// The bytes of the file, a safetensors file that `bench/compare/inputs.py` wrote.
pub struct Inputs(Vec<u8>);

impl Inputs {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok(Self(bytes))
    }

    /// The parameters of `network` under `prefix`, in its layout.
    pub fn parameters(&self, network: &Mlp, prefix: &str) -> Result<Vec<f32>> {
        Ok(network.load(prefix, &self.tensors()?)?)
    }

    /// A tensor of f32 and its shape.
    pub fn numbers(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        let tensors = self.tensors()?;
        let tensor = view(&tensors, name)?;
        let numbers = tensor.data().as_chunks::<4>().0;
        let numbers = numbers.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Ok((numbers, tensor.shape().to_vec()))
    }

    /// A tensor of bytes.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        Ok(view(&self.tensors()?, name)?.data().to_vec())
    }

    fn tensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.0).context("the inputs")
    }
}

fn view<'a>(tensors: &SafeTensors<'a>, name: &str) -> Result<TensorView<'a>> {
    tensors
        .tensor(name)
        .with_context(|| format!("input `{name}`"))
}
