//! Kind: what a run records and needs. Everything that can refuse does so before anything is
//! written; what is damaged is named by `fpo doctor` and refused by a resume; what is missing is
//! named by both; and nothing of anybody's is lost on the way.

use crate::cli::{Record, assert_same, fpo, quick, stderr, succeeds};
use fpo_run::run::RunFolder;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RESUME: &[&str] = &["train", "--resume", "runs/run", "--threads", "1"];
const LONGER: &[&str] = &["--set", "train.steps=768"];

fn folder_with_run() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("run", &[]));
    let run = folder.path().join("runs/run");
    (folder, run)
}

/// Every file and folder below `folder`, all bytes, except the lock.
fn everything(folder: &Path) -> Record {
    let mut all = Record::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path.clone());
                all.insert(path, Vec::new());
            } else if path.file_name().unwrap() != ".lock" {
                let bytes = fs::read(&path).unwrap();
                all.insert(path, bytes);
            }
        }
    }
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The exit code and the error or all that it said.
fn ends(folder: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let output = fpo(folder, args).output().unwrap();
    (output.status.code(), stderr(&output))
}

#[track_caller]
fn refused(folder: &TempDir, args: &[&str], words: &[&str]) {
    let before = everything(folder.path());
    let (code, said) = ends(folder, args);
    assert_eq!(code, Some(2), "{args:?}: {said}");
    let error = said.lines().last().unwrap();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {args:?}: {said}");
    }
    assert_same(&before, &everything(folder.path()));
}

/// The findings of `fpo doctor` about records: severities and statements.
fn findings(folder: &TempDir) -> Vec<(String, String)> {
    let output = fpo(folder, &["doctor", "runs/run", "--json"]).output();
    let json: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .filter(|finding| finding["kind"] == "records")
        .map(|finding| (text(finding, "severity"), text(finding, "statement")))
        .collect()
}

/// A folder where a run has a file, and the other way round, whatever command would write there.
#[test]
fn what_lies_in_the_place_of_a_record_refuses_before_anything_is_written() {
    let (folder, run) = folder_with_run();
    for name in [
        "config.toml",
        "metrics.jsonl",
        "eval.csv",
        "events.jsonl",
        "machine.toml",
        "init.safetensors",
        "failed.txt",
        ".saved",
        ".lock",
        "failure",
        "task",
        "checkpoints",
    ] {
        let (path, kept) = (run.join(name), folder.path().join("kept"));
        let there = path.exists();
        if there {
            fs::rename(&path, &kept).unwrap();
        }
        match ["failure", "task", "checkpoints"].contains(&name) {
            true => fs::write(&path, "mine").unwrap(),
            false => {
                fs::create_dir(&path).unwrap();
                fs::write(path.join("precious"), "mine").unwrap();
            }
        }
        let mut commands = vec![[RESUME, LONGER].concat()];
        // Without its settings there is no run to resume, and a new one has nowhere to be.
        commands.push(quick("run", &[&["--resume-or-start"], LONGER].concat()));
        if name != "checkpoints" {
            commands.push(quick("run", &["--force"]));
        }
        for args in commands {
            refused(&folder, &args, &[]);
        }
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
        if there {
            fs::rename(&kept, &path).unwrap();
        }
    }
    succeeds(&folder, &[RESUME, LONGER].concat());
}

/// A new run in a folder with files of somebody's, by the names that it would take.
#[test]
fn a_new_run_takes_no_place_of_a_file_that_is_there() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("runs/run");
    for name in [
        "report.html",
        "video.mp4",
        "policy.onnx",
        "eval.csv",
        "machine.toml",
        "failed.txt",
        "failure/notes",
        "task/task.toml",
    ] {
        fs::create_dir_all(run.join(name).parent().unwrap()).unwrap();
        fs::write(run.join(name), "mine").unwrap();
        let first = name.split('/').next().unwrap();
        let place = format!("runs/run/{first} is in the way of a new run");
        refused(&folder, &quick("run", &[]), &[&place, "--name or --out"]);
        refused(&folder, &quick("run", &["--resume-or-start"]), &[&place]);
        fs::remove_dir_all(&run).unwrap();
    }
    // Files of other names stay.
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("notes.txt"), "mine").unwrap();
    succeeds(&folder, &quick("run", &[]));
    assert_eq!(fs::read(run.join("notes.txt")).unwrap(), b"mine");
}

