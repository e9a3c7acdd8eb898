//! The guarantee: a wrong setting, file or command line gives one clear line that names it and the
//! valid values, with exit code 2; nothing is written, and little memory is used.
//!
//! `bad_configurations.txt` holds the commands and the answers. With `FPO_UPDATE=1` the test writes
//! answers that differ into that file, so that a change of words can be reviewed.

use crate::cli::{PROGRAM, TASK, succeeds};
use fpo_files::is_like;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use tempfile::TempDir;

const TABLE: &str = "tests/all/cli/bad_configurations.txt";
/// Bound on the address space of the program in KiB, 2 GiB: more than it needs, less than an
/// unchecked size would take.
const MEMORY: u32 = 2 << 20;
/// CPU seconds after which the system ends a command that was not rejected.
const WORK: u32 = 30;
/// Bound on the length of an answer, in characters.
const LONGEST_ANSWER: usize = 600;

/// A command and its answer, one line.
#[derive(Clone, Debug)]
struct Case {
    command: String,
    answer: String,
}

/// An entry of the table: a case, or text between cases.
enum Item {
    Text(String),
    Case(Case),
}

fn parse(text: &str) -> Vec<Item> {
    let mut lines = text.lines().peekable();
    let mut items = Vec::new();
    while let Some(line) = lines.next() {
        items.push(match line.strip_prefix("$ ") {
            Some(command) => Item::Case(Case {
                command: command.to_owned(),
                answer: lines
                    .next_if(|l| l.starts_with("error: "))
                    .unwrap_or_default()
                    .to_owned(),
            }),
            None => Item::Text(line.to_owned()),
        });
    }
    items
}

/// The folder in which commands run.
struct Place {
    folder: TempDir,
    program: PathBuf,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let sets = [
            "env.num_envs=8",
            "env.num_steps=8",
            "env.sequences=1",
            "env.reward_scale=1",
            "optimizer.minibatches=4",
            "optimizer.epochs=2",
            "policy.hidden=8",
            "policy.flow_steps=2",
            "critic.hidden=8",
            "eval.episodes=1",
            "train.steps=256",
            "train.checkpoint_every=2",
            "train.precision=f32",
        ];
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["train", TASK, "--name", "cart", "--threads", "1"]
            .into_iter()
            .chain(sets)
            .collect();
        succeeds(&folder, &args);
        let run = |name: &str| {
            let to = at("runs").join(name);
            fs::create_dir_all(&to).unwrap();
            // A run has a lock file from its start.
            for name in ["config.toml", ".lock"] {
                fs::copy(at("runs/cart").join(name), to.join(name)).unwrap();
            }
            to
        };
        fs::create_dir(at("runs/no-config")).unwrap();
        fs::write(
            run("bad-config").join("config.toml"),
            "[env]\nnum_envs = 0\n",
        )
        .unwrap();
        run("no-checkpoint");
        let checkpoint = "checkpoints/step-000000000256";
        for name in ["damaged", "foreign"] {
            let to = run(name).join(checkpoint);
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(at("runs/cart").join(checkpoint)).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        let policy = fs::read(at("runs/cart").join(checkpoint).join("policy.safetensors")).unwrap();
        let damaged = |name: &str| at("runs/damaged").join(checkpoint).join(name);
        for name in ["policy.safetensors", "state.safetensors"] {
            fs::write(damaged(name), "short").unwrap();
        }
        fs::write(
            at("runs/foreign").join(checkpoint).join("manifest.json"),
            "{\"kind\": \"shopping\"}",
        )
        .unwrap();
        let replaced = |from: &[u8], to: &[u8]| {
            assert_eq!(from.len(), to.len());
            let at = policy.windows(from.len()).position(|w| w == from).unwrap();
            [&policy[..at], to, &policy[at + from.len()..]].concat()
        };
        fs::write(at("good.safetensors"), &policy).unwrap();
        fs::write(at("cut.safetensors"), &policy[..policy.len() - 8]).unwrap();
        let task = TASK.as_bytes();
        fs::write(
            at("unknown-task.safetensors"),
            replaced(task, b"cartpole-juggled"),
        )
        .unwrap();
        fs::write(
            at("other-task.safetensors"),
            replaced(task, b"finger-turn_easy"),
        )
        .unwrap();
        // The last tensor is the policy's last weight.
        let mut nan = policy.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(at("nan.safetensors"), nan).unwrap();
        fs::write(at("note.txt"), "not what is looked for").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("robot.xml"), "<mujoco/>").unwrap();
        fs::write(at("robot.TOML"), "name = \"robot\"\n").unwrap();
        fs::File::create(at("huge.toml"))
            .unwrap()
            .set_len(10 << 30)
            .unwrap();
        let linked = run("link");
        #[cfg(unix)]
        std::os::unix::fs::symlink("../cart/checkpoints", linked.join("checkpoints")).unwrap();
        let _ = linked;
        let program = Path::new(PROGRAM);
        Self {
            before: everything(folder.path()),
            folder,
            program: program.parent().unwrap().to_owned(),
        }
    }

    /// The program's answer to `command`, or an error if the form of the answer is wrong.
    fn run(&mut self, command: &str) -> Result<String, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.program.clone()).chain(std::env::split_paths(&path));
        // AddressSanitizer reserves terabytes of addresses; it has its own option for the size of
        // an allocation.
        let memory = match std::env::var_os("ASAN_OPTIONS") {
            None => format!("ulimit -v {MEMORY};"),
            Some(_) => String::new(),
        };
        let output = Command::new("sh")
            .args(["-c", &format!("{memory} ulimit -t {WORK}; {command}")])
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env_remove("FPO_SIMD")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if output.status.code() != Some(2) {
            return Err(format!("it ended with {}: {text}", output.status));
        }
        if line.contains(char::is_control) || !line.starts_with("error: ") {
            return Err(format!("its answer is not one line of text: {text:?}"));
        }
        if line.chars().count() > LONGEST_ANSWER {
            return Err(format!("its answer is too long: {line}"));
        }
        if !output.stdout.is_empty() {
            return Err("it also printed something".into());
        }
        if let Some(path) = self.changed() {
            // For the following commands.
            *self = Self::new();
            return Err(format!("it changed {}", path.display()));
        }
        Ok(line.to_owned())
    }
}

