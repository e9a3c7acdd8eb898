//! Training one policy in several processes: what they exchange.
//!
//! Each process, a *rank*, has a trainer of its own with the same settings and steps a share of the
//! environments. [`Reduce`] is how they talk; [`Alone`], the default, is one rank that has nobody
//! to talk to.
//!
//! # Why the bytes are those of one process
//!
//! Sums of floating-point numbers depend on their order, so ranks do not add up what each has added
//! up already. Work is cut into *parts* by the settings, whatever the number of ranks: up to 16
//! groups of environments, up to eight parts of a minibatch. A rank computes its [`share`] of them,
//! [`complete`] brings every part to every rank, and each rank then takes the sum over all parts in
//! their order: the sum that one process takes over its threads' parts. What goes into a part is
//! equal, too:
//!
//! * **Observations.** Environments and their random numbers have global indices. The moments of
//!   each group's observations enter the normalizer one group after another.
//! * **Batch.** Groups' transitions are completed, so every rank has the whole batch and shuffles
//!   it alike; a minibatch is the same transitions in the same parts.
//! * **Advantage statistics.** Where advantages are estimated per minibatch, each part's are
//!   completed before their mean and standard deviation are taken; elsewhere they are in the batch.
//! * **Gradients.** Parts are added up along a fixed tree. A rank adds up the nodes of the tree
//!   that are its own, and these sums travel.
//! * **Ratio statistics.** Each part's are completed, then added up in order.
//! * **Stop flag.** It follows from equal statistics, and so does not travel. A rank whose
//!   arithmetic differs meets messages of another kind than it expects, and ends with an error.
//!
//! What travels is one gradient a rank and minibatch with 2, 4 or 8 ranks (a few with others), and
//! the batch once an iteration. With [`GradientSum::Fast`] each rank adds up its own parts of a
//! gradient, and [`Reduce::sum`] adds up those of all ranks.

mod threads;
pub(crate) mod wire;

pub use threads::ThreadRank;
pub use wire::{Part, Reader, put_f32s, put_f64s, put_u64s};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How the gradients of several ranks are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GradientSum {
    /// In an order of the settings: any number of ranks gives the same bytes.
    #[default]
    Exact,
    /// Each rank's own first, then those of all ranks as the library likes: less travels. Another
    /// number of ranks gives other bytes, and so may another network.
    Fast,
}

/// The ranks of a run, seen from one of them.
///
/// All ranks make the same calls in the same order. A rank that fails has to end the exchange for
/// the others, too, as a closed connection does.
pub trait Reduce: Send + Sync {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are, at least 1.
    fn ranks(&self) -> usize;

    /// Gives `mine` to all ranks, and returns what each of them gave, in the order of ranks.
    ///
    /// # Errors
    /// If a rank is gone.
    fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError>;

    /// Replaces `mine` by the sum over all ranks, in any order, the same bits on each.
    ///
    /// # Errors
    /// If a rank is gone, or gives another number of numbers.
    fn sum(&self, mine: &mut [f32]) -> Result<(), ReduceError> {
        if self.ranks() == 1 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        put_f32s(&mut bytes, mine);
        let mut other = vec![0.0; mine.len()];
        for (rank, bytes) in self.all_gather(bytes)?.iter().enumerate() {
            let mut reader = Reader::new(bytes);
            reader.f32s(&mut other)?;
            reader.finish()?;
            match rank {
                0 => mine.copy_from_slice(&other),
                _ => mine.iter_mut().zip(&other).for_each(|(sum, x)| *sum += x),
            }
        }
        Ok(())
    }

    /// Whether `flag` is set on any rank.
    ///
    /// # Errors
    /// If a rank is gone.
    fn any(&self, flag: bool) -> Result<bool, ReduceError> {
        if self.ranks() == 1 {
            return Ok(flag);
        }
        let flags = self.all_gather(vec![u8::from(flag)])?;
        Ok(flags.iter().any(|flag| flag.contains(&1)))
    }
}

/// The only rank there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Reduce for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError> {
        Ok(vec![mine])
    }
}

/// Why ranks could not exchange what they have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the processes of this run cannot work together: {0}")]
pub struct ReduceError(pub String);

