//! A run in several processes: the first rank leads, the others do what it says.
//!
//! Only the first has the run's folder, and decides what comes next. Before each step that all
//! ranks take part in, it tells them which; so they need neither settings nor files of their own,
//! and whatever it does (evaluate, roll back, end) they do. What they tell it in return is whether
//! they were asked to stop, and a digest of what they have learned: ranks compute the same, so one
//! that does not is on a machine that computes differently, and the run ends.

use super::{RunError, digest};
use crate::config::{Config, documented, from_documented};
use fpo_env::Task;
use fpo_learn::evaluate::{EvaluateError, Evaluation};
use fpo_learn::reduce::{Alone, Part, Reader, Reduce, ReduceError, check_equal, put_u64s};
use fpo_learn::trainer::{Iteration, Networks, Start, TrainError, Trainer, cpu_learner};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a run is computed with.
#[derive(Clone)]
pub struct Resources {
    /// Threads of this process.
    pub threads: usize,
    /// The processes that share the work, of which this is the first.
    pub reduce: Arc<dyn Reduce>,
}

/// So many threads of this process alone.
impl From<usize> for Resources {
    fn from(threads: usize) -> Self {
        let reduce = Arc::new(Alone);
        Self { threads, reduce }
    }
}

/// What the first rank tells the others to do with it.
enum Call {
    /// Make a trainer.
    Make {
        folder: PathBuf,
        /// As `config.toml` has it.
        config: String,
        /// What the training begins with, if not with what the seed gives.
        start: Option<Vec<u8>>,
    },
    Iterate,
    State,
    Evaluate,
    Load(Vec<u8>),
    RollBack(Option<Vec<u8>>, u64),
    /// The run is over.
    End,
}

impl Call {
    fn save(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let optional = |bytes: &Option<Vec<u8>>, out: &mut Vec<u8>| {
            out.push(u8::from(bytes.is_some()));
            bytes.clone().unwrap_or_default().write(out);
        };
        match self {
            Self::Make {
                folder,
                config,
                start,
            } => {
                out.push(0);
                folder
                    .as_os_str()
                    .as_encoded_bytes()
                    .to_vec()
                    .write(&mut out);
                config.clone().into_bytes().write(&mut out);
                optional(start, &mut out);
            }
            Self::Iterate => out.push(1),
            Self::State => out.push(2),
            Self::Evaluate => out.push(3),
            Self::Load(state) => {
                out.push(4);
                state.clone().write(&mut out);
            }
            Self::RollBack(state, done) => {
                out.push(5);
                put_u64s(&mut out, &[*done]);
                optional(state, &mut out);
            }
            Self::End => out.push(6),
        }
        out
    }

    fn load(bytes: &[u8]) -> Result<Self, ReduceError> {
        let unknown = |_| ReduceError("rank 0 is of another version of the program".into());
        let mut reader = Reader::new(bytes);
        let sized = |reader: &mut Reader| Ok::<_, ReduceError>(reader.sized()?.rest().to_vec());
        let optional = |reader: &mut Reader| {
            let [there] = reader.array()?;
            let bytes = sized(reader)?;
            Ok::<_, ReduceError>((there == 1).then_some(bytes))
        };
        let [code] = reader.array()?;
        let call = match code {
            0 => Self::Make {
                folder: path(sized(&mut reader)?)?,
                config: String::from_utf8(sized(&mut reader)?).map_err(|_| unknown(()))?,
                start: optional(&mut reader)?,
            },
            1 => Self::Iterate,
            2 => Self::State,
            3 => Self::Evaluate,
            4 => Self::Load(sized(&mut reader)?),
            5 => {
                let [done] = reader.u64s()?;
                Self::RollBack(optional(&mut reader)?, done)
            }
            6 => Self::End,
            _ => return Err(unknown(())),
        };
        reader.finish()?;
        Ok(call)
    }
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> Result<PathBuf, ReduceError> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> Result<PathBuf, ReduceError> {
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| ReduceError("the run's folder is no UTF-8 text".into()))?;
    Ok(text.into())
}

/// What the other ranks tell the first before each call.
#[derive(Default)]
struct Report {
    /// Whether it was asked to stop.
    stop: bool,
    /// The digest of what was learned, or the error that a step ended with.
    learned: Vec<u8>,
}

