//! The matrix product of all passes, on the widest vectors of this machine.
//!
//! C[m, n] = A[m, k]·B[k, n] in blocks of [`BLOCK_ROWS`] rows and two vector registers of columns:
//! the block's sums stay in registers, accumulated in the order of k by fused multiply-add, until
//! an [`Epilogue`] receives them. So an element of C depends neither on other rows nor on the
//! addresses of buffers. B is stored in panels of [`PANEL`] columns, which all blocks of rows read
//! from the first-level cache.

#![allow(unsafe_code)]

use fpo_rng::simd::{dispatch, dispatch_narrow};
use pulp::{Simd, WithSimd};

/// Columns of a packed panel.
pub(crate) const PANEL: usize = 32;

/// Buffers hold whole blocks of rows; rows beyond those of the tile are computed and ignored.
pub(crate) const BLOCK_ROWS: usize = 8;

/// Columns in half of the widest vectors: an action rarely has more.
const NARROW: usize = 8;

/// The left factor: element (i, p) is at `i·row + p·step`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// The right factor: element (p, j) is at `(j / PANEL)·panel + p·step + j % PANEL`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) panel: usize,
    pub(crate) step: usize,
    /// Whether each panel starts with a row of biases, the initial values of the sums.
    pub(crate) bias: bool,
}

/// Initial values of the sums: element (i, j) is at `i·row + j`; whole blocks and panels.
#[derive(Clone, Copy)]
pub(crate) struct Begun<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    /// Left factors common to all rows, whose part is added to each row.
    pub(crate) common: &'a [f32],
    /// Their right factors, in the same layout as the others.
    pub(crate) right: &'a [f32],
}

/// The operation on a finished vector of sums.
pub(crate) trait Epilogue: Copy {
    /// Panics unless `finish` may be called for every row below `rows` and every column below
    /// `columns` (a multiple of the vector length).
    fn check(&self, rows: usize, columns: usize);

    /// Receives the sums of `row` from `column` on.
    ///
    /// # Safety
    /// `row` and `column` must be in the range passed to `check`.
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s);
}

/// C = A·B of `rows` × `columns` with inner size `depth`, passed to `epilogue`.
pub(crate) struct Product<'a, E> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    pub(crate) left: Left<'a>,
    pub(crate) right: Right<'a>,
    /// Instead of biases or zeros.
    pub(crate) begun: Option<Begun<'a>>,
    pub(crate) epilogue: E,
}

impl<E: Epilogue> Product<'_, E> {
    /// Runs the product.
    ///
    /// # Panics
    /// If a factor or the target is too small for the sizes, rounded up to whole blocks and panels.
    pub(crate) fn run(self) {
        if self.rows > 0 && self.columns > 0 {
            self.check();
            if self.columns <= NARROW {
                dispatch_narrow(self);
            } else {
                dispatch(self);
            }
        }
    }

    fn check(&self) {
        let rows = self.rows.next_multiple_of(BLOCK_ROWS);
        let steps = self.depth + usize::from(self.right.bias);
        if self.depth > 0 {
            let last = (rows - 1) * self.left.row + (self.depth - 1) * self.left.step;
            assert!(last < self.left.data.len(), "left factor too short");
        }
        if steps > 0 {
            let last =
                (self.columns - 1) / PANEL * self.right.panel + (steps - 1) * self.right.step;
            assert!(
                last + PANEL <= self.right.data.len(),
                "right factor too short"
            );
        }
        let columns = self.columns.next_multiple_of(PANEL);
        if let Some(begun) = self.begun {
            assert!(
                (rows - 1) * begun.row + columns <= begun.data.len(),
                "sums too short"
            );
            if let Some(last) = begun.common.len().checked_sub(1) {
                let last = (self.columns - 1) / PANEL * self.right.panel + last * self.right.step;
                assert!(
                    last + PANEL <= begun.right.len(),
                    "common right factor too short"
                );
            }
        }
        self.epilogue.check(rows, columns);
    }
}

