//! Ranks that are processes of an MPI job.
//!
//! Everything goes from each rank to each other directly and without blocking, so that a rank which
//! waits knows whom it waits for, gives up after a time, and says so. A thread watches whether the
//! processes on the same machine are alive. MPI's own answer to a rank that is gone is to wait
//! forever; a launcher's is to kill the others.

use crate::failure::Failure;
use crate::output::log;
use ::mpi::Threading;
use ::mpi::collective::SystemOperation;
use ::mpi::environment::Universe;
use ::mpi::point_to_point::{Message, Status};
use ::mpi::request::{Request, Scope, scope};
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::*;
use fpo_files::one_line;
use fpo_learn::reduce::{Reduce, ReduceError};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Tags of messages.
const PART: i32 = 1;
const FAILED: i32 = 2;
const WAITING: i32 = 3;

/// Bytes of one message at most; MPI counts them in an `int`. What is longer travels in several.
const PIECE: usize = 1 << 30;

/// How long a rank waits without giving its core away: an exchange takes less where all are ready.
/// (A yield would lose the core for a whole tick of the scheduler where another program wants it.)
const SPIN: Duration = Duration::from_micros(200);
/// How long it sleeps then between two looks.
const NAP: Duration = Duration::from_micros(50);
/// How often it looks for what another rank has failed with, and at the time.
const LOOK: Duration = Duration::from_millis(20);
/// How often the processes on this machine are looked at.
const WATCH: Duration = Duration::from_millis(50);
/// How long a rank lets the one live that is to say what has happened.
const MERCY: Duration = Duration::from_secs(5);
/// How long ranks have to say that they wait, too.
const ANSWER: Duration = Duration::from_secs(1);

/// MPI, from its start to its end.
pub(super) struct World {
    ranks: Arc<MpiRanks>,
    /// Ends MPI when it is dropped.
    _universe: Universe,
}

impl World {
    /// Starts MPI and meets the other ranks.
    ///
    /// # Errors
    /// If MPI cannot be used by several threads in turn.
    pub(super) fn start(timeout: Duration) -> Result<Self, Failure> {
        let started = ::mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) =
            started.ok_or_else(|| Failure::runtime("MPI has been started before"))?;
        if threading < Threading::Serialized {
            return Err(Failure::runtime(
                "this MPI library cannot be called by several threads in turn \
                 (MPI_THREAD_SERIALIZED); use one that was built with threads",
            ));
        }
        let world = universe.world();
        let mut ranks = MpiRanks {
            rank: world.rank() as usize,
            ranks: world.size() as usize,
            peers: Vec::new(),
            timeout,
            turn: Mutex::new(()),
            waiting: Mutex::new(vec![None; world.size() as usize]),
            ending: AtomicBool::new(false),
        };
        let peers = ranks.exchange(&Peer::here().save());
        ranks.peers = peers.iter().map(|bytes| Peer::load(bytes)).collect();
        ranks.peers[ranks.rank] = Peer::here();
        let ranks = Arc::new(ranks);
        let watched = Arc::clone(&ranks);
        let thread = thread::Builder::new().name("ranks".to_owned());
        let watching = thread.spawn(move || watched.watch());
        watching.map_err(|e| Failure::runtime(format!("cannot watch the other ranks: {e}")))?;
        Ok(Self {
            ranks,
            _universe: universe,
        })
    }

    pub(super) fn reduce(&self) -> Arc<dyn Reduce> {
        Arc::clone(&self.ranks) as Arc<dyn Reduce>
    }

    /// Ranks with the cores of this one, itself among them.
    pub(super) fn sharing(&self) -> usize {
        let peers = &self.ranks.peers;
        let here = &peers[self.ranks.rank];
        let with = |peer: &&Peer| peer.machine == here.machine && peer.cores == here.cores;
        peers.iter().filter(with).count()
    }

    /// Each rank in a line.
    pub(super) fn described(&self) -> Vec<String> {
        let each = self.ranks.peers.iter().enumerate();
        each.map(|(rank, peer)| {
            let cores = peer
                .cores
                .split_once(':')
                .map_or("?", |(_, cores)| cores.trim());
            format!("{}: cores {cores}", self.ranks.named(rank))
        })
        .collect()
    }

    /// Tells the other ranks that this one has failed, and ends the process.
    pub(super) fn end(&self, failure: &Failure) -> ! {
        self.ranks.end(failure)
    }
}

/// All ranks end MPI together.
impl Drop for World {
    fn drop(&mut self) {
        self.ranks.ending.store(true, Ordering::Relaxed);
    }
}

