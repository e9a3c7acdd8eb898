//! The likelihood of a step of a noisy sampler, as in DPPO (Ren et al., arXiv 2409.00588) and in
//! the denoising-MDP baseline of McAllister et al. (arXiv 2507.21053), which have one ratio per
//! step.

use std::f32::consts::TAU;

/// −log N(x'; x − h·v̂, σ²I) of a step of length h from x to x'.
///
/// With u = (x − x')/h, the velocity that would have led from x to x' without noise, it is
/// h²/(2σ²)·Σ (v̂ − u)² plus a constant: a flow-matching loss with the target u. So a step is
/// stored as x, t and u.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLikelihood {
    /// h²/(2σ²).
    weight: f32,
    /// ln σ + ½·ln 2π, for each entry.
    constant: f32,
}

impl StepLikelihood {
    /// For steps of length `h` > 0 that add noise of standard deviation `sigma` > 0.
    pub fn new(h: f32, sigma: f32) -> Self {
        Self {
            weight: 0.5 * (h / sigma).powi(2),
            constant: libm::logf(sigma) + 0.5 * libm::logf(TAU),
        }
    }

    /// h²/(2σ²), the factor of Σ (v̂ − u)².
    pub fn weight(&self) -> f32 {
        self.weight
    }

    /// The loss of the velocity `v` for a step stored with `u`, both `[d]`.
    pub fn loss(&self, v: &[f32], u: &[f32]) -> f32 {
        let squares: f32 = v.iter().zip(u).map(|(v, u)| (v - u) * (v - u)).sum();
        self.weight * squares + self.constant * v.len() as f32
    }

    /// Writes `upstream`·∂loss/∂v into `gradient` `[d]`.
    pub fn backward(&self, v: &[f32], u: &[f32], upstream: f32, gradient: &mut [f32]) {
        let factor = 2.0 * self.weight * upstream;
        for ((g, v), u) in gradient.iter_mut().zip(v).zip(u) {
            *g = factor * (v - u);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_the_gaussians_and_its_gradient_too() {
        let (h, sigma) = (0.1f64, 0.2f64);
        let (x, moved) = ([0.4f64, -1.0], [0.7f64, -1.1]);
        let nll = |v: &[f32]| -> f64 {
            let entries = v.iter().zip(x).zip(moved);
            let one = |((v, x), to): ((&f32, f64), f64)| {
                let z = (to - (x - h * f64::from(*v))) / sigma;
                0.5 * z * z + sigma.ln() + 0.5 * std::f64::consts::TAU.ln()
            };
            entries.map(one).sum()
        };
        let step = StepLikelihood::new(h as f32, sigma as f32);
        let u = [0, 1].map(|i| ((x[i] - moved[i]) / h) as f32);
        let v = [1.5f32, -0.5];
        assert!((f64::from(step.loss(&v, &u)) - nll(&v)).abs() < 1e-4);
        let mut gradient = [f32::NAN; 2];
        step.backward(&v, &u, -3.0, &mut gradient);
        for i in 0..2 {
            let moved = |by: f32| {
                let mut v = v;
                v[i] += by;
                nll(&v)
            };
            let numeric = -3.0 * (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (f64::from(gradient[i]) - numeric).abs() < 1e-3,
                "{}: {numeric}",
                gradient[i]
            );
        }
    }
}
