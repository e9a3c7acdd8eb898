//! The guarantee: a non-finite number never acts, is never learned from and is never saved, even if
//! it appears only in an evaluation; and the files of a failed run reproduce the failure.

use fpo_env::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_rng::Philox;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::Config;
use fpo_run::health::{FindingKind, RunRecord, Severity, examine};
use fpo_run::run::{Observer, RunError, RunFolder, Session, reproduce};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

/// A task whose environments return NaN, except the first few that are created: those used for
/// training.
struct Faulty {
    spec: EnvSpec,
    valid: AtomicUsize,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Reward,
    Observation,
    /// In the initial observation of an episode.
    Beginning,
}

impl Faulty {
    fn task(valid: usize, fault: Fault) -> Arc<dyn Task> {
        let spec = EnvSpec {
            name: "faulty".into(),
            summary: "a task with a fault".into(),
            observation: vec![("nothing".into(), 1)],
            action_min: vec![-1.0],
            action_max: vec![1.0],
            control_timestep: 0.1,
            step_limit: Some(4),
        };
        let valid = AtomicUsize::new(valid);
        Arc::new(Self { spec, valid, fault })
    }
}

impl Task for Faulty {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        let one_less = |left: usize| left.checked_sub(1);
        let valid = self
            .valid
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        Ok(Box::new(FaultyEnv {
            spec: self.spec.clone(),
            fault: valid.is_err().then_some(self.fault),
        }))
    }
}

struct FaultyEnv {
    spec: EnvSpec,
    fault: Option<Fault>,
}

impl Env for FaultyEnv {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, _: &mut Philox, observation: &mut [f32]) {
        observation.fill(if self.fault == Some(Fault::Beginning) {
            f32::NAN
        } else {
            0.0
        });
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        observation.fill(if self.fault == Some(Fault::Observation) {
            f32::INFINITY
        } else {
            0.0
        });
        Step {
            reward: if self.fault == Some(Fault::Reward) {
                f32::NAN
            } else {
                -action[0].abs()
            },
            end: StepEnd::Running,
        }
    }

    fn save_state(&self, _: &mut Vec<u8>) -> Result<(), NoState> {
        Ok(())
    }

    fn load_state(&mut self, _: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
}

const ENVS: usize = 4;

/// Three iterations of eight steps, evaluated after each.
fn config() -> Config {
    crate::tiny::config(
        "faulty",
        &["eval.episodes=3", "eval.every=8", "train.steps=24"],
    )
}

/// Trains on one thread, so that environments are created in order.
fn train(folder: &TempDir, task: Arc<dyn Task>) -> Result<(), RunError> {
    let locked = RunFolder::create(&folder.path().join("run"), false).unwrap();
    let mut session = Session::begin(locked, config(), task, 1).unwrap();
    session.run(&AtomicBool::new(false), &mut ()).map(drop)
}

/// What `fpo doctor` says first of the run.
fn worst(run: &Path) -> (FindingKind, Severity) {
    let findings = examine(&RunRecord::read(run).unwrap());
    let first = findings.first().expect("a finding");
    (first.kind, first.severity)
}

#[test]
fn a_fault_in_an_evaluation_ends_the_run_before_anything_is_saved() {
    for (fault, name, step) in [
        (Fault::Reward, "reward", 0),
        (Fault::Beginning, "observation", 0),
        (Fault::Observation, "observation", 1),
    ] {
        // The first evaluation is valid, and a checkpoint follows it; the second is not.
        let valid = ENVS + 2 * 3;
        let folder = TempDir::new().unwrap();
        let error = train(&folder, Faulty::task(valid, fault))
            .unwrap_err()
            .to_string();
        let expected = format!(
            "the environment gave a non-finite {name} in episode 0 of the evaluation at step \
            {step}: this is a bug in the task"
        );
        assert_eq!(error, expected);
        let run = folder.path().join("run");
        let steps = Checkpoints::list(&run.join("checkpoints")).unwrap();
        assert_eq!(steps, [run.join("checkpoints/step-000000000008")]);
        let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        assert_eq!(rows.lines().count(), 1, "{rows}");
        let evaluations = fs::read_to_string(run.join("eval.csv")).unwrap();
        assert_eq!(evaluations.lines().count(), 3, "{evaluations}");
        assert_eq!(worst(&run), (FindingKind::NonFinite, Severity::Failure));

        // With a fault in every evaluation, the recorded one fails again.
        let again = reproduce(&run, 1, |_| Ok::<_, RunError>(Faulty::task(ENVS, fault))).unwrap();
        assert_eq!(
            (again.iteration, again.recorded.as_str()),
            (1, expected.as_str())
        );
        assert_eq!(again.again.as_deref(), Some(expected.as_str()));
        let well = reproduce(&run, 1, |_| Ok::<_, RunError>(Faulty::task(100, fault))).unwrap();
        assert_eq!(well.again, None);
    }
}

