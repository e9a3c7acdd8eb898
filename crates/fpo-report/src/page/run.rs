//! The page about one run.

use super::html::{Page, base64, escaped};
use super::{Film, Finding, Severity};
use crate::number::{alike, duration, format_number, with_error};
use crate::plot::{self, Curve, Panel, Unit};
use crate::record::{EXTRAS, Evaluation, Record, Returns};
use crate::tables::Grid;
use crate::thin::{Merge, POINTS, Thinned};
use fpo_files::count;
use std::path::Path;

/// Most evaluations in the table.
const IN_TABLE: usize = 200;

/// What the page about a run shows, for this page and others.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Task, preset, method and seed.
    pub subtitle: String,
    /// Names and values of the most important numbers.
    pub headlines: Vec<(String, String)>,
    /// Curves of the evaluations; empty if there are none.
    pub evaluations: Vec<Panel>,
    /// The evaluations as a table, whose caption says which of them it has.
    pub table: Grid,
    /// Curves of the training's metrics.
    pub training: Vec<Panel>,
    /// How the training's curves are drawn.
    pub training_note: &'static str,
    /// The machines that the run was trained on.
    pub machines: Vec<String>,
}

const EVALUATIONS_NOTE: &str = "Whole episodes with fixed parameters. First: mean returns. \
    Others: the mean, and the band from the lowest to the highest return.";

impl Overview {
    /// The overview of `record`, which was read with the curves that [`is_shown`] accepts.
    pub fn of(record: &Record) -> Self {
        let text = |key: &str| record.text_setting(key);
        let subtitle = format!(
            "{}, preset {}, {}, seed {}",
            text("task"),
            text("preset"),
            text("objective.method"),
            text("seed")
        );
        let shown = in_table(&record.evaluations);
        let mut table = evaluations(&shown);
        if shown.len() < record.evaluations.len() {
            table.caption = format!(
                "The table has {} of {} evaluations, the best and the last among them.",
                shown.len(),
                record.evaluations.len()
            );
        }
        let machine = |m: &crate::machine::Machine| {
            format!("from iteration {}: {}", m.from_iteration, m.describe())
        };
        Self {
            subtitle,
            headlines: headlines(record),
            evaluations: match record.evaluations[..] {
                [] => Vec::new(),
                _ => evaluation_panels(record),
            },
            table,
            training: training_panels(record),
            training_note: match record.iterations {
                0..=MOST_ROWS => {
                    "Every iteration, over environment steps. Values far beyond all others are \
                     drawn at the edge."
                }
                _ => {
                    "Means of neighboring iterations, over environment steps; for extremes, the \
                     extremes. Values far beyond all others are drawn at the edge."
                }
            },
            machines: record.machines.iter().map(machine).collect(),
        }
    }
}

/// The page about `record`. `findings` are none if the run was not checked.
pub fn of_run(record: &Record, findings: Option<&[Finding]>, film: Option<&Film>) -> String {
    let overview = Overview::of(record);
    let mut page = Page::new(&name_of(&record.folder), &overview.subtitle);
    page.cards(&overview.headlines);
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
    let steps = record.env_steps();
    if !overview.evaluations.is_empty() {
        page.heading("Evaluations");
        let picture = plot::panels("Evaluations", &overview.evaluations, steps);
        page.picture(&picture, EVALUATIONS_NOTE);
        if !overview.table.caption.is_empty() {
            page.paragraph(&overview.table.caption);
        }
        page.table(&overview.table, false);
    }
    if !overview.training.is_empty() {
        page.heading("Training");
        let picture = plot::panels("Training", &overview.training, steps);
        page.picture(&picture, overview.training_note);
    }
    page.heading("Machine");
    match &overview.machines[..] {
        [] => page.paragraph("Not recorded."),
        machines => page.list(machines),
    }
    page.heading("Settings");
    page.folded("every setting", &record.config_text);
    page.finish()
}

/// Rows up to which every one is drawn.
const MOST_ROWS: u64 = POINTS as u64;

/// The metrics that the page shows, for [`Record::with_curves`].
pub fn is_shown(metric: &str) -> bool {
    let shown = SHOWN.iter().flat_map(|(_, _, curves)| *curves);
    metric == SPEED || shown.into_iter().any(|(_, name, _)| *name == metric)
}

