//! The page about one run.

use super::html::{Page, base64, escaped};
use super::{Film, Finding, Severity};
use crate::number::{alike, count, duration, format_number, with_error};
use crate::plot::{self, Curve, Panel, Unit};
use crate::record::{Evaluation, Record, Returns};
use crate::tables::Grid;
use std::collections::BTreeSet;

/// Maximum number of points of a curve: about one per pixel.
const POINTS: usize = 360;

/// The page about `record`. `findings` are none if the run was not checked.
pub fn of_run(record: &Record, findings: Option<&[Finding]>, film: Option<&Film>) -> String {
    let name = record
        .folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let text = |key: &str| record.text_setting(key).to_owned();
    let subtitle = format!(
        "{}, preset {}, {}, seed {}",
        text("task"),
        text("preset"),
        text("objective.method"),
        text("seed")
    );
    let mut page = Page::new(&name, &subtitle);
    page.cards(&headlines(record));
    if let Some(why) = &record.failure {
        page.paragraph(&format!("Training failed: {why}"));
    }
    if let Some(findings) = findings {
        health(&mut page, findings);
    }
    match film {
        Some(Film::Embedded(bytes)) => {
            page.heading("Film");
            page.raw(&format!(
                "<video controls loop muted src=\"data:video/mp4;base64,{}\"></video>",
                base64(bytes)
            ));
        }
        Some(Film::Linked(file)) => {
            page.heading("Film");
            page.raw(&format!("<p><a href=\"{0}\">{0}</a></p>", escaped(file)));
        }
        None => {}
    }
    if !record.evaluations.is_empty() {
        page.heading("Evaluations");
        page.picture(
            &plot::panels(
                "Evaluations",
                &evaluation_panels(record),
                record.env_steps(),
            ),
            "Whole episodes with fixed parameters. First: mean returns. Others: the mean, and the \
            band from the lowest to the highest return.",
        );
        page.table(&evaluations(&record.evaluations), false);
    }
    let panels = training_panels(record);
    if !panels.is_empty() {
        page.heading("Training");
        let note = match record.rows.len() {
            0..=POINTS => {
                "Every iteration, over environment steps. Values far beyond all others are drawn \
                at the edge."
            }
            _ => {
                "Means of neighboring iterations, over environment steps; for extremes, the \
                extremes. Values far beyond all others are drawn at \
                 the edge."
            }
        };
        page.picture(&plot::panels("Training", &panels, record.env_steps()), note);
    }
    page.heading("Machine");
    match &record.machines[..] {
        [] => page.paragraph("Not recorded."),
        machines => {
            let line = |m: &crate::machine::Machine| {
                format!("from iteration {}: {}", m.from_iteration, m.describe())
            };
            page.list(&machines.iter().map(line).collect::<Vec<_>>());
        }
    }
    page.heading("Settings");
    page.folded("every setting", &record.config_text);
    page.finish()
}

fn headlines(record: &Record) -> Vec<(String, String)> {
    let mut cards = Vec::new();
    if let Some(last) = record.evaluations.last() {
        let card = |name: &str, returns: &Returns| {
            (
                format!("return from {name}, {} episodes", returns.episodes),
                with_error(returns.mean, returns.std, 4),
            )
        };
        cards.push(card("zero noise", &last.zero));
        cards.push(card("random noise", &last.random));
    }
    let best = record
        .evaluations
        .iter()
        .max_by(|a, b| a.zero.mean.total_cmp(&b.zero.mean));
    if let Some(best) = best.filter(|_| record.evaluations.len() > 1) {
        let name = format!("best from zero noise, at {} steps", count(best.env_steps));
        cards.push((name, format_number(best.zero.mean, 4)));
    }
    let (steps, planned, seconds) = (record.env_steps(), record.planned_steps(), record.seconds());
    let of = match (record.is_complete(), &record.failure) {
        (true, _) => "environment steps, complete".to_owned(),
        (false, Some(_)) => format!("environment steps of {}, failed", count(planned)),
        (false, None) => format!("environment steps of {}, not complete", count(planned)),
    };
    cards.push((of, count(steps)));
    cards.push((
        "of learning, without evaluations".to_owned(),
        duration(seconds),
    ));
    if seconds > 0.0 {
        cards.push((
            "environment steps per second".to_owned(),
            count((steps as f64 / seconds) as u64),
        ));
    }
    cards
}

fn health(page: &mut Page, findings: &[Finding]) {
    page.heading("Health");
    if findings.is_empty() {
        page.paragraph("No problems were found.");
    }
    for finding in findings {
        let class = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Problem => "problem",
        };
        let title = escaped(&finding.title);
        let detail = match finding.detail.as_str() {
            "" => String::new(),
            detail => format!("<br>{}", escaped(detail)),
        };
        page.raw(&format!(
            "<div class=\"finding {class}\"><b>{title}</b>{detail}</div>"
        ));
    }
}