impl Report {
    /// After a step that changed what was learned.
    fn after<T>(&mut self, trainer: &Trainer, result: &Result<T, TrainError>) {
        self.learned.clear();
        match result {
            Ok(_) => {
                let mut hasher = blake3::Hasher::new();
                let networks = trainer.networks();
                for trained in [&networks.policy, &networks.critic] {
                    let mut bytes = Vec::new();
                    fpo_learn::reduce::put_f32s(&mut bytes, &trained.parameters);
                    hasher.update(&bytes);
                }
                self.learned.push(0);
                self.learned.extend(hasher.finalize().as_bytes());
            }
            Err(error) => {
                self.learned.push(1);
                self.learned.extend(error.to_string().as_bytes());
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        [&[u8::from(self.stop)], &self.learned[..]].concat()
    }

    /// What is wrong with what rank `rank` reports, of which this one's is right.
    fn check(&self, rank: usize, learned: &[u8]) -> Result<(), ReduceError> {
        if self.learned == learned {
            return Ok(());
        }
        let what = match learned.split_first() {
            Some((1, error)) => format!("ended its step with: {}", String::from_utf8_lossy(error)),
            _ => "has learned other numbers".to_owned(),
        };
        Err(ReduceError(format!(
            "rank {rank} {what}; rank 0 does not: its machine computes differently (another kind \
             of processor, another library or faulty memory)"
        )))
    }
}

/// The first rank's trainer, whose steps the other ranks take, too.
pub(super) struct Lead {
    trainer: Trainer,
    reduce: Arc<dyn Reduce>,
    report: Report,
}

impl Deref for Lead {
    type Target = Trainer;

    fn deref(&self) -> &Trainer {
        &self.trainer
    }
}

impl Lead {
    /// A trainer of the run in `folder` before its first iteration, on all ranks. It begins with
    /// `start`, or with what the seed gives.
    ///
    /// # Errors
    /// If it cannot be made here; another rank that cannot ends the exchange.
    pub(super) fn make(
        folder: &Path,
        config: &Config,
        task: Arc<dyn Task>,
        resources: Resources,
        start: Option<Start>,
    ) -> Result<Self, TrainError> {
        let Resources { threads, reduce } = resources;
        if reduce.ranks() > 1 {
            let bytes = |start: &Start| start.save(&Networks::new(config, task.as_ref())?);
            let start = start.as_ref().map(bytes).transpose()?;
            let call = Call::Make {
                // The others may have other working directories.
                folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
                config: documented(config),
                start,
            };
            reduce.all_gather(call.save())?;
        }
        let mut trainer = make(config, task, threads, Arc::clone(&reduce))?;
        if let Some(start) = start {
            trainer.begin_from(start)?;
        }
        Ok(Self {
            trainer,
            reduce,
            report: Report::default(),
        })
    }

    /// A trainer of this process alone.
    pub(super) fn alone(trainer: Trainer) -> Self {
        Self {
            trainer,
            reduce: Arc::new(Alone),
            report: Report::default(),
        }
    }

    /// Tells the others what to do now. Sets `stop` if one of them was asked to stop.
    fn announce(&self, call: Call, stop: Option<&AtomicBool>) -> Result<(), ReduceError> {
        if self.reduce.ranks() == 1 {
            return Ok(());
        }
        let reports = self.reduce.all_gather(call.save())?;
        for (rank, report) in reports.iter().enumerate().skip(1) {
            let mut reader = Reader::new(report);
            let [asked] = reader.array()?;
            self.report.check(rank, reader.rest())?;
            if let Some(stop) = stop.filter(|_| asked == 1) {
                stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// What all ranks have learned is compared before the next call.
    fn learned<T>(&mut self, result: Result<T, TrainError>) -> Result<T, TrainError> {
        if self.reduce.ranks() > 1 {
            self.report.after(&self.trainer, &result);
        }
        result
    }

    /// [`Trainer::iterate`]. Sets `stop` if another rank was asked to stop.
    pub(super) fn iterate(&mut self, stop: &AtomicBool) -> Result<Iteration, TrainError> {
        self.announce(Call::Iterate, Some(stop))?;
        let result = self.trainer.iterate();
        self.learned(result)
    }

    /// [`Trainer::state`].
    pub(super) fn state(&self) -> Result<Vec<u8>, TrainError> {
        self.announce(Call::State, None)?;
        self.trainer.state()
    }

    /// [`Trainer::evaluate_until`].
    pub(super) fn evaluate_until(
        &self,
        stop: &AtomicBool,
    ) -> Result<Option<Evaluation>, TrainError> {
        self.announce(Call::Evaluate, Some(stop))?;
        self.trainer.evaluate_until(stop)
    }

    /// [`Trainer::load_state`]. Returns the number of episodes that begin anew, on all ranks.
    pub(super) fn load_state(&mut self, state: &[u8]) -> Result<usize, TrainError> {
        if self.reduce.ranks() > 1 {
            self.announce(Call::Load(state.to_vec()), None)?;
        }
        let result = self.trainer.load_state(state);
        self.learned(result)?;
        let mine = self.trainer.restarted_episodes() as u64;
        Ok(restarted(self.reduce.as_ref(), mine)?)
    }

    /// [`Trainer::roll_back`].
    pub(super) fn roll_back(&mut self, state: Option<&[u8]>, done: u64) -> Result<(), TrainError> {
        if self.reduce.ranks() > 1 {
            self.announce(Call::RollBack(state.map(<[u8]>::to_vec), done), None)?;
        }
        let result = self.trainer.roll_back(state, done);
        self.learned(result)
    }
}

/// Lets the other ranks go, which [`follow`] the first: nothing is left to do.
///
/// # Errors
/// If one of them is gone.
pub fn dismiss(reduce: &dyn Reduce) -> Result<(), ReduceError> {
    match reduce.ranks() {
        1 => Ok(()),
        _ => reduce.all_gather(Call::End.save()).map(drop),
    }
}

fn make(
    config: &Config,
    task: Arc<dyn Task>,
    threads: usize,
    reduce: Arc<dyn Reduce>,
) -> Result<Trainer, TrainError> {
    let files = digest(task.files()).unwrap_or_default();
    check_equal(reduce.as_ref(), "files of the task", files.into_bytes())?;
    let learner = Box::new(cpu_learner(config, task.as_ref())?);
    Trainer::with_reduce(config, task, threads, learner, reduce)
}

/// The sum over all ranks of the episodes that began anew.
fn restarted(reduce: &dyn Reduce, mine: u64) -> Result<usize, ReduceError> {
    let mut bytes = Vec::new();
    put_u64s(&mut bytes, &[mine]);
    let mut sum = 0;
    for bytes in reduce.all_gather(bytes)? {
        let [count] = Reader::new(&bytes).u64s()?;
        sum += count;
    }
    Ok(sum as usize)
}

/// Takes part in the run that the first rank leads, as another rank, until it ends. `task` finds
/// the run's task by the run's folder and the task's name. A `stop` is handed on to the first rank.
///
/// # Errors
/// If the trainer cannot be made, or the exchange ends. What training ends with on all ranks is
/// the first one's to report.
pub fn follow<E: From<RunError>>(
    resources: Resources,
    stop: &AtomicBool,
    task: impl FnOnce(&Path, &str) -> Result<Arc<dyn Task>, E>,
) -> Result<(), E> {
    let Resources { threads, reduce } = resources;
    let mut report = Report::default();
    let next = |report: &mut Report| {
        report.stop = stop.load(Ordering::Relaxed);
        let all = reduce.all_gather(report.save())?;
        Call::load(&all[0])
    };
    let failed = |error: TrainError| E::from(RunError::from(error));
    let first = next(&mut report).map_err(|error| failed(error.into()))?;
    let Call::Make {
        folder,
        config,
        start,
    } = first
    else {
        return Ok(());
    };
    let config = from_documented(&config, "rank 0's settings").map_err(RunError::from)?;
    let task = task(&folder, &config.task)?;
    let networks = Networks::new(&config, task.as_ref()).map_err(failed)?;
    let mut trainer = make(&config, task, threads, Arc::clone(&reduce)).map_err(failed)?;
    if let Some(bytes) = start {
        let start = Start::load(&bytes, &networks).map_err(failed)?;
        trainer.begin_from(start).map_err(failed)?;
    }
    loop {
        let call = next(&mut report).map_err(|error| failed(error.into()))?;
        let done = match call {
            Call::Make { .. } | Call::End => return Ok(()),
            Call::Iterate => {
                let result = trainer.iterate();
                report.after(&trainer, &result);
                result.map(drop)
            }
            Call::State => trainer.state().map(drop),
            Call::Evaluate => trainer.evaluate_until(stop).map(drop),
            Call::Load(state) => {
                let result = trainer.load_state(&state);
                report.after(&trainer, &result);
                let mine = trainer.restarted_episodes() as u64;
                result.and_then(|()| Ok(restarted(reduce.as_ref(), mine).map(drop)?))
            }
            Call::RollBack(state, done) => {
                let result = trainer.roll_back(state.as_deref(), done);
                report.after(&trainer, &result);
                result
            }
        };
        // Whatever else has happened has happened on all ranks, and the first one answers it.
        if let Err(
            error @ (TrainError::Reduce(_) | TrainError::Evaluating(EvaluateError::Reduce(_))),
        ) = done
        {
            return Err(failed(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_travel_whole() {
        let calls = [
            Call::Make {
                folder: "runs/a b".into(),
                config: "seed = 1\n".into(),
                start: Some(vec![1, 2]),
            },
            Call::Iterate,
            Call::State,
            Call::Evaluate,
            Call::Load(vec![0; 5]),
            Call::RollBack(None, 3),
            Call::RollBack(Some(vec![]), u64::MAX),
            Call::End,
        ];
        for call in calls {
            let bytes = call.save();
            assert_eq!(Call::load(&bytes).unwrap().save(), bytes);
            for cut in 0..bytes.len() {
                assert!(Call::load(&bytes[..cut]).is_err(), "{cut} of {bytes:?}");
            }
        }
        assert!(Call::load(&[7]).is_err());
    }

    #[test]
    fn a_rank_that_computes_differently_is_named() {
        let report = |learned: &[u8]| Report {
            stop: false,
            learned: learned.to_vec(),
        };
        assert!(report(&[0, 1]).check(3, &[0, 1]).is_ok());
        let error = report(&[0, 1]).check(3, &[0, 2]).unwrap_err().to_string();
        assert!(
            error.contains("rank 3 has learned other numbers"),
            "{error}"
        );
        let error = report(&[0, 1])
            .check(2, b"\x01NaN")
            .unwrap_err()
            .to_string();
        assert!(error.contains("rank 2 ended its step with: NaN"), "{error}");
    }
}