/// The name of a run's folder, also if it was named as `.` or `..`.
fn name_of(folder: &Path) -> String {
    let full = folder.canonicalize();
    let full = full.as_deref().unwrap_or(folder);
    let name = folder.file_name().or(full.file_name());
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The evaluations of the table: all, or evenly many of them, with the best and the last.
fn in_table(all: &[Evaluation]) -> Vec<Evaluation> {
    let every = all.len().div_ceil(IN_TABLE).max(1);
    let best = (0..all.len()).max_by(|a, b| all[*a].zero.mean.total_cmp(&all[*b].zero.mean));
    let shown = |k: usize| k.is_multiple_of(every) || k + 1 == all.len() || Some(k) == best;
    (0..all.len())
        .filter(|k| shown(*k))
        .map(|k| all[k])
        .collect()
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
        let thin = |y: &dyn Fn(&Returns) -> f64, merge| {
            let mut curve = Thinned::default();
            let points = record.evaluations.iter();
            points.for_each(|e| curve.push(e.env_steps as f64, y(&of(e))));
            curve.points(merge)
        };
        let ends = thin(&|r| r.min, Merge::Least).into_iter();
        let ends = ends.zip(thin(&|r| r.max, Merge::Greatest));
        Curve {
            name: name.to_owned(),
            points: thin(&|r| r.mean, Merge::Mean),
            band: if band {
                ends.map(|((_, low), (_, high))| (low, high)).collect()
            } else {
                Vec::new()
            },
            // Of so many points the marks would hide the curve.
            marks: record.evaluations.len() <= IN_TABLE,
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

/// The metric of the speed.
const SPEED: &str = "time/steps_per_second";

/// A panel for everything that the environments reported: reward terms, metrics of a task.
fn extras_panels(record: &Record) -> impl Iterator<Item = Panel> {
    record.curves.extras().map(|metric| Panel {
        title: format!("of the environment: {}", &metric[EXTRAS.len()..]),
        unit: Unit::Plain,
        curves: vec![training_curve(record, "", metric, Merge::Mean)],
    })
}

/// The curve of a metric over environment steps.
fn training_curve(record: &Record, name: &str, metric: &str, merge: Merge) -> Curve {
    let curve = record.curves.get(metric);
    Curve {
        name: name.to_owned(),
        points: curve.map_or(Vec::new(), |curve| curve.points(merge)),
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
    let speed = training_curve(record, "", SPEED, Merge::Mean);
    panels.push(Panel {
        title: "environment steps per second".to_owned(),
        unit: Unit::Count,
        curves: vec![speed],
    });
    panels.retain(|panel| panel.curves.iter().any(|curve| curve.points.len() > 1));
    panels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;
    use std::fs;

    #[test]
    fn a_table_of_many_evaluations_has_the_best_and_the_last() {
        let returns = |mean: f64| Returns {
            episodes: 1,
            mean,
            std: 0.0,
            min: 0.0,
            max: 0.0,
            diverged: 0,
        };
        let evaluation = |k: u64| Evaluation {
            iteration: k,
            env_steps: k,
            seconds: 0.0,
            zero: returns(if k == 777 { 9.0 } else { 1.0 }),
            random: returns(0.0),
        };
        let all: Vec<_> = (0..100_000).map(evaluation).collect();
        let shown = in_table(&all);
        assert!(shown.len() <= IN_TABLE + 2 && shown.contains(&all[777]));
        assert_eq!(shown.last(), all.last());
        assert_eq!(in_table(&all[..IN_TABLE]), all[..IN_TABLE]);
        assert_eq!(in_table(&[]), []);
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
        let page = of_run(
            &Record::with_curves(&run, is_shown).unwrap(),
            Some(&[finding]),
            Some(&film),
        );
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
        let page = of_run(
            &Record::with_curves(&run, is_shown).unwrap(),
            Some(&[]),
            None,
        );
        assert!(page.contains("No problems were found") && page.contains("&lt;img src="));
        let addresses =
            page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(addresses - page.matches("&lt;img src=http").count(), 0);
        // A run without any data has a page, too.
        for file in ["metrics.jsonl", "eval.csv"] {
            fs::remove_file(run.join(file)).unwrap();
        }
        let page = of_run(&Record::with_curves(&run, is_shown).unwrap(), None, None);
        assert!(!page.contains("NaN") && !page.contains("<h2>Evaluations"));
    }
}
