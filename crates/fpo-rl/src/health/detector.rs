//! Following a run, row by row.

use super::limits::*;
use super::series::{Window, median};
use super::{Figures, Finding, Kind, Severity};
use crate::config::{Config, Method, TrustRegion};

/// The two columns of an evaluation: the mean return and its standard deviation over episodes.
const EVALUATIONS: [(&str, &str); 2] = [
    ("eval/zero_noise", "eval/zero_noise_std"),
    ("eval/random_noise", "eval/random_noise_std"),
];

/// Follows a run and says, once for each event, when it begins to go wrong.
///
/// It sees nothing but rows, each once and in order, so a run that is resumed shows it the recorded ones again and goes on as if it had
/// never stopped. When `rollbacks` rises in a row it forgets what was before in everything that has to do with the present.
#[derive(Clone, Debug)]
pub struct Detector {
    advice: Advice,
    returns: Returns,
    evaluations: Evaluations,
    tails: Watch,
    clamped: Watch,
    gradient: Watch,
    gradients: Window,
    growth: Watch,
    lowest_loss: f64,
    rows: usize,
    rollbacks: f64,
    /// There was an evaluation with which nothing was wrong: a checkpoint to go back to.
    sound: bool,
}

impl Detector {
    /// A detector for a run with these settings, before its first row.
    pub fn new(config: &Config) -> Self {
        Self {
            advice: Advice::new(config),
            returns: Returns::new(),
            evaluations: Evaluations::default(),
            tails: Watch::new(LEVEL_WINDOW),
            clamped: Watch::new(LEVEL_WINDOW),
            gradient: Watch::new(LEVEL_WINDOW),
            gradients: Window::new(GRADIENT_WINDOW),
            growth: Watch::new(LEVEL_WINDOW),
            lowest_loss: f64::INFINITY,
            rows: 0,
            rollbacks: 0.0,
            sound: false,
        }
    }

    /// Takes in a row; returns what has begun with it.
    pub fn observe(&mut self, row: &dyn Figures) -> Vec<Finding> {
        let rollbacks = row.get("rollbacks").unwrap_or(self.rollbacks);
        if rollbacks > self.rollbacks {
            self.forget();
            self.rollbacks = rollbacks;
        }
        self.rows += 1;
        let mut found = Vec::new();
        found.extend(self.ratios(row));
        found.extend(self.clamping(row));
        found.extend(self.gradients(row));
        found.extend(self.losses(row));
        // Last, since the others are what it may be explained by.
        found.extend(self.collapse(row));
        self.sound |= row.get(EVALUATIONS[0].0).is_some() && self.present().is_empty();
        found
    }

    /// Whether the return is far below its best, as far as the last rows tell.
    pub fn has_collapsed(&self) -> bool {
        self.returns.collapsed || self.evaluations.collapsed
    }

    /// What is wrong at present.
    pub fn present(&self) -> Vec<Finding> {
        let watched = [
            (&self.tails, self.tails_finding()),
            (&self.clamped, self.clamped_finding()),
            (&self.gradient, self.gradient_finding()),
            (&self.growth, self.growth_finding()),
        ];
        let collapsed = self.has_collapsed().then(|| self.collapse_finding());
        let watched = watched.into_iter().filter(|(watch, _)| watch.warned);
        collapsed
            .into_iter()
            .chain(watched.map(|(_, finding)| finding))
            .collect()
    }

    /// Whether the training return has risen by more than its noise; none while there are too few episodes to say.
    pub fn has_learnt(&self) -> Option<bool> {
        let Returns { first, best, .. } = self.returns;
        first.map(|first| best - first > GAINED_NOISE * self.returns.noise())
    }

