//! What a function returns.

/// What a function returns. `fpo_last_error` has the message of what is not FPO_STATUS_OK.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FpoStatus {
    /// Done.
    Ok = 0,
    /// A pointer that must not be NULL is.
    NullPointer = 1,
    /// A length is not that of the policy's sizes; nothing was written.
    WrongLength = 2,
    /// An argument that is impossible: a misaligned pointer, an output that overlaps an input, or
    /// a maximum of zero rows.
    BadArgument = 3,
    /// Buffers for so many rows would be too large.
    TooLarge = 4,
    /// The file cannot be read.
    CannotRead = 5,
    /// The bytes are not a policy, or a damaged one.
    InvalidPolicy = 6,
    /// An action is not finite, because an observation is not or the network overflows; all
    /// actions were set to NaN.
    NotFinite = 7,
    /// Another thread is acting with this policy.
    Busy = 8,
    /// A defect of this library.
    Internal = 9,
}

/// A status that is not `Ok`, with its message.
pub(crate) type Failure = (FpoStatus, String);
