//! Epilogues: operations of the passes on finished sums while these are still in registers.

#![allow(unsafe_code)]

use crate::activation::Function;
use crate::kernel::{Epilogue, load, store};
use pulp::Simd;
use std::marker::PhantomData;

/// A row-major output matrix, as a pointer so that an epilogue can be copied into kernels.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    data: *mut f32,
    len: usize,
    stride: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(data: &'a mut [f32], stride: usize) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
            stride,
            borrow: PhantomData,
        }
    }

    fn holds(&self, rows: usize, columns: usize) {
        assert!(
            (rows - 1) * self.stride + columns <= self.len,
            "target too short"
        );
    }

    /// # Safety
    /// (row, column) must be inside the matrix.
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: guaranteed by the caller.
        unsafe { self.data.add(row * self.stride + column) }
    }
}

/// h = f(z) and, for training, f′(z), both padded to whole panels.
#[derive(Clone, Copy)]
pub(crate) struct Activate<'a, F> {
    pub(crate) hidden: Target<'a>,
    /// Absent if there will be no backward pass.
    pub(crate) derivative: Option<Target<'a>>,
    pub(crate) function: F,
}

impl<F: Function> Epilogue for Activate<'_, F> {
    fn check(&self, rows: usize, columns: usize) {
        self.hidden.holds(rows, columns);
        self.derivative
            .inspect(|target| target.holds(rows, columns));
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s) {
        let (h, d) = self.function.apply(simd, sums);
        // SAFETY: `check` has validated this row and column.
        unsafe {
            store(simd, self.hidden.at(row, column), h);
            if let Some(derivative) = self.derivative {
                store(simd, derivative.at(row, column), d);
            }
        }
    }
}

/// y = z, rows packed without padding.
#[derive(Clone, Copy)]
pub(crate) struct Linear<'a> {
    pub(crate) output: Target<'a>,
}

impl Epilogue for Linear<'_> {
    fn check(&self, rows: usize, _: usize) {
        self.output.holds(rows, self.output.stride);
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s) {
        let lanes = S::F32_LANES.min(self.output.stride - column);
        // SAFETY: `check` has validated this row; the columns end with the row.
        let to = unsafe { std::slice::from_raw_parts_mut(self.output.at(row, column), lanes) };
        simd.partial_store_f32s(to, sums);
    }
}

/// The sums themselves, padded to whole panels, as initial values of another product.
#[derive(Clone, Copy)]
pub(crate) struct Keep<'a> {
    pub(crate) sums: Target<'a>,
}

impl Epilogue for Keep<'_> {
    fn check(&self, rows: usize, columns: usize) {
        self.sums.holds(rows, columns);
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s) {
        // SAFETY: `check` has validated this row and column.
        unsafe { store(simd, self.sums.at(row, column), sums) }
    }
}

/// ∂L/∂z = ∂L/∂h · f′(z), which replaces f′(z).
#[derive(Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(crate) derivative: Target<'a>,
}

impl Epilogue for Chain<'_> {
    fn check(&self, rows: usize, columns: usize) {
        self.derivative.holds(rows, columns);
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s) {
        // SAFETY: `check` has validated this row and column.
        unsafe {
            let at = self.derivative.at(row, column);
            store(simd, at, simd.mul_f32s(load(simd, at), sums));
        }
    }
}

/// ∂L/∂W += sums, without padding: sums beyond the matrix are dropped.
#[derive(Clone, Copy)]
pub(crate) struct Accumulate<'a> {
    pub(crate) gradient: Target<'a>,
    pub(crate) rows: usize,
}

impl Epilogue for Accumulate<'_> {
    fn check(&self, _: usize, _: usize) {
        self.gradient.holds(self.rows, self.gradient.stride);
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::f32s) {
        if row < self.rows {
            // SAFETY: `row` is within the matrix, and `add` stops at the end of the row.
            unsafe {
                add(
                    simd,
                    self.gradient.at(row, column),
                    self.gradient.stride - column,
                    sums,
                )
            }
        }
    }
}

/// Adds the first `count` numbers of `values`, or all if it has fewer, to those at `to`.
///
/// # Safety
/// `to` must point to that many writable numbers.
#[inline(always)]
pub(crate) unsafe fn add<S: Simd>(simd: S, to: *mut f32, count: usize, values: S::f32s) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if count >= S::F32_LANES {
            store(simd, to, simd.add_f32s(load(simd, to), values));
        } else {
            let to = std::slice::from_raw_parts_mut(to, count);
            simd.partial_store_f32s(to, simd.add_f32s(simd.partial_load_f32s(to), values));
        }
    }
}
