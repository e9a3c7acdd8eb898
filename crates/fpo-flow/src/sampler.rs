//! Deterministic sampling: integrates the probability-flow ODE `dx/dt = v(x, t)` from noise (t = 1)
//! to the action (t = 0).

use crate::{Real, grid_time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A velocity field on batches. Any `FnMut(&[R], R, &mut [R])` is one.
pub trait VelocityField<R: Real = f32> {
    /// Writes the velocity of every row of `x` at the common time `t`; `x` and `out` are
    /// `[rows, dim]`, row-major.
    fn velocity(&mut self, x: &[R], t: R, out: &mut [R]);
}

impl<R: Real, F: FnMut(&[R], R, &mut [R])> VelocityField<R> for F {
    #[inline(always)]
    fn velocity(&mut self, x: &[R], t: R, out: &mut [R]) {
        self(x, t, out);
    }
}

/// Working memory of a sampler; it grows once, and reusing it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch<R = f32>(Vec<R>);

impl<R: Real> Scratch<R> {
    /// No memory yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// `N` slices of `len` entries each, with unspecified content.
    pub(crate) fn slices<const N: usize>(&mut self, len: usize) -> [&mut [R]; N] {
        if self.0.len() < N * len {
            self.0.resize(N * len, R::ZERO);
        }
        let mut rest = self.0.as_mut_slice();
        std::array::from_fn(|_| {
            let (first, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            first
        })
    }
}

/// A method for the flow's ordinary differential equation. With h = 1/steps, the error at t = 0 is
/// O(h^order).
///
/// ```
/// use fpo_flow::{Sampler, Scratch};
///
/// // The flow of the data N(2, 0): v = (x − 2)/t is constant along each path, and Euler is exact.
/// let mut field = |x: &[f64], t: f64, v: &mut [f64]| v[0] = (x[0] - 2.0) / t;
/// let mut x = [-0.7];
/// Sampler::Euler.integrate(&mut field, &mut x, 4, &mut Scratch::new());
/// assert!((x[0] - 2.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// First order, one evaluation per step. Never evaluates at t = 0.
    #[default]
    Euler,
    /// Second order, two evaluations per step: the velocity half-way. Never evaluates at t = 0.
    Midpoint,
    /// Second order, two evaluations per step: the mean of the velocities at both ends (the
    /// explicit trapezoidal rule).
    Heun,
    /// The classical Runge–Kutta method: fourth order, four evaluations per step.
    Rk4,
}

impl Sampler {
    /// Evaluations of the field in one step.
    pub const fn evaluations(self) -> usize {
        match self {
            Self::Euler => 1,
            Self::Midpoint | Self::Heun => 2,
            Self::Rk4 => 4,
        }
    }

    /// The order of convergence.
    pub const fn order(self) -> u32 {
        match self {
            Self::Euler => 1,
            Self::Midpoint | Self::Heun => 2,
            Self::Rk4 => 4,
        }
    }

    /// Moves `x` (`[rows, dim]`) from time `t` to `t_next` in one step.
    pub fn step<R: Real>(
        self,
        field: &mut impl VelocityField<R>,
        x: &mut [R],
        t: R,
        t_next: R,
        scratch: &mut Scratch<R>,
    ) {
        let n = x.len();
        let h = t_next - t;
        let half = R::from_f64(0.5) * h;
        let middle = t + half;
        match self {
            Self::Euler => {
                let [v] = scratch.slices(n);
                field.velocity(x, t, v);
                advance(x, h, v);
            }
            Self::Midpoint => {
                let [v, y] = scratch.slices(n);
                field.velocity(x, t, v);
                move_from(x, half, v, y);
                field.velocity(y, middle, v);
                advance(x, h, v);
            }
            Self::Heun => {
                let [v, y] = scratch.slices(n);
                field.velocity(x, t, v);
                move_from(x, h, v, y);
                advance(x, half, v);
                field.velocity(y, t_next, v);
                advance(x, half, v);
            }
            Self::Rk4 => {
                let (sixth, third) = (R::from_f64(1.0 / 6.0) * h, R::from_f64(1.0 / 3.0) * h);
                let [v, y, start] = scratch.slices(n);
                start.copy_from_slice(x);
                field.velocity(start, t, v);
                advance(x, sixth, v);
                move_from(start, half, v, y);
                field.velocity(y, middle, v);
                advance(x, third, v);
                move_from(start, half, v, y);
                field.velocity(y, middle, v);
                advance(x, third, v);
                move_from(start, h, v, y);
                field.velocity(y, t_next, v);
                advance(x, sixth, v);
            }
        }
    }

    /// Integrates `x` (`[rows, dim]`) from t = 1 to t = 0 in `steps` equal steps; with zero steps,
    /// `x` is unchanged. Allocates nothing once `scratch` has grown.
    pub fn integrate<R: Real>(
        self,
        field: &mut impl VelocityField<R>,
        x: &mut [R],
        steps: usize,
        scratch: &mut Scratch<R>,
    ) {
        self.integrate_observed(field, x, steps, scratch, |_, _, _| {});
    }

    /// [`Sampler::integrate`] that calls `observe(k, t_k, x)` for k = 0 (the noise) to `steps` (the
    /// action).
    pub fn integrate_observed<R: Real>(
        self,
        field: &mut impl VelocityField<R>,
        x: &mut [R],
        steps: usize,
        scratch: &mut Scratch<R>,
        mut observe: impl FnMut(usize, R, &[R]),
    ) {
        observe(0, R::ONE, x);
        for k in 0..steps {
            let (t, t_next) = (grid_time(k, steps), grid_time(k + 1, steps));
            self.step(field, x, t, t_next, scratch);
            observe(k + 1, t_next, x);
        }
    }
}

/// `x += h·v`.
#[inline(always)]
fn advance<R: Real>(x: &mut [R], h: R, v: &[R]) {
    for (x, &v) in x.iter_mut().zip(v) {
        *x += h * v;
    }
}

/// `y = x + h·v`.
#[inline(always)]
fn move_from<R: Real>(x: &[R], h: R, v: &[R], y: &mut [R]) {
    for ((y, &x), &v) in y.iter_mut().zip(x).zip(v) {
        *y = x + h * v;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_see_the_grid_and_every_point() {
        let mut field = |_: &[f32], _: f32, v: &mut [f32]| v.fill(2.0);
        let mut seen = Vec::new();
        let mut x = [1.0f32];
        Sampler::Heun.integrate_observed(&mut field, &mut x, 10, &mut Scratch::new(), |k, t, x| {
            assert_eq!(t, grid_time::<f32>(k, 10));
            seen.push(x[0]);
        });
        assert_eq!(seen.len(), 11);
        for (k, x) in seen.into_iter().enumerate() {
            assert!((x - (1.0 - 0.2 * k as f32)).abs() < 1e-6);
        }
    }

    #[test]
    fn evaluations_are_as_stated_and_euler_and_midpoint_stay_off_the_end() {
        for sampler in [
            Sampler::Euler,
            Sampler::Midpoint,
            Sampler::Heun,
            Sampler::Rk4,
        ] {
            let (mut calls, mut least) = (0, 1.0f64);
            let mut field = |_: &[f64], t: f64, v: &mut [f64]| {
                (calls, least) = (calls + 1, least.min(t));
                v.fill(0.0);
            };
            sampler.integrate(&mut field, &mut [0.0; 3], 7, &mut Scratch::new());
            assert_eq!(calls, 7 * sampler.evaluations());
            assert_eq!(
                least > 0.0,
                matches!(sampler, Sampler::Euler | Sampler::Midpoint),
                "{sampler:?}"
            );
        }
    }

    #[test]
    fn rows_do_not_mix_and_scratch_carries_nothing_over() {
        let mut field = |x: &[f64], t: f64, v: &mut [f64]| {
            for (v, x) in v.iter_mut().zip(x) {
                *v = x.sin() + t;
            }
        };
        let start = [0.3, -1.2, 2.0];
        for sampler in [
            Sampler::Euler,
            Sampler::Midpoint,
            Sampler::Heun,
            Sampler::Rk4,
        ] {
            let mut scratch = Scratch::new();
            let mut together = start;
            sampler.integrate(&mut field, &mut together, 5, &mut scratch);
            for (x, expected) in start.into_iter().zip(together) {
                let mut x = [x];
                sampler.integrate(&mut field, &mut x, 5, &mut scratch);
                assert_eq!(x[0], expected);
            }
        }
    }
}
