//! The guarantee: a run that is asked to stop, at whatever step of whatever environment, be it of
//! training or of an evaluation, stops there or after the iteration, and the resumed run ends in
//! the same bytes.

use crate::ranks::on_ranks;
use fpo_env::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::Config;
use fpo_run::run::{Outcome, RunError, RunFolder, Session};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A cart that is to stay in the middle, and asks to stop at the step number `stops_at` of all its
/// environments.
#[derive(Clone)]
struct Cart {
    spec: EnvSpec,
    position: f32,
    stops_at: u64,
    steps: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Cart {
    fn new(stops_at: u64) -> Self {
        let spec = EnvSpec {
            name: "cart".into(),
            summary: "stays in the middle".into(),
            observation: vec![("position".into(), 1)],
            action_min: vec![-1.0],
            action_max: vec![1.0],
            control_timestep: 0.1,
            step_limit: Some(3),
        };
        Self {
            spec,
            position: 0.0,
            stops_at,
            steps: Arc::default(),
            stop: Arc::default(),
        }
    }
}

impl Task for Cart {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.clone()))
    }
}

impl Env for Cart {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.position = 2.0 * rng.unit() - 1.0;
        observation[0] = self.position;
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        if self.steps.fetch_add(1, Ordering::Relaxed) + 1 == self.stops_at {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.position += 0.1 * action[0];
        observation[0] = self.position;
        Step {
            reward: -self.position.abs(),
            end: StepEnd::Running,
        }
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend(self.position.to_le_bytes());
        Ok(())
    }

    fn load_state(&mut self, state: &[u8]) -> Result<(), StateError> {
        let bytes = state.try_into();
        self.position = f32::from_le_bytes(bytes.map_err(|_| StateError("cut short".into()))?);
        Ok(())
    }
}

/// Four iterations of eight steps; an evaluation of three episodes a column after every second.
fn config() -> Config {
    let sets = [
        "eval.episodes=3",
        "eval.every=16",
        "train.steps=32",
        "train.checkpoint_every=0",
        "train.ema_decay=0.5",
    ];
    crate::tiny::config("cart", &sets)
}

/// Steps of training, and of training with its evaluations.
const TRAINED: u64 = 4 * 8;
const ALL: u64 = TRAINED + 2 * 2 * 3 * 3;

fn resume(run: &Path, stop: &AtomicBool, task: Cart) -> Result<Outcome, RunError> {
    let locked = RunFolder::open(run)?;
    Session::resume(locked, config(), Arc::new(task), 2)?.run(stop, &mut ())
}

/// What a run has recorded and learned.
fn record(run: &Path) -> (String, String, Vec<Vec<u8>>) {
    let text = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let rows = text("metrics.jsonl");
    let rows = rows
        .lines()
        .map(|row| row.split_once(",\"time\":").unwrap().0);
    let newest = Checkpoints::list(&run.join("checkpoints")).unwrap().pop();
    let newest = newest.unwrap();
    let files = ["state.safetensors", "policy.safetensors", "manifest.json"];
    let files = files.map(|name| fs::read(newest.join(name)).unwrap());
    (rows.collect(), text("eval.csv"), files.to_vec())
}

