//! Selection of the vector instructions of the kernels of all crates.

use pulp::{Arch, Scalar, Simd, WithSimd};
use std::sync::OnceLock;

/// The environment variable that limits the vector instructions of kernels: `avx2` (on x86-64) or
/// `scalar`.
///
/// It allows measurements as on other machines, and the diagnosis of processor bugs. `avx2`
/// computes the same bits as AVX-512; `scalar` does not, because it rounds products before adding
/// them.
pub const VARIABLE: &str = "FPO_SIMD";

/// Checks the value of [`VARIABLE`], if it is set.
///
/// # Errors
/// One line, if this machine does not support the value.
pub fn check() -> Result<(), String> {
    Limit::read().map(drop)
}

/// Runs `op` on the widest vectors of this machine that [`VARIABLE`] allows. Implement [`WithSimd`]
/// on a type for it: closures are not guaranteed to be inlined, and would then be compiled for the
/// baseline instruction set.
///
/// # Panics
/// If [`check`] would reject the variable.
#[inline]
pub fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    match Limit::of_process() {
        Limit::None(_) => Arch::new().dispatch(op),
        #[cfg(target_arch = "x86_64")]
        Limit::Avx2(v3) => Simd::vectorize(v3, op),
        Limit::Scalar => Simd::vectorize(Scalar::new(), op),
    }
}

/// As [`dispatch`] for work that fills at most half of the widest vectors: some processors compute
/// the other half in a second pass, at the same cost.
#[inline]
pub fn dispatch_narrow<Op: WithSimd>(op: Op) -> Op::Output {
    match Limit::of_process() {
        #[cfg(target_arch = "x86_64")]
        Limit::None(Some(v3)) => Simd::vectorize(v3, op),
        _ => dispatch(op),
    }
}

/// Whether units besides vectors may be used, such as a matrix unit.
///
/// # Panics
/// As [`dispatch`].
pub fn is_unlimited() -> bool {
    matches!(Limit::of_process(), Limit::None(_))
}

#[cfg(target_arch = "x86_64")]
type Half = pulp::x86::V3;
#[cfg(not(target_arch = "x86_64"))]
type Half = std::convert::Infallible;

/// Vectors half as wide as AVX-512's, if this machine has them.
fn half() -> Option<Half> {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new();
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[derive(Clone, Copy)]
enum Limit {
    /// No limit; holds the vectors half as wide as AVX-512's, if there are any.
    None(Option<Half>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Half),
    Scalar,
}

impl Limit {
    /// Read once, so that a process computes with the same instructions from start to end.
    fn of_process() -> Self {
        if cfg!(target_family = "wasm") {
            // A page has no environment variables, and no use for a second set of kernels.
            return Self::None(half());
        }
        static LIMIT: OnceLock<Limit> = OnceLock::new();
        *LIMIT.get_or_init(|| Self::read().unwrap_or_else(|message| panic!("{message}")))
    }

    fn read() -> Result<Self, String> {
        let Some(value) = std::env::var_os(VARIABLE) else {
            return Ok(Self::None(half()));
        };
        #[cfg(target_arch = "x86_64")]
        if value == "avx2" {
            return Ok(half().map_or(Self::Scalar, Self::Avx2));
        }
        if value == "scalar" {
            return Ok(Self::Scalar);
        }
        let words = if cfg!(target_arch = "x86_64") {
            "\"avx2\" or \"scalar\""
        } else {
            "\"scalar\""
        };
        Err(format!(
            "{VARIABLE} is {value:?}; it may be {words}, or not set"
        ))
    }
}
