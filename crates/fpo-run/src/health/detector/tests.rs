//! The detector's findings for synthetic runs.

use super::*;
use crate::config::resolve;
use fpo_learn::trainer::Row;

/// Settings of the `fast` preset with some changed.
pub(super) fn config(sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    resolve("toy", Some("fast"), None, &sets, None).unwrap()
}

fn detector(sets: &[&str]) -> Detector {
    Detector::new(&config(sets))
}

/// A healthy row of iteration number `iteration`, with some metrics replaced.
fn row(iteration: u64, other: &[(&'static str, f64)]) -> Row {
    // Noise: a wave that no window averages to zero.
    let noise = 20.0 * (iteration as f64 * 2.3).sin();
    let mut values = vec![
        (
            "episode_return",
            (10.0 * iteration as f64).min(800.0) + noise,
        ),
        ("cfm_loss", 1.5),
        ("ratio_min", 0.7),
        ("ratio_max", 1.4),
        ("grad_norm", 0.4),
        ("loss_clamp_fraction", 0.0),
    ];
    values.retain(|(name, _)| !other.iter().any(|(known, _)| known == name));
    values.extend(other);
    Row {
        iteration,
        env_steps: 100 * iteration,
        values,
        ..Row::default()
    }
}

/// The detector's findings for rows `from` to `to`, by iteration.
fn says(
    detector: &mut Detector,
    rows: std::ops::RangeInclusive<u64>,
    other: &[(&'static str, f64)],
) -> Vec<(u64, FindingKind)> {
    rows.flat_map(|i| {
        let found = detector.observe(&row(i, other));
        found.into_iter().map(move |finding| (i, finding.kind))
    })
    .collect()
}

#[test]
fn a_run_that_learns_has_no_findings() {
    let mut detector = detector(&[]);
    assert_eq!(says(&mut detector, 1..=500, &[]), []);
    assert!(detector.present().is_empty() && detector.has_learned() == Some(true));
}

#[test]
fn one_bad_iteration_is_ignored_but_a_collapse_is_reported_once() {
    let mut detector = detector(&[]);
    says(&mut detector, 1..=200, &[]);
    assert_eq!(
        says(
            &mut detector,
            201..=203,
            &[("episode_return", 0.0), ("ratio_max", 1e9)]
        ),
        []
    );
    assert_eq!(says(&mut detector, 204..=260, &[]), []);
    let found = says(&mut detector, 261..=400, &[("episode_return", 30.0)]);
    assert_eq!(found.len(), 1, "{found:?}");
    let (when, kind) = found[0];
    // Half of the window must be low, and stay low.
    assert!(
        kind == FindingKind::ReturnCollapse && (275..=295).contains(&when),
        "{found:?}"
    );
    assert!(detector.has_collapsed());
    says(&mut detector, 401..=500, &[]);
    assert!(!detector.has_collapsed(), "it has recovered");
}

#[test]
fn each_metric_is_watched() {
    for (other, kind) in [
        (("ratio_max", 300.0), FindingKind::RatioTails),
        (("ratio_min", 0.0), FindingKind::RatioTails),
        (("ratio_max", f64::NAN), FindingKind::RatioTails),
        (("loss_clamp_fraction", 0.05), FindingKind::LossClamp),
        (("grad_norm", 40.0), FindingKind::GradientNorm),
        (("cfm_loss", 40.0), FindingKind::LossGrowth),
    ] {
        let mut detector = detector(&[]);
        says(&mut detector, 1..=150, &[]);
        let found = says(&mut detector, 151..=180, &[other]);
        assert_eq!(
            found.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(),
            [kind],
            "{other:?}"
        );
        // Once more than half of the median's window is high.
        assert_eq!(found[0].0, 156, "{other:?}");
        assert_eq!(detector.present().len(), 1);
        assert!(says(&mut detector, 181..=220, &[]).is_empty() && detector.present().is_empty());
        assert_eq!(
            says(&mut detector, 221..=240, &[other]).len(),
            1,
            "a new event"
        );
    }
}

/// Until the first reward, gradients may be next to 0 (`advantage.wait_for_reward`).
#[test]
fn the_first_gradients_after_none_are_no_warning() {
    let mut detector = detector(&[]);
    says(&mut detector, 1..=300, &[("grad_norm", 1e-5)]);
    assert_eq!(says(&mut detector, 301..=330, &[("grad_norm", 0.3)]), []);
    let found = says(&mut detector, 331..=360, &[("grad_norm", 40.0)]);
    assert_eq!(found.len(), 1, "{found:?}");
}

/// If a flow's loss grows because it leaves its box, the finding says so, and names the setting
/// that brings it back.
#[test]
fn a_flow_that_leaves_its_box_is_distinguished_from_an_unstable_one() {
    for (outside, sets, cause) in [
        (
            0.6,
            &["objective.bound_pull=0"][..],
            "leaving its box: 60 % of its predictions are beyond policy.action_bound; set \
            objective.bound_pull=1",
        ),
        (
            0.01,
            &[],
            "the flow is becoming unstable; lower optimizer.learning_rate",
        ),
    ] {
        let mut detector = detector(sets);
        says(&mut detector, 1..=150, &[("outside_bound", 0.01)]);
        says(
            &mut detector,
            151..=180,
            &[("cfm_loss", 40.0), ("outside_bound", outside)],
        );
        let found = detector.present();
        assert!(
            found.len() == 1 && found[0].advice.contains(cause),
            "{found:?}"
        );
    }
}

#[test]
fn a_collapse_of_evaluations_needs_both_kinds_of_noise_to_fall() {
    let evaluation = |zero: f64, random: f64| {
        [
            ("eval/zero_noise", zero),
            ("eval/random_noise", random),
            ("eval/zero_noise_std", 30.0),
            ("eval/random_noise_std", 30.0),
        ]
    };
    let mut detector = detector(&["train.rollback=true"]);
    says(&mut detector, 1..=100, &[]);
    assert_eq!(
        says(&mut detector, 101..=101, &evaluation(700.0, 650.0)),
        []
    );
    assert_eq!(
        says(&mut detector, 102..=102, &evaluation(100.0, 650.0)),
        []
    );
    assert_eq!(
        says(&mut detector, 103..=103, &evaluation(100.0, 100.0)),
        [(103, FindingKind::ReturnCollapse)]
    );
    // The rollback resets the present but not the best.
    let again = says(&mut detector, 104..=104, &[("rollbacks", 1.0)]);
    assert!(again.is_empty() && !detector.has_collapsed());
    let fallen = [&evaluation(90.0, 80.0)[..], &[("rollbacks", 1.0)]].concat();
    assert_eq!(
        says(&mut detector, 105..=105, &fallen),
        [(105, FindingKind::ReturnCollapse)]
    );
}

#[test]
fn a_small_gain_that_is_lost_is_no_collapse() {
    let mut detector = detector(&[]);
    let evaluation = |mean: f64| {
        [
            ("episode_return", 70.0),
            ("eval/zero_noise", mean),
            ("eval/random_noise", mean),
            ("eval/zero_noise_std", 60.0),
            ("eval/random_noise_std", 60.0),
        ]
    };
    assert_eq!(says(&mut detector, 1..=1, &evaluation(70.0)), []);
    assert_eq!(says(&mut detector, 2..=2, &evaluation(84.0)), []);
    assert_eq!(says(&mut detector, 3..=3, &evaluation(73.0)), []);
}