/// A run in the place of another's checkpoints or failure would be taken for one of those, and be
/// deleted with it.
#[test]
fn a_run_begins_in_no_folder_that_another_keeps_for_itself() {
    let (folder, run) = folder_with_run();
    fs::create_dir(run.join("notes")).unwrap();
    let checkpoint = "runs/run/checkpoints/step-000000000640";
    #[cfg(unix)]
    std::os::unix::fs::symlink("runs/run/checkpoints", folder.path().join("link")).unwrap();
    for (out, name) in [
        #[cfg(unix)]
        ("link", "z"),
        ("runs/run", "checkpoints"),
        ("runs/run", "failure"),
        ("runs/run", "task"),
        ("runs/run/checkpoints", "step-999999999999"),
        ("runs/run/failure", "deeper"),
        (checkpoint, "x"),
        ("runs/../runs/run/./checkpoints", "y"),
    ] {
        for more in [&[][..], &["--force"], &["--resume-or-start"]] {
            let args = quick(name, &[&["--out", out], more].concat());
            refused(
                &folder,
                &args,
                &["is where another run keeps its own files", "--out"],
            );
        }
    }
    // Beside those it may be.
    succeeds(&folder, &quick("inner", &["--out", "runs/run/notes"]));
    succeeds(&folder, &[RESUME, LONGER].concat());
}

/// A run that begins again for want of a checkpoint was not asked to delete what it did not make.
#[test]
fn a_run_that_begins_again_leaves_pages_and_pictures() {
    let (folder, run) = folder_with_run();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::remove_file(run.join(".saved")).unwrap();
    fs::write(run.join("metrics.jsonl"), "").unwrap();
    fs::write(run.join("report.html"), "mine").unwrap();
    let (code, said) = ends(&folder, RESUME);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("begins again"), "{said}");
    assert_eq!(fs::read(run.join("report.html")).unwrap(), b"mine");
}

