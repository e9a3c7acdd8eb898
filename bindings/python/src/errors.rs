//! Errors as Python exceptions: those of `fpo/_errors.py`.

use fpo::embed::Failure;
use pyo3::PyErr;
use std::any::Any;

pyo3::import_exception!(fpo._errors, Error);
pyo3::import_exception!(fpo._errors, InputError);
pyo3::import_exception!(fpo._errors, TrainingError);

/// What messages say of the command line, and what Python has in its place.
const IN_PYTHON: [(&str, &str); 6] = [
    ("--set: ", ""),
    (
        "extend it with --set train.steps=N",
        "extend it with fpo.resume(…, steps=N)",
    ),
    (
        "choose another folder with --name or --out",
        "choose another folder with name= or out=, or replace it with force=True",
    ),
    ("with --name or --out", "with name= or out="),
    ("with another --name", "with another name="),
    ("--name is the name", "name= is the name"),
];

/// The exception of a failure: what the command line answers with exit code 2 or 1.
pub(crate) fn exception(failure: &Failure) -> PyErr {
    let shown = failure.to_string();
    let message = IN_PYTHON
        .iter()
        .fold(shown, |text, (there, here)| text.replace(there, here));
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
