//! A marginal flow, and its operations on numbers.

use crate::marginal::{MarginalFlow, Walk};

/// The outcome of an operation; an error is one line.
pub type Answer = Result<f64, String>;

/// What a page has at hand: buffers, and a flow.
///
/// An operation reads `input`, writes `output` and returns one number.
#[derive(Default)]
pub struct Page {
    /// Written before an operation.
    pub input: Vec<f32>,
    /// Written by the latest operation.
    pub output: Vec<f32>,
    flow: MarginalFlow,
}

impl Page {
    /// Flows to the modes of the input: weight, mean and standard deviation of each.
    ///
    /// # Errors
    /// If they are not a mixture.
    pub fn flow_to_modes(&mut self) -> Answer {
        let (modes, rest) = self.input.as_chunks::<3>();
        if !rest.is_empty() {
            return Err("a mode has three numbers".into());
        }
        self.flow.flow_to_modes(modes)?;
        Ok(0.0)
    }

    /// Flows to one action.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn flow_to_action(&mut self, action: f64) -> Answer {
        self.flow.flow_to_action(action)?;
        Ok(0.0)
    }

    /// The densities `p_t(x)` on a grid, `[rows, columns]`: t falls from 1 to 0 along a row, x
    /// rises from `low` to `high` from row to row, both taken in the middle of a cell.
    pub fn flow_density(&mut self, columns: usize, rows: usize, [low, high]: [f64; 2]) -> Answer {
        self.output.clear();
        for row in 0..rows {
            let x = low + (high - low) * middle(row, rows);
            let along = (0..columns).map(|k| self.flow.density(x, 1.0 - middle(k, columns)) as f32);
            self.output.extend(along);
        }
        Ok(0.0)
    }

    /// The velocities v(x, t) on the same kind of grid.
    pub fn flow_velocity(&mut self, columns: usize, rows: usize, [low, high]: [f64; 2]) -> Answer {
        let x: Vec<f64> = (0..rows)
            .map(|row| low + (high - low) * middle(row, rows))
            .collect();
        let mut v = vec![0.0; rows];
        self.output.resize(rows * columns, 0.0);
        for column in 0..columns {
            self.flow
                .velocity(&x, 1.0 - middle(column, columns), &mut v);
            for (row, v) in v.iter().enumerate() {
                self.output[row * columns + column] = *v as f32;
            }
        }
        Ok(0.0)
    }

    /// The density `p_t` at `points` points from `low` to `high`, both included.
    ///
    /// # Errors
    /// If there are less than two points.
    pub fn flow_curve(&mut self, t: f64, points: usize, [low, high]: [f64; 2]) -> Answer {
        if points < 2 {
            return Err("a curve has two points or more".into());
        }
        let x = |i: usize| low + (high - low) * i as f64 / (points - 1) as f64;
        let density = (0..points).map(|i| self.flow.density(x(i), t) as f32);
        self.output = density.collect();
        Ok(0.0)
    }

    /// Lets particles walk; the output is where they are after every step,
    /// `[steps + 1, particles]`.
    ///
    /// # Errors
    /// As [`MarginalFlow::walk`].
    pub fn flow_walk(&mut self, walk: Walk) -> Answer {
        self.flow.walk(walk)?;
        self.output.clear();
        self.output
            .extend(self.flow.path().iter().map(|&x| x as f32));
        Ok(0.0)
    }

    /// The Kolmogorov–Smirnov distance of the particles after `k` steps from the exact marginal.
    ///
    /// # Errors
    /// If the walk has fewer steps.
    pub fn flow_distance(&mut self, k: usize) -> Answer {
        self.flow.distance(k)
    }

    /// The particles' density after `k` steps, in bins.
    ///
    /// # Errors
    /// If the walk has fewer steps.
    pub fn flow_histogram(&mut self, k: usize, bins: usize, range: [f64; 2]) -> Answer {
        let density = self.flow.histogram(k, bins, range)?;
        self.output = density.into_iter().map(|x| x as f32).collect();
        Ok(0.0)
    }
}

/// The middle of cell `i` of `n` between 0 and 1.
fn middle(i: usize, n: usize) -> f64 {
    (i as f64 + 0.5) / n as f64
}
