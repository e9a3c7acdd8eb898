//! The kind: numbers that depend on the machine because a function is the system's. IEEE 754
//! defines sums, products, quotients, roots and fused multiply-adds to the last bit; exp, ln, sin,
//! tanh and the like differ between math libraries. Training computes them itself, or with the
//! crate `libm`.
//!
//! Runs of every method and family of tasks with another math library ([`other_libm.c`]) have the
//! same bytes, as far as this program computes them: MuJoCo calls the system's library itself.
//!
//! [`other_libm.c`]: functions/other_libm.c

use crate::cli::{METHODS, assert_same, fpo, record, stderr, succeeds, tiny};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Functions that IEEE 754 does not define to the last bit, as methods of Rust's numbers.
const FUNCTIONS: [&str; 27] = [
    "tanh", "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "sin", "cos", "tan",
    "sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "powf",
    "cbrt", "hypot", "gamma", "ln_gamma",
];

/// Compiles the library, once per process.
fn other_libm() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other_libm.so");
        // Under a temporary name first: another process may be running the same tests.
        let partial = library.with_extension(std::process::id().to_string());
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/all/cli/functions/other_libm.c"
        );
        let output = Command::new("cc")
            .args([
                "-shared",
                "-fPIC",
                "-O1",
                "-fno-builtin",
                "-Wall",
                "-Werror",
                "-o",
            ])
            .arg(&partial)
            .args([source, "-ldl", "-lm"])
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", stderr(&output));
        fs::rename(partial, &library).unwrap();
        library
    })
}

/// Two tiny runs of `task` with the settings `sets`, the second with the other library; `of_all`
/// tells whether it moves what MuJoCo computes, too. Returns their folder.
fn two_runs(task: &str, sets: &[&str], of_all: bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    for (name, other) in [("system", false), ("other", true)] {
        let mut args = tiny(name, &sets);
        args[1] = task;
        let mut command = fpo(&folder, &args);
        if other {
            command.env("LD_PRELOAD", other_libm());
            command.env("OTHER_LIBM", if of_all { "all" } else { "" });
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{task} {sets:?}: {}",
            stderr(&output)
        );
    }
    folder
}

fn assert_equal_runs(task: &str, sets: &[&str], of_all: bool) {
    let folder = two_runs(task, sets, of_all);
    let [system, other] =
        ["system", "other"].map(|name| record(&folder.path().join("runs").join(name)));
    assert_same(&system, &other);
}

/// Two iterations of every method, on a task whose rewards, observations and resets use functions.
#[test]
fn methods_do_not_depend_on_the_math_library() {
    let options = [
        ["policy.squash=tanh", "policy.std=state_dependent"],
        ["objective.ratio_form=exp", "objective.trust_region=ppo"],
        ["policy.std=state_independent", "optimizer.target_kl=0.001"],
        ["objective.weight=softplus", "objective.knn_entropy=0.01"],
        ["objective.time=beta", "policy.action_noise=0.05"],
        ["policy.squash=tanh", "objective.entropy=0.01"],
    ];
    for (method, options) in METHODS.into_iter().zip(options) {
        let sets = ["train.steps=256", method, options[0], options[1]];
        assert_equal_runs("finger-spin", &sets, false);
    }
}

/// One task of every family, and those whose code calls functions.
#[test]
fn tasks_do_not_depend_on_the_math_library() {
    for task in [
        "humanoid-run",
        "reacher-easy",
        "fish-swim",
        "pendulum-swingup",
        "point_mass-easy",
        "hopper-hop",
        "HalfCheetah-v5",
    ] {
        assert_equal_runs(task, &["train.steps=128"], false);
    }
    for task in ["bandit-eight_modes", "gridworld-two_walls"] {
        assert_equal_runs(task, &[], true);
    }
}

/// What docs/stability.md says of MuJoCo; and the library of this test does move what it is meant
/// to. Up to the first evaluation, whose episodes are long enough that the last bits of a state
/// show on every machine: a policy that is learned in bfloat16 hides them in short ones.
#[test]
fn mujoco_depends_on_the_math_library() {
    let folder = two_runs("cartpole-balance", &["train.steps=512"], true);
    let rows = |name: &str| {
        let record = record(&folder.path().join("runs").join(name));
        record[Path::new("metrics.jsonl")].clone()
    };
    assert!(rows("system") != rows("other"));
}

/// Evaluations and pages are made of the same numbers, too.
#[test]
fn evaluations_do_not_depend_on_the_math_library() {
    let folder = TempDir::new().unwrap();
    let mut args = tiny("run", &[]);
    args[1] = "gridworld-two_walls";
    succeeds(&folder, &args);
    let output = |args: &[&str], other: bool| {
        let mut command = fpo(&folder, args);
        if other {
            command
                .env("LD_PRELOAD", other_libm())
                .env("OTHER_LIBM", "all");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output.stdout
    };
    for args in [
        &["eval", "runs/run", "--json"][..],
        &["gridworld", "plot", "runs/run", "--json"],
    ] {
        assert!(output(args, false) == output(args, true), "{args:?}");
    }
    let page = folder.path().join("runs/run/report.html");
    let [system, other] = [false, true].map(|other| {
        output(&["report", "runs/run"], other);
        fs::read(&page).unwrap()
    });
    assert!(system == other, "the page");
}

/// No source calls such a function of the system's, but in tests.
#[test]
fn sources_call_no_function_of_the_system() {
    let mut found = Vec::new();
    let crates = fs::read_dir("..")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for folder in crates
        .map(|path| path.join("src"))
        .filter(|path| path.is_dir())
    {
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests compare with the system's functions.
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let calls = |name: &str| {
                    let of_kind = |kind: &str| code.contains(&format!("{kind}::{name}"));
                    code.contains(&format!(".{name}(")) || of_kind("f32") || of_kind("f64")
                };
                if FUNCTIONS.iter().any(|name| calls(name)) {
                    found.push(format!(
                        "{}:{}: {}",
                        file.display(),
                        number + 1,
                        line.trim()
                    ));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "use the crate libm instead, whose results are the same everywhere:\n{}",
        found.join("\n")
    );
}

/// Every Rust file below `folder` that is not a test.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}