#[test]
fn damaged_records_are_named_by_doctor_and_refused_by_a_resume() {
    let (folder, run) = folder_with_run();
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let (rows, evaluations) = (read("metrics.jsonl"), read("eval.csv"));
    let lines: Vec<&str> = rows.split_inclusive('\n').collect();
    let reversed: String = lines.iter().rev().copied().collect();
    let twice = [&lines[..4], &lines[3..]].concat().concat();
    let header = evaluations.find('\n').unwrap() + 1;
    let backwards = {
        let mut lines: Vec<&str> = evaluations[header..].split_inclusive('\n').collect();
        lines.reverse();
        evaluations[..header].to_owned() + &lines.concat()
    };
    for (name, content, words) in [
        ("metrics.jsonl", reversed, "iteration 9 comes after 10"),
        ("metrics.jsonl", lines[..4].concat(), "it is the last"),
        ("metrics.jsonl", twice, "iteration 4 comes after 4"),
        (
            "metrics.jsonl",
            [&lines[..4], &lines[5..]].concat().concat(),
            "iteration 5 is missing",
        ),
        ("eval.csv", "garbage\n".to_owned(), "it is no header"),
        ("eval.csv", "a,b\n1,2\n".to_owned(), "it is no header"),
        (
            "eval.csv",
            evaluations[header..].to_owned(),
            "it is no header",
        ),
        (
            "eval.csv",
            evaluations[..header].to_owned() + "x,1\n" + &evaluations[header..],
            "`x` is no iteration",
        ),
        ("eval.csv", backwards, "comes after"),
        (
            "machine.toml",
            "x = [".to_owned(),
            "machine.toml is damaged",
        ),
        (
            "machine.toml",
            "session = 3".to_owned(),
            "machine.toml is damaged",
        ),
    ] {
        let good = fs::read(run.join(name)).unwrap();
        fs::write(run.join(name), &content).unwrap();
        let found = findings(&folder);
        assert!(
            found
                .iter()
                .any(|(severity, statement)| severity == "warning"
                    && statement.contains(name)
                    && statement.contains("damaged")),
            "{name} {content}: {found:?}"
        );
        assert_eq!(ends(&folder, &["doctor", "runs/run"]).0, Some(1));
        let resume = [RESUME, LONGER].concat();
        refused(&folder, &resume, &[name, words, "move the file away"]);
        let again = quick("run", &[&["--resume-or-start"], LONGER].concat());
        refused(&folder, &again, &[name, words]);
        if name == "machine.toml" {
            refused(&folder, &["report", "runs/run"], &[name, "move it away"]);
        }
        fs::write(run.join(name), good).unwrap();
    }
    assert_eq!(findings(&folder), []);
    // A line that is none stops the reader, also the only one: it is not what a crash left.
    for name in ["metrics.jsonl", "events.jsonl"] {
        let good = fs::read(run.join(name)).ok();
        for content in ["garbage\n", "garbage\n{}\n"] {
            fs::write(run.join(name), content).unwrap();
            let words = [name, "is damaged in line 1"];
            refused(&folder, &["doctor", "runs/run"], &words);
            refused(&folder, &[RESUME, LONGER].concat(), &words);
        }
        match good {
            Some(good) => fs::write(run.join(name), good).unwrap(),
            None => fs::remove_file(run.join(name)).unwrap(),
        }
    }
}

#[test]
fn missing_records_are_named_by_doctor_and_by_the_resume_that_goes_on() {
    let (folder, run) = folder_with_run();
    let kept = folder.path().join("kept");
    copy(&run, &kept);
    let text = |name: &str| fs::read_to_string(kept.join(name)).unwrap();
    let rows = text("metrics.jsonl");
    let last = rows.lines().last().unwrap().to_owned() + "\n";
    let evaluations = text("eval.csv");
    let lines: Vec<&str> = evaluations.split_inclusive('\n').collect();
    let without_one = lines[..1].concat() + &lines[3..].concat();
    for (name, content, severity, words) in [
        (
            "metrics.jsonl",
            Some(last),
            "note",
            "metrics.jsonl has no rows of iterations 1 to 9",
        ),
        (
            "metrics.jsonl",
            Some(String::new()),
            "warning",
            "metrics.jsonl has no rows of iterations 1 to 10",
        ),
        (
            "metrics.jsonl",
            None,
            "warning",
            "metrics.jsonl has no rows of iterations 1 to 10",
        ),
        (
            "eval.csv",
            Some(without_one),
            "note",
            "eval.csv lacks 1 of the 2 evaluations that metrics.jsonl has",
        ),
        (
            "eval.csv",
            Some(String::new()),
            "warning",
            "eval.csv lacks 2 of the 2 evaluations that metrics.jsonl has",
        ),
    ] {
        fs::remove_dir_all(&run).unwrap();
        copy(&kept, &run);
        match content {
            Some(content) => fs::write(run.join(name), content).unwrap(),
            None => fs::remove_file(run.join(name)).unwrap(),
        }
        let expected = (severity.to_owned(), words.to_owned());
        assert_eq!(findings(&folder), [expected]);
        let (code, said) = ends(&folder, &[RESUME, LONGER].concat());
        assert_eq!(code, Some(0), "{said}");
        let note = format!("note: in runs/run, {words}; it goes on without them");
        assert!(said.contains(&note), "{said}");
        // Once it did so, the gap is no reason to fail.
        assert_eq!(ends(&folder, &["doctor", "runs/run"]).0, Some(0));
    }
}

