//! `fpo cluster check`: what several processes have between them, and what a training gains by
//! them.

use crate::args::{self, ClusterCommand};
use crate::failure::Failure;
use crate::format::{count, rate};
use crate::output::print;
use crate::ranks::Ranks;
use crate::tasks::Tasks;
use fpo_env::Task;
use fpo_learn::reduce::{Alone, Reader, Reduce, ReduceError, put_u64s};
use fpo_learn::trainer::{TrainError, Trainer, cpu_learner};
use fpo_run::config::{self, Config};
use fpo_run::run::RunError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs the subcommand.
pub(crate) fn run(args: &args::Cluster, tasks: &Tasks) -> Result<(), Failure> {
    match &args.command {
        ClusterCommand::Check(args) => check(args, tasks),
    }
}

/// Numbers of ranks to forecast. More than eight have no further part of a gradient.
const FORECAST: [usize; 4] = [1, 2, 4, 8];

/// Networks to forecast for where there is none to measure: latency in seconds, bytes a second.
const ASSUMED: [(&str, f64, f64); 3] = [
    ("10 Gbit Ethernet", 40e-6, 1.1e9),
    ("100 Gbit Ethernet", 30e-6, 11e9),
    ("InfiniBand, 200 Gbit", 3e-6, 22e9),
];

fn check(args: &args::ClusterCheck, tasks: &Tasks) -> Result<(), Failure> {
    let ranks = Ranks::join(false, Duration::from_secs(600))?;
    let done = check_on(args, tasks, &ranks);
    done.map_err(|failure| ranks.fail(failure))
}

fn check_on(args: &args::ClusterCheck, tasks: &Tasks, ranks: &Ranks) -> Result<(), Failure> {
    let say = |line: &str| {
        if ranks.is_first() {
            print(line);
        }
    };
    let task = tasks.find(&args.task)?;
    let preset = args.preset.as_deref();
    let mut config = config::resolve(&task.spec().name, preset, None, &args.sets, None)?;
    // All epochs: where they end early depends on what is learned.
    config.optimizer.max_kl = 0.0;
    let threads = ranks.threads(Some(args.threads));
    let reduce = ranks.reduce();
    for line in ranks.described() {
        say(&line);
    }
    // The first rank measures what one of so many has to compute, while the others wait.
    let forecast = match ranks.is_first() {
        true => Some(Forecast::measure(&config, &task, threads, args.iterations)?),
        false => None,
    };
    let network = match reduce.ranks() {
        1 => None,
        ranks => {
            let (sizes, busy) = forecast.as_ref().map_or((&[][..], 0), |f| f.given(ranks));
            Some(Network::measure(reduce.as_ref(), sizes, busy).map_err(failed)?)
        }
    };
    if let Some(network) = &network {
        network.lines().iter().for_each(|line| say(line));
    }
    let label = config::label(&config);
    say(&format!(
        "forecast for {} ({label}), {threads} thread(s) a rank, no epochs that end early:",
        config.task
    ));
    if let Some(forecast) = &forecast {
        forecast.lines(network.as_ref()).iter().for_each(|l| say(l));
    }
    if reduce.ranks() > 1 {
        let measured = seconds(&config, &task, threads, args.iterations, &reduce, || ())?;
        let steps = config.env.transitions() as f64;
        let mut line = format!(
            "measured on these {} ranks: {} steps/s",
            reduce.ranks(),
            rate(steps / measured)
        );
        if let Some(expected) = forecast.and_then(|f| f.seconds(reduce.ranks(), network.as_ref()?))
        {
            line += &format!(
                ", forecast {} ({:+.0} %)",
                rate(steps / expected),
                100.0 * (measured / expected - 1.0)
            );
        }
        say(&line);
    }
    Ok(())
}

/// The first rank's numbers, on all ranks.
fn first(reduce: &dyn Reduce, numbers: &[usize]) -> Result<Vec<usize>, ReduceError> {
    let mut bytes = Vec::new();
    for number in numbers {
        put_u64s(&mut bytes, &[*number as u64]);
    }
    let all = reduce.all_gather(bytes)?;
    let mut reader = Reader::new(&all[0]);
    let mut numbers = Vec::new();
    while !reader.rest().is_empty() {
        let [number] = reader.u64s()?;
        numbers.push(number as usize);
    }
    Ok(numbers)
}

/// Sorts them.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn failed(error: ReduceError) -> Failure {
    Failure::runtime(error)
}

/// How long an exchange between all ranks takes.
struct Network {
    ranks: usize,
    /// Bytes that each rank gives, and seconds.
    curve: Vec<(f64, f64)>,
}

