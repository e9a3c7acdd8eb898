//! Benchmarks: grids of runs that are trained, stopped, resumed and reported on.

use crate::cli::{assert_same, fpo, record, stderr, succeeds, tiny};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Two methods on one task with two seeds; each run takes a fraction of a second.
const SUITE: &str = r#"
tasks = ["bandit-two_modes"]
seeds = [0, 1]

[set]
"env.num_envs" = 16
"env.num_steps" = 8
"optimizer.minibatches" = 4
"optimizer.epochs" = 2
"policy.hidden" = [16]
"critic.hidden" = [16]
"eval.episodes" = 4
"eval.every" = 512
"train.steps" = 1280
"train.checkpoint_every" = 2

[method.flow]
label = "Flow"

[method.gauss]
preset = "ppo-fast"
set = { "objective.clip" = 0.2 }
"#;

fn folder_with_suite() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tiny.toml"), SUITE).unwrap();
    folder
}

fn read(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join("runs/tiny").join(file))
        .unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Expects the command to fail with `code` and a one-line error, which contains all of `parts`.
#[track_caller]
fn refused(folder: &TempDir, args: &[&str], code: i32, parts: &[&str]) {
    let output = fpo(folder, args).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    let error = text.lines().last().unwrap_or_default();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn a_suite_is_run_reported_and_not_run_again() {
    let folder = folder_with_suite();
    let listed = succeeds(&folder, &["bench", "tiny.toml", "--list"]);
    assert!(
        listed.contains("0 of 4 runs are finished; 5,120 environment steps to go"),
        "{listed}"
    );
    assert!(!folder.path().join("runs").exists(), "--list runs nothing");
    let printed = succeeds(&folder, &["bench", "tiny.toml", "--jobs", "2"]);
    assert!(
        printed.contains("IQM, zero noise") && printed.contains("Flow"),
        "{printed}"
    );

    // Its runs are the same as those of `fpo train`.
    let run = folder.path().join("runs/tiny/gauss/bandit-two_modes-seed1");
    let bench = record(&run);
    let sets = SUITE
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" = "));
    let sets: Vec<String> = sets.map(|(key, value)| format!("{key}={value}")).collect();
    let mut args = vec![
        "train",
        "bandit-two_modes",
        "--preset",
        "ppo-fast",
        "--seed",
        "1",
        "--name",
        "same",
    ];
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    args.extend(["--set", "objective.clip=0.2"]);
    succeeds(&folder, &args);
    assert_same(&bench, &record(&folder.path().join("runs/same")));

    let results = read(&folder, "results.csv");
    let rows: Vec<&str> = results.lines().collect();
    assert_eq!(rows.len(), 5, "{results}");
    for (row, begin) in rows[1..].iter().zip(["flow", "flow", "gauss", "gauss"]) {
        assert!(
            row.starts_with(begin) && row.contains(",finished,1280,"),
            "{row}"
        );
    }
    // The result is the last evaluation.
    let last = fs::read_to_string(run.join("eval.csv")).unwrap();
    let zero = last
        .lines()
        .rev()
        .nth(1)
        .unwrap()
        .split(',')
        .nth(4)
        .unwrap()
        .to_owned();
    assert_eq!(rows[4].split(',').nth(5).unwrap(), zero);
    assert_eq!(read(&folder, "curves.csv").lines().count(), 1 + 4 * 3);
    let report = read(&folder, "report.md");
    for part in [
        "4 of 4 runs are complete",
        "fpo bench tiny.toml --jobs 2",
        "objective.clip",
        "| Flow > gauss |",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    for picture in [
        "curves",
        "intervals",
        "improvement",
        "tasks-zero-noise",
        "tasks-random-noise",
    ] {
        let picture = read(&folder, &format!("{picture}.svg"));
        assert!(
            picture.starts_with("<svg") && picture.contains("Flow") && !picture.contains("NaN"),
            "{picture}"
        );
    }

    let metrics = || {
        fs::metadata(run.join("metrics.jsonl"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = metrics();
    let output = fpo(&folder, &["bench", "tiny.toml"]).output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("every run is complete"));
    assert_eq!(metrics(), before);

    // The page about the benchmark, and the page about one of its runs.
    succeeds(&folder, &["report", "runs/tiny"]);
    let page = read(&folder, "report.html");
    assert!(page.contains("Probability of improvement") && page.matches("<svg").count() == 5);
    succeeds(&folder, &["report", "runs/same", "--out", "same.html"]);
    let page = fs::read_to_string(folder.path().join("same.html")).unwrap();
    assert!(
        page.contains("bandit-two_modes, preset ppo-fast, ppo, seed 1")
            && page.contains("cores")
            && page.contains("<h2>Health"),
        "{page}"
    );
}

/// After a crash or Ctrl-C the suite is resumed, to the same bytes.
#[test]
fn an_interrupted_suite_resumes() {
    let folder = folder_with_suite();
    succeeds(&folder, &["bench", "tiny.toml"]);
    let bench = folder.path().join("runs/tiny");
    let names = [
        "flow/bandit-two_modes-seed0",
        "flow/bandit-two_modes-seed1",
        "gauss/bandit-two_modes-seed0",
    ];
    let straight = names.map(|name| record(&bench.join(name)));
    // One run loses its end, one everything except a start without a checkpoint, one everything.
    let [cut, begun, gone] = names.map(|name| bench.join(name));
    fs::remove_dir_all(cut.join("checkpoints/step-000000001280")).unwrap();
    fs::remove_dir_all(begun.join("checkpoints")).unwrap();
    fs::remove_file(begun.join(".saved")).unwrap();
    let rows = fs::read_to_string(begun.join("metrics.jsonl")).unwrap();
    let rows: String = rows.split_inclusive('\n').take(2).collect();
    fs::write(begun.join("metrics.jsonl"), rows).unwrap();
    fs::remove_dir_all(&gone).unwrap();
    let listed = succeeds(&folder, &["bench", "tiny.toml", "--list"]);
    assert!(
        listed.contains("1 of 4 runs are finished") && listed.contains("80 %"),
        "{listed}"
    );
    let printed = succeeds(&folder, &["bench", "tiny.toml", "--jobs", "3"]);
    assert!(printed.contains("report.md"), "{printed}");
    for (name, straight) in names.iter().zip(&straight) {
        assert_same(straight, &record(&bench.join(name)));
    }
}

/// A run whose checkpoints are gone, or were not copied with it, is not trained again over its
/// records.
#[test]
fn a_run_that_lost_its_checkpoints_is_left_alone() {
    let folder = folder_with_suite();
    let args = ["bench", "tiny.toml", "--seeds", "0", "--methods", "flow"];
    succeeds(&folder, &args);
    let run = folder.path().join("runs/tiny/flow/bandit-two_modes-seed0");
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let before = record(&run);
    refused(
        &folder,
        &args,
        2,
        &["its checkpoints were moved or deleted"],
    );
    assert_same(&before, &record(&run));
    succeeds(&folder, &[&args[..], &["--report-only"]].concat());
}

/// Ctrl-C saves the runs in progress and prints how to continue; nothing is lost.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_saves_all_runs() {
    let folder = folder_with_suite();
    // Both runs wait for the signal at the fifth of their ten rows.
    let args = ["bench", "tiny.toml", "--jobs", "2", "--seeds", "0"];
    let mut held = crate::cli::shim::Held::at(&folder, &args, ("write", "/metrics.jsonl", 5), 2);
    held.signal("-INT");
    held.says("finishing the iterations");
    held.release();
    let output = held.end();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(75), "{printed}");
    assert!(
        printed.contains("Continue with: fpo bench tiny.toml --jobs 2 --seeds 0"),
        "{printed}"
    );
    let results = read(&folder, "results.csv");
    assert_eq!(results.matches(",unfinished,").count(), 2, "{results}");
    let listed = succeeds(&folder, &["bench", "tiny.toml", "--seeds", "0", "--list"]);
    assert_eq!(listed.matches(" 50 %").count(), 2, "{listed}");
}

