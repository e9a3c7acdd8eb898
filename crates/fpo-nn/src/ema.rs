//! Exponential moving average of parameters.

/// A running average of a parameter vector: `average ← decay·average + (1 − decay)·parameters`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ema {
    /// Weight of the old average in an update, in [0, 1).
    pub decay: f32,
    /// The average.
    pub average: Vec<f32>,
}

impl Ema {
    /// An average that starts at `parameters`.
    pub fn new(decay: f32, parameters: &[f32]) -> Self {
        Self {
            decay,
            average: parameters.to_vec(),
        }
    }

    /// Moves the average towards `parameters`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn update(&mut self, parameters: &[f32]) {
        assert_eq!(
            parameters.len(),
            self.average.len(),
            "parameters of another network"
        );
        for (average, &p) in self.average.iter_mut().zip(parameters) {
            *average += (1.0 - self.decay) * (p - *average);
        }
    }
}
