//! The Adam optimizer.

use fpo_rng::simd::dispatch;
use pulp::{Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// Settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Step size α.
    pub learning_rate: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay λ (Loshchilov & Hutter, arXiv 1711.05101): AdamW where positive.
    pub weight_decay: f32,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1) with bias correction and decoupled weight
/// decay. The fields are the complete state, to be saved and restored as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// The settings; may change between steps.
    pub config: AdamConfig,
    /// First moments, one for each parameter.
    pub first: Vec<f32>,
    /// Second moments, one for each parameter.
    pub second: Vec<f32>,
    /// Steps taken.
    pub steps: u64,
}

impl Adam {
    /// The optimizer of `parameters` parameters before its first step.
    pub fn new(config: AdamConfig, parameters: usize) -> Self {
        Self {
            config,
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
            steps: 0,
        }
    }

    /// One step with learning rate `lr_now` (a schedule's value; `config.learning_rate` for a
    /// constant one).
    ///
    /// # Panics
    /// If the lengths differ from the optimizer's.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], lr_now: f32) {
        let Self {
            config:
                AdamConfig {
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                    ..
                },
            ..
        } = *self;
        assert_eq!(
            parameters.len(),
            self.first.len(),
            "parameters of another optimizer"
        );
        assert_eq!(
            gradient.len(),
            self.first.len(),
            "gradient of another optimizer"
        );
        assert_eq!(
            self.second.len(),
            self.first.len(),
            "moments of different lengths"
        );
        self.steps += 1;
        // The corrections in f64, because 1 − β₂ᵗ would lose digits for small t.
        let correction = |beta: f32| 1.0 - libm::pow(f64::from(beta), self.steps as f64);
        let step_size = (f64::from(lr_now) / correction(beta1)) as f32;
        let root_correction = (1.0 / correction(beta2).sqrt()) as f32;
        let keep = 1.0 - lr_now * weight_decay;
        dispatch(Update {
            parameters,
            gradient,
            first: &mut self.first,
            second: &mut self.second,
            beta1,
            beta2,
            eps,
            step_size,
            root_correction,
            keep,
        });
    }
}

/// The step of every parameter. It is a type, because closures are not guaranteed to be compiled
/// for the widest vectors.
struct Update<'a> {
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    beta1: f32,
    beta2: f32,
    eps: f32,
    /// Learning rate divided by the first moment's correction.
    step_size: f32,
    /// 1/√ of the second moment's correction.
    root_correction: f32,
    /// Factor of weight decay on a parameter.
    keep: f32,
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            beta1,
            beta2,
            eps,
            step_size,
            root_correction,
            keep,
            ..
        } = self;
        let moments = self.first.iter_mut().zip(self.second);
        for ((p, &g), (m, v)) in self.parameters.iter_mut().zip(self.gradient).zip(moments) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *p = *p * keep - step_size * *m / (v.sqrt() * root_correction + eps);
        }
    }
}
