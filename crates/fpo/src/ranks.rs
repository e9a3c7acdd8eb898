//! Training in several processes, *ranks*, that `mpirun` or `srun` have started.

#[cfg(feature = "mpi")]
mod mpi;

use crate::failure::Failure;
use fpo_learn::reduce::{Alone, Reduce};
use std::sync::Arc;
use std::time::Duration;

/// How this process was started: as which of how many, by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Launch {
    rank: usize,
    ranks: usize,
    /// The variable that says so.
    variable: &'static str,
}

/// What launchers tell the processes that they start: their number, and which this one is. (A
/// Slurm batch script itself has `SLURM_NTASKS`, but only what `srun` starts has these.)
const VARIABLES: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
];

impl Launch {
    /// By the variables of a process's environment; none if it was started alone.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name| variable(name)?.trim().parse().ok();
        let launches = VARIABLES.iter().filter_map(|(ranks, rank)| {
            Some(Self {
                ranks: number(ranks)?,
                rank: number(rank)?,
                variable: ranks,
            })
        });
        launches.into_iter().find(|launch| launch.ranks > 1)
    }
}

/// What begins the errors of one of several processes, which may all print to one terminal.
pub(crate) fn prefix() -> String {
    match Launch::read(|name| std::env::var(name).ok()) {
        Some(launch) if launch.rank > 0 => format!("rank {}: ", launch.rank),
        _ => String::new(),
    }
}

/// The ranks of a training, seen from one of them; one, if it was started alone.
pub(crate) struct Ranks {
    reduce: Arc<dyn Reduce>,
    #[cfg(feature = "mpi")]
    mpi: Option<mpi::World>,
}

impl Ranks {
    /// Meets the others, if several processes were started. With `independent` each is alone. One
    /// that does not answer the others within `timeout` ends the training.
    ///
    /// # Errors
    /// If this program was built without MPI, or MPI cannot start.
    pub(crate) fn join(independent: bool, timeout: Duration) -> Result<Self, Failure> {
        let launch = Launch::read(|name| std::env::var(name).ok());
        match launch.filter(|_| !independent) {
            None => Ok(Self {
                reduce: Arc::new(Alone),
                #[cfg(feature = "mpi")]
                mpi: None,
            }),
            Some(launch) => Self::of(launch, timeout),
        }
    }

    #[cfg(feature = "mpi")]
    fn of(launch: Launch, timeout: Duration) -> Result<Self, Failure> {
        let world = mpi::World::start(timeout)?;
        let found = world.reduce().ranks();
        if found != launch.ranks {
            return Err(only_first(launch, || {
                format!(
                    "{} says {} processes, but this program's MPI library sees {found}: it was \
                     built with another MPI than the one that started it",
                    launch.variable, launch.ranks
                )
            }));
        }
        Ok(Self {
            reduce: world.reduce(),
            mpi: Some(world),
        })
    }

    #[cfg(not(feature = "mpi"))]
    fn of(launch: Launch, _: Duration) -> Result<Self, Failure> {
        Err(only_first(launch, || {
            format!(
                "started as one of {} processes ({}), which would all train the same run: this \
                 program was built without MPI; build it with `--features mpi`, start one process, \
                 or give each its own --seed or --name with --independent",
                launch.ranks, launch.variable
            )
        }))
    }

    /// What trainers exchange by.
    pub(crate) fn reduce(&self) -> Arc<dyn Reduce> {
        Arc::clone(&self.reduce)
    }

    /// Whether this process leads, writes and prints.
    pub(crate) fn is_first(&self) -> bool {
        self.reduce.rank() == 0
    }

    /// Each rank in a line: where it is, and on which cores.
    pub(crate) fn described(&self) -> Vec<String> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.mpi {
            return world.described();
        }
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        vec![format!("one rank, {cores} core(s)")]
    }

    /// Threads of this process if the user asked for `asked`: by default an equal share of the
    /// cores that it may use.
    pub(crate) fn threads(&self, asked: Option<u16>) -> usize {
        let all = crate::policy::threads(asked);
        match asked {
            Some(_) => all,
            None => (all / self.sharing()).max(1),
        }
    }

    /// Ranks that use the same cores as this one.
    fn sharing(&self) -> usize {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.mpi {
            return world.sharing();
        }
        1
    }

    /// Prints `failure`, and ends this process and all other ranks, if there are any. One that is
    /// not the first leaves printing to the first.
    pub(crate) fn fail(&self, failure: Failure) -> Failure {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.mpi {
            if self.is_first() {
                crate::output::log(&format!("error: {failure}"));
            }
            world.end(&failure);
        }
        failure
    }
}

/// A failure that all processes meet, and the first one prints; the others end without a word.
fn only_first(launch: Launch, message: impl FnOnce() -> String) -> Failure {
    if launch.rank > 0 {
        std::process::exit(2);
    }
    Failure::input(message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_known_by_their_variables() {
        let read = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.to_vec();
            Launch::read(|name| {
                let found = set.iter().find(|(other, _)| *other == name)?;
                Some(found.1.to_owned())
            })
            .map(|launch| (launch.rank, launch.ranks))
        };
        assert_eq!(read(&[]), None);
        for (ranks, rank) in VARIABLES {
            assert_eq!(read(&[(ranks, "4"), (rank, "3")]), Some((3, 4)));
            assert_eq!(read(&[(ranks, "1"), (rank, "0")]), None);
            assert_eq!(read(&[(ranks, "4")]), None);
            assert_eq!(read(&[(ranks, "many"), (rank, "0")]), None);
        }
        // A batch script, and what mpirun starts within one.
        assert_eq!(read(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]), None);
        let nested = [
            ("SLURM_STEP_NUM_TASKS", "1"),
            ("SLURM_PROCID", "0"),
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_RANK", "1"),
        ];
        assert_eq!(read(&nested), Some((1, 2)));
    }
}
