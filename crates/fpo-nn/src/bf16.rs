//! Passes in bfloat16 on Intel's matrix unit (AMX), six times as fast as f32 vectors on the
//! published critic (`cargo bench -p fpo-nn --features bench`).
//!
//! Data lie in tiles of 16 rows of 64 bytes, the registers of that unit, in three arrangements of
//! the same numbers:
//!
//! * *left*: 16 rows × 32 columns, as the left factor of a product is read;
//! * *right*: 32 rows × 16 columns, row 2p and row 2p + 1 interleaved, as the right factor is read;
//! * *transposed*: the left arrangement of the transpose, for the gradient of the weights.
//!
//! A pass walks blocks of 32 × 32 sums. The unit leaves a block in the first-level cache, and
//! vectors carry it on: bias and activation, or the chain rule, rounding, and the arrangements that
//! later products need. Columns beyond a matrix's edge are zero. Rows beyond hold what inputs of
//! zero give; the gradient at them is zero, so that they add nothing.

mod amx;
mod blocks;
mod buffers;
mod functions;
mod pass;
mod vectors;
mod weights;

pub(crate) use amx::is_available;
pub(crate) use buffers::{Buffers, Gradients};
pub(crate) use pass::{Kept, Network};
pub(crate) use weights::Packed;

/// Rows and columns of the block of sums that is computed at a time.
const BLOCK: usize = 32;

/// Rows of a tile.
const TILE: usize = 16;
