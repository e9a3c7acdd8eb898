//! Optimizer, clipping and averaging against direct f64 evaluations of their definitions.

use fpo_nn::{Adam, AdamConfig, Ema, clip_to_norm, global_norm};

#[test]
fn adam_follows_its_definition_over_many_steps() {
    for weight_decay in [0.0, 0.1] {
        let config = AdamConfig {
            learning_rate: 0.01,
            weight_decay,
            ..AdamConfig::default()
        };
        let mut parameters = [1.0f32, -2.0, 0.5, 0.0];
        let mut adam = Adam::new(config, parameters.len());
        let (mut p, mut m, mut v) = (parameters.map(f64::from), [0.0f64; 4], [0.0f64; 4]);
        for step in 1..=300 {
            let gradient: [f32; 4] =
                std::array::from_fn(|i| ((step * (i + 1)) as f32 * 0.1).sin() + 0.2);
            let lr = 0.01 * (1.0 - step as f32 / 400.0);
            adam.step(&mut parameters, &gradient, lr);
            for i in 0..4 {
                let g = f64::from(gradient[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (m_hat, v_hat) = (
                    m[i] / (1.0 - 0.9f64.powi(step as i32)),
                    v[i] / (1.0 - 0.999f64.powi(step as i32)),
                );
                p[i] -= f64::from(lr)
                    * (m_hat / (v_hat.sqrt() + 1e-8) + f64::from(weight_decay) * p[i]);
            }
        }
        for (found, expected) in parameters.iter().zip(p) {
            assert!(
                (f64::from(*found) - expected).abs() < 2e-5,
                "{found} for {expected}"
            );
        }
        assert_eq!(adam.steps, 300);
    }
}

#[test]
fn eps_lies_outside_the_root() {
    let config = AdamConfig {
        learning_rate: 1.0,
        eps: 0.5,
        ..AdamConfig::default()
    };
    let mut parameters = [0.0];
    Adam::new(config, 1).step(&mut parameters, &[2.0], 1.0);
    assert!(
        (parameters[0] + 2.0 / 2.5).abs() < 1e-6,
        "{}",
        parameters[0]
    );
}

#[test]
fn adam_resumes_from_its_fields() {
    let gradient = |step: usize| [(step as f32).sin(), 0.3];
    let mut whole = [1.0, 1.0];
    let mut adam = Adam::new(AdamConfig::default(), 2);
    (0..10).for_each(|step| adam.step(&mut whole, &gradient(step), 0.1));
    let mut parts = [1.0, 1.0];
    let mut first = Adam::new(AdamConfig::default(), 2);
    (0..4).for_each(|step| first.step(&mut parts, &gradient(step), 0.1));
    let Adam {
        config,
        first,
        second,
        steps,
    } = first;
    let mut resumed = Adam {
        config,
        first,
        second,
        steps,
    };
    (4..10).for_each(|step| resumed.step(&mut parts, &gradient(step), 0.1));
    assert_eq!(parts, whole);
    assert_eq!(resumed, adam);
}

#[test]
fn norms_and_clipping() {
    let (mut a, mut b) = (vec![3.0f32; 9], vec![-4.0f32; 9]);
    let norm = global_norm(&[&a, &b]);
    assert!((norm - 15.0).abs() < 1e-12);
    clip_to_norm(&mut a, norm, 15.1);
    assert_eq!(a[0], 3.0, "a norm below the limit changes nothing");
    [&mut a, &mut b]
        .into_iter()
        .for_each(|part| clip_to_norm(part, norm, 1.5));
    assert!((global_norm(&[&a, &b]) - 1.5).abs() < 1e-6);
    assert!((a[0] - 0.3).abs() < 1e-7 && (b[0] + 0.4).abs() < 1e-7);

    let mut bad = [1.0, f32::NAN];
    let norm = global_norm(&[&bad]);
    assert!(norm.is_nan());
    clip_to_norm(&mut bad, norm, 0.1);
    assert_eq!(bad[0], 1.0);
    // Squares of large numbers do not overflow.
    assert!((global_norm(&[&[3e30, 4e30]]) / 5e30 - 1.0).abs() < 1e-6);
}

#[test]
fn ema_moves_by_its_share() {
    let mut ema = Ema::new(0.9, &[1.0, 0.0]);
    ema.update(&[2.0, -1.0]);
    assert!((ema.average[0] - 1.1).abs() < 1e-6 && (ema.average[1] + 0.1).abs() < 1e-7);
    (0..500).for_each(|_| ema.update(&[2.0, -1.0]));
    assert!((ema.average[0] - 2.0).abs() < 1e-5 && (ema.average[1] + 1.0).abs() < 1e-5);
}
