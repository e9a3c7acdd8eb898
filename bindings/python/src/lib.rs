//! The extension module of the Python package `fpo`.
//!
//! It holds what Python cannot do well: training, acting and stepping. Everything that a user sees
//! is Python (`bindings/python/fpo`), which checks and converts arguments before it calls this.

#![deny(unsafe_code)]

mod arrays;
mod envs;
mod errors;
mod evaluate;
mod host;
mod policy;
mod run;
mod session;
mod task;

use pyo3::prelude::*;

/// The native part of the package `fpo`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::envs::{Env, VecEnv, tasks};
    #[pymodule_export]
    use crate::evaluate::evaluate;
    #[pymodule_export]
    use crate::policy::Policy;
    #[pymodule_export]
    use crate::run::{checkpoints, report_page, run_command};
    #[pymodule_export]
    use crate::session::{StopFlag, resume, train};
}
