//! The exact flow from noise to a mixture or a single action on a line, and particles that walk it.

use fpo_flow::marginal::{Component, DataSet, GaussianMixture};
use fpo_flow::{NoiseSchedule, Sampler, Scratch, SdeSampler, SdeScheme, VelocityField, grid_time};
use fpo_rng::{Key, Stream, fill_normal};

/// What noise flows to.
#[derive(Clone, Debug)]
enum Target {
    Mixture(GaussianMixture),
    /// One action: the conditional flow.
    Action(DataSet),
}

impl VelocityField<f64> for Target {
    fn velocity(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        match self {
            Self::Mixture(mixture) => mixture.velocity(x, t, out),
            Self::Action(action) => action.velocity(x, t, out),
        }
    }
}

/// How noise that is added on the way is corrected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// By the score's drift: the marginals stay.
    Score,
    /// By removing as much noise as is added: the marginals stay.
    Renoise,
    /// Not at all: the marginals become wider.
    None,
}

/// How particles walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    /// Their number.
    pub particles: usize,
    /// Steps from t = 1 to t = 0.
    pub steps: usize,
    /// The rule of a walk without noise; noisy steps are Euler's.
    pub sampler: Sampler,
    /// From 0, the flow, to 1, the most noise that the corrections allow (σ² = 4t).
    pub stochasticity: f64,
    /// What makes up for the noise.
    pub correction: Correction,
    /// The same seed gives the same noise, whatever the target.
    pub seed: u64,
}

/// A flow on a line, whose velocities, densities and distribution functions are known, and the
/// latest walk of particles along it.
#[derive(Clone, Debug)]
pub struct MarginalFlow {
    target: Target,
    particles: usize,
    /// Positions at the times of the grid, `[steps + 1, particles]`.
    path: Vec<f64>,
}

impl MarginalFlow {
    /// The flow to N(0, 1), from which it does not differ; nothing walks yet.
    pub fn new() -> Self {
        let normal = Component::isotropic(1.0, vec![0.0], 1.0);
        let mixture = GaussianMixture::new(vec![normal]).expect("one component");
        Self {
            target: Target::Mixture(mixture),
            particles: 0,
            path: Vec::new(),
        }
    }

    /// Flows to the mixture of `modes`: weight, mean and standard deviation of each.
    ///
    /// # Errors
    /// If they are not a mixture.
    pub fn flow_to_modes(&mut self, modes: &[[f32; 3]]) -> Result<(), String> {
        let component = |&[weight, mean, std]: &[f32; 3]| {
            Component::isotropic(weight.into(), vec![mean.into()], std.into())
        };
        let mixture = GaussianMixture::new(modes.iter().map(component).collect());
        self.target = Target::Mixture(mixture.map_err(|e| e.to_string())?);
        Ok(())
    }

