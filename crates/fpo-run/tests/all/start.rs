//! Runs that begin with the networks of another one.

use fpo_env::Task;
use fpo_learn::learner::ActorCritic;
use fpo_learn::trainer::{Networks, Start, Trainer};
use fpo_policy::Policy;
use fpo_run::config::{Config, load_recorded};
use fpo_run::run::{RunError, RunFolder, Session, check_start};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

fn task(name: &str) -> Arc<dyn Task> {
    let tasks = fpo_env::tasks();
    let found = tasks.into_iter().find(|task| task.spec().name == name);
    found.unwrap_or_else(|| panic!("no task {name}"))
}

const TASK: &str = "bandit-two_modes";

/// Four iterations of eight steps, with `more` settings.
fn config(more: &[&str]) -> Config {
    let all = ["eval.episodes=1", "train.steps=32", "train.keep=100"];
    let all: Vec<&str> = all.iter().chain(more).copied().collect();
    crate::tiny::config(TASK, &all)
}

/// The settings of a run that begins from `path`.
fn from(path: &Path, more: &[&str]) -> Config {
    let mut config = config(more);
    config.init.from = path.to_str().unwrap().to_owned();
    config.seed = 9;
    config
}

fn begin(path: &Path, config: Config) -> Result<Session, RunError> {
    Session::begin(RunFolder::create(path, true)?, config, task(TASK), 1)
}

fn resume(path: &Path) -> Result<Session, RunError> {
    let folder = RunFolder::open(path)?;
    let config = load_recorded(&folder.config(), &[])?;
    Session::resume(folder, config, task(TASK), 1)
}

fn finish(mut session: Session) {
    session.run(&AtomicBool::new(false), &mut ()).unwrap();
}

/// A complete run of `config`.
fn run(folder: &TempDir, name: &str, config: Config) -> PathBuf {
    let path = folder.path().join(name);
    finish(begin(&path, config).unwrap());
    path
}

/// A file of the last checkpoint of a complete run.
fn last(run: &Path, name: &str) -> Vec<u8> {
    fs::read(run.join("checkpoints/step-000000000032").join(name)).unwrap()
}

fn parameters(trainer: &Trainer) -> (Vec<f32>, Vec<f32>) {
    let ActorCritic { policy, critic } = trainer.networks();
    (policy.parameters.clone(), critic.parameters.clone())
}

#[test]
fn a_run_begins_with_the_policy_and_the_critic_of_another() {
    let folder = TempDir::new().unwrap();
    for more in [
        &["train.ema_decay=0"][..],
        &["train.ema_decay=0", "objective.method=ppo"],
        &["train.ema_decay=0", "objective.method=qfm"],
    ] {
        let source = run(&folder, "source", config(more));
        let policy = Policy::load(&last(&source, "policy.safetensors")).unwrap();
        let trained = Trainer::restore(
            &config(more),
            task(TASK),
            1,
            &last(&source, "state.safetensors"),
        );
        let trained = trained.unwrap();
        let fresh = Trainer::new(&from(&source, more), task(TASK), 1).unwrap();

        let begun = begin(&folder.path().join("of-run"), from(&source, more)).unwrap();
        let taken = begun.taken().unwrap();
        assert_eq!(
            (&taken.task[..], taken.observations, &taken.critic),
            (TASK, 32, &Ok(()))
        );
        assert_eq!(parameters(begun.trainer()), parameters(&trained));
        assert_eq!(begun.trainer().policy().normalizer(), policy.normalizer());
        let adam = &begun.trainer().networks().policy.adam;
        assert!(adam.steps == 0 && adam.first.iter().chain(&adam.second).all(|x| *x == 0.0));
        assert_eq!(begun.trainer().iteration(), 0);
        // What it does then depends on its own seed.
        drop(begun);

        let file = folder.path().join("policy.safetensors");
        fs::write(&file, last(&source, "policy.safetensors")).unwrap();
        let begun = begin(&folder.path().join("of-file"), from(&file, more)).unwrap();
        assert!(begun.taken().unwrap().critic.is_err());
        let (policy_parameters, critic_parameters) = parameters(begun.trainer());
        assert_eq!(policy_parameters, policy.parameters());
        assert_eq!(critic_parameters, parameters(&fresh).1);
        assert_ne!(policy_parameters, parameters(&fresh).0);
    }
}

#[test]
fn a_critic_of_other_sizes_or_another_kind_is_left() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    for (more, why) in [
        (&["critic.hidden=4"][..], "other sizes"),
        (&["critic.activation=tanh"], "another critic.activation"),
        (&["critic.value_scale=none"], "another critic.value_scale"),
        (&["objective.method=qfm"], "another kind"),
    ] {
        let begun = begin(&folder.path().join("run"), from(&source, more)).unwrap();
        let taken = begun.taken().unwrap();
        let said = taken.critic.clone().unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(
            taken.to_string().contains("; not its critic, which has"),
            "{taken}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_set() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    let refused = |config: &Config, task_name: &str| {
        let error = check_start(config, task(task_name).as_ref()).unwrap_err();
        assert!(
            matches!(error, RunError::Start { .. }) && error.is_input(),
            "{error}"
        );
        error.to_string()
    };
    for (more, expected) in [
        (&["policy.hidden=4,4"][..], "--set policy.hidden=3"),
        (&["policy.activation=relu"], "--set policy.activation=silu"),
        (&["policy.output_scale=2"], "--set policy.output_scale=0.25"),
        (
            &["policy.time_embedding=4"],
            "--set policy.time_embedding=8",
        ),
        (&["objective.method=ppo"], "its policy is a flow"),
    ] {
        let said = refused(&from(&source, more), TASK);
        assert!(said.contains(expected), "{said}");
    }
    let said = refused(&from(&source, &[]), "gridworld-two_walls");
    assert!(
        said.contains("with 1 observations and 1 actions; bandit-two_modes has"),
        "{said}"
    );
}