/// Which of `parts` parts are this rank's: an equal share, in order. Where there are fewer parts
/// than ranks, some have none.
pub fn share(reduce: &dyn Reduce, parts: usize) -> Range<usize> {
    share_of(reduce.rank(), reduce.ranks(), parts)
}

/// As [`share`], of any rank.
pub(crate) fn share_of(rank: usize, ranks: usize, parts: usize) -> Range<usize> {
    parts * rank / ranks..parts * (rank + 1) / ranks
}

/// Makes sure that all ranks have the same `what`, of which `mine` is this rank's.
///
/// # Errors
/// If they differ, or a rank is gone.
pub fn check_equal(reduce: &dyn Reduce, what: &str, mine: Vec<u8>) -> Result<(), ReduceError> {
    if reduce.ranks() == 1 {
        return Ok(());
    }
    let all = reduce.all_gather(mine)?;
    match all.iter().position(|other| *other != all[0]) {
        None => Ok(()),
        Some(rank) => Err(ReduceError(format!(
            "rank {rank} has other {what} than rank 0"
        ))),
    }
}

/// Brings every part to every rank: each has filled its [`share`] of `parts`, and afterwards all of
/// them are as their ranks had them. With one rank it does nothing.
///
/// # Errors
/// If a rank is gone, or is of another run.
pub fn complete<'p, P: Part + 'p>(
    reduce: &dyn Reduce,
    parts: impl Iterator<Item = &'p mut P>,
) -> Result<(), ReduceError> {
    let (rank, ranks) = (reduce.rank(), reduce.ranks());
    if ranks == 1 {
        return Ok(());
    }
    let mut parts: Vec<_> = parts.collect();
    let mut mine = Vec::new();
    let own = share(reduce, parts.len());
    for part in &mut parts[own] {
        part.write(&mut mine);
    }
    let all = reduce.all_gather(mine)?;
    if all.len() != ranks {
        let found = all.len();
        return Err(ReduceError(format!("{found} of {ranks} ranks answered")));
    }
    let count = parts.len();
    for (other, bytes) in all.iter().enumerate().filter(|(other, _)| *other != rank) {
        let mut reader = Reader::new(bytes);
        for part in &mut parts[share_of(other, ranks, count)] {
            part.read(&mut reader)?;
        }
        reader.finish()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_parts_in_order() {
        for ranks in 1..6 {
            for parts in 0..20 {
                let shares = (0..ranks).flat_map(|rank| share_of(rank, ranks, parts));
                assert!(shares.eq(0..parts), "{parts} parts, {ranks} ranks");
            }
        }
    }

    #[test]
    fn alone_nothing_is_exchanged() {
        let mut parts = [vec![1u8], vec![2]];
        complete(&Alone, parts.iter_mut()).unwrap();
        assert_eq!(parts, [vec![1], vec![2]]);
        assert_eq!((Alone.any(true), Alone.any(false)), (Ok(true), Ok(false)));
    }

    /// A second rank whose answer is always the same.
    struct Echo(Vec<u8>);

    impl Reduce for Echo {
        fn rank(&self) -> usize {
            0
        }
        fn ranks(&self) -> usize {
            2
        }
        fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError> {
            Ok(vec![mine, self.0.clone()])
        }
    }

    #[test]
    fn parts_of_others_are_taken_over_and_damage_is_refused() {
        let mut bytes = Vec::new();
        vec![7u8, 8].write(&mut bytes);
        let mut parts = [vec![1u8], vec![]];
        complete(&Echo(bytes.clone()), parts.iter_mut()).unwrap();
        assert_eq!(parts, [vec![1], vec![7, 8]]);
        for cut in 0..bytes.len() {
            let short = Echo(bytes[..cut].to_vec());
            assert!(complete(&short, parts.iter_mut()).is_err(), "{cut}");
        }
        bytes.push(0);
        assert!(complete(&Echo(bytes), parts.iter_mut()).is_err());
        assert_eq!(Echo(vec![1]).any(false), Ok(true));
        let equal = |mine| check_equal(&Echo(vec![1]), "settings", mine);
        assert!(equal(vec![1]).is_ok() && equal(vec![2]).is_err());
    }
}