#[test]
fn a_run_may_be_stopped_at_any_step() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: u64| folder.path().join(name.to_string());
    let begin = |name: u64, task: &Cart, threads: usize| {
        let locked = RunFolder::create(&run(name), false).unwrap();
        Session::begin(locked, config(), Arc::new(task.clone()), threads).unwrap()
    };
    let never = Cart::new(0);
    let outcome = begin(0, &never, 1).run(&never.stop, &mut ()).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    assert_eq!(never.steps.load(Ordering::Relaxed), ALL);
    let straight = record(&run(0));
    // Every step of the first evaluation, and some of each other part.
    let steps = [1, 6, 16]
        .into_iter()
        .chain(17..=35)
        .chain([42, 51, 60, 65, 66]);
    for at in steps {
        let task = Cart::new(at);
        let mut session = begin(at, &task, 1);
        let outcome = session.run(&task.stop, &mut ()).unwrap();
        // The last step of the three episodes: there is nothing left to break off.
        let finished = at > ALL - 3;
        assert_eq!(outcome == Outcome::Finished, finished, "{at}");
        if finished {
            continue;
        }
        let made = task.steps.load(Ordering::Relaxed);
        // The rest of the iteration, or that of the step of the evaluation's three episodes.
        let most = if in_an_evaluation(at) { at + 2 } else { at + 7 };
        assert!(made <= most, "{at}: {made}");
        let saved = Checkpoints::list(&run(at).join("checkpoints")).unwrap();
        let steps = Checkpoints::step(saved.last().unwrap());
        assert_eq!(steps, Some(session.trainer().env_steps()), "{at}");
        drop(session);
        let outcome = resume(&run(at), &AtomicBool::new(false), Cart::new(0)).unwrap();
        assert_eq!(outcome, Outcome::Finished, "{at}");
        assert!(record(&run(at)) == straight, "{at}");
    }
}

/// Whether step number `at` of the run is one of an evaluation.
fn in_an_evaluation(at: u64) -> bool {
    let half = ALL / 2;
    (at - 1) % half >= TRAINED / 2
}

/// The session that was stopped can go on, too.
#[test]
fn a_stopped_session_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let train = |name: &str, at: u64| {
        let task = Cart::new(at);
        let locked = RunFolder::create(&run(name), false).unwrap();
        let mut session = Session::begin(locked, config(), Arc::new(task.clone()), 1).unwrap();
        let mut outcomes = vec![session.run(&task.stop, &mut ()).unwrap()];
        if task.stop.swap(false, Ordering::Relaxed) {
            outcomes.push(session.run(&task.stop, &mut ()).unwrap());
        }
        outcomes
    };
    assert_eq!(train("straight", 0), [Outcome::Finished]);
    for at in [3, TRAINED / 2 + 1, ALL - 3] {
        let name = at.to_string();
        assert_eq!(train(&name, at), [Outcome::Stopped, Outcome::Finished]);
        assert!(record(&run(&name)) == record(&run("straight")), "{at}");
    }
}

/// Each rank steps a share of the environments; the last one has the only group of an evaluation's
/// episodes.
#[test]
fn a_stop_on_any_rank_is_one_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let train = |name: &str, ranks: usize, (asks, at): (usize, u64)| {
        let cart = |rank| Cart::new(if rank == asks { at } else { 0 });
        let other = |rank| {
            let cart = cart(rank);
            let stop = Arc::clone(&cart.stop);
            (Arc::new(cart) as Arc<dyn Task>, stop)
        };
        on_ranks(ranks, other, |resources| {
            let (path, first) = (run(name), cart(0));
            let (stop, task) = (Arc::clone(&first.stop), Arc::new(first));
            let mut session = match RunFolder::holds_a_run(&path) {
                true => Session::resume(RunFolder::open(&path).unwrap(), config(), task, resources),
                false => {
                    let locked = RunFolder::create(&path, false).unwrap();
                    Session::begin(locked, config(), task, resources)
                }
            }
            .unwrap();
            session.run(&stop, &mut ()).unwrap()
        })
    };
    assert_eq!(train("straight", 1, (0, 0)), Outcome::Finished);
    // In an iteration and in an evaluation, of the first rank and of the last.
    for (ranks, asks, at) in [(2, 1, 3), (2, 1, 10), (3, 0, 2), (4, 3, 7)] {
        let name = format!("{ranks} {asks} {at}");
        assert_eq!(train(&name, ranks, (asks, at)), Outcome::Stopped, "{name}");
        let again = train(&name, 5 - ranks, (0, 0));
        assert_eq!(again, Outcome::Finished, "{name}");
        assert!(record(&run(&name)) == record(&run("straight")), "{name}");
    }
}
