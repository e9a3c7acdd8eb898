//! Which vector instructions the kernels of all crates use.

use pulp::{Arch, Scalar, Simd, WithSimd};
use std::sync::OnceLock;

/// The variable that keeps kernels from the widest vectors of a machine: `avx2` (on x86-64) or
/// `scalar`.
///
/// It is there to measure what other machines would do, and to look for what a processor does
/// wrong. `avx2` computes the same bits as AVX-512; `scalar` does not, since it rounds products
/// before it adds them.
pub const VARIABLE: &str = "FPO_SIMD";

/// Checks what [`VARIABLE`] says, if it is set.
///
/// # Errors
/// One line, if it is no word that this machine knows.
pub fn check() -> Result<(), String> {
    Limit::read().map(drop)
}

/// Runs `op` on the widest vectors of this machine that [`VARIABLE`] allows. Implement [`WithSimd`]
/// on a type for it: closures are not sure to be inlined, and then are compiled for the oldest
/// machine.
///
/// # Panics
/// If the variable says what [`check`] refuses.
#[inline]
pub fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    match Limit::of_process() {
        Limit::None(_) => Arch::new().dispatch(op),
        #[cfg(target_arch = "x86_64")]
        Limit::Avx2(v3) => Simd::vectorize(v3, op),
        Limit::Scalar => Simd::vectorize(Scalar::new(), op),
    }
}

/// As [`dispatch`] for work that fills half of the widest vectors at most: the other half costs as
/// much where a processor computes it in a second pass.
#[inline]
pub fn dispatch_narrow<Op: WithSimd>(op: Op) -> Op::Output {
    match Limit::of_process() {
        #[cfg(target_arch = "x86_64")]
        Limit::None(Some(v3)) => Simd::vectorize(v3, op),
        _ => dispatch(op),
    }
}

/// Whether more than common vectors may be used, such as a matrix unit.
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

/// Vectors half as wide as AVX-512's, where this machine has them.
fn half() -> Option<Half> {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new();
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[derive(Clone, Copy)]
enum Limit {
    /// No limit; and what has vectors half as wide as AVX-512's.
    None(Option<Half>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Half),
    Scalar,
}

impl Limit {
    /// Read once: a process computes in one way from beginning to end.
    fn of_process() -> Self {
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