fn evaluations(evaluations: &[Evaluation]) -> Grid {
    let mut header = vec!["steps".to_owned()];
    for noise in ["zero noise", "random noise"] {
        header.extend([
            format!("{noise}: mean"),
            "std".into(),
            "lowest".into(),
            "highest".into(),
            "diverged".into(),
        ]);
    }
    let cells = |r: &Returns| {
        let [mean, std] = alike([r.mean, r.std], 4);
        let [least, most] = [r.min, r.max].map(|x| format_number(x, 4));
        [mean, std, least, most, r.diverged.to_string()]
    };
    let row = |e: &Evaluation| {
        [count(e.env_steps)]
            .into_iter()
            .chain(cells(&e.zero))
            .chain(cells(&e.random))
            .collect()
    };
    Grid {
        caption: String::new(),
        header,
        rows: evaluations.iter().map(row).collect(),
    }
}

fn evaluation_panels(record: &Record) -> Vec<Panel> {
    let curve = |name: &str, of: &dyn Fn(&Evaluation) -> Returns, band: bool| {
        let points = record
            .evaluations
            .iter()
            .map(|e| (e.env_steps as f64, of(e).mean));
        let ends = record.evaluations.iter().map(|e| (of(e).min, of(e).max));
        Curve {
            name: name.to_owned(),
            points: points.collect(),
            band: if band { ends.collect() } else { Vec::new() },
            marks: true,
        }
    };
    let panel = |title: &str, curves| Panel {
        title: title.to_owned(),
        curves,
        unit: Unit::Plain,
    };
    let (zero, random) = (|e: &Evaluation| e.zero, |e: &Evaluation| e.random);
    vec![
        panel(
            "mean return",
            vec![
                curve("from zero noise", &zero, false),
                curve("from random noise", &random, false),
            ],
        ),
        panel(
            "returns of episodes, from zero noise",
            vec![curve("", &zero, true)],
        ),
        panel(
            "returns of episodes, from random noise",
            vec![curve("", &random, true)],
        ),
    ]
}

/// How neighboring values are merged.
#[derive(Clone, Copy)]
enum Merge {
    Mean,
    Least,
    Greatest,
}

/// The panels of a run's metrics: title, unit, and name, metric and merging of each curve.
type Shown = (
    &'static str,
    Unit,
    &'static [(&'static str, &'static str, Merge)],
);

const SHOWN: [Shown; 20] = [
    (
        "return of training episodes",
        Unit::Plain,
        &[("", "episode_return", Merge::Mean)],
    ),
    (
        "reward of a step",
        Unit::Plain,
        &[("", "reward", Merge::Mean)],
    ),
    (
        "policy loss",
        Unit::Plain,
        &[("", "policy_loss", Merge::Mean)],
    ),
    (
        "value loss",
        Unit::Plain,
        &[("", "value_loss", Merge::Mean)],
    ),
    (
        "flow-matching loss before learning",
        Unit::Plain,
        &[("", "cfm_loss", Merge::Mean)],
    ),
    (
        "negative log-likelihood before learning",
        Unit::Plain,
        &[("", "negative_log_likelihood", Merge::Mean)],
    ),
    (
        "ratio of new to old policy",
        Unit::Plain,
        &[
            ("mean", "ratio_mean", Merge::Mean),
            ("least", "ratio_min", Merge::Least),
            ("greatest", "ratio_max", Merge::Greatest),
        ],
    ),
    (
        "share of ratios beyond the trust region",
        Unit::Share,
        &[("", "clip_fraction", Merge::Mean)],
    ),
    (
        "how far the policy moved in an iteration, nats",
        Unit::Plain,
        &[("", "approx_kl", Merge::Mean)],
    ),
    (
        "gradient steps of an iteration",
        Unit::Plain,
        &[("", "gradient_steps", Merge::Mean)],
    ),
    (
        "share of the flow's predictions beyond the bound",
        Unit::Share,
        &[("", "outside_bound", Merge::Mean)],
    ),
    (
        "gradient norm",
        Unit::Plain,
        &[("", "grad_norm", Merge::Mean)],
    ),
    (
        "explained variance of the critic",
        Unit::Plain,
        &[("", "explained_variance", Merge::Mean)],
    ),
    (
        "share of returns beyond the critic's bins",
        Unit::Share,
        &[("", "outside_bins", Merge::Mean)],
    ),
    (
        "size of the gradient of Q at actions",
        Unit::Plain,
        &[("", "q_slope", Merge::Mean)],
    ),
    (
        "share of action entries that follow it",
        Unit::Share,
        &[("", "q_inside", Merge::Mean)],
    ),
    (
        "saturation of actions",
        Unit::Share,
        &[("", "action_saturation", Merge::Mean)],
    ),
    ("entropy", Unit::Plain, &[("", "entropy", Merge::Mean)]),
    (
        "standard deviation of the policy",
        Unit::Plain,
        &[("", "policy_std", Merge::Mean)],
    ),
    (
        "learning rate of the policy",
        Unit::Plain,
        &[("", "learning_rate", Merge::Mean)],
    ),
];

