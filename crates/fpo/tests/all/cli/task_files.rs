//! Task files: every command takes their path, and a run needs nothing but its own folder.

use super::{PROGRAM, TINY, assert_same, fpo, record, stderr, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks")
}

/// A folder with the examples in `tasks/`.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    copy(&examples(), &folder.path().join("tasks"));
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Arguments of a tiny training of `task`.
fn tiny<'a>(task: &'a str, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sets = TINY.iter().flat_map(|set| ["--set", set]);
    ["train", task, "--name", name]
        .into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// Runs the program and expects wrong input: one line.
fn refused(folder: &TempDir, args: &[&str]) -> String {
    let output: Output = fpo(folder, args).output().unwrap();
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(
        error.starts_with("error: ") && error.lines().count() == 1,
        "{error}"
    );
    error
}

#[test]
fn a_run_is_evaluated_and_resumed_without_the_file() {
    let folder = folder();
    succeeds(&folder, &tiny("tasks/rover.toml", "run", &[]));
    let run = folder.path().join("runs/run");
    for file in ["rover.toml", "models/rover.xml"] {
        let kept = match file {
            "rover.toml" => "task/task.toml",
            model => &format!("task/{model}"),
        };
        let original = fs::read(folder.path().join("tasks").join(file)).unwrap();
        assert_eq!(fs::read(run.join(kept)).unwrap(), original, "{kept}");
    }
    assert!(
        fs::read_to_string(run.join("metrics.jsonl"))
            .unwrap()
            .contains("\"env/reward/speed\"")
    );
    fs::remove_dir_all(folder.path().join("tasks")).unwrap();

    let newest = "runs/run/checkpoints/step-000000001280";
    for policy in ["runs/run", newest] {
        let text = succeeds(&folder, &["eval", policy, "--episodes", "2"]);
        assert!(text.starts_with("rover ("), "{text}");
    }
    let extended = ["train", "--resume", "runs/run", "--set", "train.steps=1536"];
    assert!(succeeds(&folder, &extended).contains("trained rover for 256"));

    // A policy elsewhere needs the file.
    fs::copy(
        folder.path().join(newest).join("policy.safetensors"),
        folder.path().join("policy.safetensors"),
    )
    .unwrap();
    let alone = ["eval", "policy.safetensors", "--episodes", "2"];
    let error = refused(&folder, &alone);
    assert!(error.contains("name that with --task"), "{error}");
    let with = [&alone[..], &["--task", "runs/run/task/task.toml"]].concat();
    assert!(succeeds(&folder, &with).starts_with("rover ("));
    let example = examples().join("cart-follow.toml");
    let other = [&alone[..], &["--task", example.to_str().unwrap()]].concat();
    let error = refused(&folder, &other);
    assert!(
        error.contains("it was trained on `rover`, not on `cart-follow`"),
        "{error}"
    );
}

/// A policy learns the same from a task of the program and from the file that says the same.
#[test]
fn a_rewritten_task_trains_as_the_one_of_the_program() {
    let folder = folder();
    for (task, name) in [
        ("cheetah-run", "built-in"),
        ("tasks/cheetah-run.toml", "file"),
    ] {
        let more = ["--set", "train.precision=f32"];
        succeeds(&folder, &tiny(task, name, &more));
    }
    let read = |run: &str| fs::read_to_string(folder.path().join(run).join("eval.csv")).unwrap();
    let (built_in, file) = (read("runs/built-in"), read("runs/file"));
    assert!(built_in.lines().count() > 2, "{built_in}");
    assert_eq!(built_in, file);
}

#[test]
fn a_stopped_run_resumes_to_the_same_end() {
    let folder = folder();
    let file = "tasks/rover.toml";
    succeeds(&folder, &tiny(file, "whole", &["--threads", "1"]));
    let short = ["--set", "train.steps=640", "--threads", "2"];
    succeeds(&folder, &tiny(file, "parts", &short));
    let rest = [
        "train",
        file,
        "--resume",
        "runs/parts",
        "--set",
        "train.steps=1280",
    ];
    succeeds(&folder, &rest);
    let [whole, parts] = ["whole", "parts"].map(|name| {
        let mut record = record(&folder.path().join("runs").join(name));
        // The first part was evaluated, and saved, at its own end.
        record.retain(|path, _| {
            path.starts_with("checkpoints/step-000000001280") && !path.ends_with("manifest.json")
        });
        record
    });
    assert!(whole.len() >= 3);
    assert_same(&whole, &parts);
}

