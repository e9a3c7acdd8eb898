//! Buffers of f32 that start on a cache line.

#![allow(unsafe_code)]

/// One cache line; also the widest vector register in use.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; LINE]);

/// Numbers in a cache line.
pub(crate) const LINE: usize = 16;

/// A fixed-size buffer of f32, zero at first. A vector load across two cache lines costs twice as
/// much, so all streamed data of the kernels is in such buffers.
#[derive(Clone)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
}

impl Aligned {
    /// A buffer of at least `len` zeros (rounded up to whole lines).
    pub(crate) fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)],
        }
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` and consists of exactly `LINE` f32 without padding (64 bytes
        // both ways).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`; the borrow of `self` is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE)
        }
    }
}
