//! A learning rate that adapts to how far the policy has moved.
//!
//! The idea of PPO's adaptive penalty (Schulman et al., arXiv 1707.06347, section 4), applied to
//! the learning rate as in rsl_rl, with its bounds and factor. rsl_rl uses the KL divergence of two
//! Gaussians; here it is the estimate of [`Movement`](super::Movement).

/// Multiplies the learning rate by 1.5 after a KL divergence below `target`/2, and divides it by
/// 1.5 after one above 2·`target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveLr {
    /// The target KL divergence, above 0.
    pub target: f64,
    /// Bounds on the factor of the learning rate.
    pub bounds: [f64; 2],
}

impl AdaptiveLr {
    /// The learning rate is divided by this if the policy has moved too far, and multiplied by it
    /// if not far enough.
    const STEP: f64 = 1.5;

    /// The next factor of the learning rate, given that the policy moved by `divergence` with
    /// `factor`.
    pub fn next(&self, factor: f64, divergence: f64) -> f64 {
        let factor = if divergence > 2.0 * self.target {
            factor / Self::STEP
        } else if divergence < 0.5 * self.target {
            factor * Self::STEP
        } else {
            factor
        };
        self.bounded(factor)
    }

    /// The factor within its bounds.
    pub fn bounded(&self, factor: f64) -> f64 {
        let [low, high] = self.bounds;
        factor.clamp(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: AdaptiveLr = AdaptiveLr {
        target: 0.01,
        bounds: [0.5, 2.0],
    };

    #[test]
    fn the_factor_by_hand() {
        for (factor, divergence, expected) in [
            (1.0, 0.0, 1.5),
            (1.0, 0.004, 1.5),
            (1.0, 0.006, 1.0),
            (1.0, 0.01, 1.0),
            (1.0, 0.019, 1.0),
            (1.5, 0.021, 1.0),
            (1.5, 0.0, 2.0),
            (0.6, 1.0, 0.5),
        ] {
            let next = RATE.next(factor, divergence);
            assert!(
                (next - expected).abs() < 1e-12,
                "{factor} at {divergence}: {next}"
            );
        }
    }

    /// If the divergence grows with the square of the learning rate, the factor converges.
    #[test]
    fn it_settles_near_the_target() {
        let lr = AdaptiveLr {
            bounds: [1e-3, 1e3],
            ..RATE
        };
        for mut factor in [1e-2, 1.0, 1e2] {
            for _ in 0..50 {
                factor = lr.next(factor, 0.002 * factor * factor);
            }
            let divergence = 0.002 * factor * factor;
            assert!((0.005..=0.02).contains(&divergence), "{divergence}");
        }
    }
}