/// Bytes that each rank gives.
const SIZES: [usize; 6] = [1, 1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 23];
/// Series of exchanges of a size, of which the median counts, and the time of all of them.
const SERIES: usize = 5;
const ENOUGH: Duration = Duration::from_secs(2);
/// Until connections are made and each rank has found a core.
const WARM: Duration = Duration::from_millis(500);

impl Network {
    /// Measures it on all ranks, at some sizes and those of `more`, where each rank computes for
    /// so many nanoseconds before each exchange, as in a training: connections rest meanwhile, and
    /// the system has no core for them. The first rank's numbers count.
    fn measure(reduce: &dyn Reduce, more: &[usize], busy: usize) -> Result<Self, ReduceError> {
        let busy = Duration::from_nanos(first(reduce, &[busy])?[0] as u64);
        let begun = Instant::now();
        while !reduce.any(begun.elapsed() > WARM)? {}
        let mut sizes = first(reduce, more)?;
        sizes.extend(SIZES);
        sizes.sort_unstable();
        // Sizes that hardly differ tell the same.
        sizes.dedup_by(|next, size| *next as f64 <= 1.02 * *size as f64);
        let mut curve = Vec::new();
        for size in sizes {
            let series = |count: usize| {
                let begun = Instant::now();
                for k in 0..count {
                    let at = Instant::now();
                    while at.elapsed() < busy {
                        std::hint::spin_loop();
                    }
                    reduce.all_gather(vec![k as u8; size])?;
                }
                let seconds = (begun.elapsed() - busy * count as u32).as_secs_f64();
                Ok::<_, ReduceError>(seconds / count as f64)
            };
            let about = series(4)? + busy.as_secs_f64();
            let count = ENOUGH.as_secs_f64() / SERIES as f64 / about;
            let count = first(reduce, &[(count as usize).clamp(2, 400)])?[0];
            let times = (0..SERIES).map(|_| series(count));
            let mut times = times.collect::<Result<Vec<_>, _>>()?;
            curve.push((size as f64, median(&mut times)));
        }
        let ranks = reduce.ranks();
        Ok(Self { ranks, curve })
    }

    /// Seconds of an exchange in which each of `ranks` ranks gives so many bytes.
    fn seconds(&self, ranks: usize, bytes: f64) -> f64 {
        // What arrives counts.
        let bytes = bytes * (ranks - 1) as f64 / (self.ranks - 1) as f64;
        let next = self.curve.iter().position(|(size, _)| *size >= bytes);
        let next = next.unwrap_or(self.curve.len() - 1).max(1);
        let ((a, from), (b, to)) = (self.curve[next - 1], self.curve[next]);
        (from + (bytes - a) / (b - a) * (to - from)).max(from.min(to))
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec!["exchange of all with all, each gives:".to_owned()];
        for (size, seconds) in &self.curve {
            lines.push(format!(
                "  {:>9} B  {:>9.3} ms  {:>8.1} MB/s into each rank",
                count(*size as u64),
                1e3 * seconds,
                1e-6 * size * (self.ranks - 1) as f64 / seconds
            ));
        }
        let (_, latency) = self.curve[0];
        let (a, b) = (
            self.curve[self.curve.len() - 2],
            self.curve[self.curve.len() - 1],
        );
        lines.push(format!(
            "latency {:.3} ms, bandwidth {:.0} MB/s",
            1e3 * latency,
            1e-6 * (b.0 - a.0) * (self.ranks - 1) as f64 / (b.1 - a.1)
        ));
        lines
    }
}

/// What an iteration takes on the first of some ranks, without the network.
struct Part {
    ranks: usize,
    seconds: f64,
    /// Bytes that it gives in each exchange.
    given: Vec<usize>,
}

struct Forecast {
    parts: Vec<Part>,
    /// Environment steps of an iteration.
    steps: f64,
}

