//! The Gaussian policy: a network that outputs the means and the raw standard deviations of an
//! action's entries.

use super::PolicyScratch;
use crate::{PolicyConfig, StdKind};
use fpo_nn::{Mlp, MlpError, MlpSpec, Weights};

/// Added to a state-dependent standard deviation, so that likelihoods stay bounded (2507.21053's
/// comparison, after Brax).
pub const STD_FLOOR: f32 = 1e-3;

/// A Gaussian policy without its parameters.
///
/// The network maps the observation to (μ, s), 2·d numbers; the (unbounded) action is μ + σ(s)·z, z
/// ~ N(0, I).
///
/// With [`StdKind::StateIndependent`], s consists of the output layer's biases alone: the weights
/// that lead to it start at zero and `freeze` keeps them there, so that learning, saving and acting
/// need no special case.
#[derive(Clone, Debug)]
pub struct GaussianPolicy {
    /// The network.
    pub network: Mlp,
    /// Entries of an observation.
    pub observation_dim: usize,
    /// Entries of an action.
    pub action_dim: usize,
    /// What σ depends on.
    pub std: StdKind,
}

impl GaussianPolicy {
    /// The policy that `config` describes, for observations and actions of these sizes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(
        config: &PolicyConfig,
        observation_dim: usize,
        action_dim: usize,
    ) -> Result<Self, MlpError> {
        let spec = MlpSpec {
            input: observation_dim,
            hidden: config.hidden.clone(),
            output: 2 * action_dim,
            activation: config.activation,
        };
        Ok(Self {
            network: Mlp::new(spec)?,
            observation_dim,
            action_dim,
            std: config.std,
        })
    }

    /// (μ, σ) of the network's outputs (μ, s), both `[rows, 2d]`.
    pub fn predict(&self, outputs: &[f32], predictions: &mut [f32]) {
        let d = self.action_dim;
        predictions.copy_from_slice(outputs);
        for row in predictions.chunks_exact_mut(2 * d) {
            row[d..].iter_mut().for_each(|s| *s = self.sigma(*s));
        }
    }

    /// Turns the gradient at (μ, σ) into that at (μ, s), both `[rows, 2d]`.
    pub fn chain(&self, predictions: &[f32], gradient: &mut [f32]) {
        let d = self.action_dim;
        let rows = predictions
            .chunks_exact(2 * d)
            .zip(gradient.chunks_exact_mut(2 * d));
        for (prediction, gradient) in rows {
            for (g, &sigma) in gradient[d..].iter_mut().zip(&prediction[d..]) {
                *g *= self.slope(sigma);
            }
        }
    }

    fn sigma(&self, s: f32) -> f32 {
        match self.std {
            // ln(1 + eˢ), without overflow.
            StdKind::StateDependent => s.max(0.0) + libm::log1pf(libm::expf(-s.abs())) + STD_FLOOR,
            StdKind::StateIndependent => libm::expf(s),
        }
    }

    /// dσ/ds where σ(s) = `sigma`.
    fn slope(&self, sigma: f32) -> f32 {
        match self.std {
            // The sigmoid of s: 1 − exp(−softplus(s)).
            StdKind::StateDependent => -libm::expm1f(STD_FLOOR - sigma),
            StdKind::StateIndependent => sigma,
        }
    }

    /// Sets the initial standard deviation in freshly drawn `parameters`, if it does not depend on
    /// the state.
    pub(super) fn start(&self, initial_std: f32, parameters: &mut [f32]) {
        if self.std == StdKind::StateIndependent {
            self.freeze(parameters);
            if let Some(layer) = self.network.layers().last() {
                parameters[layer.bias.clone()][self.action_dim..].fill(libm::logf(initial_std));
            }
        }
    }

    /// Sets the weights that lead to s to zero for a state-independent σ. `flat` holds a gradient
    /// or parameters.
    pub(super) fn freeze(&self, flat: &mut [f32]) {
        if self.std == StdKind::StateIndependent
            && let Some(layer) = self.network.layers().last()
        {
            let rows = flat[layer.weight.clone()].chunks_exact_mut(layer.outputs);
            rows.for_each(|row| row[self.action_dim..].fill(0.0));
        }
    }

    /// Turns noise into actions.
    ///
    /// * `observations` `[rows, observation_dim]`, normalized
    /// * `noise` `[rows, action_dim]`: z
    /// * `x` `[rows, action_dim]`: written with the unbounded actions
    pub fn sample(
        &self,
        weights: &Weights,
        observations: &[f32],
        noise: &[f32],
        x: &mut [f32],
        scratch: &mut PolicyScratch,
    ) {
        let d = self.action_dim;
        let rows = x.len() / d;
        scratch
            .network
            .input_mut(rows)
            .copy_from_slice(observations);
        let outputs = self.network.infer(weights, &mut scratch.network, rows);
        let rows = x.chunks_exact_mut(d).zip(noise.chunks_exact(d));
        for ((x, z), output) in rows.zip(outputs.chunks_exact(2 * d)) {
            let (mean, s) = output.split_at(d);
            for (((x, &z), &m), &s) in x.iter_mut().zip(z).zip(mean).zip(s) {
                *x = self.sigma(s).mul_add(z, m);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpo_rng::{Key, Stream, fill_normal};

    fn policy(std: StdKind) -> GaussianPolicy {
        let config = PolicyConfig {
            hidden: vec![8],
            std,
            ..PolicyConfig::default()
        };
        GaussianPolicy::new(&config, 3, 2).unwrap()
    }

    #[test]
    fn slopes_are_those_of_sigma() {
        for std in [StdKind::StateDependent, StdKind::StateIndependent] {
            let policy = policy(std);
            for s in [-6.0f32, -1.0, 0.0, 0.5, 3.0, 20.0] {
                let numeric =
                    (f64::from(policy.sigma(s + 1e-2)) - f64::from(policy.sigma(s - 1e-2))) / 2e-2;
                let found = f64::from(policy.slope(policy.sigma(s)));
                assert!(
                    (found - numeric).abs() < 1e-3 * numeric.max(0.02),
                    "{s}: {found} against {numeric}"
                );
            }
        }
        let floor = policy(StdKind::StateDependent);
        assert_eq!(
            (floor.sigma(-200.0), floor.sigma(200.0)),
            (STD_FLOOR, 200.0 + STD_FLOOR)
        );
    }

    #[test]
    fn a_state_independent_std_ignores_the_state() {
        let policy = policy(StdKind::StateIndependent);
        let mut parameters = vec![0.0; policy.network.parameter_count()];
        fill_normal(Key::new(1, Stream::Test), &mut parameters);
        policy.start(0.4, &mut parameters);
        let mut weights = policy.network.weights();
        policy.network.pack(&parameters, &mut weights);
        let mut scratch = PolicyScratch::new(&policy.network, 2, 0);
        let observations = [0.3, -1.0, 2.0, 0.9, 0.1, -0.4];
        let [at_zero, at_one] = [0.0, 1.0].map(|z| {
            let mut x = [f32::NAN; 4];
            policy.sample(&weights, &observations, &[z; 4], &mut x, &mut scratch);
            x
        });
        assert!(at_zero[0] != at_zero[2], "the mean depends on the state");
        assert!(
            at_one
                .iter()
                .zip(at_zero)
                .all(|(a, b)| (a - b - 0.4).abs() < 1e-5)
        );
    }
}
