//! Films of the newest checkpoints, made when a page asks for them: one at a time, in a folder of
//! their own, and kept in memory.

use super::library::Shelf;
use crate::args::PolicyArgs;
use crate::failure::Failure;
use crate::play::{Take, film};
use crate::policy::load;
use crate::tasks::Tasks;
use fpo_files::read_own;
use fpo_learn::evaluate::Noise;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::run::Pick;
use serde_json::{Value as Json, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Size of a film in pixels, its frames per second, and its length: without a graphics card, 150
/// frames take some seconds.
const WIDTH: u32 = 512;
const HEIGHT: u32 = 384;
const FPS: f64 = 25.0;
const SECONDS: f64 = 6.0;
/// Time for a film, far above what one takes without a graphics card.
const PATIENCE: Duration = Duration::from_secs(300);
/// Largest film, above what the encoder's limit on bits makes of that time.
const LARGEST: u64 = 64 << 20;
/// Most films that are kept, and most that wait to be made.
const KEPT: usize = 8;
const WAITING: usize = 4;

/// A policy that is filmed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    /// The run's name.
    run: String,
    /// Environment steps of the checkpoint.
    step: u64,
    /// Length, time and number of its file: a run that was made anew has other policies at the same
    /// steps, and a damaged file may be mended.
    file: Option<(u64, SystemTime, u64)>,
}

impl Subject {
    /// The policy of the run after `step` environment steps, as its file is now.
    fn new(shelf: &Shelf, step: u64) -> Self {
        let checkpoints = Checkpoints::list(&shelf.folder.join("checkpoints"));
        let checkpoint = checkpoints
            .ok()
            .and_then(|all| all.into_iter().find(|c| Checkpoints::step(c) == Some(step)));
        let file = checkpoint.and_then(|checkpoint| {
            let about = fs::metadata(checkpoint.join("policy.safetensors")).ok()?;
            Some((about.len(), about.modified().ok()?, about.ino()))
        });
        Self {
            run: shelf.name.clone(),
            step,
            file,
        }
    }

    /// Whether its film has the same address.
    fn replaces(&self, other: &Self) -> bool {
        (&self.run, self.step) == (&other.run, other.step)
    }
}

/// A film, and returns of the episodes in it.
#[derive(Clone, Debug)]
struct Made {
    film: Arc<Vec<u8>>,
    episodes: usize,
    returns: String,
}

/// A film, or why there is none.
type Outcome = Result<Made, String>;

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Subject, Shelf)>,
    /// What is being filmed, with the frames that it has and will have.
    current: Option<(Subject, u64, u64)>,
    /// The newest last.
    made: Vec<(Subject, Outcome)>,
    closed: bool,
}

/// Where films are made.
#[derive(Debug, Default)]
pub(super) struct Studio {
    state: Mutex<State>,
    changed: Condvar,
}

impl Studio {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the film of a run's checkpoint after `step` environment steps is. It is made if
    /// nobody has asked for it before.
    pub(super) fn film_of(&self, shelf: &Shelf, step: u64) -> Json {
        let subject = Subject::new(shelf, step);
        let mut state = self.state();
        if let Some((_, outcome)) = state.made.iter().find(|(made, _)| *made == subject) {
            return match outcome {
                Ok(made) => json!({
                    "state": "ready",
                    "step": step,
                    "episodes": made.episodes,
                    "returns": made.returns,
                }),
                Err(why) => json!({"state": "failed", "step": step, "message": why}),
            };
        }
        if let Some((current, done, frames)) = &state.current
            && *current == subject
        {
            return json!({"state": "filming", "step": step, "done": done, "frames": frames});
        }
        if !state.waiting.iter().any(|(waiting, _)| *waiting == subject) {
            // Of one run, only the newest checkpoint is still of interest.
            state
                .waiting
                .retain(|(waiting, _)| waiting.run != subject.run);
            if state.waiting.len() < WAITING {
                state.waiting.push((subject, shelf.clone()));
                self.changed.notify_all();
            }
        }
        json!({"state": "waiting", "step": step})
    }

    /// A film that was made, if it is still there.
    pub(super) fn film(&self, run: &str, step: u64) -> Option<Arc<Vec<u8>>> {
        let state = self.state();
        let mut made = state.made.iter();
        let (_, outcome) = made.find(|(made, _)| made.run == run && made.step == step)?;
        outcome.as_ref().ok().map(|made| Arc::clone(&made.film))
    }

    /// Makes no further film.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Makes films, in `folder`, until the studio is closed.
    pub(super) fn work(&self, folder: &Path, tasks: &Tasks) {
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && !state.closed {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            let (subject, shelf) = state.waiting.remove(0);
            state.current = Some((subject.clone(), 0, 0));
            drop(state);
            let outcome = self
                .make(&subject, &shelf, folder, tasks)
                .map_err(|failure| failure.to_string());
            let mut state = self.state();
            state.current = None;
            state.made.retain(|(made, _)| !subject.replaces(made));
            if state.made.len() >= KEPT {
                drop(state.made.remove(0));
            }
            state.made.push((subject, outcome));
        }
    }

    fn make(
        &self,
        subject: &Subject,
        shelf: &Shelf,
        folder: &Path,
        tasks: &Tasks,
    ) -> Result<Made, Failure> {
        let of = PolicyArgs {
            policy: shelf.folder.clone(),
            checkpoint: Some(Pick::Step(subject.step)),
        };
        let loaded = load(&of, None, tasks)?;
        let out = folder.join("film.mp4");
        let take = Take {
            out: &out,
            width: WIDTH,
            height: HEIGHT,
            max_fps: FPS,
            seconds: SECONDS,
            seed: 0,
            noise: Noise::Zero,
            camera: None,
        };
        let begin = Instant::now();
        let filmed = film(&loaded, &take, |done, frames| {
            let mut state = self.state();
            if state.closed {
                return Ok(false);
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::runtime("filming it takes too long here"));
            }
            if let Some(current) = &mut state.current {
                (current.1, current.2) = (done, frames);
            }
            Ok(true)
        })?;
        let filmed = filmed.ok_or_else(|| Failure::runtime("the viewer has ended"))?;
        let bytes = read_own(&out, LARGEST)
            .map_err(|e| Failure::runtime(format!("cannot read the film: {e}")))?;
        let _ = fpo_files::remove(&out);
        Ok(Made {
            film: Arc::new(bytes),
            episodes: filmed.returns.len(),
            returns: filmed.returns_text(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that is made anew under its name, and a file that is mended, are filmed again.
    #[test]
    fn another_file_is_another_subject_at_the_same_address() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf {
            name: "run".to_owned(),
            folder: folder.path().to_owned(),
        };
        let checkpoint = folder.path().join("checkpoints/step-000000000512");
        fs::create_dir_all(&checkpoint).unwrap();
        let policy = checkpoint.join("policy.safetensors");
        fs::write(&policy, "one").unwrap();
        let first = Subject::new(&shelf, 512);
        assert!(first.file.is_some());
        assert_eq!(first, Subject::new(&shelf, 512));
        // Beside it first, so that it has another number.
        let other = folder.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(other, policy).unwrap();
        let second = Subject::new(&shelf, 512);
        assert!(first != second && second.replaces(&first));
        assert!(!second.replaces(&Subject::new(&shelf, 1024)));
    }
}
