//! Ranks that are threads of one process.

use super::{Reduce, ReduceError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// A rank that is a thread, with a channel to and from each rank, itself among them. A rank that
/// ends closes its channels, which ends the exchange for the others. Threads share a trainer's work
/// better by themselves; this is for trying out what processes do.
pub struct ThreadRank {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Mutex<Vec<Receiver<Vec<u8>>>>,
}

impl ThreadRank {
    /// So many of them.
    pub fn connect(ranks: usize) -> Vec<Self> {
        let mut to: Vec<Vec<Sender<Vec<u8>>>> = (0..ranks).map(|_| Vec::new()).collect();
        let mut from = Vec::new();
        for _ in 0..ranks {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..ranks).map(|_| channel()).unzip();
            to.iter_mut().zip(senders).for_each(|(to, s)| to.push(s));
            from.push(Mutex::new(receivers));
        }
        let parts = to.into_iter().zip(from).enumerate();
        parts
            .map(|(rank, (to, from))| Self { rank, to, from })
            .collect()
    }
}

impl Reduce for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError> {
        let gone = || ReduceError("a thread has ended".into());
        for to in &self.to {
            to.send(mine.clone()).map_err(|_| gone())?;
        }
        let from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        from.iter()
            .map(|from| from.recv().map_err(|_| gone()))
            .collect()
    }
}
