//! Squared error of the value function.

/// c_v · mean((V − target)²) over a minibatch, with some rows masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueLoss {
    /// Weight c_v.
    pub coefficient: f32,
}

impl ValueLoss {
    /// Σ c_v·(V − target)² over the rows, and ∂/∂V of it times `scale` into `gradient`; all `[n]`.
    /// A row whose target equals its value, like a masked row, adds nothing.
    pub fn evaluate(
        &self,
        values: &[f32],
        targets: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) -> f64 {
        let mut sum = 0.0;
        for ((g, v), target) in gradient.iter_mut().zip(values).zip(targets) {
            let error = v - target;
            *g = 2.0 * self.coefficient * scale * error;
            sum += f64::from(self.coefficient * error * error);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_by_hand() {
        let mut gradient = [0.0; 3];
        let loss = ValueLoss { coefficient: 0.25 };
        assert_eq!(
            loss.evaluate(&[1.0, 2.0, 3.0], &[3.0, 2.0, 0.0], 0.5, &mut gradient),
            0.25 * (4.0 + 9.0)
        );
        assert_eq!(gradient, [-0.5, 0.0, 0.75]);
    }
}
