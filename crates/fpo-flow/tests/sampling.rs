//! Samplers on exactly known flows: order of convergence, and the distribution of samples.

use fpo_flow::marginal::{Component, GaussianMixture};
use fpo_flow::{NoiseSchedule, Sampler, Scratch, SdeSampler, SdeScheme};
use fpo_rng::{Key, Stream, fill_normal};

const ROWS: usize = 20_000;

/// Two modes, of one third at −1 and two thirds at 0.8.
fn two_modes() -> GaussianMixture {
    let modes = vec![
        Component::isotropic(1.0, vec![-1.0], 0.3),
        Component::isotropic(2.0, vec![0.8], 0.2),
    ];
    GaussianMixture::new(modes).unwrap()
}

/// Standard normal numbers of a step.
fn normal(step: u64, out: &mut [f64]) {
    let mut z = vec![0.0f32; out.len()];
    fill_normal(Key::new(9, Stream::Test).step(step), &mut z);
    for (out, z) in out.iter_mut().zip(z) {
        *out = f64::from(z);
    }
}

fn noise() -> Vec<f64> {
    let mut x = vec![0.0; ROWS];
    normal(0, &mut x);
    x
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}

/// The share of samples left of −0.1, where the density between the modes of [`two_modes`] is
/// least.
fn left(x: &[f64]) -> f64 {
    x.iter().filter(|&&x| x < -0.1).count() as f64 / x.len() as f64
}

#[test]
fn samplers_converge_at_their_order() {
    // Two dimensions, modes wide enough that the field is smooth on the grids used.
    let modes = vec![
        Component {
            weight: 1.0,
            mean: vec![-0.6, 0.4],
            std: vec![0.6, 0.7],
        },
        Component {
            weight: 2.0,
            mean: vec![0.7, 0.0],
            std: vec![0.7, 0.5],
        },
    ];
    let mut mixture = GaussianMixture::new(modes).unwrap();
    let mut scratch = Scratch::new();
    let mut end = |sampler: Sampler, steps| {
        let mut x = noise()[..64].to_vec();
        sampler.integrate(&mut mixture, &mut x, steps, &mut scratch);
        x
    };
    let exact = end(Sampler::Rk4, 2048);
    for sampler in [
        Sampler::Euler,
        Sampler::Midpoint,
        Sampler::Heun,
        Sampler::Rk4,
    ] {
        let mut error = |steps| {
            let x = end(sampler, steps);
            (x.iter()
                .zip(&exact)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                / 64.0)
                .sqrt()
        };
        let errors = [32, 64, 128].map(&mut error);
        let slope = (errors[0] / errors[2]).log2() / 2.0;
        println!("{sampler:?}: rms errors {errors:?} at 32, 64, 128 steps, order {slope:.2}");
        let order = f64::from(sampler.order());
        assert!(
            (slope - order).abs() < 0.25,
            "{sampler:?}: {errors:?}, order {slope}"
        );
    }
}

#[test]
fn ode_samples_have_the_mixtures_mean_variance_and_mode_weights() {
    let mut mixture = two_modes();
    let (mean, variance) = (mixture.mean()[0], mixture.variance()[0]);
    for (sampler, steps) in [
        (Sampler::Euler, 400),
        (Sampler::Midpoint, 40),
        (Sampler::Heun, 40),
        (Sampler::Rk4, 20),
    ] {
        let mut x = noise();
        sampler.integrate(&mut mixture, &mut x, steps, &mut Scratch::new());
        let (m, v) = moments(&x);
        println!(
            "{sampler:?}, {steps} steps: mean {m:.4} ({mean:.4}), variance {v:.4} ({variance:.4}), \
            left {:.4}",
            left(&x)
        );
        // Five standard errors of 20 000 samples, and the discretization.
        assert!((m - mean).abs() < 0.035, "{sampler:?}: mean {m}");
        assert!((v - variance).abs() < 0.03, "{sampler:?}: variance {v}");
        assert!(
            (left(&x) - 1.0 / 3.0).abs() < 0.02,
            "{sampler:?}: {}",
            left(&x)
        );
    }
}

#[test]
fn sde_samples_have_the_mixtures_marginals_at_every_noise_level() {
    let mut mixture = two_modes();
    let (mean, variance) = (mixture.mean()[0], mixture.variance()[0]);
    let mut scratch = Scratch::new();
    let steps = 200;
    let mut sample = |sde: SdeSampler| {
        let mut x = noise();
        let mut half = (0.0, 0.0);
        let fresh = |k, z: &mut [f64]| normal(1 + k as u64, z);
        sde.integrate_observed(
            &mut mixture,
            &mut x,
            steps,
            &mut scratch,
            fresh,
            |k, _, x| {
                if k == steps / 2 {
                    half = moments(x);
                }
            },
        );
        println!(
            "{sde:?}: {:?}, left {:.4}, half-way {half:?}",
            moments(&x),
            left(&x)
        );
        (moments(&x), left(&x), half)
    };
    for (sigma, schedule) in [
        (0.3, NoiseSchedule::Constant),
        (1.0, NoiseSchedule::Constant),
        (0.5, NoiseSchedule::SqrtTime),
        (1.0, NoiseSchedule::SqrtTime),
        (2.0, NoiseSchedule::SqrtTime),
        (2.0, NoiseSchedule::Time),
    ] {
        for scheme in [SdeScheme::EulerMaruyama, SdeScheme::Renoise] {
            let sde = SdeSampler {
                sigma,
                schedule,
                scheme,
            };
            let ((m, v), left, (m_half, v_half)) = sample(sde);
            assert!((m - mean).abs() < 0.04, "{sde:?}: mean {m}, not {mean}");
            assert!(
                (v - variance).abs() < 0.04,
                "{sde:?}: variance {v}, not {variance}"
            );
            assert!(
                (left - 1.0 / 3.0).abs() < 0.025,
                "{sde:?}: {left} on the left"
            );
            // x_½ = (a + ε)/2.
            assert!(
                (m_half - 0.5 * mean).abs() < 0.03,
                "{sde:?}: mean {m_half} half-way"
            );
            assert!(
                (v_half - 0.25 * (variance + 1.0)).abs() < 0.03,
                "{sde:?}: variance {v_half} half-way"
            );
        }
        // Without the correction, the same check fails at every noise level.
        let ((_, v), ..) = sample(SdeSampler {
            sigma,
            schedule,
            scheme: SdeScheme::Uncorrected,
        });
        assert!(
            v > variance + 0.05,
            "{sigma} {schedule:?}, uncorrected: variance {v}"
        );
    }
}