#[test]
fn other_settings_are_rejected_unless_forced() {
    let folder = folder_with_suite();
    succeeds(
        &folder,
        &["bench", "tiny.toml", "--seeds", "0", "--methods", "flow"],
    );
    fs::write(
        folder.path().join("tiny.toml"),
        SUITE.replace("label = \"Flow\"", "set = { \"objective.samples\" = 2 }"),
    )
    .unwrap();
    let args = ["bench", "tiny.toml", "--seeds", "0", "--methods", "flow"];
    refused(
        &folder,
        &args,
        2,
        &[
            "runs/tiny/flow/bandit-two_modes-seed0",
            "`objective.samples` is 8 there, not 2",
        ],
    );
    // Reports cover the existing runs.
    let output = fpo(&folder, &[&args[..], &["--report-only"]].concat())
        .output()
        .unwrap();
    assert!(
        output.status.success() && stderr(&output).contains("1 of 1 runs have other settings"),
        "{}",
        stderr(&output)
    );
    succeeds(&folder, &[&args[..], &["--force"]].concat());
    let config = read(&folder, "flow/bandit-two_modes-seed0/config.toml");
    assert!(config.contains("\nsamples = 2\n"));
}

/// A run that diverges counts with its last evaluation, is not tried again, and does not stop the
/// others.
#[test]
fn a_failed_run_is_recorded() {
    let folder = folder_with_suite();
    let unstable = "set = { \"optimizer.learning_rate\" = 1, \"optimizer.critic_learning_rate\" = \
        1, \"optimizer.max_grad_norm\" = 0, \
                \"objective.ratio_form\" = \"exp\", \"optimizer.max_kl\" = \
                0, \"objective.trust_region\" = \"ppo\", \
                \"policy.action_bound\" = 0 }";
    // Evaluate after every iteration, so that there is a last evaluation.
    let suite = SUITE
        .replace("label = \"Flow\"", unstable)
        .replace("= 512", "= 128");
    fs::write(folder.path().join("tiny.toml"), suite).unwrap();
    refused(
        &folder,
        &["bench", "tiny.toml", "--seeds", "0"],
        1,
        &[
            "1 of 2 runs failed",
            "flow bandit-two_modes seed 0",
            "non-finite",
        ],
    );
    let results = read(&folder, "results.csv");
    let rows: Vec<&str> = results.lines().collect();
    assert!(
        rows[1].starts_with("flow,bandit-two_modes,0,failed,128,0.")
            && rows[1].contains("non-finite"),
        "{results}"
    );
    assert!(rows[2].contains(",finished,"), "{results}");
    assert!(read(&folder, "report.md").contains("Runs that are not complete"));
    let before = record(&folder.path().join("runs/tiny/flow"));
    refused(
        &folder,
        &["bench", "tiny.toml", "--seeds", "0"],
        1,
        &["1 of 2 runs failed"],
    );
    assert_same(&before, &record(&folder.path().join("runs/tiny/flow")));
}

