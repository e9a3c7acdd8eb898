//! Multi-layer perceptrons for policies and critics, with training: backward passes, optimizer,
//! normalization.
//!
//! A network is a [`Mlp`]: sizes and the layout of one flat parameter vector, which the caller
//! owns. A minibatch is processed in tiles of rows whose activations stay in the second-level cache
//! ([`Mlp::tile_rows`]): fill [`Scratch::input_mut`], call [`Mlp::forward`], write the gradient at
//! the output, call [`Mlp::backward`]. Each call is single-threaded and allocates nothing; threads
//! share one set of packed [`Weights`] and own a [`Scratch`] and a gradient each.
//!
//! ```
//! use fpo_nn::{Activation, Initialization, Mlp, MlpSpec};
//! use fpo_rng::{Key, Stream};
//!
//! let spec = MlpSpec { input: 3, hidden: vec![16, 16], output: 2, activation: Activation::Silu };
//! let mlp = Mlp::new(spec)?;
//! let mut parameters = vec![0.0; mlp.parameter_count()];
//! mlp.init(Initialization::LecunUniform, 1.0, Key::new(0, Stream::Init), &mut parameters);
//!
//! let mut weights = mlp.weights();
//! mlp.pack(&parameters, &mut weights); // again after every step of the optimizer
//! let mut scratch = mlp.scratch(8, true);
//! scratch.input_mut(8).fill(0.5);
//! mlp.forward(&weights, &mut scratch, 8);
//! let (output, d_output) = scratch.output_and_gradient_mut(8);
//! d_output.copy_from_slice(output); // the gradient of ½ Σ y²
//! let mut gradient = vec![0.0; mlp.parameter_count()];
//! mlp.backward(&weights, &mut scratch, 8, &mut gradient);
//! # Ok::<(), fpo_nn::MlpError>(())
//! ```

#![deny(unsafe_code)]

mod activation;
mod adam;
mod aligned;
#[cfg(target_arch = "x86_64")]
mod bf16;
mod clip;
mod ema;
mod epilogue;
mod exp;
mod init;
mod kernel;
mod mlp;
mod moments;
mod pass;
pub mod peak;
mod precision;
mod scratch;
mod tensors;
mod weights;

pub use activation::Activation;
pub use adam::{Adam, AdamConfig};
pub use clip::{clip_to_norm, global_norm};
pub use ema::Ema;
pub use exp::exp_in_place;
pub use init::Initialization;
pub use mlp::{Layer, Mlp, MlpError, MlpSpec};
pub use moments::{Moments, Normalizer, NormalizerConfig};
pub use precision::{Precision, PrecisionError};
pub use scratch::Scratch;
pub use tensors::{TensorError, TensorRecord};
pub use weights::Weights;
