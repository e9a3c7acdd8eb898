//! Buffers of a tile of rows between the layers and for the backward pass.

use super::amx::{Sums, Tile};
use super::{BLOCK, TILE};
use crate::MlpSpec;

/// The buffers of one tile of rows.
#[derive(Clone)]
pub(crate) struct Buffers {
    /// Capacity in blocks of 32 rows.
    pub(super) row_blocks: usize,
    /// The input's two parts in left arrangement: for each 16 rows a run over the columns, first of
    /// the numbers' high bits, then of the rest.
    pub(super) input: Vec<Tile>,
    /// Activations in left arrangement, of the layer being read and the layer being written.
    pub(super) activations: [Vec<Tile>; 2],
    pub(super) training: Option<Training>,
    pub(super) sums: Box<Sums>,
}

/// Further buffers for the backward pass.
#[derive(Clone)]
pub(super) struct Training {
    /// Each layer's input, transposed: for each 16 columns a run over the rows. For the first layer
    /// the high parts come first.
    pub(super) transposed: Vec<Vec<Tile>>,
    /// f′(z) of each hidden layer: for each block of columns, for each block of rows, 32 lines with
    /// the block's two halves interleaved.
    pub(super) derivative: Vec<Vec<Tile>>,
    pub(super) gradients: Gradients,
}

/// ∂L/∂z of the current layers of a backward pass.
#[derive(Clone)]
pub(crate) struct Gradients {
    /// Capacity in blocks of 32 rows.
    pub(super) row_blocks: usize,
    /// In left arrangement, of the layer being read and the layer being written.
    pub(super) left: [Vec<Tile>; 2],
    /// In right arrangement, of one layer: for each 16 columns a run over the rows.
    pub(super) right: Vec<Tile>,
    /// One layer's input, transposed; empty if a forward pass in bfloat16 keeps all of them.
    pub(super) transposed: Vec<Tile>,
    pub(super) sums: Box<Sums>,
}

impl Gradients {
    /// Buffers for `rows` rows of a network whose forward pass is in f32.
    pub(crate) fn after_f32(spec: &MlpSpec, rows: usize) -> Self {
        Self {
            transposed: zeros(rows.div_ceil(BLOCK), widest(spec).max(spec.input)),
            ..Self::after_bf16(spec, rows)
        }
    }

    /// Buffers for `rows` rows of a network whose forward pass is in bfloat16.
    fn after_bf16(spec: &MlpSpec, rows: usize) -> Self {
        let row_blocks = rows.div_ceil(BLOCK);
        let tiles = || zeros(row_blocks, widest(spec).max(spec.output));
        Self {
            row_blocks,
            left: [tiles(), tiles()],
            right: tiles(),
            transposed: Vec::new(),
            sums: Box::new(Sums::ZERO),
        }
    }
}

/// The width of the widest hidden layer.
fn widest(spec: &MlpSpec) -> usize {
    spec.hidden.iter().copied().max().unwrap_or(0)
}

/// Tiles for a matrix of `row_blocks` blocks of rows, in any arrangement: a block of 32 × 32 is two
/// tiles.
fn zeros(row_blocks: usize, width: usize) -> Vec<Tile> {
    vec![Tile::ZERO; 2 * row_blocks * width.div_ceil(BLOCK)]
}

impl Buffers {
    /// Buffers for `rows` rows of a network, including those of the backward pass if `training`.
    pub(crate) fn new(spec: &MlpSpec, rows: usize, training: bool) -> Self {
        let row_blocks = rows.div_ceil(BLOCK);
        let tiles = |width: usize| zeros(row_blocks, width);
        let parts = 2 * spec.input.next_multiple_of(BLOCK);
        Self {
            row_blocks,
            input: tiles(parts),
            activations: [tiles(widest(spec)), tiles(widest(spec))],
            training: training.then(|| Training {
                transposed: std::iter::once(tiles(parts))
                    .chain(spec.hidden.iter().map(|&width| tiles(width)))
                    .collect(),
                derivative: spec.hidden.iter().map(|&width| tiles(width)).collect(),
                gradients: Gradients::after_bf16(spec, rows),
            }),
            sums: Box::new(Sums::ZERO),
        }
    }

    /// Rows of a tile whose data fill about two thirds of a 2 MiB second-level cache; whole blocks.
    pub(crate) fn tile_rows(spec: &MlpSpec) -> usize {
        let bytes = 4 * spec.hidden.iter().sum::<usize>() + 8 * spec.input;
        ((1408 << 10) / bytes.max(1) / BLOCK * BLOCK).clamp(2 * BLOCK, 16 * BLOCK)
    }
}

/// The two runs of tiles of block `block` of 32 rows (or columns), `run` tiles each.
pub(super) fn runs(tiles: &[Tile], block: usize, run: usize) -> [&[Tile]; 2] {
    let pair = &tiles[2 * block * run..2 * (block + 1) * run];
    let (first, second) = pair.split_at(run);
    [first, second]
}

/// As [`runs`], cut to the first `length` tiles of each.
pub(super) fn runs_of(tiles: &[Tile], block: usize, run: usize, length: usize) -> [&[Tile]; 2] {
    runs(tiles, block, run).map(|run| &run[..length])
}

/// The tiles at `at` in the two runs of block `block`.
pub(super) fn pair_mut(tiles: &mut [Tile], block: usize, run: usize, at: usize) -> [&mut Tile; 2] {
    let (first, second) = tiles[2 * block * run..2 * (block + 1) * run].split_at_mut(run);
    [&mut first[at], &mut second[at]]
}

const _: () = assert!(BLOCK == 2 * TILE);
