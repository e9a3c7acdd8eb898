//! The distribution function of a normal distribution, from a table.

use libm::{erf, exp};
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};
use std::sync::LazyLock;

/// Entries a unit of x, and the units on either side of 0.
const DENSITY: usize = 32;
const REACH: usize = 8;

/// erf(x / (√2·σ)) for many x that are whole units apart, to 1e-8 for σ = ¾: by cubic (Hermite)
/// interpolation between values and slopes that are 1/32 apart. A call of `erf` costs ten times as
/// much, and a critic of bins needs a dozen for every transition of every minibatch.
pub(super) struct SmoothStep {
    /// The whole part of the first x, in entries, and the weights of the value and the slope at
    /// both neighbors.
    first: usize,
    weights: [f64; 4],
}

/// σ.
pub(super) const SMOOTHING: f64 = 0.75;

/// Values and slopes (per entry) of the function.
static TABLE: LazyLock<Vec<[f64; 2]>> = LazyLock::new(|| {
    let entry = |i: usize| {
        let x = (i as f64 / DENSITY as f64 - REACH as f64) / (SQRT_2 * SMOOTHING);
        let slope = FRAC_2_SQRT_PI * exp(-x * x) / (SQRT_2 * SMOOTHING * DENSITY as f64);
        [erf(x), slope]
    };
    (0..=2 * REACH * DENSITY).map(entry).collect()
});

impl SmoothStep {
    /// For x, x + 1, x + 2, …, all of them between −8 and 8.
    pub fn from(x: f64) -> Self {
        let at = (x + REACH as f64) * DENSITY as f64;
        let first = at.floor();
        let (u, v) = (at - first, 1.0 - (at - first));
        Self {
            first: first as usize,
            weights: [
                v * v * (1.0 + 2.0 * u),
                u * v * v,
                u * u * (1.0 + 2.0 * v),
                -u * u * v,
            ],
        }
    }

    /// The function at x + `units`.
    pub fn at(&self, units: usize) -> f64 {
        let i = self.first + units * DENSITY;
        let [a, b, c, d] = self.weights;
        let ([f, df], [g, dg]) = (TABLE[i], TABLE[i + 1]);
        (a * f + b * df) + (c * g + d * dg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_error_function() {
        for k in 0..10_000 {
            let x = -7.5 + f64::from(k) * 1e-4;
            let step = SmoothStep::from(x);
            for units in 0..14 {
                let exact = erf((x + units as f64) / (SQRT_2 * SMOOTHING));
                let found = step.at(units);
                assert!(
                    (found - exact).abs() < 1e-8,
                    "{x} + {units}: {found} {exact}"
                );
            }
        }
    }
}