/// A process of the job.
#[derive(Clone, Debug, Default)]
struct Peer {
    host: String,
    /// The running system and its name space of processes: where it is the same, `process` can be
    /// looked up.
    machine: String,
    process: u32,
    /// The cores that it may use.
    cores: String,
}

impl Peer {
    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let boot = read("/proc/sys/kernel/random/boot_id");
        let status = read("/proc/self/status");
        let cores = status.lines().find(|l| l.starts_with("Cpus_allowed_list"));
        Self {
            host: read("/proc/sys/kernel/hostname").trim().to_owned(),
            machine: format!("{} {}", boot.trim(), space.display()),
            process: std::process::id(),
            cores: cores.unwrap_or_default().to_owned(),
        }
    }

    fn save(&self) -> Vec<u8> {
        let Self {
            host,
            machine,
            process,
            cores,
        } = self;
        format!("{host}\n{machine}\n{process}\n{cores}").into_bytes()
    }

    fn load(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        Self {
            host: next(),
            machine: next(),
            process: next().parse().unwrap_or(0),
            cores: next(),
        }
    }

    /// The state of the process, as `/proc` names it; `X` if there is none. None if it cannot be
    /// known from `here`.
    fn state(&self, here: &Self) -> Option<char> {
        // Without /proc nothing is known.
        if self.machine != here.machine || self.machine.trim().is_empty() {
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/stat", self.process));
        match fs::read_to_string(path) {
            // The name, which may hold anything, is in parentheses.
            Ok(text) => text.rsplit_once(')')?.1.trim_start().chars().next(),
            Err(_) => fs::metadata("/proc/self/stat").is_ok().then_some('X'),
        }
    }
}

/// Ranks by MPI.
pub(super) struct MpiRanks {
    rank: usize,
    ranks: usize,
    peers: Vec<Peer>,
    timeout: Duration,
    /// One thread at a time.
    turn: Mutex<()>,
    /// When each rank last said that it waits.
    waiting: Mutex<Vec<Option<Instant>>>,
    /// Whether ranks may be gone: the job is done, or one has failed and the others hear of it.
    ending: AtomicBool,
}

impl Reduce for MpiRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn all_gather(&self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, ReduceError> {
        let mut all = self.exchange(&mine);
        all[self.rank] = mine;
        Ok(all)
    }

    fn sum(&self, mine: &mut [f32]) -> Result<(), ReduceError> {
        let _turn = self.turn();
        let own = mine.to_vec();
        let world = SimpleCommunicator::world();
        scope(|scope| {
            let op = SystemOperation::sum();
            let mut request = world.immediate_all_reduce_into(scope, &own[..], mine, op);
            // Whom the library waits for, it does not say.
            let mut wait = Wait::for_ranks(self, self.others().collect());
            loop {
                request = match request.test() {
                    Ok(_) => return,
                    Err(request) => request,
                };
                wait.look();
            }
        });
        Ok(())
    }
}