/// The same answer and the same code for a run that another process uses, and a damaged run among
/// others does not hide them.
#[test]
fn a_run_of_a_suite_that_is_in_use_or_damaged() {
    let folder = TempDir::new().unwrap();
    let suite = r#"tasks = ["bandit-two_modes"]
seeds = [0, 1]
[set]
"env.num_envs" = 16
"env.num_steps" = 8
"optimizer.minibatches" = 4
"policy.hidden" = [16]
"critic.hidden" = [16]
"eval.episodes" = 2
"train.steps" = 128
[method.flow]
"#;
    fs::write(folder.path().join("s.toml"), suite).unwrap();
    let run = folder.path().join("runs/s/flow/bandit-two_modes-seed0");
    fs::create_dir_all(&run).unwrap();
    let held = RunFolder::create(&run, false).unwrap();
    let (code, said) = ends(&folder, &["bench", "s.toml"]);
    assert_eq!(code, Some(2), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains("1 of 2 runs failed"), "{said}");
    assert!(last.contains("is in use by another process"), "{said}");
    drop(held);
    // Files of somebody's in the place of a run are left alone, as by `fpo train`.
    fs::write(run.join("report.html"), "mine").unwrap();
    let (code, said) = ends(&folder, &["bench", "s.toml"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("report.html is in the way"), "{said}");
    fs::remove_file(run.join("report.html")).unwrap();
    succeeds(&folder, &["bench", "s.toml"]);
    for (file, text) in [("config.toml", "task = "), ("machine.toml", "x = [")] {
        let good = fs::read(run.join(file)).unwrap();
        fs::write(run.join(file), text).unwrap();
        let output = fpo(&folder, &["bench", "s.toml", "--list"])
            .output()
            .unwrap();
        let listed = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(
            listed.contains("damaged") && listed.contains("done"),
            "{listed}"
        );
        assert!(stderr(&output).contains(file), "{}", stderr(&output));
        refused(&folder, &["bench", "s.toml"], &[file]);
        fs::write(run.join(file), good).unwrap();
    }
}

/// What is not a line of a record, but refuses a resume as well: counters beyond any run, another
/// setting, a damaged state, a checkpoint of another name, what the run began with.
#[test]
fn doctor_names_whatever_refuses_a_resume() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("first", &[]));
    succeeds(&folder, &quick("run", &["--init-from", "runs/first"]));
    let run = folder.path().join("runs/run");
    let kept = folder.path().join("kept");
    copy(&run, &kept);
    let newest = "checkpoints/step-000000000640";
    let state = format!("{newest}/state.safetensors");
    let flip = |file: &str| {
        let mut bytes = fs::read(run.join(file)).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(run.join(file), bytes).unwrap();
    };
    let settings = |run: &Path| {
        let text = fs::read_to_string(run.join("config.toml")).unwrap();
        let text = text.replace("reward_scale = 1.0", "reward_scale = 2.0");
        fs::write(run.join("config.toml"), text).unwrap();
    };
    let rename = || fs::rename(run.join(newest), run.join("checkpoints/step-000000000999"));
    let cases: [(&dyn Fn(), &str); 5] = [
        (&|| settings(&run), "`env.reward_scale` = 2"),
        (&|| flip(&state), "the hash of state.safetensors differs"),
        (
            &|| rename().unwrap(),
            "it is of 640 environment steps, which is not its name's",
        ),
        (&|| flip("init.safetensors"), "init.safetensors is damaged"),
        (
            &|| fs::remove_file(run.join("init.safetensors")).unwrap(),
            "cannot read runs/run/init.safetensors",
        ),
    ];
    for (damage, words) in cases {
        fs::remove_dir_all(&run).unwrap();
        copy(&kept, &run);
        damage();
        let found = findings(&folder);
        let named = |(severity, statement): &(String, String)| {
            severity == "warning" && statement.contains(words)
        };
        assert!(found.iter().any(named), "{words}: {found:?}");
        // A file that is not there is no wrong input.
        let before = everything(&run);
        let (code, said) = ends(&folder, &[RESUME, LONGER].concat());
        assert_ne!(code, Some(0), "{said}");
        assert!(said.contains(words), "{said}");
        assert_same(&before, &everything(&run));
    }
    fs::remove_dir_all(&run).unwrap();
    copy(&kept, &run);
    assert_eq!(findings(&folder), []);
    // Settings of which nothing is left are not those of a run of the default ones.
    let config = fs::read(run.join("config.toml")).unwrap();
    fs::write(run.join("config.toml"), "").unwrap();
    for args in [&["doctor", "runs/run"][..], RESUME] {
        refused(&folder, args, &["runs/run/config.toml names no task"]);
    }
    fs::write(run.join("config.toml"), config).unwrap();
    // No sum or product of such a counter ends a command.
    let huge = r#"{"iteration":18446744073709551615,"env_steps":18446744073709551615}"#;
    let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    fs::write(run.join("metrics.jsonl"), format!("{rows}{huge}\n{huge}\n")).unwrap();
    let longer = [RESUME, LONGER].concat();
    for args in [
        &["doctor", "runs/run"][..],
        &["report", "runs/run"],
        &longer,
    ] {
        refused(&folder, args, &["line 11: a counter is impossibly large"]);
    }
}