    /// Forgets the present, as after a rollback; the next row, which has more of them, does the same.
    pub(crate) fn forget(&mut self) {
        if self.sound {
            self.returns.window.clear();
            (self.returns.fallen, self.returns.collapsed) = (0, false);
            self.evaluations.collapsed = false;
        } else {
            // There was nothing to go back to: training has begun again.
            self.returns = Returns::new();
            self.evaluations = Evaluations::default();
            (self.lowest_loss, self.rows) = (f64::INFINITY, 0);
        }
        for watch in [
            &mut self.tails,
            &mut self.clamped,
            &mut self.gradient,
            &mut self.growth,
        ] {
            *watch = Watch::new(LEVEL_WINDOW);
        }
    }

    fn ratios(&mut self, row: &dyn Figures) -> Option<Finding> {
        let (min, max) = (row.get("ratio_min")?, row.get("ratio_max")?);
        // Advantage-weighted flow matching only watches them.
        if self.advice.method == Method::Awfm {
            return None;
        }
        self.tails.push(if max.is_finite() {
            max.max(1.0 / min)
        } else {
            f64::INFINITY
        });
        let warn = self.tails.judge(self.tails.level(), RATIO_TAIL);
        warn.then(|| self.tails_finding())
    }

    fn tails_finding(&self) -> Finding {
        Finding::new(
            Kind::RatioTails,
            Severity::Warning,
            format!(
                "single ratios are off 1 by a factor of {} (median of {LEVEL_WINDOW} iterations)",
                figure(self.tails.level())
            ),
            self.advice.for_policy(),
        )
    }

    fn clamping(&mut self, row: &dyn Figures) -> Option<Finding> {
        self.clamped.push(row.get("loss_clamp_fraction")?);
        let warn = self.clamped.judge(self.clamped.level(), CLAMPED_SHARE);
        warn.then(|| self.clamped_finding())
    }

    fn clamped_finding(&self) -> Finding {
        Finding::new(
            Kind::LossClamp,
            Severity::Warning,
            format!(
                "{:.1} % of losses are beyond objective.loss_max, where nothing is learnt from them",
                100.0 * self.clamped.level()
            ),
            format!(
                "in some states the flow has become unstable and nothing brings it back; {}",
                self.advice.lower_rate()
            ),
        )
    }

    fn gradients(&mut self, row: &dyn Figures) -> Option<Finding> {
        // What leaves the level's window enters the reference, so that a jump is not held against itself.
        if let Some(old) = self.gradient.push(row.get("grad_norm")?) {
            self.gradients.push(old);
        }
        if self.gradients.len() < GRADIENT_EARLIEST {
            return None;
        }
        let warn = self.gradient.judge(self.gradient_growth(), GRADIENT_GROWTH);
        warn.then(|| self.gradient_finding())
    }

    fn gradient_growth(&self) -> f64 {
        self.gradient.level() / self.gradients.median()
    }

    fn gradient_finding(&self) -> Finding {
        Finding::new(
            Kind::GradientNorm,
            Severity::Warning,
            format!(
                "the gradient's norm is {}, {} times its running median",
                figure(self.gradient.level()),
                figure(self.gradient_growth())
            ),
            self.advice.for_policy(),
        )
    }

    fn losses(&mut self, row: &dyn Figures) -> Option<Finding> {
        self.growth.push(row.get("cfm_loss")?);
        let level = self.growth.level();
        if self.rows > LOSS_EARLIEST && level.is_finite() {
            self.lowest_loss = self.lowest_loss.min(level);
        }
        let threshold = (LOSS_GROWTH * self.lowest_loss).max(LOSS_LEVEL);
        let warn = self.growth.judge(level, threshold);
        warn.then(|| self.growth_finding())
    }

    fn growth_finding(&self) -> Finding {
        Finding::new(
            Kind::LossGrowth,
            Severity::Warning,
            format!(
                "the flow-matching loss of the actions taken has grown to {}, {} times its lowest",
                figure(self.growth.level()),
                figure(self.growth.level() / self.lowest_loss)
            ),
            format!("the flow is becoming unstable; {}", self.advice.for_policy()),
        )
    }