impl Place {
    /// The first path that has changed.
    fn changed(&self) -> Option<PathBuf> {
        let after = everything(self.folder.path());
        let differs = |path: &&PathBuf| self.before.get(*path) != after.get(*path);
        self.before
            .keys()
            .chain(after.keys())
            .find(differs)
            .cloned()
    }
}

/// Every file and folder by path; a file with its length and its first bytes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    use std::io::Read as _;
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let there = fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if there.is_dir() {
            found.extend(everything(&path));
        } else if there.is_file() {
            content.extend(there.len().to_le_bytes());
            let file = fs::File::open(&path).unwrap();
            file.take(1 << 20).read_to_end(&mut content).unwrap();
        }
        found.insert(path, content);
    }
    found
}

#[test]
fn each_gives_one_clear_line() {
    let text = fs::read_to_string(TABLE).unwrap();
    let mut items = parse(&text);
    let cases: Vec<&mut Case> = items
        .iter_mut()
        .filter_map(|item| match item {
            Item::Case(case) => Some(case),
            Item::Text(_) => None,
        })
        .collect();
    let number = cases.len();
    assert!(number >= 200, "{number} cases");
    let (cases, wrong) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                // One place per thread: two commands on one run would find it in use.
                let mut place = Place::new();
                loop {
                    let Some(case) = cases.lock().unwrap().next() else {
                        break;
                    };
                    let trouble = match place.run(&case.command) {
                        Ok(line) if is_like(&case.answer, '…', &line) => continue,
                        Ok(line) => {
                            let trouble = format!("answers {line}\n  and not {}", case.answer);
                            case.answer = line;
                            trouble
                        }
                        Err(trouble) => trouble,
                    };
                    wrong
                        .lock()
                        .unwrap()
                        .push(format!("$ {}\n  {trouble}", case.command));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    if std::env::var_os("FPO_UPDATE").is_some() {
        let mut updated = String::new();
        for item in &items {
            match item {
                Item::Text(line) => writeln!(updated, "{line}").unwrap(),
                Item::Case(case) => {
                    writeln!(updated, "$ {}\n{}", case.command, case.answer).unwrap()
                }
            }
        }
        fs::write(TABLE, updated).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{} of {number} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