/// A tail without a line break is dropped only if a run may have left it.
#[test]
fn notes_without_a_line_break_are_not_taken_for_a_row() {
    let (folder, run) = folder_with_run();
    let resume = [RESUME, LONGER].concat();
    for name in ["metrics.jsonl", "eval.csv", "events.jsonl"] {
        let good = fs::read_to_string(run.join(name)).ok();
        let rows = good.clone().unwrap_or_default();
        for content in ["mine, not a row", "7 things to do"] {
            for text in [content.to_owned(), format!("{rows}{content}")] {
                fs::write(run.join(name), text).unwrap();
                refused(&folder, &resume, &[name, "no line break"]);
                let (code, said) = ends(&folder, &["doctor", "runs/run"]);
                assert_ne!(code, Some(0), "{said}");
                if code == Some(1) {
                    let found = findings(&folder);
                    assert!(found[0].1.contains(name), "{found:?}");
                }
            }
        }
        match good {
            Some(good) => fs::write(run.join(name), good).unwrap(),
            None => fs::remove_file(run.join(name)).unwrap(),
        }
    }
    for (name, torn) in [
        ("metrics.jsonl", "{\"iteration\":11,\"env_st"),
        ("eval.csv", "11,704,ze\0\0"),
        ("events.jsonl", "{\"iter"),
    ] {
        let path = run.join(name);
        let rows = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, rows + torn).unwrap();
    }
    assert_eq!(findings(&folder), []);
    succeeds(&folder, &resume);
}

