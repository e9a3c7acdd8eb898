//! A normalizer's statistics as tensors, shared by policy files and training states.

use fpo_nn::Moments;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// What the policy's normalizer is called.
pub const NORMALIZER: &str = "normalizer";

/// Names and little-endian bytes of the two columns of the normalizer called `name`, each f64 of
/// the length of an observation.
pub fn columns(name: &str, moments: &Moments) -> [(String, Vec<u8>); 2] {
    let bytes = |x: &[f64]| x.iter().flat_map(|x| x.to_le_bytes()).collect();
    let [mean, m2] = names(name);
    [(mean, bytes(&moments.mean)), (m2, bytes(&moments.m2))]
}

fn names(name: &str) -> [String; 2] {
    [format!("{name}.mean"), format!("{name}.m2")]
}

/// Reads what [`columns`] gave for `name`, for `dim` columns and `count` rows seen. What the file
/// claims allocates nothing.
///
/// # Errors
/// A column that is missing, has another type or length, or holds what no statistics can: what is
/// wrong, as a sentence.
pub fn load(
    file: &SafeTensors,
    name: &str,
    count: u64,
    dim: usize,
) -> Result<Moments, &'static str> {
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
    let [mean, m2] = names(name);
    let moments = Moments {
        count,
        mean: column(&mean)?,
        m2: column(&m2)?,
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
