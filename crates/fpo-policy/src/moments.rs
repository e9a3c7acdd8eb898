//! The normalizer's statistics as tensors, shared by policy files and training states.

use fpo_nn::Moments;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

const MEAN: &str = "normalizer.mean";
const M2: &str = "normalizer.m2";

/// Names and little-endian bytes of the two columns, each f64 of the length of an observation.
pub fn columns(moments: &Moments) -> [(&'static str, Vec<u8>); 2] {
    let bytes = |x: &[f64]| x.iter().flat_map(|x| x.to_le_bytes()).collect();
    [(MEAN, bytes(&moments.mean)), (M2, bytes(&moments.m2))]
}

/// The number of columns.
///
/// # Errors
/// If there are none.
pub fn dim(file: &SafeTensors) -> Result<usize, &'static str> {
    let mean = file
        .tensor(MEAN)
        .map_err(|_| "a column of the normalizer is missing")?;
    Ok(mean.shape().iter().product())
}

/// Reads the tensors of [`columns`], for `dim` columns and `count` rows seen. Allocations do not
/// depend on sizes that the file claims.
///
/// # Errors
/// A sentence for a column that is missing, has another type or length, or holds values that cannot
/// be statistics.
pub fn load(file: &SafeTensors, count: u64, dim: usize) -> Result<Moments, &'static str> {
    let column = |name: &str| {
        let tensor = file
            .tensor(name)
            .map_err(|_| "a column of the normalizer is missing")?;
        if tensor.dtype() != Dtype::F64 || tensor.shape() != [dim] {
            return Err(
                "a column of the normalizer has another type or length than the observation",
            );
        }
        let numbers = tensor.data().as_chunks::<8>().0.iter();
        Ok(numbers.map(|b| f64::from_le_bytes(*b)).collect::<Vec<_>>())
    };
    let moments = Moments {
        count,
        mean: column(MEAN)?,
        m2: column(M2)?,
    };
    // Observations are in the range of f32, which bounds means and squares.
    let largest = f64::from(f32::MAX);
    let squares = 4.0 * largest * largest * count as f64;
    let possible = moments.mean.iter().all(|x| x.abs() <= largest)
        && moments.m2.iter().all(|x| (0.0..=squares).contains(x));
    if possible {
        Ok(moments)
    } else {
        Err(
            "the normalizer holds a number that is not finite or impossibly large, or a negative \
            variance",
        )
    }
}
