//! The matrix unit: detection, permission, and the product from which everything is built.

#![allow(unsafe_code)]

use super::{BLOCK, TILE};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// The contents of a tile register: 16 rows of 32 bfloat16 numbers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub(super) [[u16; 32]; TILE]);

impl Tile {
    pub(super) const ZERO: Self = Self([[0; 32]; TILE]);
}

/// A block of sums, from which vector code continues.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[f32; BLOCK]; BLOCK]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; BLOCK]; BLOCK]);
}

/// Whether this processor has AMX for bfloat16 and the required vector instructions, and the system
/// allows this process to use them.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| fpo_rng::simd::is_unlimited() && has_instructions() && permitted())
}

fn has_instructions() -> bool {
    let vectors = pulp::x86::V4::try_new().is_some() && is_x86_feature_detected!("avx512bf16");
    // Leaf 7, EDX: bit 22 is AMX-BF16, bit 24 AMX-TILE.
    const AMX: u32 = 1 << 22 | 1 << 24;
    vectors && __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & AMX == AMX && system_saves_tiles()
}

/// Whether the system saves tile registers when it switches between threads.
fn system_saves_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    let low: u32;
    // SAFETY: OSXSAVE shows that the instruction exists; register 0 always exists.
    unsafe {
        asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") _,
            options(nomem, nostack, preserves_flags)
        );
    }
    // Tile configuration and tile data.
    const TILES: u32 = 1 << 17 | 1 << 18;
    low & TILES == TILES
}

/// Requests permission from Linux to use tile registers, which applies to the whole process.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: this request does not affect memory; kernels that do not support it return an error.
    unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        ) == 0
    }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

