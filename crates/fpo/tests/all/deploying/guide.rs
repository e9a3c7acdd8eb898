//! docs/deploying.md does what it says: every file and command of it is tried, in its order, in a
//! folder with a short run and a clone of the repository.
//!
//! Only these differ from the page: the run is shorter, so that the checkpoint has another name,
//! and trainings end after one iteration; `cargo` does nothing where the tests have built already;
//! the examples of Rust are compiled as documentation tests, those with ONNX Runtime run in
//! `bindings/onnx`, and those in Python in `bindings/python/tests`.

use super::programs::library;
use crate::cli::{fpo, succeeds};
use fpo_policy::Policy;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PAGE: &str = "../../docs/deploying.md";
const RUN: &str = "runs/cartpole-balance-fast-seed0";

/// The observation of the page's examples.
const OBSERVATION: [f32; 5] = [0.1, 0.99, 0.05, 0.2, -0.3];

/// A block of the page: its language and its text.
struct Block {
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = fs::read_to_string(PAGE).unwrap();
    let mut blocks = Vec::new();
    let mut parts = page.split("\n```");
    parts.next();
    while let (Some(block), Some(_prose)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        blocks.push(Block {
            language: language.to_owned(),
            text: text.to_owned(),
        });
    }
    blocks
}

/// The page's blocks in a language.
fn of(blocks: &[Block], language: &str) -> Vec<String> {
    let found = blocks.iter().filter(|block| block.language == language);
    found.map(|block| block.text.clone()).collect()
}

/// A folder with a run of one iteration, and what the page expects of a clone.
fn place() -> TempDir {
    let folder = TempDir::new().unwrap();
    let sets = ["train.steps=8192", "eval.episodes=1"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train", "cartpole-balance"]
        .into_iter()
        .chain(sets)
        .collect();
    succeeds(&folder, &args);
    let clone = folder.path().join("fpo");
    fs::create_dir_all(clone.join("target/release")).unwrap();
    let root = fs::canonicalize("../..").unwrap();
    symlink(root.join("bindings"), clone.join("bindings")).unwrap();
    for end in [".so", ".a"] {
        let to = clone.join(format!("target/release/libfpo_c{end}"));
        symlink(library("libfpo_c", end), to).unwrap();
    }
    folder
}

/// Runs a script as the page's reader would, in `folder`; returns what it prints. Each line is
/// echoed, so that what fails is known.
fn shell(folder: &TempDir, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_fpo")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = script
        .replace("step-000002007040", "step-000000008192")
        .replace("train.steps=100_000", "train.steps=8192");
    let prelude = format!(
        r#"set -euo pipefail
cargo() {{
    case "$*" in
        "build --release -p fpo-c") ;;
        "run --release --example load_and_act -- "*) {}/examples/load_and_act "${{@:6}}" ;;
        *) echo "no test of cargo $*" >&2; return 1 ;;
    esac
}}
"#,
        program.display()
    );
    let output = Command::new("bash")
        .args(["-c", &(prelude + &script)])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of `script` without those that `leave` names.
fn without(script: &str, leave: &str) -> String {
    let lines = script.lines().filter(|line| !line.starts_with(leave));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Numbers in a text, whatever is around them.
fn numbers(text: &str) -> Vec<f64> {
    let number = |c: char| c.is_ascii_digit() || ".-+e".contains(c);
    let words = text.split(|c: char| !number(c));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_guide_does_what_it_says() {
    if std::env::var("RUSTFLAGS").is_ok_and(|flags| flags.contains("sanitizer")) {
        return; // the system's compilers do not link that library
    }
    let blocks = blocks();
    let folder = place();
    let at = |name: &str| folder.path().join(name);
    // The reader in Python has a test of its own.
    let [
        first,
        example,
        build,
        link,
        package,
        cmake,
        export,
        _reader,
        begin,
    ] = <[String; 9]>::try_from(of(&blocks, "sh")).expect("nine blocks of commands");

    // Look at it, evaluate it, film it.
    let drawing = "fpo play";
    let shown = shell(&folder, &without(&first, drawing));
    assert!(
        shown.contains("cartpole-balance") && shown.contains("random noise"),
        "{shown}"
    );
    let film = first
        .lines()
        .find(|line| line.starts_with(drawing))
        .unwrap();
    let film: Vec<&str> = film.split_whitespace().skip(1).collect();
    let film = fpo(&folder, &film).output().unwrap();
    let errors = String::from_utf8_lossy(&film.stderr);
    let no_egl = errors.contains("need EGL") || errors.contains("no device to draw with");
    assert!(film.status.success() || no_egl, "{errors}");

    // What all ways are to give.
    let policy = Policy::load(&fs::read(at("policy.safetensors")).unwrap()).unwrap();
    let mut action = [0.0];
    policy
        .actor(1)
        .act(&OBSERVATION, &[0.0], &mut action)
        .unwrap();
    let expected = f64::from(action[0]);

    assert!(shell(&folder, &example).contains("cartpole-balance: 5 observations, 1 actions"));

    let [code] = <[String; 1]>::try_from(of(&blocks, "c")).expect("a program in C");
    fs::write(at("act.c"), code).unwrap();
    let printed = numbers(&shell(&folder, &(build + "\n" + &link)));
    assert_eq!(printed.len(), 2);
    let [description] = <[String; 1]>::try_from(of(&blocks, "pc")).expect("a file of pkg-config");
    fs::write(at("fpo-c.pc"), description).unwrap();
    let [project] = <[String; 1]>::try_from(of(&blocks, "cmake")).expect("a file of CMake");
    fs::write(at("CMakeLists.txt"), project).unwrap();
    let mut printed = printed;
    // What CMake says of its work has numbers, too.
    let quiet = |line: &str| match line.starts_with("cmake") {
        true => format!("{line} > /dev/null\n"),
        false => format!("{line}\n"),
    };
    let cmake: String = cmake.lines().map(quiet).collect();
    for (tool, script) in [("pkg-config", package + "\n./act"), ("cmake", cmake)] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("not tested: this machine has no {tool}");
            continue;
        }
        let found = numbers(&shell(&folder, &script));
        assert_eq!(found.len(), 1, "{tool}: {found:?}");
        printed.extend(found);
    }
    assert!(
        printed.len() >= 2 && printed.iter().all(|x| (x - expected).abs() < 1e-8),
        "{printed:?}"
    );

    shell(&folder, &export);
    assert!(at("policy.onnx").is_file() && at("zero.onnx").is_file());

    let said = shell(&folder, &format!("{{\n{begin}\n}} 2>&1"));
    let begun: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("beginning from"))
        .collect();
    assert_eq!(begun.len(), 2, "{said}");
    assert!(
        begun[0].contains(RUN) && begun[0].ends_with("and critic"),
        "{said}"
    );
    assert!(begun[1].contains("not its critic"), "{said}");

    // What is answered as the page says.
    let page_answers = of(&blocks, "text");
    let answers = page_answers
        .iter()
        .filter_map(|text| text.strip_prefix("$ "));
    let mut count = 0;
    for (command, answer) in answers.filter_map(|text| text.split_once('\n')) {
        let args: Vec<&str> = command.split_whitespace().skip(1).collect();
        let output = fpo(&folder, &args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (error.trim(), output.status.code()),
            (answer.trim(), Some(2))
        );
        count += 1;
    }
    assert_eq!(count, 1);
}