/// A page may be published: targets of links in an untrusted folder must not get into it.
#[cfg(unix)]
#[test]
fn a_page_does_not_follow_links() {
    let (folder, run) = crate::cli::folder_with_run();
    let secret = folder.path().join("secret");
    fs::write(&secret, "not for others").unwrap();
    std::os::unix::fs::symlink(&secret, run.join("video.mp4")).unwrap();
    succeeds(&folder, &["report", "runs/run"]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<video"), "a link is not a film");
    for name in ["failed.txt", "machine.toml"] {
        let _ = fs::remove_file(run.join(name));
        std::os::unix::fs::symlink(&secret, run.join(name)).unwrap();
        refused(&folder, &["report", "runs/run"], 2, &[name, "it is a link"]);
        fs::remove_file(run.join(name)).unwrap();
    }
}

#[test]
fn bad_suites_and_folders_are_one_line() {
    let folder = folder_with_suite();
    let bench = |change: (&str, &str), more: &[&str], parts: &[&str]| {
        assert!(SUITE.contains(change.0));
        fs::write(
            folder.path().join("bad.toml"),
            SUITE.replacen(change.0, change.1, 1),
        )
        .unwrap();
        refused(&folder, &[&["bench", "bad.toml"], more].concat(), 2, parts);
    };
    bench(
        ("seeds", "sedes"),
        &[],
        &["bad.toml, line 3: unknown key `sedes`; did you mean `seeds`?"],
    );
    bench(
        ("two_modes", "two_nodes"),
        &[],
        &["bad.toml", "did you mean `bandit-two_modes`?"],
    );
    bench(
        ("env.num_steps", "env.num_step"),
        &[],
        &["method flow", "did you mean `env.num_steps`?"],
    );
    bench(
        ("= 0.2", "= -1"),
        &[],
        &["method gauss", "`objective.clip` = -1"],
    );
    bench(
        ("ppo-fast", "ppo-slow"),
        &[],
        &["method gauss", "unknown preset `ppo-slow`"],
    );
    bench(("[0, 1]", "[0 1]"), &[], &["bad.toml, line 3"]);
    bench(
        ("a", "a"),
        &["--methods", "flaw"],
        &["no method `flaw`; did you mean `flow`?"],
    );
    bench(
        ("a", "a"),
        &["--tasks", "cheetah-run"],
        &["no task `cheetah-run`"],
    );
    bench(
        ("a", "a"),
        &["--report-only"],
        &["runs/bad holds no run of bad"],
    );
    refused(
        &folder,
        &["bench", "dmc9"],
        2,
        &["unknown suite `dmc9`; did you mean `dmc10`?"],
    );
    refused(
        &folder,
        &["bench", "missing.toml"],
        2,
        &["cannot read missing.toml"],
    );
    refused(
        &folder,
        &["report", "nowhere"],
        2,
        &["nowhere is not a run: there is no such folder"],
    );
    refused(
        &folder,
        &["report", "."],
        2,
        &["neither a run, which has a config.toml, nor a benchmark"],
    );
    assert!(!folder.path().join("runs").exists(), "nothing was started");
    succeeds(&folder, &tiny("run", &["--set", "train.steps=256"]));
    fs::write(folder.path().join("runs/run/eval.csv"), "iteration\n3\n").unwrap();
    refused(
        &folder,
        &["report", "runs/run"],
        2,
        &["eval.csv is damaged: line 1"],
    );
    assert!(!Path::new(&folder.path().join("runs/run/report.html")).exists());
}