thread_local! {
    /// Whether a [`Unit`] of this thread is alive.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

/// The matrix unit of the calling thread, set up for whole tiles until it is dropped.
pub(super) struct Unit {
    /// Tile registers belong to a thread.
    not_send: PhantomData<*mut ()>,
}

#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    column_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Unit {
    /// # Panics
    /// If this machine has no matrix unit.
    pub(super) fn new() -> Self {
        assert!(is_available(), "no bfloat16 matrix unit");
        // The first of two to be dropped would release the other's registers.
        assert!(!IN_USE.replace(true), "the thread's matrix unit is in use");
        let mut shape = Shape {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            column_bytes: [0; 16],
            rows: [0; 16],
        };
        shape.column_bytes[..8].fill(64);
        shape.rows[..8].fill(TILE as u8);
        // SAFETY: the unit exists, and 64 readable bytes hold a valid description of eight full
        // tiles.
        unsafe {
            asm!(
                "ldtilecfg [{}]", in(reg) &raw const shape,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(readonly, nostack, preserves_flags)
            );
        }
        Self {
            not_send: PhantomData,
        }
    }

    /// `to` = left·right for 32 rows, given as two runs of left tiles, and 32 columns, as two runs
    /// of right tiles; each tile of a run adds 32 to the inner size.
    #[inline]
    pub(super) fn multiply(&self, left: [&[Tile]; 2], right: [&[Tile]; 2], to: &mut Sums) {
        // SAFETY: `to` is a block of 32 × 32 numbers.
        unsafe { self.product::<false>(left, right, to.0.as_mut_ptr().cast(), BLOCK) }
    }

    /// As [`Unit::multiply`], added to the 32 × 32 numbers at `to`, rows `stride` numbers apart.
    ///
    /// # Safety
    /// They must be readable and writable.
    #[inline]
    pub(super) unsafe fn multiply_add(
        &self,
        left: [&[Tile]; 2],
        right: [&[Tile]; 2],
        to: *mut f32,
        stride: usize,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.product::<true>(left, right, to, stride) }
    }

    /// # Safety
    /// `to` must point to a block of 32 × 32 numbers, rows `stride` numbers apart, that is
    /// writable, and readable if `ADD`.
    #[inline]
    unsafe fn product<const ADD: bool>(
        &self,
        left: [&[Tile]; 2],
        right: [&[Tile]; 2],
        to: *mut f32,
        stride: usize,
    ) {
        let steps = left[0].len();
        assert!(
            steps > 0
                && left[1].len() == steps
                && right[0].len() == steps
                && right[1].len() == steps,
            "runs of different lengths"
        );
        /// The first instructions set the initial sums in the registers tmm0 to tmm3, the block's
        /// quarters.
        macro_rules! product {
            ($($start:literal),*) => {
                asm!(
                    $($start,)*
                    "2:",
                    "tileloadd tmm6, [{b0} + {row}*1]",
                    "tileloadd tmm4, [{a0} + {row}*1]",
                    "tileloadd tmm7, [{b1} + {row}*1]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm5, [{a1} + {row}*1]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {a0}, 1024",
                    "add {a1}, 1024",
                    "add {b0}, 1024",
                    "add {b1}, 1024",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{top} + {stride}*1], tmm0",
                    "tilestored [{top} + {stride}*1 + 64], tmm1",
                    "tilestored [{bottom} + {stride}*1], tmm2",
                    "tilestored [{bottom} + {stride}*1 + 64], tmm3",
                    a0 = inout(reg) left[0].as_ptr() => _,
                    a1 = inout(reg) left[1].as_ptr() => _,
                    b0 = inout(reg) right[0].as_ptr() => _,
                    b1 = inout(reg) right[1].as_ptr() => _,
                    steps = inout(reg) steps => _,
                    row = in(reg) 64usize,
                    top = in(reg) to,
                    bottom = in(reg) to.add(TILE * stride),
                    stride = in(reg) 4 * stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                )
            };
        }
        // SAFETY: `self` shows that the unit is set up for full tiles. Every run holds `steps`
        // tiles of 1 KiB with rows 64 bytes apart; `to` points to four quarters of 16 × 16 numbers.
        // The instructions need no alignment.
        unsafe {
            if ADD {
                product!(
                    "tileloadd tmm0, [{top} + {stride}*1]",
                    "tileloadd tmm1, [{top} + {stride}*1 + 64]",
                    "tileloadd tmm2, [{bottom} + {stride}*1]",
                    "tileloadd tmm3, [{bottom} + {stride}*1 + 64]"
                );
            } else {
                product!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3"
                );
            }
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: the unit exists. After this release, its registers cost nothing in context
        // switches.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nomem, nostack, preserves_flags)
            );
        }
        IN_USE.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bfloat16 of a small integer, which is exact.
    fn bf16(x: i32) -> u16 {
        ((x as f32).to_bits() >> 16) as u16
    }

    #[test]
    fn a_block_is_the_product_of_its_factors() {
        if !is_available() {
            eprintln!("skipped: no bfloat16 matrix unit");
            return;
        }
        let (a, b) = (
            |i: usize, k: usize| (i * 7 + k * 3) as i32 % 11 - 5,
            |k: usize, j: usize| (k * 5 + j * 2) as i32 % 13 - 6,
        );
        const STEPS: usize = 3;
        let mut left = [[Tile::ZERO; STEPS]; 2];
        let mut right = [[Tile::ZERO; STEPS]; 2];
        for step in 0..STEPS {
            for half in 0..2 {
                for row in 0..TILE {
                    for column in 0..32 {
                        left[half][step].0[row][column] =
                            bf16(a(16 * half + row, 32 * step + column));
                        let k = 32 * step + 2 * row + column % 2;
                        right[half][step].0[row][column] = bf16(b(k, 16 * half + column / 2));
                    }
                }
            }
        }
        let unit = Unit::new();
        let mut sums = Sums([[f32::NAN; BLOCK]; BLOCK]);
        unit.multiply([&left[0], &left[1]], [&right[0], &right[1]], &mut sums);
        let mut added = vec![1.0f32; BLOCK * 40];
        // SAFETY: 32 rows of 40 numbers.
        unsafe {
            unit.multiply_add(
                [&left[0], &left[1]],
                [&right[0], &right[1]],
                added.as_mut_ptr(),
                40,
            );
        }
        for i in 0..BLOCK {
            for j in 0..BLOCK {
                let expected = (0..32 * STEPS).map(|k| a(i, k) * b(k, j)).sum::<i32>() as f32;
                assert_eq!(sums.0[i][j], expected, "({i}, {j})");
                assert_eq!(added[i * 40 + j], expected + 1.0, "({i}, {j})");
            }
            assert!(
                added[i * 40 + BLOCK..(i + 1) * 40]
                    .iter()
                    .all(|x| *x == 1.0)
            );
        }
    }
}
