//! What environments report by name, from a step to the files of a run.

use fpo_env::{Env, EnvSpec, Extras, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;
use fpo_run::health::{Metrics, each_row};
use fpo_run::run::{RunFolder, Session};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Counts its steps; the reward is one term minus another.
#[derive(Clone)]
struct Terms {
    spec: EnvSpec,
    steps: u8,
}

impl Task for Terms {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(self.clone()))
    }
}

impl Env for Terms {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, _: &mut Philox, observation: &mut [f32]) {
        self.steps = 0;
        observation.fill(1.0);
    }

    fn step(&mut self, _: &[f32], observation: &mut [f32]) -> Step {
        self.steps += 1;
        observation.fill(1.0);
        Step {
            reward: 0.5,
            end: StepEnd::Running,
        }
    }

    fn extras(&self, extras: &mut Extras) {
        // The end of an episode has a name that no other step has, and that comes first.
        if self.steps == 5 {
            extras.add("at the end", 1.0);
        }
        extras.add("reward/alive", 0.75);
        extras.add("reward/cost", -0.25);
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.push(self.steps);
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.steps = bytes[0];
        Ok(())
    }
}

fn session(folder: &Path, steps: u64) -> Session {
    let spec = EnvSpec {
        name: "terms".into(),
        summary: "a reward of two terms".into(),
        observation: vec![("nothing".into(), 1)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: Some(5),
    };
    let task = Arc::new(Terms { spec, steps: 0 });
    let sets = [
        "env.random_initial_length=false",
        "eval.every=0",
        "eval.episodes=1",
    ];
    let config = crate::tiny::config(
        "terms",
        &[&sets[..], &[&format!("train.steps={steps}")]].concat(),
    );
    let locked = RunFolder::create(folder, false).unwrap();
    Session::begin(locked, config, task, 1).unwrap()
}

#[test]
fn reward_terms_reach_the_files_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    session(&run, 32)
        .run(&AtomicBool::new(false), &mut ())
        .unwrap();

    let mut rows = Vec::new();
    each_row(&run, |row| rows.push(row)).unwrap();
    let of = |name: &str| -> Vec<_> { rows.iter().map(|row| row.get(name)).collect() };
    assert_eq!(of("env/reward/alive"), [Some(0.75); 4]);
    assert_eq!(of("env/reward/cost"), [Some(-0.25); 4]);
    // Iterations of two steps in which no episode of five ends have no such metric.
    assert_eq!(of("env/at the end"), [None, None, Some(1.0), None]);
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let third = lines.lines().nth(2).unwrap();
    let (end, alive) = (third.find("env/at the end"), third.find("env/reward/alive"));
    assert!(end.unwrap() < alive.unwrap(), "by name: {third}");
    let events = fs::read_dir(&run).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.to_string_lossy().contains("tfevents").then_some(path)
    });
    let events = fs::read(events.unwrap()).unwrap();
    let tag = b"env/reward/cost";
    assert!(events.windows(tag.len()).any(|bytes| bytes == tag));
}
