//! The results of a suite's runs, over steps and over time.

use crate::record::{Evaluation, Record, RecordError};
use crate::stats::{self, Aggregate, Estimate};
use crate::suite::Suite;
use std::path::{Path, PathBuf};

/// The noise from which actions of an evaluation are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Zeros: a flow's deterministic action, a Gaussian's mean.
    Zero,
    /// N(0, I): a sample, as in training.
    Random,
}

impl Noise {
    /// Both kinds, in the order of tables and pictures.
    pub const BOTH: [Self; 2] = [Self::Zero, Self::Random];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero noise",
            Self::Random => "random noise",
        }
    }

    /// The mean return of an evaluation.
    pub fn mean(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Zero => evaluation.zero.mean,
            Self::Random => evaluation.random.mean,
        }
    }
}

/// The horizontal axis of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Environment steps.
    Steps,
    /// Seconds of learning, without evaluations.
    Seconds,
}

impl Axis {
    fn of(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Steps => evaluation.env_steps as f64,
            Self::Seconds => evaluation.seconds,
        }
    }
}

/// The progress of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was not started.
    Missing,
    /// It is in progress or was stopped.
    Unfinished,
    /// It is complete.
    Finished,
    /// Training failed, with the reason.
    Failed(String),
}

impl Status {
    /// The progress of the run that `record` describes.
    pub fn of(record: &Record) -> Self {
        match &record.failure {
            _ if record.is_complete() => Self::Finished,
            Some(why) => Self::Failed(why.clone()),
            None => Self::Unfinished,
        }
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unfinished => "unfinished",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
        }
    }
}

/// One run of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Number of its method.
    pub method: usize,
    /// Number of its task.
    pub task: usize,
    /// Its seed.
    pub seed: u64,
    /// Its progress.
    pub status: Status,
    /// The content of its folder, if it exists.
    pub record: Option<Record>,
}

impl Run {
    /// The evaluation that counts as its result: the last one, if the run is complete or failed.
    pub fn result(&self) -> Option<&Evaluation> {
        match self.status {
            Status::Finished | Status::Failed(_) => self.record.as_ref()?.evaluations.last(),
            Status::Missing | Status::Unfinished => None,
        }
    }
}

/// A suite and the results of its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// The suite.
    pub suite: Suite,
    /// The folder of its runs.
    pub folder: PathBuf,
    /// Its runs: method by method, task by task, seed by seed.
    pub runs: Vec<Run>,
}