#[test]
fn a_changed_file_is_not_resumed() {
    let folder = folder();
    let file = "tasks/rover.toml";
    succeeds(&folder, &tiny(file, "run", &[]));
    let more = ["--set", "train.steps=1536"];
    let resume =
        |task: &[&'static str]| [&["train"][..], task, &["--resume", "runs/run"], &more].concat();
    let model = folder.path().join("tasks/models/rover.xml");
    let text = fs::read_to_string(&model).unwrap();
    fs::write(&model, text.replace("mass=\"6\"", "mass=\"7\"")).unwrap();
    let before = record(&folder.path().join("runs/run"));
    let error = refused(&folder, &resume(&["tasks/rover.toml"]));
    assert!(
        error.contains("trained with other files of the task rover"),
        "{error}"
    );
    // Nor if the run's own copy was changed.
    let kept = folder.path().join("runs/run/task/task.toml");
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace("weight = 0.6", "weight = 0.7")).unwrap();
    let error = refused(&folder, &resume(&[]));
    assert!(
        error.contains("trained with other files of the task rover"),
        "{error}"
    );
    fs::write(&kept, text).unwrap();
    assert_same(&before, &record(&folder.path().join("runs/run")));
    let error = refused(&folder, &resume(&["tasks/cart-follow.toml"]));
    assert!(error.contains("runs/run is a run of rover"), "{error}");
    succeeds(&folder, &resume(&[]));
}

#[test]
fn a_new_run_replaces_the_files_of_an_earlier_one() {
    let folder = folder();
    succeeds(&folder, &tiny("tasks/rover.toml", "run", &[]));
    succeeds(&folder, &tiny("cartpole-balance", "run", &["--force"]));
    assert!(!folder.path().join("runs/run/task").exists());
}

#[test]
fn tasks_and_check_say_what_a_file_is() {
    let folder = folder();
    let list = succeeds(&folder, &["tasks", "tasks/rover.toml", "cheetah-run"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    let json = succeeds(&folder, &["tasks", "tasks/rover.toml", "--json"]);
    assert!(json.contains("\"observation_dim\": 19"), "{json}");
    let explained = succeeds(&folder, &["tasks", "tasks/rover.toml", "--explain"]);
    for line in [
        "  step          0.02 s: 4 physics steps of 0.005 s",
        "observation, 19 numbers",
        "  speed         0.6 × tolerance(speed - command('drive')[0], margin=1)  (a number)",
        "  from the keyframe `start`",
        "push `chassis` by 0 … 30 N for 10 steps, after 100 … 250 steps",
    ] {
        assert!(explained.lines().any(|l| l == line), "{line}\n{explained}");
    }
    let built_in = succeeds(&folder, &["tasks", "cheetah-run", "--explain"]);
    assert!(built_in.contains("observation, 17 numbers"), "{built_in}");

    for entry in fs::read_dir(folder.path().join("tasks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let path = path.to_str().unwrap();
            let checked = succeeds(&folder, &["check", path, "--seconds", "0.1"]);
            assert!(checked.contains("steps/s on one thread"), "{checked}");
            assert!(checked.contains("  reward."), "{checked}");
        }
    }
    let checked = succeeds(&folder, &["check", "cheetah-run", "--seconds", "0.1"]);
    assert!(checked.contains("17 observed, 6 acted"), "{checked}");
}

#[test]
fn errors_are_one_line_with_their_place() {
    let folder = folder();
    let wrong = |name: &str, right: &str, wrong: &str| {
        let text = fs::read_to_string(folder.path().join("tasks/rover.toml")).unwrap();
        assert!(text.contains(right));
        fs::write(
            folder.path().join("tasks").join(name),
            text.replacen(right, wrong, 1),
        )
        .unwrap();
    };
    wrong("a.toml", "sensor('gyro').z", "sensor('giro').z");
    wrong("b.toml", "name = \"rover\"", "name = \"cheetah-run\"");
    for (args, expected) in [
        (
            &["train", "tasks/a.toml"][..],
            "tasks/a.toml:17: values.turn: there is no sensor `giro`; did you mean `gyro`?",
        ),
        (&["check", "tasks/a.toml"], "tasks/a.toml:17: values.turn"),
        (
            &["tasks", "tasks/a.toml", "--explain"],
            "tasks/a.toml:17: values.turn",
        ),
        (
            &["train", "tasks/b.toml"],
            "`cheetah-run` is the name of a built-in task",
        ),
        (
            &["train", "no/such.toml"],
            "cannot read no/such.toml: No such file",
        ),
        (&["train", "rover"], "unknown task `rover`"),
    ] {
        let error = refused(&folder, args);
        assert!(error.contains(expected), "{error}");
    }
    assert!(!folder.path().join("runs").exists());
}

/// A term that becomes non-finite in training stops the run, and is named.
#[test]
fn a_failing_term_is_named_by_the_training() {
    let folder = folder();
    let path = folder.path().join("tasks/rover.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "margin=1)\" }\nturn",
        "margin=1) + 0 * log(0.9 - time)\" }\nturn",
    );
    fs::write(&path, text).unwrap();
    let more = ["--set", "train.steps=12800"];
    let output = fpo(&folder, &tiny("tasks/rover.toml", "run", &more))
        .output()
        .unwrap();
    let error = stderr(&output);
    let last = error.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        last.contains("tasks/rover.toml:") && last.contains("reward.speed: this"),
        "{error}"
    );
}

