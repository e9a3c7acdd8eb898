//! Errors as Python exceptions: those of `fpo/_errors.py`.

use fpo::embed::Failure;
use pyo3::PyErr;
use std::any::Any;

pyo3::import_exception!(fpo._errors, Error);
pyo3::import_exception!(fpo._errors, InputError);
pyo3::import_exception!(fpo._errors, TrainingError);

/// The exception of a failure: what the command line answers with exit code 2 or 1.
pub(crate) fn exception(failure: &Failure) -> PyErr {
    let message = failure.to_string();
    match failure {
        Failure::Input(_) => InputError::new_err(message),
        Failure::Runtime(_) => TrainingError::new_err(message),
    }
}

/// Wrong input, in one line.
pub(crate) fn input(message: impl std::fmt::Display) -> PyErr {
    exception(&Failure::Input(message.to_string()))
}

/// The exception of a panic, which is a bug of this package.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    Error::new_err(format!(
        "internal error: {}; please report it",
        text.unwrap_or("a panic without a message")
    ))
}