impl Results {
    /// Reads the runs of `suite` in `folder`.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn read(suite: &Suite, folder: &Path) -> Result<Self, RecordError> {
        let mut runs = Vec::new();
        for (method, named) in suite.methods.iter().enumerate() {
            for (task, name) in suite.tasks.iter().enumerate() {
                for &seed in &suite.seeds {
                    let path = folder.join(&named.name).join(Suite::run_name(name, seed));
                    let record = match Record::read(&path) {
                        Err(RecordError::NotARun { .. }) => None,
                        record => Some(record?),
                    };
                    let status = record.as_ref().map_or(Status::Missing, Status::of);
                    runs.push(Run {
                        method,
                        task,
                        seed,
                        status,
                        record,
                    });
                }
            }
        }
        Ok(Self {
            suite: suite.clone(),
            folder: folder.to_owned(),
            runs,
        })
    }

    /// The runs of a method, in the order of tasks and seeds.
    pub fn of_method(&self, method: usize) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.method == method)
    }

    /// The runs of a method on a task that have a result.
    fn counted(&self, method: usize, task: usize) -> impl Iterator<Item = &Run> {
        let runs = self.of_method(method).filter(move |run| run.task == task);
        runs.filter(|run| run.result().is_some())
    }

    /// Mean returns of the runs of a method on a task, one for each that has a result.
    pub fn returns(&self, method: usize, task: usize, noise: Noise) -> Vec<f64> {
        let results = self.counted(method, task).filter_map(Run::result);
        results.map(|evaluation| noise.mean(evaluation)).collect()
    }

    /// Methods that have a result.
    pub fn methods(&self) -> Vec<usize> {
        let has_result = |method: &usize| self.of_method(*method).any(|run| run.result().is_some());
        (0..self.suite.methods.len()).filter(has_result).collect()
    }

    /// Tasks on which all methods with any result have one. Aggregates are over these, so that
    /// methods are compared on the same tasks.
    pub fn shared_tasks(&self) -> Vec<usize> {
        let methods = self.methods();
        let shared = |task: &usize| {
            methods
                .iter()
                .all(|&method| self.counted(method, *task).next().is_some())
        };
        (0..self.suite.tasks.len()).filter(shared).collect()
    }

    /// Scores of a method: for each shared task those of its seeds.
    pub fn scores(&self, method: usize, noise: Noise) -> Vec<Vec<f64>> {
        let of_task = |task| -> Vec<f64> {
            let returns = self.returns(method, task, noise).into_iter();
            returns.map(|mean| self.suite.score(mean)).collect()
        };
        self.shared_tasks().into_iter().map(of_task).collect()
    }

    /// An aggregate of a method's scores on the shared tasks, with its interval.
    pub fn aggregate(&self, method: usize, noise: Noise, aggregate: Aggregate) -> Option<Estimate> {
        stats::aggregate(aggregate, &self.scores(method, noise), stats::RESAMPLES)
    }

    /// The probability that a run of the method `x` beats one of `y` on a shared task, with its
    /// interval.
    pub fn improvement(&self, x: usize, y: usize, noise: Noise) -> Option<Estimate> {
        let (x, y) = (self.scores(x, noise), self.scores(y, noise));
        stats::probability_of_improvement(&x, &y, stats::RESAMPLES)
    }

    /// Whether there are so many methods with results that pictures and tables omit details to stay
    /// readable.
    pub fn crowded(&self) -> bool {
        self.methods().len() > MANY
    }

    /// The pairs of methods to compare: all, or, if those are too many to read, each method with
    /// the first.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let methods = self.methods();
        let first = if self.crowded() { 1 } else { methods.len() };
        let with_later = |k: usize| methods[k + 1..].iter().map(move |&y| (k, y));
        let pairs = (0..first.min(methods.len())).flat_map(with_later);
        pairs.map(|(k, y)| (methods[k], y)).collect()
    }

    /// The learning curve of the interquartile mean over all runs of a method with a result on a
    /// shared task, with its intervals. It begins where all runs have a first evaluation; a run's
    /// score is linear between its evaluations and constant after its last.
    pub fn curve(&self, method: usize, noise: Noise, axis: Axis) -> Vec<(f64, Estimate)> {
        let tasks: Vec<Vec<Vec<(f64, f64)>>> = self
            .shared_tasks()
            .into_iter()
            .map(|task| {
                let runs = self.counted(method, task);
                runs.map(|run| self.run_curve(run, noise, axis, true))
                    .collect()
            })
            .collect();
        let runs = || tasks.iter().flatten();
        let begin = runs()
            .map(|curve| curve[0].0)
            .fold(f64::NEG_INFINITY, f64::max);
        let mut grid: Vec<f64> = runs()
            .flatten()
            .map(|(x, _)| *x)
            .filter(|x| *x >= begin)
            .collect();
        grid.sort_unstable_by(f64::total_cmp);
        grid.dedup();
        let grid = thinned(&grid);
        let estimate = |x: f64| {
            let scores: Vec<Vec<f64>> = tasks
                .iter()
                .map(|runs| runs.iter().map(|curve| at(curve, x)).collect())
                .collect();
            let iqm = stats::aggregate(
                Aggregate::InterquartileMean,
                &scores,
                stats::CURVE_RESAMPLES,
            );
            iqm.map(|estimate| (x, estimate))
        };
        grid.into_iter().filter_map(estimate).collect()
    }

    /// The evaluations of one run: position and mean return, or its score.
    pub fn run_curve(
        &self,
        run: &Run,
        noise: Noise,
        axis: Axis,
        as_score: bool,
    ) -> Vec<(f64, f64)> {
        let evaluations = run.record.iter().flat_map(|record| &record.evaluations);
        let value = |mean| {
            if as_score {
                self.suite.score(mean)
            } else {
                mean
            }
        };
        evaluations
            .map(|evaluation| (axis.of(evaluation), value(noise.mean(evaluation))))
            .collect()
    }

    /// Seconds of learning of all runs together, without evaluations.
    pub fn seconds(&self) -> f64 {
        self.runs
            .iter()
            .filter_map(|run| run.record.as_ref())
            .map(Record::seconds)
            .sum()
    }
}

/// Maximum number of methods for which all pairs are compared, and bands are drawn.
const MANY: usize = 6;

/// Maximum number of points of an aggregate curve.
const POINTS: usize = 60;

/// At most [`POINTS`] evenly chosen ones of sorted positions, including both ends.
fn thinned(grid: &[f64]) -> Vec<f64> {
    if grid.len() <= POINTS {
        return grid.to_vec();
    }
    let last = grid.len() - 1;
    (0..POINTS).map(|k| grid[k * last / (POINTS - 1)]).collect()
}