/// Little memory is used, whatever a model asks for.
#[test]
fn a_hostile_model_is_refused_in_two_gigabytes() {
    let folder = folder();
    let path = folder.path().join("tasks/models/rover.xml");
    let text = fs::read_to_string(&path).unwrap();
    for wrong in [
        "<worldbody><replicate count=\"2000000000\"><geom size=\"1\"/></replicate>",
        "<size memory=\"900G\"/><worldbody>",
        "<asset><texture type=\"2d\" builtin=\"flat\" width=\"60000\" height=\"60000\"/></asset>\
         <worldbody>",
    ] {
        fs::write(&path, text.replacen("<worldbody>", wrong, 1)).unwrap();
        let line = format!("ulimit -v 2097152; exec '{PROGRAM}' check tasks/rover.toml");
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("model: models/rover.xml:") || error.contains("rover.xml:"));
    }
}

/// The commands of a guide's part: the lines of its `sh` blocks.
fn commands(page: &str, heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let text = fs::read_to_string(path).unwrap();
    let part = text
        .split("\n## ")
        .find(|part| part.starts_with(heading))
        .unwrap();
    let mut is_code = false;
    let mut commands = Vec::new();
    for line in part.lines().map(str::trim) {
        if line.starts_with("```") {
            is_code = line == "```sh";
        } else if is_code {
            commands.push(line.to_owned());
        }
    }
    // And those of the table of examples.
    let cells = part
        .split('`')
        .filter(|code| code.starts_with("fpo train examples/"));
    commands.extend(cells.map(str::to_owned));
    commands
}

#[test]
fn the_commands_of_the_guide_work() {
    let folder = TempDir::new().unwrap();
    copy(&examples(), &folder.path().join("examples/tasks"));
    let commands = commands("your-own-task.md", "A robot from an XML");
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        let mut args: Vec<&str> = command.split_whitespace().skip(1).collect();
        if args[0] == "train" {
            // Later settings override earlier ones.
            args.extend(TINY.iter().flat_map(|set| ["--set", set]));
            args.push("--force");
        } else if args[0] == "eval" {
            args.extend(["--episodes", "2"]);
        }
        succeeds(&folder, &args);
    }
}

#[test]
fn the_task_file_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/task-files.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- begin reference").unwrap();
    let (mark, rest) = rest.split_once("-->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end reference -->").unwrap();
    let reference = fpo_mujoco::task_file::reference();
    let current = format!(
        "{before}<!-- begin reference{mark}-->\n\n{reference}\n<!-- end reference -->{after}"
    );
    if std::env::var_os("FPO_RECORD").is_some() {
        fs::write(&path, &current).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == current,
        "FPO_RECORD=1 cargo test --release -p fpo --test all task_file_reference"
    );
}