impl MpiRanks {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other ranks, from the next on, so that not all turn to the same first.
    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let (rank, ranks) = (self.rank, self.ranks);
        (1..ranks).map(move |k| (rank + k) % ranks)
    }

    /// Gives `mine` to all others; returns what they give. A rank that is gone ends this process.
    fn exchange(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        let _turn = self.turn();
        let world = SimpleCommunicator::world();
        let mut all = vec![Vec::new(); self.ranks];
        scope(|scope| {
            let mut sends = Vec::new();
            for other in self.others() {
                let process = world.process_at_rank(other as i32);
                // The last piece is the one that is shorter than it may be.
                for at in (0..=mine.len()).step_by(PIECE) {
                    let piece = &mine[at..mine.len().min(at + PIECE)];
                    sends.push(process.immediate_send_with_tag(scope, piece, PART));
                }
            }
            for other in self.others() {
                all[other] = self.receive(&world, other);
            }
            let mut wait = Wait::for_ranks(self, self.others().collect());
            for send in sends {
                complete(send, &mut wait);
            }
        });
        all
    }

    /// What rank `other` gives.
    fn receive(&self, world: &SimpleCommunicator, other: usize) -> Vec<u8> {
        let process = world.process_at_rank(other as i32);
        let mut wait = Wait::for_ranks(self, vec![other]);
        let mut all = Vec::new();
        loop {
            let (message, status) = loop {
                match process.immediate_matched_probe_with_tag(PART) {
                    Some(found) => break found,
                    None => wait.look(),
                }
            };
            let piece = receive(message, &status, &mut wait);
            let last = piece.len() < PIECE;
            match all.is_empty() {
                true => all = piece,
                false => all.extend(piece),
            }
            if last {
                return all;
            }
        }
    }

    /// Ends this process if a rank has told that it failed.
    fn hear(&self) {
        let world = SimpleCommunicator::world();
        let any = world.any_process();
        let Some((message, status)) = any.immediate_matched_probe_with_tag(FAILED) else {
            return;
        };
        let from = status.source_rank() as usize;
        let bytes = receive(message, &status, &mut Wait::for_ranks(self, vec![from]));
        let (code, text) = bytes.split_first().unwrap_or((&1, &[]));
        self.ending.store(true, Ordering::Relaxed);
        // The first rank has printed what it failed with, and who accuses another has done so, too.
        if self.rank == 0 && !text.is_empty() {
            let text = one_line(&String::from_utf8_lossy(text)).to_string();
            log(&format!("error: {}: {text}", self.named(from)));
        } else {
            self.let_speak(0);
        }
        std::process::exit((*code).into())
    }

    /// Waits for the end of a rank that prints why all end: a launcher ends all with the first.
    fn let_speak(&self, rank: usize) {
        let begun = Instant::now();
        while begun.elapsed() < MERCY && !self.is_dead(rank) {
            thread::sleep(WATCH);
        }
    }

    /// Ends this process when another on this machine has died.
    fn watch(&self) {
        while !self.ending.load(Ordering::Relaxed) {
            let begun = Instant::now();
            thread::sleep(WATCH);
            if begun.elapsed() > 20 * WATCH {
                // This process was suspended, and others may have ended because of it.
                thread::sleep(MERCY);
            }
            let dead: Vec<_> = self.others().filter(|rank| self.is_dead(*rank)).collect();
            if !dead.is_empty() && !self.ending.load(Ordering::Relaxed) {
                self.lost(&dead);
            }
        }
    }

    /// Tells the other ranks that this one has failed, waits for them to hear it, and ends the
    /// process.
    fn end(&self, failure: &Failure) -> ! {
        self.ending.store(true, Ordering::Relaxed);
        let _turn = self.turn();
        let code = failure.exit_code();
        self.tell(code, &failure.to_string(), self.timeout)
    }

    /// Tells the other ranks a failure, waits for so long until they have heard it, and ends the
    /// process.
    fn tell(&self, code: u8, text: &str, at_most: Duration) -> ! {
        let world = SimpleCommunicator::world();
        let message = [&[code], text.as_bytes()].concat();
        let begun = Instant::now();
        scope(|scope| {
            let told = self.others().map(|other| {
                let process = world.process_at_rank(other as i32);
                // Complete once it was received.
                process.immediate_synchronous_send_with_tag(scope, &message[..], FAILED)
            });
            let mut told: Vec<_> = told.collect();
            while !told.is_empty() && begun.elapsed() < at_most && !self.all_dead() {
                let left = told.into_iter().filter_map(|send| send.test().err());
                told = left.collect();
                // Others may tell that they have failed, too.
                let any = world.any_process();
                if let Some((message, status)) = any.immediate_matched_probe_with_tag(FAILED) {
                    let mut bytes = vec![0u8; size(&status)];
                    message.matched_receive_into(&mut bytes[..]);
                }
                thread::sleep(NAP);
            }
            // Also with requests under way, which end with the process.
            std::process::exit(code.into())
        })
    }

    /// Whether all other ranks are known to be gone.
    fn all_dead(&self) -> bool {
        self.others().all(|rank| self.is_dead(rank))
    }

    fn is_dead(&self, rank: usize) -> bool {
        matches!(self.state(rank), Some('X' | 'Z'))
    }

    fn state(&self, rank: usize) -> Option<char> {
        self.peers.get(rank)?.state(&self.peers[self.rank])
    }

    /// A rank, and where it is.
    fn named(&self, rank: usize) -> String {
        match self.peers.get(rank) {
            Some(peer) => format!("rank {rank} (process {} on {})", peer.process, peer.host),
            None => format!("rank {rank}"),
        }
    }

    /// Ends this process because others have died. Of those that notice, the first prints.
    fn lost(&self, dead: &[usize]) -> ! {
        let speaker = (0..self.ranks).find(|rank| !dead.contains(rank));
        match speaker {
            Some(speaker) if speaker != self.rank => self.let_speak(speaker),
            _ => {
                log(&format!("error: {}", self.accuse(dead, "died")));
                // Until the others have noticed what it was, and not that this one ended, too.
                thread::sleep(10 * WATCH);
            }
        }
        std::process::exit(RUNTIME.into())
    }

    /// Tells the other ranks that this one waits.
    fn tell_waiting(&self) {
        let world = SimpleCommunicator::world();
        for other in self.others() {
            // So short a message is on its way at once, whatever the other does.
            world
                .process_at_rank(other as i32)
                .send_with_tag(&[1u8][..], WAITING);
        }
    }

    /// Hears which others wait, too. Returns whether one has said so.
    fn hear_waiting(&self) -> bool {
        let world = SimpleCommunicator::world();
        let any = world.any_process();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard = false;
        while let Some((message, status)) = any.immediate_matched_probe_with_tag(WAITING) {
            let _ = message.matched_receive_into(&mut [0u8][..]);
            waiting[status.source_rank() as usize] = Some(Instant::now());
            heard = true;
        }
        heard
    }

    /// Ends this process and the others because some of `whom` have not answered in time. What
    /// waits itself has no part in it.
    fn late(&self, whom: &[usize]) -> ! {
        self.ending.store(true, Ordering::Relaxed);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |rank: &usize| waiting[*rank].is_some_and(|at| at.elapsed() < 3 * ANSWER);
        let mut late: Vec<_> = self.others().filter(|rank| !waits(rank)).collect();
        late.sort_unstable();
        if late.is_empty() {
            late = whom.to_vec();
        }
        let first = (0..self.ranks).find(|rank| !late.contains(rank));
        if first.is_some_and(|first| first != self.rank) {
            // It prints, and the others hear it; or a launcher ends all.
            let begun = Instant::now();
            while begun.elapsed() < MERCY {
                self.hear();
                thread::sleep(LOOK);
            }
        }
        let suspended = |rank: &usize| matches!(self.state(*rank), Some('T' | 't'));
        let suspended = late.iter().all(suspended);
        let why = format!(
            "{}did not answer within {} seconds (--rank-timeout)",
            if suspended { "was suspended and " } else { "" },
            self.timeout.as_secs_f64()
        );
        let message = self.accuse(&late, &why);
        log(&format!("error: {message}"));
        self.tell(RUNTIME, "", 10 * WATCH)
    }

    fn accuse(&self, whom: &[usize], why: &str) -> String {
        let named: Vec<_> = whom.iter().map(|rank| self.named(*rank)).collect();
        format!(
            "{} {why}; the run is as its last checkpoint has it, and the same command with \
             --resume-or-start continues it",
            named.join(" and ")
        )
    }
}

