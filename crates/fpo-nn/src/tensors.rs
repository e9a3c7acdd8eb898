//! Parameters as named tensors: `prefix0.weight` (inputs, outputs), `prefix0.bias`,
//! `prefix1.weight`, ….

use crate::Mlp;
use safetensors::tensor::{Dtype, SafeTensors};

/// One tensor of a flat parameter vector, ready for a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorRecord {
    /// Its name.
    pub name: String,
    /// (inputs, outputs) of a weight, (outputs) of a bias.
    pub shape: Vec<usize>,
    /// The numbers, f32 little-endian, row-major.
    pub bytes: Vec<u8>,
}

/// Tensors that are not the parameters of this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// A tensor is not in the file.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// A tensor with the network's prefix is not part of the network.
    #[error("tensor `{0}` is not part of the network")]
    Unexpected(String),
    /// A tensor has another shape.
    #[error("tensor `{name}` has shape {found:?}; the network needs {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape of the network.
        expected: Vec<usize>,
    },
    /// A tensor does not hold f32.
    #[error("tensor `{name}` holds {found}; f32 is needed")]
    Type {
        /// Its name.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor `{0}` holds a number that is not finite")]
    NotFinite(String),
}

impl Mlp {
    /// Names, shapes and flat ranges of all tensors, in the order of the flat vector.
    fn tensors(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = (String, Vec<usize>, std::ops::Range<usize>)> {
        self.layers()
            .iter()
            .enumerate()
            .flat_map(move |(i, layer)| {
                [
                    (
                        format!("{prefix}{i}.weight"),
                        vec![layer.inputs, layer.outputs],
                        layer.weight.clone(),
                    ),
                    (
                        format!("{prefix}{i}.bias"),
                        vec![layer.outputs],
                        layer.bias.clone(),
                    ),
                ]
            })
    }

    /// The tensors of a flat vector (parameters, an average, or an optimizer's moments), with names
    /// that begin with `prefix`, such as `"policy."`.
    ///
    /// # Panics
    /// If `flat` is not [`Mlp::parameter_count`] long.
    pub fn store(&self, prefix: &str, flat: &[f32]) -> Vec<TensorRecord> {
        assert_eq!(
            flat.len(),
            self.parameter_count(),
            "length of the parameter vector"
        );
        self.tensors(prefix)
            .map(|(name, shape, range)| TensorRecord {
                name,
                shape,
                bytes: flat[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            })
            .collect()
    }

    /// The flat vector from the tensors whose names begin with `prefix`; the file may contain other
    /// tensors. Allocations depend on the network's sizes, not on those that the file claims.
    ///
    /// # Errors
    /// A tensor that is missing, has another shape or type, holds NaN or infinity, or has the
    /// prefix but is not part of the network.
    pub fn load(&self, prefix: &str, file: &SafeTensors) -> Result<Vec<f32>, TensorError> {
        let mut flat = vec![0.0; self.parameter_count()];
        let expected: Vec<_> = self.tensors(prefix).collect();
        if let Some(name) = file
            .names()
            .into_iter()
            .filter(|name| name.starts_with(prefix) && is_parameter(&name[prefix.len()..]))
            .filter(|name| expected.iter().all(|(known, ..)| known != name))
            .min()
        {
            return Err(TensorError::Unexpected(name.to_owned()));
        }
        for (name, shape, range) in expected {
            let Ok(tensor) = file.tensor(&name) else {
                return Err(TensorError::Missing(name));
            };
            if tensor.dtype() != Dtype::F32 {
                return Err(TensorError::Type {
                    name,
                    found: format!("{:?}", tensor.dtype()),
                });
            }
            if tensor.shape() != shape {
                return Err(TensorError::Shape {
                    name,
                    found: tensor.shape().to_vec(),
                    expected: shape,
                });
            }
            for (to, bytes) in flat[range.clone()]
                .iter_mut()
                .zip(tensor.data().as_chunks::<4>().0)
            {
                *to = f32::from_le_bytes(*bytes);
            }
            if !flat[range].iter().all(|x| x.is_finite()) {
                return Err(TensorError::NotFinite(name));
            }
        }
        Ok(flat)
    }
}

/// Whether `name` has the form `12.weight` or `12.bias`.
fn is_parameter(name: &str) -> bool {
    let Some((index, "weight" | "bias")) = name.split_once('.') else {
        return false;
    };
    index.parse::<usize>().is_ok()
}