    fn collapse(&mut self, row: &dyn Figures) -> Option<Finding> {
        let before = self.has_collapsed();
        if let Some(value) = row.get("episode_return").filter(|value| value.is_finite()) {
            self.returns.observe(value);
        }
        let finite = |name: &str| row.get(name).filter(|value| value.is_finite());
        let columns = EVALUATIONS.map(|(mean, std)| Some((finite(mean)?, finite(std).unwrap_or(0.0))));
        if let [Some(zero), Some(random)] = columns {
            self.evaluations.observe([zero, random], self.returns.first);
        }
        (!before && self.has_collapsed()).then(|| self.collapse_finding())
    }

    fn collapse_finding(&self) -> Finding {
        let statement = if self.evaluations.collapsed {
            let [zero, random] = self.evaluations.last;
            let [best_zero, best_random] = self.evaluations.best;
            format!(
                "the evaluation fell from {} to {} (zero noise) and from {} to {} (random noise)",
                figure(best_zero),
                figure(zero),
                figure(best_random),
                figure(random)
            )
        } else {
            format!(
                "the training return fell from {} to {} (means of {RETURN_WINDOW} iterations)",
                figure(self.returns.best),
                figure(self.returns.window.mean())
            )
        };
        let cause = if self.growth.warned {
            format!(
                "the flow has become unstable, its loss is {} times its lowest; ",
                figure(self.growth.level() / self.lowest_loss)
            )
        } else if self.tails.warned {
            "ratios have left the trust region by orders of magnitude; ".to_owned()
        } else if self.gradient.warned {
            "gradients have exploded; ".to_owned()
        } else {
            String::new()
        };
        Finding::new(
            Kind::ReturnCollapse,
            Severity::Failure,
            statement,
            format!("{cause}{}", self.advice.after_collapse()),
        )
    }
}

/// A figure whose level is held against a threshold.
#[derive(Clone, Debug)]
struct Watch {
    window: Window,
    /// It has warned and has not calmed down since.
    warned: bool,
}

impl Watch {
    fn new(length: usize) -> Self {
        Self {
            window: Window::new(length),
            warned: false,
        }
    }

    fn push(&mut self, value: f64) -> Option<f64> {
        self.window.push(value)
    }

    fn level(&self) -> f64 {
        self.window.median()
    }

    /// Whether `value` has risen above the threshold just now.
    fn judge(&mut self, value: f64, threshold: f64) -> bool {
        let (above, before) = (value > threshold, self.warned);
        if !self.window.is_full() {
            return false;
        }
        self.warned = above || (before && value > CALM_SHARE * threshold);
        above && !before
    }
}

/// The return of the episodes of training.
#[derive(Clone, Debug)]
struct Returns {
    window: Window,
    /// Distances of single iterations from the mean of their window.
    deviations: Window,
    first: Option<f64>,
    best: f64,
    fallen: usize,
    collapsed: bool,
}

impl Returns {
    fn new() -> Self {
        Self {
            window: Window::new(RETURN_WINDOW),
            deviations: Window::new(NOISE_WINDOW),
            first: None,
            best: f64::NEG_INFINITY,
            fallen: 0,
            collapsed: false,
        }
    }

    fn observe(&mut self, value: f64) {
        self.window.push(value);
        if !self.window.is_full() {
            return;
        }
        let level = self.window.mean();
        let first = *self.first.get_or_insert(level);
        self.deviations.push((value - level).abs());
        self.best = self.best.max(level);
        let (gained, lost) = (self.best - first, self.best - level);
        let fallen = lost > LOST_SHARE * gained && lost > LOST_NOISE * self.noise();
        self.fallen = if fallen { self.fallen + 1 } else { 0 };
        let recovered = lost < CALM_SHARE * LOST_SHARE * gained;
        self.collapsed = self.fallen >= LOST_FOR || (self.collapsed && !recovered);
    }

