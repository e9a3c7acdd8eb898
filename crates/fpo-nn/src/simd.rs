//! Which vector instructions the kernels use.

use pulp::{Arch, WithSimd};

/// The variable that keeps the kernels from the widest vectors of a machine: `avx2` or `scalar`.
///
/// It is there to measure what other machines would do, and to look for what a processor does wrong.
pub const SIMD_VARIABLE: &str = "FPO_SIMD";

/// Checks what [`SIMD_VARIABLE`] says, if it is set.
///
/// # Errors
/// One line, if it is neither of the two words.
pub fn check_simd_variable() -> Result<(), String> {
    match std::env::var_os(SIMD_VARIABLE) {
        None => Ok(()),
        Some(value) if value == "avx2" || value == "scalar" => Ok(()),
        Some(value) => Err(format!(
            "{SIMD_VARIABLE} is {value:?}; it may be \"avx2\" or \"scalar\", or not set"
        )),
    }
}

/// Runs `op` on the widest vectors of this machine that [`SIMD_VARIABLE`] allows.
#[inline]
pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    match limit::of_process() {
        limit::Limit::None => {}
        limit::Limit::Avx2(v3) => return pulp::Simd::vectorize(v3, op),
        limit::Limit::Scalar => return pulp::Simd::vectorize(pulp::Scalar::new(), op),
    }
    Arch::new().dispatch(op)
}

/// Whether more than AVX2 may be used.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_unlimited() -> bool {
    matches!(limit::of_process(), limit::Limit::None)
}

#[cfg(target_arch = "x86_64")]
mod limit {
    use pulp::x86::V3;
    use std::sync::OnceLock;

    #[derive(Clone, Copy)]
    pub(super) enum Limit {
        None,
        Avx2(V3),
        Scalar,
    }

    /// Read once: a process computes in one way from beginning to end.
    pub(super) fn of_process() -> Limit {
        static LIMIT: OnceLock<Limit> = OnceLock::new();
        *LIMIT.get_or_init(|| match std::env::var(super::SIMD_VARIABLE).as_deref() {
            Ok("avx2") => V3::try_new().map_or(Limit::Scalar, Limit::Avx2),
            Ok("scalar") => Limit::Scalar,
            _ => Limit::None,
        })
    }
}
