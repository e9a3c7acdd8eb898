//! The matrix product behind every pass, on the widest vectors of this machine.
//!
//! C[m, n] = A[m, k]·B[k, n] in blocks of [`BLOCK_ROWS`] rows and two vector registers of columns: the block's
//! sums stay in registers, in the order of k and by fused multiply-add, until an [`Epilogue`] takes them. So an
//! element of C depends neither on the rows around it nor on where buffers lie. B comes in panels of [`PANEL`]
//! columns, read from the first-level cache by all blocks of rows in turn.

use pulp::{Arch, Simd, WithSimd};

/// Columns of a packed panel.
pub(crate) const PANEL: usize = 32;

/// Buffers hold whole blocks of rows; what lies beyond the tile's rows is computed and ignored.
pub(crate) const BLOCK_ROWS: usize = 8;

/// The left factor: element (i, p) lies at `i·row + p·step`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// The right factor: element (p, j) lies at `(j / PANEL)·panel + p·step + j % PANEL`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) panel: usize,
    pub(crate) step: usize,
    /// Whether each panel starts with a row of biases, the first terms of the sums.
    pub(crate) bias: bool,
}

/// What becomes of a finished vector of sums.
pub(crate) trait Epilogue: Copy {
    /// Panics unless `finish` may be called for every row below `rows` and every column below `columns`
    /// (a multiple of the vector length).
    fn check(&self, rows: usize, columns: usize);

    /// Takes the sums of `row` from `column` on.
    ///
    /// # Safety
    /// `row` and `column` lie in what `check` was asked.
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s);
}

/// C = A·B of `rows` × `columns` with inner size `depth`, handed to `epilogue`.
pub(crate) struct Product<'a, E> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    pub(crate) left: Left<'a>,
    pub(crate) right: Right<'a>,
    pub(crate) epilogue: E,
}

impl<E: Epilogue> Product<'_, E> {
    /// Runs the product.
    ///
    /// # Panics
    /// If a factor or the target is smaller than the sizes, rounded up to whole blocks and vectors, need.
    pub(crate) fn run(self) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        let rows = self.rows.next_multiple_of(BLOCK_ROWS);
        let steps = self.depth + usize::from(self.right.bias);
        if self.depth > 0 {
            let last = (rows - 1) * self.left.row + (self.depth - 1) * self.left.step;
            assert!(last < self.left.data.len(), "left factor too short");
        }
        if steps > 0 {
            let last = (self.columns - 1) / PANEL * self.right.panel + (steps - 1) * self.right.step;
            assert!(last + PANEL <= self.right.data.len(), "right factor too short");
        }
        self.epilogue.check(rows, self.columns.next_multiple_of(PANEL));
        Arch::new().dispatch(self);
    }
}

impl<E: Epilogue> WithSimd for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `run`, the only caller, has checked the sizes.
        unsafe {
            // Two registers of columns and 8 rows make 16 sums: half of 32 registers, all of 16.
            if S::REGISTER_COUNT >= 32 {
                self.panels::<S, 8>(simd)
            } else {
                self.panels::<S, 4>(simd)
            }
        }
    }
}

impl<E: Epilogue> Product<'_, E> {
    /// # Safety
    /// The sizes are those that `run` checks.
    #[inline(always)]
    unsafe fn panels<S: Simd, const ROWS: usize>(self, simd: S) {
        let mut column = 0;
        while column < self.columns {
            let in_panel = (self.columns - column).min(PANEL - column % PANEL);
            // SAFETY: `column` is below `columns`, and a panel holds a whole number of vectors.
            unsafe {
                if in_panel > S::F32_LANES {
                    self.blocks::<S, ROWS, 2>(simd, column);
                    column += 2 * S::F32_LANES;
                } else {
                    self.blocks::<S, ROWS, 1>(simd, column);
                    column += S::F32_LANES;
                }
            }
        }
    }

    /// All blocks of rows for the `VECTORS` registers of columns from `column` on.
    ///
    /// # Safety
    /// As `panels`; the columns lie in one panel.
    #[inline(always)]
    unsafe fn blocks<S: Simd, const ROWS: usize, const VECTORS: usize>(&self, simd: S, column: usize) {
        let Self { left, right, .. } = self;
        // SAFETY: every offset is at most the last one that `run` compared with the lengths.
        unsafe {
            let mut b = right
                .data
                .as_ptr()
                .add(column / PANEL * right.panel + column % PANEL);
            let mut start = [simd.splat_f32s(0.0); VECTORS];
            if right.bias {
                for (v, start) in start.iter_mut().enumerate() {
                    *start = load(simd, b.add(v * S::F32_LANES));
                }
                b = b.add(right.step);
            }
            let mut row = 0;
            while row < self.rows {
                let a = left.data.as_ptr().add(row * left.row);
                let mut sums = [start; ROWS];
                for p in 0..self.depth {
                    let mut factors = [simd.splat_f32s(0.0); VECTORS];
                    for (v, factor) in factors.iter_mut().enumerate() {
                        *factor = load(simd, b.add(p * right.step + v * S::F32_LANES));
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let x = simd.splat_f32s(*a.add(i * left.row + p * left.step));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = simd.mul_add_e_f32s(x, factor, *sum);
                        }
                    }
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        self.epilogue
                            .finish(simd, row + i, column + v * S::F32_LANES, sum);
                    }
                }
                row += ROWS;
            }
        }
    }
}

/// Reads a vector from any address.
///
/// # Safety
/// A whole vector lies at `from`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: the caller's; `f32s` is plain data.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to any address.
///
/// # Safety
/// A whole vector of writable memory lies at `to`.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(_: S, to: *mut f32, value: S::f32s) {
    // SAFETY: the caller's; `f32s` is plain data.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}
