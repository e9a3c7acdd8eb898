//! Particles have the exact marginals, whatever the noise on their way; without its correction they
//! have not.

use fpo_flow::Sampler;
use fpo_wasm::{Correction, MarginalFlow, Walk};

const PARTICLES: usize = 20_000;

/// A broad mode and two narrow ones.
const MODES: [[f32; 3]; 3] = [[1.0, -1.3, 0.18], [1.5, 0.4, 0.35], [0.7, 1.6, 0.15]];

fn flow() -> MarginalFlow {
    let mut flow = MarginalFlow::new();
    flow.flow_to_modes(&MODES).unwrap();
    flow
}

fn walk(steps: usize, stochasticity: f64, correction: Correction) -> Walk {
    Walk {
        particles: PARTICLES,
        steps,
        sampler: Sampler::Heun,
        stochasticity,
        correction,
        seed: 3,
    }
}

/// The distance that is exceeded by chance once in a thousand.
fn critical() -> f64 {
    1.95 / (PARTICLES as f64).sqrt()
}

#[test]
fn marginals_stay_at_every_level_of_noise() {
    let mut flow = flow();
    for stochasticity in [0.0, 0.25, 0.5, 1.0] {
        // The noise's steps are Euler's, of first order: they get the rest of the error.
        let (steps, rest) = if stochasticity > 0.0 {
            (256, 0.004)
        } else {
            (64, 0.0)
        };
        flow.walk(walk(steps, stochasticity, Correction::Score))
            .unwrap();
        for k in [0, steps / 4, steps / 2, steps * 3 / 4, steps] {
            let distance = flow.distance(k).unwrap();
            let most = critical() + rest;
            assert!(
                distance < most,
                "{stochasticity}, step {k}: {distance}, {most}"
            );
        }
    }
}

#[test]
fn noise_alone_makes_them_wider() {
    let mut flow = flow();
    for (stochasticity, least) in [(0.5, 2.0), (1.0, 4.0)] {
        flow.walk(walk(256, stochasticity, Correction::None))
            .unwrap();
        let distance = flow.distance(256).unwrap();
        assert!(distance > least * critical(), "{stochasticity}: {distance}");
    }
}

#[test]
fn the_conditional_flow_ends_at_its_action() {
    let mut flow = flow();
    flow.flow_to_action(0.7).unwrap();
    for (sampler, stochasticity, correction) in [
        (Sampler::Euler, 0.0, Correction::Score),
        (Sampler::Midpoint, 0.0, Correction::Score),
        (Sampler::Euler, 0.6, Correction::Renoise),
    ] {
        let walk = Walk {
            sampler,
            ..walk(8, stochasticity, correction)
        };
        flow.walk(walk).unwrap();
        assert!(flow.distance(4).unwrap() < critical(), "{walk:?}");
        let ends = flow.positions(8).unwrap();
        assert!(ends.iter().all(|x| (x - 0.7).abs() < 1e-9), "{walk:?}");
    }
    let error = flow.walk(walk(8, 0.0, Correction::Score)).unwrap_err();
    assert!(error.contains("t = 0"), "{error}");
}

#[test]
fn one_step_leads_to_the_mean() {
    let mut flow = flow();
    let euler = Walk {
        sampler: Sampler::Euler,
        ..walk(1, 0.0, Correction::Score)
    };
    flow.walk(euler).unwrap();
    let ends = flow.positions(1).unwrap();
    let mean = (-1.3 + 1.5 * 0.4 + 0.7 * 1.6) / 3.2;
    assert!(ends.iter().all(|x| (x - mean).abs() < 1e-6));
}

#[test]
fn a_histogram_is_a_density() {
    let mut flow = flow();
    flow.walk(walk(64, 0.0, Correction::Score)).unwrap();
    let (bins, range) = (60, [-3.0, 3.0]);
    let histogram = flow.histogram(64, bins, range).unwrap();
    let width = 0.1;
    assert!((histogram.iter().sum::<f64>() * width - 1.0).abs() < 1e-3);
    for (bin, found) in histogram.iter().enumerate() {
        let x = range[0] + (bin as f64 + 0.5) * width;
        let exact = flow.density(x, 0.0);
        // Five standard deviations of a count, and the curvature within a bin.
        let allowed = 5.0 * (exact.max(0.01) / (width * PARTICLES as f64)).sqrt() + 0.05;
        assert!((found - exact).abs() < allowed, "{x}: {found}, {exact}");
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let mut flow = flow();
    assert!(flow.distance(0).is_err(), "nothing has walked");
    assert!(flow.walk(walk(0, 0.0, Correction::Score)).is_err());
    assert!(flow.walk(walk(4, f64::NAN, Correction::Score)).is_err());
    assert!(flow.flow_to_modes(&[[1.0, 0.0, 0.0]]).is_err());
    assert!(flow.flow_to_action(f64::INFINITY).is_err());
    flow.walk(walk(4, 0.0, Correction::Score)).unwrap();
    assert!(flow.distance(5).is_err());
}
