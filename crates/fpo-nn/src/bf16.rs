//! Passes in bfloat16 on Intel's matrix unit (AMX), six times as fast as f32 vectors on the
//! published critic (`cargo bench -p fpo-nn --features bench`).
//!
//! Data are stored in tiles of 16 rows of 64 bytes, the size of that unit's registers, in three
//! arrangements:
//!
//! * *left*: 16 rows × 32 columns, for the left factor of a product;
//! * *right*: 32 rows × 16 columns, rows 2p and 2p + 1 interleaved, for the right factor;
//! * *transposed*: the left arrangement of the transpose, for the gradient of the weights.
//!
//! A pass computes blocks of 32 × 32 sums. The unit stores a block in the first-level cache, and
//! vector instructions continue from there: bias and activation, or the chain rule, rounding, and
//! the arrangements for later products. Columns beyond a matrix's edge are zero. Rows beyond it
//! hold the results of zero inputs; their gradient is zero, so that they add nothing.

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