    /// Flows to one action alone.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn flow_to_action(&mut self, action: f64) -> Result<(), String> {
        let action = DataSet::new(1, vec![action]).map_err(|e| e.to_string())?;
        self.target = Target::Action(action);
        Ok(())
    }

    /// `p_t(x)`.
    pub fn density(&self, x: f64, t: f64) -> f64 {
        libm::exp(match &self.target {
            Target::Mixture(mixture) => mixture.log_density(&[x], t),
            Target::Action(action) => action.log_density(&[x], t),
        })
    }

    /// Velocities at the points `x` at time `t`.
    pub fn velocity(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        self.target.velocity(x, t, out);
    }

    /// Lets particles walk from noise to actions.
    ///
    /// # Errors
    /// If a number is out of range, or the sampler evaluates the flow at t = 0, where that to a
    /// single action has no velocity.
    pub fn walk(&mut self, walk: Walk) -> Result<(), String> {
        let sigma = 2.0 * walk.stochasticity;
        let sde = SdeSampler {
            sigma,
            schedule: NoiseSchedule::SqrtTime,
            scheme: match walk.correction {
                Correction::Score => SdeScheme::EulerMaruyama,
                Correction::Renoise => SdeScheme::Renoise,
                Correction::None => SdeScheme::Uncorrected,
            },
        };
        sde.validate().map_err(|e| e.to_string())?;
        if walk.particles == 0 || walk.steps == 0 {
            return Err("a walk needs particles and steps".into());
        }
        let ends_at_zero = matches!(walk.sampler, Sampler::Heun | Sampler::Rk4);
        if sigma == 0.0 && ends_at_zero && matches!(self.target, Target::Action(_)) {
            return Err("Heun's rule and Runge–Kutta's need a velocity at t = 0".into());
        }
        let mut drawn = vec![0.0f32; walk.particles];
        fill_normal(Key::new(walk.seed, Stream::Action), &mut drawn);
        let mut x: Vec<f64> = drawn.iter().map(|&z| f64::from(z)).collect();
        self.particles = walk.particles;
        self.path.clear();
        let (target, path) = (&mut self.target, &mut self.path);
        let observe = |_: usize, _: f64, x: &[f64]| path.extend_from_slice(x);
        let mut scratch = Scratch::new();
        if sigma == 0.0 {
            let (sampler, steps) = (walk.sampler, walk.steps);
            sampler.integrate_observed(target, &mut x, steps, &mut scratch, observe);
        } else {
            let key = Key::new(walk.seed, Stream::ActionNoise);
            let noise = |k: usize, z: &mut [f64]| {
                fill_normal(key.step(k as u64), &mut drawn);
                z.iter_mut().zip(&drawn).for_each(|(z, &d)| *z = d.into());
            };
            sde.integrate_observed(target, &mut x, walk.steps, &mut scratch, noise, observe);
        }
        Ok(())
    }

    /// The latest walk, `[steps + 1, particles]`.
    pub fn path(&self) -> &[f64] {
        &self.path
    }

    /// Where the particles are after `k` steps of the latest walk.
    ///
    /// # Errors
    /// If it has fewer steps.
    pub fn positions(&self, k: usize) -> Result<&[f64], String> {
        let at = k * self.particles..(k + 1) * self.particles;
        let found = self.path.get(at).filter(|x| !x.is_empty());
        found.ok_or_else(|| format!("the walk has no step {k}"))
    }

    /// The largest difference between the distribution functions of the particles after `k` steps
    /// and of the exact marginal there (Kolmogorov–Smirnov).
    ///
    /// # Errors
    /// If the walk has fewer steps.
    pub fn distance(&self, k: usize) -> Result<f64, String> {
        let mut x = self.positions(k)?.to_vec();
        x.sort_by(f64::total_cmp);
        let (n, t) = (x.len() as f64, grid_time(k, self.steps()));
        let gap = |(i, &x): (usize, &f64)| {
            let exact = match &self.target {
                Target::Mixture(mixture) => mixture.cumulative(0, x, t),
                Target::Action(action) => action.cumulative(0, x, t),
            };
            (exact - i as f64 / n)
                .abs()
                .max((exact - (i + 1) as f64 / n).abs())
        };
        Ok(x.iter().enumerate().map(gap).fold(0.0, f64::max))
    }

    /// Density of the particles after `k` steps, in `bins` of equal width over `range`; those
    /// outside count in none.
    ///
    /// # Errors
    /// If the walk has fewer steps.
    pub fn histogram(&self, k: usize, bins: usize, range: [f64; 2]) -> Result<Vec<f64>, String> {
        let x = self.positions(k)?;
        let width = (range[1] - range[0]) / bins as f64;
        let mut density = vec![0.0; bins];
        let share = 1.0 / (x.len() as f64 * width);
        for x in x {
            let bin = ((x - range[0]) / width).floor();
            if bin >= 0.0 && bin < bins as f64 {
                density[bin as usize] += share;
            }
        }
        Ok(density)
    }

    fn steps(&self) -> usize {
        self.path.len() / self.particles.max(1) - 1
    }
}

impl Default for MarginalFlow {
    fn default() -> Self {
        Self::new()
    }
}
