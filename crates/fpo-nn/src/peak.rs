//! The machine's peak of multiply-adds, as a reference for the kernels.

use fpo_rng::simd::dispatch;
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use std::time::Instant;

/// The peak of f32 on the calling thread in GFLOP/s (a fused multiply-add counts as two): the best
/// of several short runs of independent multiply-adds on the widest vectors. For the peak of
/// several threads, run it on all of them at once.
pub fn peak_gflops() -> f64 {
    const REPEATS: usize = 20_000;
    let run = || {
        let start = Instant::now();
        let flops = dispatch(MultiplyAdds {
            repeats: black_box(REPEATS),
        });
        flops as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..50).map(|_| run()).fold(0.0, f64::max)
}

struct MultiplyAdds {
    repeats: usize,
}

impl WithSimd for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        // Twelve chains cover latency × throughput of every machine in use and fit into 16
        // registers.
        const CHAINS: usize = 12;
        let (x, y) = (
            simd.splat_f32s(black_box(0.999)),
            simd.splat_f32s(black_box(0.001)),
        );
        let mut chains = [simd.splat_f32s(black_box(1.0)); CHAINS];
        for _ in 0..self.repeats {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, x, y);
            }
        }
        let sum = chains
            .into_iter()
            .fold(simd.splat_f32s(0.0), |sum, chain| simd.add_f32s(sum, chain));
        black_box(simd.reduce_sum_f32s(sum));
        2 * CHAINS * S::F32_LANES * self.repeats
    }
}
