//! A learning rate that follows how far the policy has moved.
//!
//! The idea is that of PPO's adaptive penalty (Schulman et al., arXiv 1707.06347, section 4),
//! applied to the learning rate as rsl_rl does, whose bounds and factor these are. What it follows
//! there is the divergence of two Gaussians; here it is what [`Movement`](super::Movement) says.

/// Rate up by half where the policy moved less than half of `target`, down by a third where it
/// moved more than twice of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveLr {
    /// The divergence to keep to, above 0.
    pub target: f64,
    /// Bounds on the factor of the learning rate.
    pub bounds: [f64; 2],
}

impl AdaptiveLr {
    /// The change for a policy that has moved too far; its inverse for one that has not moved
    /// enough.
    const STEP: f64 = 1.5;

    /// The factor of the learning rate after `factor`, with which the policy moved by `divergence`.
    pub fn next(&self, factor: f64, divergence: f64) -> f64 {
        let factor = if divergence > 2.0 * self.target {
            factor / Self::STEP
        } else if divergence < 0.5 * self.target {
            factor * Self::STEP
        } else {
            factor
        };
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

    /// A policy that moves in proportion to the square of its rate settles where the rule leaves it
    /// alone.
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
