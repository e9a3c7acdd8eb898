//! NumPy arrays to buffers and back.

use crate::errors::input;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// The rows of `array`, one after the other; `what` names it in errors.
///
/// # Errors
/// If it is not `[rows, width]`, for any number of rows, or not contiguous.
pub(crate) fn rows(
    array: &PyReadonlyArray2<'_, f32>,
    width: usize,
    what: &str,
) -> PyResult<Vec<f32>> {
    let shape = array.shape();
    if shape[1] != width {
        return Err(input(format!(
            "{what} has {} columns, where {width} are expected",
            shape[1]
        )));
    }
    let slice = array.as_slice();
    Ok(slice
        .map_err(|_| input(format!("{what} is not contiguous")))?
        .to_vec())
}

/// `buffer` as an array `[buffer / width, width]`.
pub(crate) fn matrix<'py>(
    py: Python<'py>,
    buffer: &[f32],
    width: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    PyArray1::from_slice(py, buffer).reshape([buffer.len() / width.max(1), width])
}
