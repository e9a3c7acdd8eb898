//! Kind: what is used in the place of the task that a policy was trained on is said, and nothing is
//! trained on it.
//!
//! A changed copy of the task file in a run's folder, or of its model; a changed file that the user
//! names, before the first checkpoint and after it.

use crate::cli::shim::Held;
use crate::cli::{TINY, assert_same, fpo, record, stderr, succeeds};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const MODEL: &str = "<mujoco><worldbody><body name='cart'>\
    <joint name='x' type='slide' axis='1 0 0'/><geom size='0.1'/></body></worldbody>\
    <actuator><motor joint='x' ctrlrange='-1 1'/></actuator></mujoco>";
const TASK: &str = "name = \"cart\"\nmodel = \"cart.xml\"\ncontrol_timestep = 0.02\n\
    step_limit = 20\n[observation]\nstate = \"[qpos, qvel]\"\n\
    [reward]\nmiddle = \"1 - qpos[0] ^ 2\"\n";
const NOTE: &str = "was trained with other files of the task cart; the changed ones are used";
const REFUSED: &str = "was trained with other files of the task cart: undo the change to resume";

/// A folder with the task `cart.toml` and its model.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cart.toml"), TASK).unwrap();
    fs::write(folder.path().join("cart.xml"), MODEL).unwrap();
    folder
}

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let sets = TINY.iter().flat_map(|set| ["--set", set]);
    let train = ["train", "cart.toml", "--name", "run", "--threads", "1"];
    train
        .into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// Changes a file; the returned call undoes it.
fn change(path: &Path, from: &str, to: &str) -> impl FnOnce() + use<> {
    let (path, good) = (path.to_owned(), fs::read_to_string(path).unwrap());
    assert!(good.contains(from), "{good}");
    fs::write(&path, good.replace(from, to)).unwrap();
    move || fs::write(path, good).unwrap()
}

/// The exit code of a command, and what it logged.
fn run(folder: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let output = fpo(folder, args).output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn a_changed_task_is_named_where_it_is_used() {
    let folder = folder();
    succeeds(&folder, &train(&[]));
    let kept = folder.path().join("runs/run/task");
    let newest = "runs/run/checkpoints/step-000000001280";
    let file = format!("{newest}/policy.safetensors");
    let policies = ["runs/run", newest, &file];
    let eval = |policy: &str, more: &[&str]| {
        let eval = ["eval", policy, "--episodes", "1", "--json"];
        let (code, said) = run(&folder, &[&eval[..], more].concat());
        assert_eq!(code, Some(0), "{said}");
        said
    };
    for policy in policies {
        assert_eq!(eval(policy, &[]), "");
        assert_eq!(eval(policy, &["--task", "cart.toml"]), "");
    }
    for (name, from, to) in [
        ("task.toml", "1 - qpos", "2 - qpos"),
        ("cart.xml", "'0.1'", "'0.2'"),
    ] {
        let undo = change(&kept.join(name), from, to);
        let before = record(&folder.path().join("runs/run"));
        for policy in policies {
            assert!(eval(policy, &[]).contains(NOTE), "{policy}");
            assert_eq!(eval(policy, &["--task", "cart.toml"]), "");
        }
        for args in [
            &["train", "--resume", "runs/run", "--set", "train.steps=2560"][..],
            &["train", "cart.toml", "--resume", "runs/run"],
        ] {
            let (code, said) = run(&folder, args);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains(REFUSED), "{said}");
        }
        let doctor = fpo(&folder, &["doctor", "runs/run"]).output().unwrap();
        let said = String::from_utf8(doctor.stdout.clone()).unwrap();
        assert_eq!(doctor.status.code(), Some(1), "{said}");
        assert!(
            said.contains("the files of the task cart have changed"),
            "{said}"
        );
        assert_same(&before, &record(&folder.path().join("runs/run")));
        undo();
    }
    let undo = change(&folder.path().join("cart.toml"), "1 - qpos", "2 - qpos");
    assert!(eval("runs/run", &["--task", "cart.toml"]).contains(NOTE));
    let again = train(&["--resume-or-start", "--set", "train.steps=2560"]);
    let (code, said) = run(&folder, &again);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(REFUSED), "{said}");
    undo();
    // A file of the task leads to its run, too.
    let resume = [
        "train",
        "--resume",
        "runs/run/task/task.toml",
        "--set",
        "train.steps=1408",
    ];
    succeeds(&folder, &resume);
}

/// Before there is a checkpoint, which would know what it was trained on.
#[test]
fn a_changed_task_does_not_replace_that_of_a_run_that_has_begun() {
    let folder = folder();
    let again = train(&["--resume-or-start"]);
    let held = Held::at(&folder, &again, ("write", "/metrics.jsonl", 3), 1);
    held.signal("-KILL");
    held.end();
    let before = record(&folder.path().join("runs/run"));
    let undo = change(&folder.path().join("cart.toml"), "1 - qpos", "2 - qpos");
    let (code, said) = run(&folder, &again);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(REFUSED), "{said}");
    assert_same(&before, &record(&folder.path().join("runs/run")));
    undo();
    let (code, said) = run(&folder, &again);
    assert_eq!(code, Some(0), "{said}");
}

/// A suite does not count the results of another task as its own.
#[test]
fn a_suite_knows_a_changed_task() {
    let folder = folder();
    let sets: String = TINY
        .iter()
        .map(|set| {
            let (key, value) = set.split_once('=').unwrap();
            format!("\"{key}\" = {value}\n")
        })
        .collect();
    let suite = format!("tasks = [\"cart.toml\"]\nseeds = [0]\n[set]\n{sets}[method.flow]\n");
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    let bench = ["bench", "suite.toml", "--jobs", "1"];
    succeeds(&folder, &bench);
    let _undo = change(&folder.path().join("cart.toml"), "1 - qpos", "2 - qpos");
    let (code, said) = run(&folder, &bench);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("the files of the task cart are others there"),
        "{said}"
    );
}