    /// The standard deviation of one iteration's return: of a normal distribution it is 1.25 mean distances.
    fn noise(&self) -> f64 {
        1.25 * self.deviations.mean()
    }
}

/// The return of evaluations.
#[derive(Clone, Debug, Default)]
struct Evaluations {
    seen: bool,
    /// The lower of the first evaluation and the first training return: where the run began.
    first: [f64; 2],
    best: [f64; 2],
    last: [f64; 2],
    collapsed: bool,
}

impl Evaluations {
    /// Takes in both columns' means and standard deviations; `start` is the first training return.
    fn observe(&mut self, columns: [(f64, f64); 2], start: Option<f64>) {
        self.last = columns.map(|(mean, _)| mean);
        if !self.seen {
            self.seen = true;
            (self.first, self.best) = (self.last, self.last);
        }
        let mut shares = [0.0; 2];
        for (i, (now, std)) in columns.into_iter().enumerate() {
            self.best[i] = self.best[i].max(now);
            let first = self.first[i].min(start.unwrap_or(self.first[i]));
            let (gained, lost) = (self.best[i] - first, self.best[i] - now);
            let matters = lost > LOST_SPREAD * std;
            shares[i] = if matters { lost / gained } else { 0.0 };
        }
        // Both: a policy may be bad from zero noise and good from random noise, or the other way round.
        let lost = shares[0].min(shares[1]);
        self.collapsed = lost > LOST_SHARE || (self.collapsed && lost > CALM_SHARE * LOST_SHARE);
    }
}

/// What can be done, given what the settings do already.
#[derive(Clone, Debug)]
struct Advice {
    method: Method,
    bounds_losses: bool,
    clips: bool,
    rolls_back: bool,
}

impl Advice {
    fn new(config: &Config) -> Self {
        let method = config.objective.method;
        Self {
            method,
            bounds_losses: method != Method::Fpo || config.bounds_losses(),
            clips: method == Method::Fpo && config.objective.trust_region == TrustRegion::Ppo,
            rolls_back: config.train.rollback,
        }
    }

    fn lower_rate(&self) -> &'static str {
        "lower optimizer.learning_rate (a resumed run can change it)"
    }

    fn for_policy(&self) -> String {
        let mut advice = self.lower_rate().to_owned();
        if !self.bounds_losses {
            advice += ", bound losses with objective.loss_max=20";
        }
        if self.clips {
            advice += ", or begin a new run with objective.trust_region=\"aspo\", which pulls bad actions' losses back";
        }
        advice
    }

    fn after_collapse(&self) -> String {
        if self.rolls_back {
            return self.for_policy();
        }
        format!(
            "the best checkpoint is kept; {}, or let train.rollback=true go back to it",
            self.for_policy()
        )
    }
}

