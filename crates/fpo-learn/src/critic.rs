//! The value network: V of an observation, or Q of an observation and an action; one number, or a
//! distribution over bins.

mod hl_gauss;
mod smooth_step;

pub use hl_gauss::HlGauss;

use crate::objective::ValueLoss;
use fpo_nn::{Activation, Initialization, Mlp, MlpError, MlpSpec, Scratch, Weights};
use fpo_policy::Squash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The units of the critic's predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueScale {
    /// The (scaled) return itself, as published.
    None,
    /// The return times (1 − γ): the discounted average reward, on the scale of one reward.
    Horizon,
}

/// What the critic's outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueHead {
    /// One number, with a squared error.
    Scalar,
    /// Probabilities of bins, with the cross-entropy to a Gaussian around the return (HL-Gauss,
    /// arXiv 2403.03950).
    HlGauss,
}

/// The value network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CriticConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Initialization of the weights; biases start at zero.
    pub initialization: Initialization,
    /// Factor on the initial weights of the output layer.
    pub final_gain: f32,
    /// Units of the prediction.
    pub value_scale: ValueScale,
    /// Weight of the value loss.
    pub loss_coefficient: f32,
    /// What the outputs are.
    pub head: ValueHead,
    /// Bins of `head = "hl_gauss"`.
    pub bins: usize,
    /// Center of its first bin, in the units of the prediction. Returns below count as this, and
    /// those within three bins of an end are biased, so leave room.
    pub bin_min: f32,
    /// Center of its last bin.
    pub bin_max: f32,
}

impl Default for CriticConfig {
    fn default() -> Self {
        Self {
            hidden: vec![256; 5],
            activation: Activation::Silu,
            initialization: Initialization::LecunUniform,
            final_gain: 1.0,
            value_scale: ValueScale::None,
            loss_coefficient: 0.25,
            head: ValueHead::Scalar,
            bins: 51,
            bin_min: -0.1,
            bin_max: 1.1,
        }
    }
}

/// How a critic of actions sees them: in [−1, 1], as the environment does but for its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionInput {
    /// Entries of an action.
    pub dim: usize,
    /// How unbounded actions are squashed.
    pub squash: Squash,
    /// Their bound before squashing; 0 for none.
    pub bound: f32,
}

impl ActionInput {
    /// Writes `action` `[dim]` as the critic sees it.
    pub fn write(&self, action: &[f32], out: &mut [f32]) {
        for (o, a) in out.iter_mut().zip(action) {
            *o = self.squash.apply(self.bound, *a);
        }
    }
}

/// A value network and the unit of its predictions, without its parameters: its value is `unit` ×
/// what its outputs mean.
#[derive(Clone, Debug)]
pub struct Critic {
    /// The network, from a normalized observation, and an action where it judges actions.
    pub network: Mlp,
    /// Value of a prediction of 1.
    pub unit: f32,
    /// The bins, where the outputs are logits of bins.
    pub bins: Option<HlGauss>,
    /// Where it judges actions: how it sees them.
    pub actions: Option<ActionInput>,
}

impl Critic {
    /// The critic of observations that `config` describes.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn new(
        config: &CriticConfig,
        observation_dim: usize,
        gamma: f64,
    ) -> Result<Self, MlpError> {
        Self::of_actions(config, observation_dim, None, gamma)
    }

    /// The critic that `config` describes, of observations and, if they are given, of actions.
    ///
    /// # Errors
    /// If the network's sizes are impossible.
    pub fn of_actions(
        config: &CriticConfig,
        observation_dim: usize,
        actions: Option<ActionInput>,
        gamma: f64,
    ) -> Result<Self, MlpError> {
        let bins = (config.head == ValueHead::HlGauss)
            .then(|| HlGauss::new(config.bins, config.bin_min, config.bin_max));
        let spec = MlpSpec {
            input: observation_dim + actions.map_or(0, |actions| actions.dim),
            hidden: config.hidden.clone(),
            output: bins.map_or(1, |bins| bins.bins()),
            activation: config.activation,
        };
        let unit = match config.value_scale {
            ValueScale::None => 1.0,
            // γ = 1 has no horizon; validation rejects that configuration.
            ValueScale::Horizon => 1.0 / (1.0 - gamma) as f32,
        };
        Ok(Self {
            network: Mlp::new(spec)?,
            unit,
            bins,
            actions,
        })
    }

    /// Entries of the observations it sees.
    pub fn observation_dim(&self) -> usize {
        self.network.spec().input - self.actions.map_or(0, |actions| actions.dim)
    }

    /// Writes a row of the network's input.
    pub fn gather<'a>(
        &self,
        observation: &[f32],
        action: impl FnOnce() -> &'a [f32],
        row: &mut [f32],
    ) {
        let (to_observation, to_action) = row.split_at_mut(observation.len());
        to_observation.copy_from_slice(observation);
        if let Some(actions) = self.actions {
            actions.write(action(), to_action);
        }
    }

    /// Values of normalized `observations` `[rows, observation]`, and where it judges actions of
    /// `actions` `[rows, action]`, into `out` `[rows]`, in tiles that fit `scratch`.
    pub fn values(
        &self,
        weights: &Weights,
        observations: &[f32],
        actions: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let (od, width) = (self.observation_dim(), self.network.spec().input);
        let (ad, tile) = (width - od, scratch.capacity());
        for (t, out) in out.chunks_mut(tile).enumerate() {
            let (first, rows) = (t * tile, out.len());
            let input = scratch.input_mut(rows).chunks_exact_mut(width);
            for (k, row) in input.enumerate() {
                let observation = &observations[(first + k) * od..][..od];
                self.gather(observation, || &actions[(first + k) * ad..][..ad], row);
            }
            let outputs = self.network.infer(weights, scratch, rows);
            let outputs = outputs.chunks_exact(self.network.spec().output);
            for (value, output) in out.iter_mut().zip(outputs) {
                *value = self.unit * self.prediction(output);
            }
        }
    }

    /// What a row of outputs predicts, in the critic's units.
    pub fn prediction(&self, output: &[f32]) -> f32 {
        match &self.bins {
            None => output[0],
            Some(bins) => bins.value(output),
        }
    }

    /// Σ of the value losses of rows of `outputs`, whose targets are in the critic's units; writes
    /// `scale` × its gradient at the outputs.
    pub fn loss(
        &self,
        loss: &ValueLoss,
        outputs: &[f32],
        targets: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) -> f64 {
        let Some(bins) = &self.bins else {
            return loss.evaluate(outputs, targets, scale, gradient);
        };
        let rows = outputs.chunks_exact(bins.bins());
        let rows = rows.zip(gradient.chunks_exact_mut(bins.bins()));
        let upstream = scale * loss.coefficient;
        let mut sum = 0.0;
        for ((output, gradient), &target) in rows.zip(targets) {
            sum += f64::from(loss.coefficient * bins.loss(output, target, upstream, gradient));
        }
        sum
    }

    /// Writes the gradient of each row's prediction at its row of `outputs`.
    pub fn prediction_gradient(&self, outputs: &[f32], gradient: &mut [f32]) {
        let Some(bins) = &self.bins else {
            return gradient.fill(1.0);
        };
        let rows = outputs.chunks_exact(bins.bins());
        for (output, gradient) in rows.zip(gradient.chunks_exact_mut(bins.bins())) {
            bins.value_gradient(output, 1.0, gradient);
        }
    }
}