#[test]
fn a_run_that_began_from_another_resumes_exactly_without_it() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    let whole = run(&folder, "whole", from(&source, &[]));
    let stopped = run(&folder, "stopped", from(&source, &[]));
    for step in [16, 24, 32] {
        fs::remove_dir_all(stopped.join(format!("checkpoints/step-{step:012}"))).unwrap();
    }
    fs::remove_dir_all(&source).unwrap();
    finish(resume(&stopped).unwrap());
    for name in ["state.safetensors", "policy.safetensors", "config.toml"] {
        assert!(last(&whole, name) == last(&stopped, name), "{name}");
    }

    // The folder has what it began with, and no other is accepted.
    fs::remove_dir_all(stopped.join("checkpoints/step-000000000032")).unwrap();
    let kept = stopped.join("init.safetensors");
    let bytes = fs::read(&kept).unwrap();
    for damaged in [&bytes[..bytes.len() - 4], &[], b"something else"] {
        fs::write(&kept, damaged).unwrap();
        let error = resume(&stopped).err().unwrap();
        assert!(
            matches!(error, RunError::StartDamaged { .. }) && error.is_input(),
            "{error}"
        );
    }
    fs::remove_file(&kept).unwrap();
    assert!(matches!(
        resume(&stopped).err().unwrap(),
        RunError::Io { .. }
    ));
    fs::write(&kept, &bytes).unwrap();
    finish(resume(&stopped).unwrap());
}

#[test]
fn recorded_settings_give_the_run_again_and_notice_another_source() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    let first = run(&folder, "first", from(&source, &[]));
    let recorded = load_recorded(&first.join("config.toml"), &[]).unwrap();
    assert_eq!(recorded.init.digest.len(), 64);
    let again = run(&folder, "again", recorded.clone());
    assert!(last(&first, "state.safetensors") == last(&again, "state.safetensors"));

    let mut other = config(&[]);
    other.seed = 77;
    let path = run(&folder, "source", other);
    assert_eq!(path, source);
    let error = check_start(&recorded, task(TASK).as_ref()).unwrap_err();
    assert!(error.to_string().contains("init.digest"), "{error}");
}

#[test]
fn a_rollback_to_the_beginning_comes_back_to_what_the_run_began_with() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    let settings = from(&source, &[]);
    let begun = begin(&folder.path().join("run"), settings.clone()).unwrap();
    let beginning = parameters(begun.trainer());
    let normalizer = begun.trainer().policy().normalizer().clone();
    drop(begun);
    let bytes = fs::read(folder.path().join("run/init.safetensors")).unwrap();
    let networks = Networks::new(&settings, task(TASK).as_ref()).unwrap();
    let start = Start::load(&bytes, &networks).unwrap();

    let mut trainer = Trainer::new(&settings, task(TASK), 1).unwrap();
    trainer.begin_from(start.clone()).unwrap();
    trainer.iterate().unwrap();
    let state = trainer.state().unwrap();
    assert_ne!(parameters(&trainer), beginning);
    trainer.roll_back(None, 1).unwrap();
    assert_eq!(parameters(&trainer), beginning);
    assert_eq!(trainer.policy().normalizer(), &normalizer);

    // Also after a resume.
    let mut trainer = Trainer::restore(&settings, task(TASK), 1, &state).unwrap();
    trainer.remember_start(start).unwrap();
    assert_ne!(parameters(&trainer), beginning);
    trainer.roll_back(None, 1).unwrap();
    assert_eq!(parameters(&trainer), beginning);
}

#[test]
fn damaged_beginnings_are_refused() {
    let folder = TempDir::new().unwrap();
    let source = run(&folder, "source", config(&[]));
    let settings = from(&source, &[]);
    drop(begin(&folder.path().join("run"), settings.clone()).unwrap());
    let bytes = fs::read(folder.path().join("run/init.safetensors")).unwrap();
    let networks = Networks::new(&settings, task(TASK).as_ref()).unwrap();
    assert!(Start::load(&bytes, &networks).is_ok());
    for length in 0..bytes.len() {
        let error = Start::load(&bytes[..length], &networks).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    for i in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut flipped = bytes.clone();
            flipped[i] ^= bit;
            // Another number, or an error; what loads can begin a training.
            if let Ok(start) = Start::load(&flipped, &networks)
                && i % 97 == 0
            {
                let mut trainer = Trainer::new(&settings, task(TASK), 1).unwrap();
                trainer.begin_from(start).unwrap();
                let _ = trainer.iterate();
            }
        }
    }
    let other = Networks::new(&config(&["policy.hidden=4"]), task(TASK).as_ref()).unwrap();
    assert!(Start::load(&bytes, &other).is_err());
}