/// A figure in a sentence.
pub(super) fn figure(x: f64) -> String {
    match x.abs() {
        a if !a.is_finite() => "∞".to_owned(),
        a if a >= 1e5 || (a > 0.0 && a < 1e-2) => format!("{x:.1e}"),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

/// The median of the last figures called `name`.
pub(super) fn recent(rows: &[impl Figures], name: &str) -> Option<f64> {
    let middle = median(rows.iter().filter_map(|row| row.get(name)));
    (!middle.is_nan()).then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve;
    use crate::metrics::Row;

    fn config(sets: &[&str]) -> Config {
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        resolve("toy", Some("fast"), None, &sets, None).unwrap()
    }

    fn detector(sets: &[&str]) -> Detector {
        Detector::new(&config(sets))
    }

    /// A healthy row of the `iteration`th iteration, with some figures in the place of its own.
    fn row(iteration: u64, other: &[(&'static str, f64)]) -> Row {
        // A wave that no window averages away, as noise.
        let noise = 20.0 * (iteration as f64 * 2.3).sin();
        let mut values = vec![
            ("episode_return", (10.0 * iteration as f64).min(800.0) + noise),
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
            timing: Vec::new(),
        }
    }

    /// What a detector says to rows `from` to `to`, by iteration.
    fn says(
        detector: &mut Detector,
        rows: std::ops::RangeInclusive<u64>,
        other: &[(&'static str, f64)],
    ) -> Vec<(u64, Kind)> {
        rows.flat_map(|i| {
            let found = detector.observe(&row(i, other));
            found.into_iter().map(move |finding| (i, finding.kind))
        })
        .collect()
    }

    #[test]
    fn a_run_that_learns_is_left_alone() {
        let mut detector = detector(&[]);
        assert_eq!(says(&mut detector, 1..=500, &[]), []);
        assert!(detector.present().is_empty() && detector.has_learnt() == Some(true));
    }

    #[test]
    fn one_bad_iteration_is_none_but_a_fall_is_told_once() {
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
        // Half of the window has to be low, and stay so.
        assert!(
            kind == Kind::ReturnCollapse && (275..=295).contains(&when),
            "{found:?}"
        );
        assert!(detector.has_collapsed());
        says(&mut detector, 401..=500, &[]);
        assert!(!detector.has_collapsed(), "it has recovered");
    }

    #[test]
    fn each_figure_has_its_watch() {
        for (other, kind) in [
            (("ratio_max", 300.0), Kind::RatioTails),
            (("ratio_min", 0.0), Kind::RatioTails),
            (("ratio_max", f64::NAN), Kind::RatioTails),
            (("loss_clamp_fraction", 0.05), Kind::LossClamp),
            (("grad_norm", 40.0), Kind::GradientNorm),
            (("cfm_loss", 40.0), Kind::LossGrowth),
        ] {
            let mut detector = detector(&[]);
            says(&mut detector, 1..=150, &[]);
            let found = says(&mut detector, 151..=180, &[other]);
            assert_eq!(
                found.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(),
                [kind],
                "{other:?}"
            );
            // Once more of the median's window is high than is not.
            assert_eq!(found[0].0, 156, "{other:?}");
            assert_eq!(detector.present().len(), 1);
            assert!(says(&mut detector, 181..=220, &[]).is_empty() && detector.present().is_empty());
            assert_eq!(says(&mut detector, 221..=240, &[other]).len(), 1, "a new event");
        }
    }

    #[test]
    fn evaluations_count_where_both_columns_fall() {
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
        assert_eq!(says(&mut detector, 101..=101, &evaluation(700.0, 650.0)), []);
        assert_eq!(says(&mut detector, 102..=102, &evaluation(100.0, 650.0)), []);
        assert_eq!(
            says(&mut detector, 103..=103, &evaluation(100.0, 100.0)),
            [(103, Kind::ReturnCollapse)]
        );
        // After the rollback the present is clear; what was reached is not forgotten.
        let again = says(&mut detector, 104..=104, &[("rollbacks", 1.0)]);
        assert!(again.is_empty() && !detector.has_collapsed());
        let fallen = [&evaluation(90.0, 80.0)[..], &[("rollbacks", 1.0)]].concat();
        assert_eq!(
            says(&mut detector, 105..=105, &fallen),
            [(105, Kind::ReturnCollapse)]
        );
    }

    #[test]
    fn little_learnt_is_soon_lost() {
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

    #[test]
    fn advice_names_what_the_settings_lack() {
        let advice = |sets: &[&str]| Advice::new(&config(sets)).for_policy();
        assert_eq!(
            advice(&[]),
            "lower optimizer.learning_rate (a resumed run can change it)"
        );
        assert!(advice(&["objective.loss_max=0"]).contains("objective.loss_max=20"));
        assert!(advice(&["objective.trust_region=ppo"]).contains("aspo"));
        assert!(!advice(&["objective.method=ppo"]).contains("aspo"));
    }
}