impl Forecast {
    fn measure(
        config: &Config,
        task: &Arc<dyn Task>,
        threads: usize,
        iterations: u32,
    ) -> Result<Self, Failure> {
        let mut parts = Vec::new();
        for ranks in FORECAST {
            let pretend = Arc::new(Pretend {
                ranks,
                given: Mutex::default(),
            });
            let reduce: Arc<dyn Reduce> = match ranks {
                1 => Arc::new(Alone),
                _ => Arc::clone(&pretend) as Arc<dyn Reduce>,
            };
            let given = || pretend.given.lock().unwrap_or_else(PoisonError::into_inner);
            match seconds(config, task, threads, iterations, &reduce, || {
                given().clear()
            }) {
                Ok(seconds) => {
                    parts.push(Part {
                        ranks,
                        seconds,
                        given: given().clone(),
                    });
                }
                // Fewer parts of a minibatch, or groups of environments, than ranks.
                Err(_) if ranks > 1 => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(Self {
            parts,
            steps: config.env.transitions() as f64,
        })
    }

    /// What a rank of so many gives in the exchanges of an iteration, and the nanoseconds that it
    /// computes between them; nothing if that is not known.
    fn given(&self, ranks: usize) -> (&[usize], usize) {
        let part = self.parts.iter().find(|part| part.ranks == ranks);
        part.map_or((&[], 0), |part| {
            let busy = 1e9 * part.seconds / part.given.len() as f64;
            (&part.given, busy as usize)
        })
    }

    /// Seconds of an iteration on so many ranks; none if nothing is known of that many.
    fn seconds(&self, ranks: usize, network: &Network) -> Option<f64> {
        let part = self.parts.iter().find(|part| part.ranks == ranks)?;
        Some(part.seconds + part.exchanging(|bytes| network.seconds(ranks, bytes)))
    }

    fn lines(&self, network: Option<&Network>) -> Vec<String> {
        let head =
            "  ranks  computing s  exchanges      MB given  exchanging s  steps/s  efficiency";
        let mut lines = Vec::new();
        match network {
            Some(network) => {
                lines.push(head.to_owned());
                lines.extend(self.table(|ranks, bytes| network.seconds(ranks, bytes)));
            }
            None => {
                for (name, latency, bandwidth) in ASSUMED {
                    lines.push(format!(
                        "  on {name}, assumed: {:.0} µs, {:.1} GB/s",
                        1e6 * latency,
                        1e-9 * bandwidth
                    ));
                    lines.push(head.to_owned());
                    lines.extend(
                        self.table(|ranks, bytes| latency + bytes * (ranks - 1) as f64 / bandwidth),
                    );
                }
            }
        }
        lines
    }

    fn table(&self, exchange: impl Fn(usize, f64) -> f64) -> Vec<String> {
        let alone = self.parts[0].seconds;
        let line = |part: &Part| {
            let exchanging = part.exchanging(|bytes| exchange(part.ranks, bytes));
            let all = part.seconds + exchanging;
            format!(
                "  {:>5}  {:>11.3}  {:>9}  {:>12.2}  {:>12.3}  {:>7}  {:>8.0} %",
                part.ranks,
                part.seconds,
                part.given.len(),
                1e-6 * part.given.iter().sum::<usize>() as f64,
                exchanging,
                rate(self.steps / all),
                100.0 * alone / all / part.ranks as f64
            )
        };
        self.parts.iter().map(line).collect()
    }
}

impl Part {
    /// Seconds of its exchanges.
    fn exchanging(&self, seconds: impl Fn(f64) -> f64) -> f64 {
        self.given.iter().map(|bytes| seconds(*bytes as f64)).sum()
    }
}

/// The first of some ranks of which the others give what it gives, at once: it computes as much as
/// it would with real others, of equal shares, but what it learns is of no use.
struct Pretend {
    ranks: usize,
    /// Bytes of each exchange since it was last emptied.
    given: Mutex<Vec<usize>>,
}

impl Reduce for Pretend {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.push(mine.len());
        Ok(vec![mine; self.ranks])
    }
}

/// Seconds of the median of some iterations after a first one, as a run makes them.
fn seconds(
    config: &Config,
    task: &Arc<dyn Task>,
    threads: usize,
    iterations: u32,
    reduce: &Arc<dyn Reduce>,
    begin: impl Fn(),
) -> Result<f64, Failure> {
    let run = || -> Result<f64, TrainError> {
        let learner = Box::new(cpu_learner(config, task.as_ref())?);
        let task = Arc::clone(task);
        let mut trainer = Trainer::with_reduce(config, task, threads, learner, Arc::clone(reduce))?;
        let mut times = Vec::new();
        for iteration in 0..=iterations {
            begin();
            let begun = Instant::now();
            // What a run's first rank tells the others, and what it keeps of before.
            for _ in 0..2 {
                reduce.all_gather(vec![0; 34])?;
            }
            trainer.state()?;
            trainer.iterate()?;
            let seconds = begun.elapsed().as_secs_f64();
            if iteration > 0 {
                times.push(seconds);
            }
        }
        Ok(median(&mut times))
    };
    run().map_err(|error| RunError::from(error).into())
}
