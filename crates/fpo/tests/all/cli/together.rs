//! The kind: what users compare, and what the program records, names and shows too little of for
//! that: seeds put together, versions, labels that say what runs, names that sort.

use crate::cli::{TINY, fpo, stderr, succeeds, tiny};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn refused(folder: &TempDir, args: &[&str]) -> String {
    let output = fpo(folder, args).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// Tiny runs of two seeds and of another setting, in `runs`.
fn three_runs() -> TempDir {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &tiny("a", &["--seed", "0"]));
    succeeds(&folder, &tiny("b", &["--seed", "1"]));
    succeeds(
        &folder,
        &tiny("c", &["--seed", "1", "--set", "objective.clip=0.3"]),
    );
    folder
}

/// The last mean return from zero noise in a run's `eval.csv`.
fn last_return(folder: &TempDir, run: &str) -> f64 {
    let file = folder.path().join("runs").join(run).join("eval.csv");
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().rev();
    lines
        .find(|line| line.contains(",zero,"))
        .unwrap()
        .split(',')
        .nth(4)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_report_puts_seeds_together() {
    let folder = three_runs();
    let page = |args: &[&str], page: &str| {
        succeeds(&folder, &[&["report"], args].concat());
        fs::read_to_string(folder.path().join(page)).unwrap()
    };
    let [a, b] = ["a", "b"].map(|run| last_return(&folder, run));
    let (mean, std) = (0.5 * (a + b), (a - b).abs() / 2f64.sqrt());
    // Mean and spread over the two seeds, with as many decimals as the page has.
    let shows = |text: &str| {
        (0..4).any(|digits| text.contains(&format!("{mean:.digits$} ± {std:.digits$}")))
    };
    let two = page(&["runs/a", "runs/b"], "report.html");
    assert!(shows(&two), "{mean} ± {std}");
    assert!(two.contains("1 methods × 1 tasks × 2 seeds") && two.contains("2 of 2"));
    assert!(two.contains("<svg") && two.contains("runs/a"));
    // A folder of runs; another setting is another method.
    let all = page(&["runs"], "runs/report.html");
    assert!(shows(&all) && all.contains("objective.clip = 0.3"));
    assert!(all.contains("2 methods × 1 tasks × 2 seeds") && all.contains("3 of 3"));
    // The same run twice counts once.
    let twice = page(&["runs/a", "runs/b", "runs/a/"], "report.html");
    assert!(shows(&twice) && twice.contains("is left out"));
    // One damaged run among many does not hide the others; named by itself, it is an error.
    let broken = folder.path().join("runs/broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("config.toml"), "task = ").unwrap();
    assert!(page(&["runs"], "runs/report.html").contains("A run is left out: runs/broken"));
    assert!(refused(&folder, &["report", "runs/a", "runs/broken"]).contains("runs/broken"));
    fs::remove_dir_all(broken).unwrap();
    // A page of its own name, and nothing of the user's is replaced.
    page(&["runs/a", "runs/b", "--out", "mine.html"], "mine.html");
    fs::write(folder.path().join("report.html"), "my own report").unwrap();
    let text = refused(&folder, &["report", "runs/a", "runs/b"]);
    assert!(
        text.contains("report.html") && text.contains("--out"),
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("report.html")).unwrap(),
        "my own report"
    );
    fs::remove_file(folder.path().join("report.html")).unwrap();
    // What is no run is named.
    fs::create_dir(folder.path().join("empty")).unwrap();
    for wrong in ["empty", "nowhere"] {
        assert!(refused(&folder, &["report", "runs/a", wrong]).contains(wrong));
        assert!(refused(&folder, &["report", wrong]).contains(wrong));
    }
}

/// Versions of the simulator and the models, in the run's folder and on its page.
#[test]
fn versions_are_recorded_and_shown() {
    let folder = TempDir::new().unwrap();
    let of = |task: &str| {
        let mut args = tiny(task, &["--set", "train.steps=128"]);
        args[1] = task;
        succeeds(&folder, &args);
        let run = format!("runs/{task}");
        succeeds(&folder, &["report", &run]);
        let read = |name: &str| fs::read_to_string(folder.path().join(&run).join(name)).unwrap();
        (read("machine.toml"), read("report.html"))
    };
    for (task, package) in [
        ("cartpole-balance", "dm_control"),
        ("Hopper-v5", "gymnasium"),
    ] {
        let (machine, page) = of(task);
        let machine: toml::Table = machine.parse().unwrap();
        let versions = machine["session"][0]["versions"].as_table().unwrap();
        let version = |name: &str| versions[name].as_str().unwrap().to_owned();
        assert_eq!(version("mujoco"), "3.17.0");
        let (number, digest) = package_version(&version(package));
        assert!(number.contains('.') && digest.len() == 16, "{versions}");
        assert!(
            page.contains("mujoco 3.17.0") && page.contains(&digest),
            "{task}"
        );
    }
    let (machine, _) = of("bandit-two_modes");
    assert!(!machine.contains("versions"), "{machine}");
}

/// `1.0.50, blake3 0123…` as version and digest.
fn package_version(text: &str) -> (String, String) {
    let (number, digest) = text.split_once(", blake3 ").expect("a digest");
    (number.to_owned(), digest.to_owned())
}

/// A preset beside a file of settings that leaves nothing of it; settings of another task; methods
/// that are not their preset's.
#[test]
fn labels_say_what_runs() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    succeeds(&folder, &tiny("old", &[]));
    let old = "runs/old/config.toml";
    let text = refused(
        &folder,
        &[
            "train",
            "cheetah-run",
            "--preset",
            "ppo-fast",
            "--config",
            old,
        ],
    );
    for part in ["--preset ppo-fast", old, "\"fast\"", "\"fpo\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!at("runs/cheetah-run-ppo-fast-seed0").exists());
    // The preset that the file was made with, or one that adds to a few settings, is right.
    let few: String = TINY.iter().map(|set| format!("{set}\n")).collect();
    fs::write(at("few.toml"), few + "preset = \"fast\"\n").unwrap();
    let trains = |args: &[&str]| {
        let output = fpo(&folder, &[&["train"], args].concat()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stderr(&output)
    };
    trains(&[
        "cartpole-balance",
        "--preset",
        "fast",
        "--config",
        old,
        "--name",
        "same",
    ]);
    let said = trains(&[
        "cartpole-balance",
        "--preset",
        "ppo-fast",
        "--config",
        "few.toml",
    ]);
    assert!(said.contains("(ppo-fast, seed 0)"), "{said}");
    // A method that is not the preset's is named, by the folder, too.
    let awfm = ["--set", "objective.method=awfm"];
    let args = [&["cartpole-balance", "--config", "few.toml"][..], &awfm].concat();
    let said = trains(&args);
    assert!(said.contains("(fast-awfm, seed 0)"), "{said}");
    assert!(at("runs/cartpole-balance-fast-awfm-seed0/config.toml").is_file());
    let again = [&args[..], &["--resume"]].concat();
    let output = fpo(
        &folder,
        &[
            "train",
            "cartpole-balance",
            "--resume",
            "--set",
            "objective.method=awfm",
        ],
    )
    .output()
    .unwrap();
    assert!(
        stderr(&output).contains("fast-awfm-seed0"),
        "{again:?}: {}",
        stderr(&output)
    );
    // Settings of another task are named.
    let said = trains(&["pendulum-swingup", "--config", old, "--name", "other"]);
    assert!(
        said.contains(&format!(
            "note: {old} is of cartpole-balance; its settings are used for pendulum-swingup"
        )),
        "{said}"
    );
    assert!(!trains(&["cartpole-balance", "--config", old, "--name", "own"]).contains("note:"));
}

/// `ls checkpoints | tail -1` is the newest, and every way to name it finds it.
#[test]
fn names_of_checkpoints_sort() {
    let folder = TempDir::new().unwrap();
    let sets = ["--set", "train.keep=9", "--set", "train.checkpoint_every=1"];
    succeeds(&folder, &tiny("run", &sets));
    let names = fs::read_dir(folder.path().join("runs/run/checkpoints")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 8, "{names:?}");
    let steps: Vec<u64> = names
        .iter()
        .map(|name| name["step-".len()..].parse().unwrap())
        .collect();
    assert!(
        steps.is_sorted() && steps.last() == Some(&1280) && steps.contains(&896),
        "{steps:?}"
    );
    for step in ["896", "1280"] {
        let text = succeeds(
            &folder,
            &["eval", "runs/run", "--checkpoint", step, "--episodes", "1"],
        );
        assert!(text.contains(&format!("step-{step:0>12}")), "{text}");
    }
    let missing = refused(&folder, &["eval", "runs/run", "--checkpoint", "897"]);
    assert!(
        missing.contains("runs/run has no checkpoint after 897 environment steps; there are"),
        "{missing}"
    );
    let named = ["eval", "runs/run", "--checkpoint", "step-000000000896"];
    succeeds(&folder, &[&named[..], &["--episodes", "1"]].concat());
    assert!(Path::new(&names[0]).extension().is_none());
}
