//! Kind: every subcommand takes every path, prints it so that a shell reads it back, and never
//! panics.
//!
//! Paths that are not UTF-8, with spaces, quotes, line breaks and marks that are invisible, that
//! begin with a dash, and that are as long as a name can be. Printed commands are run by a shell.

use crate::cli::{PROGRAM, newest, stderr};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Names of folders, each with several odd things in it; `fpo_files::quoted` is tested with more.
fn names() -> Vec<OsString> {
    let text = [
        "it's \"two  words\", $HOME $(id) #x;&|<>*?[]{}!",
        "a\nb\tc\u{1b}[31m\u{202e}txt",
        "--help --force x",
        "~",
        "é=日本\\",
    ];
    let mut names: Vec<OsString> = text.into_iter().map(OsString::from).collect();
    names.push(OsString::from_vec(b"caf\xe9 \xff\xfe0a'\n`b".to_vec()));
    names.push("l".repeat(255).into());
    names
}

struct Place {
    root: TempDir,
    name: OsString,
}

impl Place {
    fn new(name: OsString) -> Self {
        let root = TempDir::new().unwrap();
        symlink(PROGRAM, root.path().join("fpo")).unwrap();
        Self { root, name }
    }

    /// `FOLDER/inner`, where the folder's name is the odd one; as an argument it cannot be taken
    /// for an option.
    fn path(&self, inner: &str) -> OsString {
        let relative = Path::new(&self.name).join(inner);
        let dash = self.name.as_bytes().starts_with(b"-");
        if dash {
            Path::new(".").join(relative).into()
        } else {
            relative.into()
        }
    }