#[test]
fn a_fault_in_training_is_reported_with_its_environment_and_step() {
    let folder = TempDir::new().unwrap();
    let error = train(&folder, Faulty::task(2, Fault::Reward))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("environment 2 gave a non-finite reward at its step 0"),
        "{error}"
    );
    let run = folder.path().join("run");
    assert!(
        Checkpoints::list(&run.join("checkpoints"))
            .unwrap()
            .is_empty()
    );
    assert_eq!(fs::read_to_string(run.join("metrics.jsonl")).unwrap(), "");
    assert_eq!(worst(&run), (FindingKind::NonFinite, Severity::Failure));
}

/// In an untrusted folder `failure` may be a link, whose target must not change.
#[cfg(unix)]
#[test]
fn a_failure_replaces_a_link() {
    let folder = TempDir::new().unwrap();
    let (run, outside) = (folder.path().join("run"), folder.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("failure.json"), "mine").unwrap();
    let locked = RunFolder::create(&run, false).unwrap();
    let mut session = Session::begin(locked, config(), Faulty::task(2, Fault::Reward), 1).unwrap();
    std::os::unix::fs::symlink(&outside, run.join("failure")).unwrap();
    session.run(&AtomicBool::new(false), &mut ()).unwrap_err();
    assert_eq!(
        fs::read_to_string(outside.join("failure.json")).unwrap(),
        "mine"
    );
    assert!(fs::symlink_metadata(run.join("failure")).unwrap().is_dir());
    assert!(run.join("failure/failure.json").is_file());
}

/// Moves the run's folder away when the second evaluation begins.
struct MovesFolder {
    folder: PathBuf,
    evaluations: usize,
}

impl Observer for MovesFolder {
    fn evaluating(&mut self) {
        self.evaluations += 1;
        if self.evaluations == 2 {
            fs::rename(self.folder.join("run"), self.folder.join("away")).unwrap();
        }
    }
}

/// A failure is reported even if it cannot be recorded.
#[test]
fn a_failure_is_reported_even_if_it_cannot_be_recorded() {
    let folder = TempDir::new().unwrap();
    let task = Faulty::task(ENVS + 2 * 3, Fault::Reward);
    let locked = RunFolder::create(&folder.path().join("run"), false).unwrap();
    let mut session = Session::begin(locked, config(), task, 1).unwrap();
    let mut thief = MovesFolder {
        folder: folder.path().to_owned(),
        evaluations: 0,
    };
    let error = session
        .run(&AtomicBool::new(false), &mut thief)
        .unwrap_err();
    let line = error.to_string();
    assert!(
        line.starts_with("the environment gave a non-finite reward in episode 0"),
        "{line}"
    );
    assert!(line.contains("this could not be recorded: "), "{line}");
    assert!(line.contains("which was moved to"), "{line}");
}

/// Untrusted contents of a failure's folder.
#[cfg(unix)]
#[test]
fn invalid_failure_folders_are_rejected_in_one_line() {
    let folder = TempDir::new().unwrap();
    train(&folder, Faulty::task(2, Fault::Reward)).unwrap_err();
    let failure = folder.path().join("run/failure");
    let reproduced = || {
        reproduce(&folder.path().join("run"), 1, |_| {
            Ok::<_, RunError>(Faulty::task(2, Fault::Reward))
        })
        .map(|again| again.again.is_some())
        .map_err(|error| error.to_string())
    };
    assert_eq!(reproduced(), Ok(true));
    let good = ["failure.json", "state.safetensors", "config.toml"].map(|name| {
        let path = failure.join(name);
        (fs::read(&path).unwrap(), path)
    });
    for (content, path) in &good {
        let refused = |expected: &str| {
            let line = reproduced().unwrap_err();
            assert!(
                !line.contains('\n') && line.contains(expected),
                "{}: {line}",
                path.display()
            );
        };
        for half in [&content[..content.len() / 2], b"", b"\0\0\0\0"] {
            fs::write(path, half).unwrap();
            refused("");
        }
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        refused("");
        fs::remove_file(path).unwrap();
        crate::make_pipe(path);
        refused("not a regular file");
        fs::remove_file(path).unwrap();
        refused(if path.ends_with("failure.json") {
            "has no failure/failure.json"
        } else {
            "cannot read"
        });
        fs::write(path, content).unwrap();
    }
    assert_eq!(reproduced(), Ok(true));
    // Found by fuzzing: the parser quotes names of fields, including line feeds.
    fs::write(failure.join("failure.json"), "{\"a\\nb\":1}").unwrap();
    let line = reproduced().unwrap_err();
    assert!(
        !line.contains('\n') && line.contains("unknown field `a b`"),
        "{line}"
    );
    fs::write(
        failure.join("failure.json"),
        r#"{"iteration":5,"error":"x"}"#,
    )
    .unwrap();
    let line = reproduced().unwrap_err();
    assert!(
        line.contains("it records 5 iterations, state.safetensors 0"),
        "{line}"
    );
}
