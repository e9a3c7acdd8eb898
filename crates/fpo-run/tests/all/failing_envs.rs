//! Environments that cannot be stepped any longer: the run ends, and nothing learned is lost.

use fpo_env::{
    Env, EnvSpec, Episodes, MakeError, StepEnd, StepError, Task, VecEnv, VecEnvOptions, VecStep,
};
use fpo_run::config::Config;
use fpo_run::health::RunRecord;
use fpo_run::run::{Outcome, Pick, RunFolder, Session, find_policy};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Environments in one batch, of which the call number `fails_at` of `step` fails.
struct Fragile {
    spec: EnvSpec,
    fails_at: u32,
    calls: Arc<AtomicU32>,
    can_evaluate: bool,
}

impl Task for Fragile {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Err(MakeError("batches only".into()))
    }

    fn make_vec(
        &self,
        first: u32,
        count: usize,
        options: VecEnvOptions,
    ) -> Result<Box<dyn VecEnv>, MakeError> {
        let mut episodes = Episodes::new(&self.spec, first, count, options)?;
        for i in 0..count {
            episodes.begin(i);
        }
        Ok(Box::new(Batch {
            episodes,
            observations: vec![0.5; count],
            fails_at: self.fails_at,
            calls: Arc::clone(&self.calls),
        }))
    }

    fn max_batches(&self) -> usize {
        1
    }

    fn can_evaluate(&self) -> bool {
        self.can_evaluate
    }
}

struct Batch {
    episodes: Episodes,
    observations: Vec<f32>,
    fails_at: u32,
    calls: Arc<AtomicU32>,
}

impl VecEnv for Batch {
    fn len(&self) -> usize {
        self.observations.len()
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn step(&mut self, _: &[f32], out: &mut VecStep) {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fails_at {
            out.failed = Some(StepError("the simulator is gone".into()));
            return;
        }
        for i in 0..self.len() {
            out.outcomes[i] = self.episodes.step(i, 1.0, StepEnd::Running);
            if out.outcomes[i].ended.is_some() {
                self.episodes.begin(i);
            }
        }
    }

    fn restart(&mut self, steps: u64) {
        self.episodes.restart(steps);
        for i in 0..self.len() {
            self.episodes.begin(i);
        }
    }
}

fn fragile(fails_at: u32, can_evaluate: bool) -> Arc<Fragile> {
    let spec = EnvSpec {
        name: "fragile".into(),
        summary: "breaks".into(),
        observation: vec![("nothing".into(), 1)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: Some(5),
    };
    Arc::new(Fragile {
        spec,
        fails_at,
        calls: Arc::default(),
        can_evaluate,
    })
}

/// Runs of four iterations of two steps a batch; checkpoints only where something asks for one.
fn config(every: &str) -> Config {
    let sets = ["train.steps=32", "train.checkpoint_every=0", every];
    crate::tiny::config("fragile", &sets)
}

fn session(run: &Path, task: Arc<Fragile>, every: &str) -> Session {
    let folder = RunFolder::create(run, false).unwrap();
    Session::begin(folder, config(every), task, 2).unwrap()
}

#[test]
fn what_was_learned_before_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // In the third iteration: all environments are one batch, so an iteration calls `step` twice.
    let mut broken = session(&run, fragile(5, true), "eval.every=0");
    let stop = AtomicBool::new(false);
    let error = broken.run(&stop, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "the simulator is gone");
    assert!(!error.is_input());
    assert_eq!(broken.trainer().iteration(), 2);
    drop(broken);
    assert_eq!(RunRecord::read(&run).unwrap().rows.count, 2);
    assert!(!run.join("failure").exists());
    find_policy(&run, Pick::Step(16)).unwrap();
    // It goes on where it was, as one that was stopped there.
    let resume = || RunFolder::open(&run).unwrap();
    let whole = fragile(u32::MAX, true);
    let mut resumed = Session::resume(resume(), config("eval.every=0"), whole, 1).unwrap();
    assert_eq!(resumed.trainer().restarted_episodes(), 4);
    assert_eq!(resumed.run(&stop, &mut ()).unwrap(), Outcome::Finished);
    assert_eq!(RunRecord::read(&run).unwrap().rows.count, 4);
}

#[test]
fn a_failure_in_an_evaluation_costs_its_iteration_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // Two iterations of two steps, and an evaluation.
    let mut broken = session(&run, fragile(6, true), "eval.every=16");
    let error = broken.run(&AtomicBool::new(false), &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "the simulator is gone");
    assert!(!run.join("failure").exists());
    assert_eq!(RunRecord::read(&run).unwrap().rows.count, 1);
    find_policy(&run, Pick::Step(8)).unwrap();
}

#[test]
fn a_task_without_evaluations_is_trained_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let task = fragile(u32::MAX, false);
    let calls = Arc::clone(&task.calls);
    let mut session = session(&run, task, "eval.every=8");
    let outcome = session.run(&AtomicBool::new(false), &mut ()).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let rows = RunRecord::read(&run).unwrap().rows;
    let evaluated = rows.evaluated;
    assert!(!evaluated && rows.count == 4);
    // Four iterations of two steps in one batch, and nothing else.
    assert_eq!(calls.load(Ordering::Relaxed), 8);
}