/// The value of a curve at `x`, which is not before its first point: linear between points,
/// constant after the last.
fn at(curve: &[(f64, f64)], x: f64) -> f64 {
    let after = curve.partition_point(|(other, _)| *other <= x);
    match (curve[..after].last(), curve.get(after)) {
        (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some(&(_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fmt::Write;
    use std::fs;
    use tempfile::TempDir;

    /// A suite of two methods, two tasks and two seeds, all of whose runs have three evaluations;
    /// `ends` gives a run's last return. The second method's runs take twice as long.
    pub(crate) fn example(ends: impl Fn(usize, usize, u64) -> f64) -> (TempDir, Results) {
        let text = "tasks = [\"hop\", \"swim\"]\nseeds = [0, 1]\nscore = { min = 0, max = 10 \
            }\n[set]\ntrain.steps = 300\n\
             [method.one]\nlabel = \"The <first>\"\n[method.two]\nset = { objective.clip = 0.2 }\n";
        let suite = Suite::parse("example", text, "example").unwrap();
        let folder = TempDir::new().unwrap();
        for (m, method) in suite.methods.iter().enumerate() {
            for (t, task) in suite.tasks.iter().enumerate() {
                for &seed in &suite.seeds {
                    let run = folder
                        .path()
                        .join(&method.name)
                        .join(Suite::run_name(task, seed));
                    fs::create_dir_all(&run).unwrap();
                    let clip = 0.1 * (m + 1) as f64;
                    let config = format!(
                        "task = \"{task}\"\npreset = \"fast\"\nseed = {seed}\n[train]\nsteps = \
                        300\n[objective]\nclip = {clip}\npairs = 4\n"
                    );
                    fs::write(run.join("config.toml"), config).unwrap();
                    let mut metrics = String::new();
                    let mut eval =
                        "iteration,env_steps,noise,episodes,mean,std,min,max,diverged\n".to_owned();
                    for k in 1..=3 {
                        let (steps, seconds) = (100 * k, m + 1);
                        let _ = writeln!(
                            metrics,
                            "{{\"iteration\":{k},\"env_steps\":{steps},\
             \"time\":{{\"iteration_seconds\":{seconds}}}}}"
                        );
                        let end = ends(m, t, seed) * k as f64 / 3.0;
                        let _ = writeln!(
                            eval,
                            "{k},{steps},zero,4,{end},0.5,0,9,0\n{k},{steps},random,4,{},0.5,0,9,0",
                            end / 2.0
                        );
                    }
                    fs::write(run.join("metrics.jsonl"), metrics).unwrap();
                    fs::write(run.join("eval.csv"), eval).unwrap();
                }
            }
        }
        let results = Results::read(&suite, folder.path()).unwrap();
        (folder, results)
    }

    #[test]
    fn scores_and_curves() {
        let (_folder, results) = example(|m, t, seed| (3 * m + 2 * t) as f64 + seed as f64);
        assert!(
            results
                .runs
                .iter()
                .all(|run| run.status == Status::Finished)
        );
        assert_eq!(results.scores(0, Noise::Zero), [[0.0, 0.1], [0.2, 0.3]]);
        assert_eq!(results.scores(1, Noise::Random), [[0.15, 0.2], [0.25, 0.3]]);
        assert_eq!(results.seconds(), 4.0 * 3.0 * (1.0 + 2.0));
        let curve = results.curve(0, Noise::Zero, Axis::Steps);
        assert_eq!(
            curve.iter().map(|(x, _)| *x).collect::<Vec<_>>(),
            [100.0, 200.0, 300.0]
        );
        // Of four runs one at each end is dropped: (0.1 + 0.2) / 2, growing linearly from zero.
        for (k, (_, estimate)) in curve.iter().enumerate() {
            assert!((estimate.value - 0.05 * (k + 1) as f64).abs() < 1e-12);
        }
        let time = results.curve(1, Noise::Zero, Axis::Seconds);
        assert_eq!(
            time.iter().map(|(x, _)| *x).collect::<Vec<_>>(),
            [2.0, 4.0, 6.0]
        );
        assert_eq!(results.pairs(), [(0, 1)]);
        let better = results.improvement(1, 0, Noise::Zero).unwrap();
        assert_eq!(better.value, 1.0);
    }

    /// A missing run excludes its task from the aggregates of all methods; a failed one counts with
    /// its last evaluation.
    #[test]
    fn incomplete_results() {
        let (folder, _) = example(|_, _, _| 6.0);
        let path = |name: &str| folder.path().join(name);
        fs::write(path("two/hop-seed0/config.toml"), "[train]\nsteps = 400\n").unwrap();
        fs::write(
            path("two/hop-seed0/failed.txt"),
            "a gradient\nbecame non-finite\n",
        )
        .unwrap();
        fs::write(path("two/hop-seed1/config.toml"), "[train]\nsteps = 400\n").unwrap();
        fs::remove_dir_all(path("one/swim-seed0")).unwrap();
        fs::remove_dir_all(path("one/swim-seed1")).unwrap();
        let (_other, complete) = example(|_, _, _| 6.0);
        let results = Results::read(&complete.suite, folder.path()).unwrap();
        let words: Vec<_> = results.runs.iter().map(|run| run.status.word()).collect();
        assert_eq!(
            words,
            [
                "finished",
                "finished",
                "missing",
                "missing",
                "failed",
                "unfinished",
                "finished",
                "finished"
            ]
        );
        assert_eq!(
            results.runs[4].status,
            Status::Failed("a gradient became non-finite".to_owned())
        );
        assert_eq!(results.shared_tasks(), [0]);
        assert_eq!(results.scores(1, Noise::Zero), [[0.6]]);
    }

    #[test]
    fn curves_between_and_after_their_points() {
        let curve = [(1.0, 10.0), (3.0, 20.0)];
        assert_eq!(
            [1.0, 2.0, 3.0, 9.0].map(|x| at(&curve, x)),
            [10.0, 15.0, 20.0, 20.0]
        );
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        let thin = thinned(&many);
        assert_eq!((thin.len(), thin[0], thin[59]), (60, 0.0, 999.0));
    }
}