/// The exit code of a failure while running.
const RUNTIME: u8 = 1;

/// Completes a request.
fn complete<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>, wait: &mut Wait) {
    loop {
        request = match request.test() {
            Ok(_) => return,
            Err(request) => request,
        };
        wait.look();
    }
}

/// The bytes of a message.
fn size(status: &Status) -> usize {
    status.count(u8::equivalent_datatype()) as usize
}

/// Receives a message that was matched.
fn receive(message: Message, status: &Status, wait: &mut Wait) -> Vec<u8> {
    let mut bytes = vec![0u8; size(status)];
    scope(|scope| {
        complete(
            message.immediate_matched_receive_into(scope, &mut bytes[..]),
            wait,
        )
    });
    bytes
}

/// The wait for some ranks.
struct Wait<'a> {
    ranks: &'a MpiRanks,
    whom: Vec<usize>,
    begun: Instant,
    looked: Instant,
    /// When it was told that this rank waits.
    told: Option<Instant>,
    naps: bool,
}

impl<'a> Wait<'a> {
    fn for_ranks(ranks: &'a MpiRanks, whom: Vec<usize>) -> Self {
        let now = Instant::now();
        Self {
            ranks,
            whom,
            begun: now,
            looked: now,
            told: None,
            naps: false,
        }
    }

    /// Between two tests of what is waited for. Ends the process if it will not come.
    fn look(&mut self) {
        match self.naps {
            true => thread::sleep(NAP),
            false => std::hint::spin_loop(),
        }
        let now = Instant::now();
        self.naps = now - self.begun > SPIN;
        if now - self.looked < LOOK {
            return;
        }
        self.looked = now;
        self.ranks.hear();
        let heard = self.ranks.hear_waiting();
        match self.told {
            None if heard || now - self.begun > self.ranks.timeout => {
                self.ranks.tell_waiting();
                self.told = Some(now);
            }
            Some(told) if now - told > ANSWER && now - self.begun > self.ranks.timeout => {
                self.ranks.late(&self.whom);
            }
            _ => {}
        }
    }
}