/// What the names of metrics begin with that environments report by name.
const EXTRAS: &str = "env/";

/// Most panels of what the environments reported.
const EXTRA_PANELS: usize = 60;

/// A panel for everything that the environments reported: reward terms, metrics of a task.
fn extras_panels(record: &Record) -> impl Iterator<Item = Panel> {
    let names = record.rows.iter().flat_map(|row| &row.values);
    let names = names.filter_map(|(name, _)| name.strip_prefix(EXTRAS));
    let names: BTreeSet<&str> = names.collect();
    // The first by name; an untrusted file may have any number.
    names.into_iter().take(EXTRA_PANELS).map(|name| Panel {
        title: format!("of the environment: {name}"),
        unit: Unit::Plain,
        curves: vec![training_curve(
            record,
            "",
            &format!("{EXTRAS}{name}"),
            Merge::Mean,
        )],
    })
}

/// The curve of a metric over environment steps.
fn training_curve(record: &Record, name: &str, metric: &str, merge: Merge) -> Curve {
    let values = record
        .rows
        .iter()
        .filter_map(|row| Some((row.env_steps as f64, row.get(metric)?)));
    Curve {
        name: name.to_owned(),
        points: merged(&values.collect::<Vec<_>>(), merge),
        band: Vec::new(),
        marks: false,
    }
}

fn training_panels(record: &Record) -> Vec<Panel> {
    let mut panels: Vec<Panel> = SHOWN
        .iter()
        .map(|(title, unit, curves)| Panel {
            title: (*title).to_owned(),
            unit: *unit,
            curves: curves
                .iter()
                .map(|(name, metric, merge)| training_curve(record, name, metric, *merge))
                .filter(|curve| !curve.points.is_empty())
                .collect(),
        })
        .collect();
    panels.extend(extras_panels(record));
    let speed = training_curve(record, "", "time/steps_per_second", Merge::Mean);
    panels.push(Panel {
        title: "environment steps per second".to_owned(),
        unit: Unit::Count,
        curves: vec![speed],
    });
    panels.retain(|panel| panel.curves.iter().any(|curve| curve.points.len() > 1));
    panels
}

/// At most [`POINTS`] points, each merged from neighbors.
fn merged(points: &[(f64, f64)], merge: Merge) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(POINTS).max(1);
    let one = |group: &[(f64, f64)]| {
        let values = group.iter().map(|(_, y)| *y);
        let value = match merge {
            Merge::Mean => values.sum::<f64>() / group.len() as f64,
            Merge::Least => values.fold(f64::INFINITY, f64::min),
            Merge::Greatest => values.fold(f64::NEG_INFINITY, f64::max),
        };
        (group[group.len() / 2].0, value)
    };
    points.chunks(size).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;
    use std::fs;

    #[test]
    fn neighbors_are_merged() {
        let points: Vec<_> = (0..POINTS * 2)
            .map(|k| (k as f64, (k % 2) as f64))
            .collect();
        for (merge, value) in [
            (Merge::Mean, 0.5),
            (Merge::Least, 0.0),
            (Merge::Greatest, 1.0),
        ] {
            let merged = merged(&points, merge);
            assert_eq!(merged.len(), POINTS);
            assert!(merged.iter().all(|(_, y)| *y == value));
        }
        assert_eq!(merged(&points[..3], Merge::Mean), points[..3]);
        assert_eq!(merged(&[], Merge::Mean), []);
    }

    #[test]
    fn a_page_shows_the_content_of_the_run() {
        let (folder, _) = example(|_, _, _| 6.0);
        let run = folder.path().join("one/hop-seed0");
        let finding = Finding {
            severity: Severity::Problem,
            title: "<i>bad</i>".to_owned(),
            detail: "very".to_owned(),
        };
        let film = Film::Embedded(b"film".to_vec());
        let page = of_run(&Record::read(&run).unwrap(), Some(&[finding]), Some(&film));
        for part in [
            "hop-seed0",
            "6.000 ± 0.500",
            "&lt;i&gt;bad&lt;/i&gt;",
            "data:video/mp4;base64,ZmlsbQ==",
            "Not recorded.",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // Nothing is fetched, whatever names a run contains.
        fs::write(
            run.join("config.toml"),
            "task = \"<img src=http://x>\"\n[train]\nsteps = 300\n",
        )
        .unwrap();
        let page = of_run(&Record::read(&run).unwrap(), Some(&[]), None);
        assert!(page.contains("No problems were found") && page.contains("&lt;img src="));
        let addresses =
            page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(addresses - page.matches("&lt;img src=http").count(), 0);
        // A run without any data has a page, too.
        for file in ["metrics.jsonl", "eval.csv"] {
            fs::remove_file(run.join(file)).unwrap();
        }
        let page = of_run(&Record::read(&run).unwrap(), None, None);
        assert!(!page.contains("NaN") && !page.contains("<h2>Evaluations"));
    }
}