/// Advice that leads somewhere: what doctor, a resume and the readers of policies say of a run
/// whose checkpoints are gone, or of which the only one is damaged.
#[test]
fn without_a_checkpoint_no_advice_leads_to_a_refusal() {
    let (folder, run) = folder_with_run();
    let kept = folder.path().join("kept");
    copy(&run, &kept);
    fs::rename(run.join("checkpoints"), folder.path().join("away")).unwrap();
    let gone = "its checkpoints were moved or deleted";
    for empty in [false, true] {
        if empty {
            fs::create_dir(run.join("checkpoints")).unwrap();
        }
        for args in [
            &["eval", "runs/run"][..],
            &["export", "--onnx", "runs/run"],
            &["policy", "show", "runs/run"],
            &[RESUME, LONGER].concat(),
        ] {
            let (code, said) = ends(&folder, args);
            assert_eq!(code, Some(2), "{said}");
            assert!(
                said.contains(gone) && said.contains("put them back"),
                "{said}"
            );
            assert!(!said.contains("--resume"), "{said}");
        }
        assert_eq!(ends(&folder, &["doctor", "runs/run"]).0, Some(1));
        let found = findings(&folder);
        let named =
            |(severity, words): &(String, String)| severity == "warning" && words.contains(gone);
        assert!(found.iter().any(named), "{found:?}");
    }
    // One checkpoint alone, damaged in several ways, and then beside an earlier one.
    let newest = "step-000000000640";
    for only in [true, false] {
        for damage in ["state.safetensors", "manifest.json", "renamed"] {
            fs::remove_dir_all(&run).unwrap();
            copy(&kept, &run);
            let checkpoints = run.join("checkpoints");
            for entry in fs::read_dir(&checkpoints).unwrap() {
                let path = entry.unwrap().path();
                if only && !path.ends_with(newest) {
                    fs::remove_dir_all(path).unwrap();
                }
            }
            let at = checkpoints.join(newest);
            match damage {
                "renamed" => fs::rename(at, checkpoints.join("step-000000000999")).unwrap(),
                file => fs::write(at.join(file), [0; 64]).unwrap(),
            }
            let output = fpo(&folder, &["doctor", "runs/run"]).output().unwrap();
            let doctor = String::from_utf8(output.stdout).unwrap();
            let (code, said) = ends(&folder, &[RESUME, LONGER].concat());
            assert_eq!((output.status.code(), code), (Some(1), Some(2)), "{said}");
            for text in [&doctor, &said] {
                let (words, wrong) = match only {
                    true => ("no earlier one that is valid", "out of its folder"),
                    false => ("out of its folder", "no earlier one"),
                };
                assert!(
                    text.contains(words) && !text.contains(wrong),
                    "{damage}: {text}"
                );
            }
        }
    }
}

/// A run writes in no folder of checkpoints that is a link, and doctor says so beforehand.
#[cfg(unix)]
#[test]
fn doctor_and_a_resume_agree_on_checkpoints_that_are_a_link() {
    let (folder, run) = folder_with_run();
    let away = folder.path().join("away");
    fs::rename(run.join("checkpoints"), &away).unwrap();
    std::os::unix::fs::symlink(&away, run.join("checkpoints")).unwrap();
    refused(&folder, &[RESUME, LONGER].concat(), &["it is a link"]);
    assert_eq!(ends(&folder, &["doctor", "runs/run"]).0, Some(1));
    let found = findings(&folder);
    assert!(
        found.len() == 1 && found[0].1.contains("it is a link"),
        "{found:?}"
    );
}

/// Numbers that no run has, but a file may: commands end in an answer, whatever they are.
#[test]
fn extreme_numbers_of_a_record_are_shown() {
    let (folder, run) = folder_with_run();
    let rows = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for (even, odd) in [
        ("0.0", "4.9e-324"),
        ("-1e308", "1e308"),
        ("1e308", "1.7e308"),
        ("null", "1e-320"),
    ] {
        let mut changed = String::new();
        for (k, line) in rows.lines().enumerate() {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let number: Value = [even, odd][k % 2].parse().unwrap();
            for (name, value) in row.as_object_mut().unwrap() {
                if !["iteration", "env_steps", "time"].contains(&name.as_str()) {
                    *value = number.clone();
                }
            }
            changed += &(row.to_string() + "\n");
        }
        fs::write(run.join("metrics.jsonl"), changed).unwrap();
        succeeds(&folder, &["report", "runs/run"]);
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        assert!(
            !page.contains("NaN") && !page.contains("\"inf"),
            "{even} {odd}"
        );
        let code = ends(&folder, &["doctor", "runs/run"]).0;
        assert!(matches!(code, Some(0 | 1)), "{even} {odd}: {code:?}");
    }
}