impl<E: Epilogue> WithSimd for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `check` has validated the sizes; `run` calls it first.
        unsafe {
            // Two registers of columns × 8 rows are 16 sums: half of 32 registers, or all of 16.
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
    /// `check` must have passed.
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
                    // With one register of columns, the sums of 8 rows fit on every machine; fewer
                    // rows would stall on the latency of additions.
                    self.blocks::<S, 8, 1>(simd, column);
                    column += S::F32_LANES;
                }
            }
        }
    }

    /// All blocks of rows for the `VECTORS` registers of columns from `column` on.
    ///
    /// # Safety
    /// As `panels`; the columns must be in one panel.
    #[inline(always)]
    unsafe fn blocks<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        column: usize,
    ) {
        let right = self.right;
        // SAFETY: every offset is at most the last one that `check` compared with the lengths.
        unsafe {
            let mut b = right
                .data
                .as_ptr()
                // Wrapping, because with an empty inner dimension the pointer may be out of bounds.
                .wrapping_add(column / PANEL * right.panel + column % PANEL);
            let mut start = [simd.splat_f32s(0.0); VECTORS];
            if right.bias {
                for (v, start) in start.iter_mut().enumerate() {
                    *start = load(simd, b.add(v * S::F32_LANES));
                }
                b = b.wrapping_add(right.step);
            }
            if let Some(begun) = self.begun {
                let b = begun
                    .right
                    .as_ptr()
                    .wrapping_add(column / PANEL * right.panel + column % PANEL);
                for (p, &x) in begun.common.iter().enumerate() {
                    let x = simd.splat_f32s(x);
                    for (v, start) in start.iter_mut().enumerate() {
                        let factor = load(simd, b.add(p * right.step + v * S::F32_LANES));
                        *start = simd.mul_add_e_f32s(x, factor, *start);
                    }
                }
            }
            let mut row = 0;
            while row < self.rows {
                // Few rows, as for a policy acting on one robot, cost less one by one than as a
                // mostly empty block.
                if self.rows - row > ROWS / 4 {
                    self.block::<S, ROWS, VECTORS>(simd, row, column, start, b);
                    row += ROWS;
                } else {
                    self.block::<S, 1, VECTORS>(simd, row, column, start, b);
                    row += 1;
                }
            }
        }
    }

    /// `ROWS` rows from `row` on, for the `VECTORS` registers of columns from `column` on, with
    /// initial sums `start` and right factors at `b`.
    ///
    /// # Safety
    /// As `blocks`.
    #[inline(always)]
    unsafe fn block<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        start: [S::f32s; VECTORS],
        b: *const f32,
    ) {
        let Self { left, right, .. } = self;
        // SAFETY: every offset is at most the last one that `check` compared with the lengths.
        unsafe {
            let a = left.data.as_ptr().add(row * left.row);
            let mut sums = [start; ROWS];
            if let Some(begun) = self.begun {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let from = begun.data.as_ptr().add((row + i) * begun.row + column);
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.add_f32s(load(simd, from.add(v * S::F32_LANES)), *sum);
                    }
                }
            }
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
        }
    }
}

/// Reads a vector from any address.
///
/// # Safety
/// `from` must point to a whole readable vector.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: guaranteed by the caller; `f32s` is plain data.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to any address.
///
/// # Safety
/// `to` must point to a whole writable vector.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(_: S, to: *mut f32, value: S::f32s) {
    // SAFETY: guaranteed by the caller; `f32s` is plain data.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::epilogue::{Linear, Target};
    use fpo_rng::{Key, Stream, fill_normal};
    use pulp::{Scalar, x86};

    /// A·B with every instruction set of this machine, by name.
    fn on_every_arch(
        rows: usize,
        columns: usize,
        depth: usize,
    ) -> (Vec<(&'static str, Vec<f32>)>, Vec<f64>) {
        let normal = |step, len| {
            let mut out = vec![0.0; len];
            fill_normal(Key::new(3, Stream::Test).step(step), &mut out);
            out
        };
        let a = normal(1, rows.next_multiple_of(BLOCK_ROWS) * depth);
        let b = normal(2, columns.next_multiple_of(PANEL) * depth);
        let run = |dispatch: &dyn Fn(Product<'_, Linear<'_>>)| {
            let mut out = vec![0.0; rows.next_multiple_of(BLOCK_ROWS) * columns];
            let product = Product {
                rows,
                columns,
                depth,
                left: Left {
                    data: &a,
                    row: depth,
                    step: 1,
                },
                right: Right {
                    data: &b,
                    panel: PANEL * depth,
                    step: PANEL,
                    bias: false,
                },
                begun: None,
                epilogue: Linear {
                    output: Target::new(&mut out, columns),
                },
            };
            product.check();
            dispatch(product);
            out.truncate(rows * columns);
            out
        };
        let mut found = vec![("scalar", run(&|p| Simd::vectorize(Scalar::new(), p)))];
        if let Some(v3) = x86::V3::try_new() {
            found.push(("AVX2", run(&|p| Simd::vectorize(v3, p))));
        }
        if let Some(v4) = x86::V4::try_new() {
            found.push(("AVX-512", run(&|p| Simd::vectorize(v4, p))));
        }
        let b_at =
            |p: usize, j: usize| f64::from(b[j / PANEL * PANEL * depth + p * PANEL + j % PANEL]);
        let exact = |i: usize, j: usize| {
            (0..depth)
                .map(|p| f64::from(a[i * depth + p]) * b_at(p, j))
                .sum()
        };
        let expected = (0..rows * columns)
            .map(|ij| exact(ij / columns, ij % columns))
            .collect();
        (found, expected)
    }

    #[test]
    fn every_instruction_set_multiplies() {
        for (rows, columns, depth) in [
            (1, 1, 1),
            (8, 32, 16),
            (13, 33, 7),
            (3, 70, 100),
            (17, 17, 5),
            (9, 6, 32),
        ] {
            let (found, expected) = on_every_arch(rows, columns, depth);
            for (arch, out) in &found {
                for (x, e) in out.iter().zip(&expected) {
                    assert!(
                        (f64::from(*x) - e).abs() < 1e-5 * (depth as f64).sqrt(),
                        "{arch}: {x} for {e}"
                    );
                }
            }
            // The sums have the same order and use fused multiply-adds for every vector width.
            for pair in found[1..].windows(2) {
                assert_eq!(pair[0].1, pair[1].1, "{} and {}", pair[0].0, pair[1].0);
            }
        }
    }
}