    #[track_caller]
    fn output(&self, args: &[&OsStr]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.root.path()).args(args);
        let output = command.output().unwrap();
        for text in [&output.stdout, &output.stderr] {
            let text = str::from_utf8(text).expect("what is printed is UTF-8");
            assert!(!text.contains("panicked"), "{args:?}: {text}");
            let hidden = |c: char| fpo_files::is_hidden(c) && c != '\n';
            // JSON escapes what it has to.
            assert!(!text.chars().any(hidden), "{args:?}: {text:?}");
        }
        assert_ne!(output.status.code(), Some(101), "{args:?}");
        output
    }

    /// Expects the command to succeed; returns what it printed.
    #[track_caller]
    fn succeeds(&self, args: &[&OsStr]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Expects one line of error, which contains the path as a shell reads it.
    #[track_caller]
    fn refused(&self, args: &[&OsStr], path: &OsStr) {
        let output = self.output(args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        let shown = fpo_files::quoted(Path::new(path));
        assert!(text.contains(&shown), "{shown} is not in: {text}");
    }

    /// Runs a command that was printed, in a shell.
    #[track_caller]
    fn shell(&self, command: &str) -> Output {
        let path = format!(
            "{}:{}",
            self.root.path().display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new("bash")
            .current_dir(self.root.path())
            .env("PATH", path)
            .args(["-c", command])
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        output
    }
}

fn os(text: &str) -> &OsStr {
    OsStr::new(text)
}

/// Settings of a run that takes next to no time.
const SETTINGS: &str = "[env]\nnum_envs = 16\nnum_steps = 4\nsequences = 1\n\
    [optimizer]\nminibatches = 4\nepochs = 1\n[policy]\nhidden = [16]\nflow_steps = 2\n\
    [critic]\nhidden = [16]\n[eval]\nepisodes = 2\nevery = 64\n[train]\nsteps = 128\n";

const SUITE: &str = "tasks = [\"bandit-two_modes\"]\nseeds = [0]\n[set]\n\"env.num_envs\" = 16\n\
    \"env.num_steps\" = 4\n\"env.sequences\" = 1\n\"optimizer.minibatches\" = 4\n\
    \"policy.hidden\" = [16]\n\"critic.hidden\" = [16]\n\"eval.episodes\" = 2\n\
    \"train.steps\" = 128\n[method.flow]\n";

#[test]
fn every_command_takes_every_path() {
    for name in names() {
        let place = Place::new(name.clone());
        let folder = place.root.path().join(&name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("settings.toml"), SETTINGS).unwrap();
        fs::write(folder.join("suite.toml"), SUITE).unwrap();
        let (config, suite) = (place.path("settings.toml"), place.path("suite.toml"));
        let (out, run) = (place.path(""), place.path("run"));
        let train = [
            os("train"),
            os("gridworld-two_walls"),
            os("--config"),
            &config,
        ];
        let here = [os("--out"), &out, os("--name"), os("run")];
        // The summary's commands: film it, evaluate it, train it longer.
        let printed = place.succeeds(&[&train[..], &here].concat());
        let (_, next) = printed.split_once("next:\n").unwrap();
        let next: Vec<&str> = next.lines().collect();
        let [_, eval, longer] = next[..] else {
            panic!("{printed}")
        };
        place.shell(eval);
        let output = place.shell(longer);
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("trained gridworld"),
            "{longer}"
        );
        // What exists is not replaced, and the advice leads on.
        let again = [&train[..], &here].concat();
        place.refused(&again, &run);
        let text = stderr(&place.output(&again));
        let advice = text.split('`').nth(1).unwrap();
        // Names may contain a backtick themselves.
        if !name.as_bytes().contains(&b'`') {
            place.shell(&format!("{advice} --set train.steps=512"));
        }
        let again = [&train[..], &here, &[os("--resume-or-start")]].concat();
        assert_eq!(place.output(&again).status.code(), Some(0));

        let file = folder.join("run").join("checkpoints");
        let file = fpo_run::checkpoint::Checkpoints::list(&file)
            .unwrap()
            .pop()
            .unwrap();
        let file = file.join("policy.safetensors");
        for policy in [&*run, file.as_os_str()] {
            for args in [
                &[os("eval"), policy][..],
                &[os("eval"), policy, os("--json")],
                &[os("report"), policy],
            ] {
                place.succeeds(args);
            }
            for more in [&[][..], &[os("--json")]] {
                place.output(&[&[os("doctor"), policy], more].concat());
            }
        }
        place.succeeds(&[os("report"), &run, os("--out"), &place.path("page.html")]);
        let plot = [os("gridworld"), os("plot"), &run, os("--out")];
        place.succeeds(&[&plot[..], &[&place.path("grid.svg")]].concat());
        place.succeeds(&[&plot[..], &[&place.path("grid.svg"), os("--json")]].concat());
        assert!(folder.join("page.html").is_file() && folder.join("grid.svg").is_file());
        let film = place.path("film.gif");
        let small = ["--seconds=0.1", "--width=32", "--height=32", "--out"].map(os);
        place.output(&[&[os("play"), &run][..], &small, &[&film]].concat());
        place.refused(
            &[os("play"), &run, os("--out"), &place.path("x.avi")],
            &place.path("x.avi"),
        );
        place.refused(&[os("reproduce"), &run], &run);
        place.succeeds(&[os("bench"), &suite, os("--out"), &out]);
        place.succeeds(&[os("bench"), &suite, os("--out"), &out, os("--list")]);
        place.succeeds(&[os("report"), &place.path("suite")]);

        // What is not there.
        let missing = place.path("missing");
        for args in [
            &[os("eval"), &missing][..],
            &[os("play"), &missing],
            &[os("doctor"), &missing],
            &[os("report"), &missing],
            &[os("reproduce"), &missing],
            &[os("gridworld"), os("plot"), &missing],
            &[os("train"), os("--resume"), &missing],
            &[
                os("train"),
                os("bandit-two_modes"),
                os("--config"),
                &missing,
            ],
            &[os("bench"), &missing],
        ] {
            place.refused(args, &missing);
        }
        // The odd name as that of a run, of a suite and of a file of settings.
        let named = PathBuf::from(format!("runs/{}", "x")).with_file_name(&name);
        let mut flag = OsString::from("--name=");
        flag.push(&name);
        place.succeeds(&[&train[..], &[&*flag]].concat());
        place.succeeds(&[os("eval"), named.as_os_str()]);
        if name.len() < 200 {
            let mut other = name.clone();
            other.push(".toml");
            fs::write(folder.join(&other), SUITE).unwrap();
            let other: OsString = Path::new(&place.path("")).join(other).into();
            place.succeeds(&[os("bench"), &other, os("--out"), os("suites")]);
        }
    }
}

const TASK: &str = "name = \"pendulum\"\nmodel = \"suite:pendulum.xml\"\nstep_limit = 20\n\
    [observation]\nstate = \"[qpos, qvel]\"\n[reward]\nupright = \"-cos(qpos[0])\"\n";

/// Task files and what a training begins with.
#[test]
fn a_task_and_a_beginning_may_be_anywhere() {
    for name in names() {
        let place = Place::new(name.clone());
        let folder = place.root.path().join(&name);
        fs::create_dir(&folder).unwrap();
        for file in ["task.toml", "broken.toml"] {
            fs::write(folder.join(file), TASK).unwrap();
        }
        fs::write(folder.join("broken.toml"), "name = 1").unwrap();
        fs::write(folder.join("model.xml"), "").unwrap();
        fs::write(place.root.path().join("settings.toml"), SETTINGS).unwrap();
        let (task, broken) = (place.path("task.toml"), place.path("broken.toml"));
        for args in [
            &[os("check"), &*task, os("--seconds=0.01")][..],
            &[os("tasks"), &task],
            &[os("tasks"), &task, os("--explain")],
            &[os("train"), &task, os("--help-config")],
        ] {
            place.succeeds(args);
        }
        for path in [
            &broken,
            &place.path("model.xml"),
            &place.path("missing.toml"),
        ] {
            for args in [
                &[os("check"), &**path][..],
                &[os("tasks"), path],
                &[os("train"), path],
                &[os("train"), os("bandit-two_modes"), os("--init-from"), path],
            ] {
                place.refused(args, path);
            }
        }
        let settings = [os("--config"), os("settings.toml")];
        let named = |name: &'static str| [os("--name"), os(name)];
        let train = [&[os("train"), &*task][..], &settings].concat();
        place.succeeds(&[&train[..], &named("run")].concat());
        let file = newest(&place.root.path().join("runs/run"));
        let policy = place.path("policy.safetensors");
        fs::copy(
            file.join("policy.safetensors"),
            folder.join("policy.safetensors"),
        )
        .unwrap();
        let eval = [os("eval"), &policy, os("--task"), &task];
        place.succeeds(&eval);
        place.refused(&[&eval[..3], &[&broken]].concat(), &broken);
        // The settings of a run are text.
        let from = [&train[..], &named("more"), &[os("--init-from"), &policy]].concat();
        match policy.to_str() {
            Some(_) => drop(place.succeeds(&from)),
            None => place.refused(&from, &policy),
        }
    }
}

/// A path that is text is in JSON as it is, another in the form of a shell.
#[test]
fn json_has_every_path() {
    for (name, shown) in [
        (&b"two words"[..], "two words/run"),
        (b"caf\xe9", r"$'caf\xe9/run'"),
        // Characters that JSON may have, but a terminal must not get.
        (
            "\u{7f}\u{9b}31m\u{202e}".as_bytes(),
            "\u{7f}\u{9b}31m\u{202e}/run",
        ),
    ] {
        let place = Place::new(OsString::from_vec(name.to_vec()));
        fs::create_dir(place.root.path().join(&place.name)).unwrap();
        fs::write(place.root.path().join("settings.toml"), SETTINGS).unwrap();
        let (out, run) = (place.path(""), place.path("run"));
        let config = os("settings.toml");
        let train = [os("train"), os("bandit-two_modes"), os("--config"), config];
        place.succeeds(&[&train[..], &[os("--out"), &out, os("--name"), os("run")]].concat());
        let json: serde_json::Value =
            serde_json::from_str(&place.succeeds(&[os("eval"), &run, os("--json")])).unwrap();
        let policy = json["policy"].as_str().unwrap();
        assert!(policy.starts_with(shown.trim_end_matches('\'')), "{policy}");
        let output = place.output(&[os("doctor"), &run, os("--json")]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["run"], shown);
    }
}

/// A name that is taken for an option: the error says how to write it.
#[test]
fn a_name_like_an_option_can_be_written() {
    let place = Place::new("-x".into());
    fs::create_dir(place.root.path().join("-x")).unwrap();
    for command in ["eval", "doctor", "report", "reproduce", "bench"] {
        place.refused(&[os(command), os("-x")], os("-x"));
    }
    // Not every wrong option is a file.
    let output = place.output(&[os("eval"), os("-y")]);
    assert!(!stderr(&output).contains("./-y"), "{}", stderr(&output));
}

/// Relative paths, slashes at the end and links, for what writes into a run's folder.
#[test]
fn relative_paths_and_links_lead_to_the_same_run() {
    let place = Place::new("runs".into());
    let root = place.root.path();
    fs::write(root.join("settings.toml"), SETTINGS).unwrap();
    let config = os("settings.toml");
    let name = [os("--name"), os("run")];
    let train = [
        os("train"),
        os("gridworld-two_walls"),
        os("--config"),
        config,
    ];
    place.succeeds(&[&train[..], &name].concat());
    let run = root.join("runs/run");
    symlink("runs/run", root.join("link")).unwrap();
    for (at, path) in [
        (root, "runs/run"),
        (root, "./runs/.//run//"),
        (root, "link"),
        (root, "link/"),
        (&run, "."),
        (&run.join("checkpoints"), "../../run"),
    ] {
        for args in [&["report"][..], &["gridworld", "plot"], &["eval"]] {
            let mut command = Command::new(PROGRAM);
            let output = command
                .current_dir(at)
                .args(args)
                .arg(path)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{args:?} {path}: {}",
                stderr(&output)
            );
        }
        let page = fs::read_to_string(run.join("report.html")).expect("in the run's folder");
        let title = if path.starts_with("link") {
            "<title>link<"
        } else {
            "<title>run<"
        };
        assert!(page.contains(title), "{path}");
        fs::remove_file(run.join("report.html")).unwrap();
        fs::remove_file(run.join("gridworld.png")).expect("in the run's folder");
    }
}
