//! The examples in C and C++, compiled by the system's compilers, print the actions of Rust.

use super::policies::{METHODS, TASKS, inputs, trained};
use fpo_policy::Policy;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Libraries that a program needs beside the static library.
pub(super) const SYSTEM_LIBRARIES: [&str; 4] = ["-lm", "-lpthread", "-ldl", "-lgcc_s"];

/// The newest file of the build whose name begins and ends so. Cargo puts libraries beside this
/// test, or in the folder above.
pub(super) fn library(start: &str, end: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let beside = test.parent().unwrap();
    let folders = [beside, beside.parent().unwrap()];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(start) && name.ends_with(end)
    });
    let newest = files.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    newest.unwrap_or_else(|| panic!("no {start}*{end} near {}", test.display()))
}

/// Compiles an example and returns its program.
fn compile(folder: &Path, name: &str, compiler: &[&str], source: &str, linked: &[&str]) -> PathBuf {
    let program = folder.join(name);
    let output = Command::new(compiler[0])
        .args(&compiler[1..])
        .args(["-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(["-I", "../../bindings/c/include", source, "-o"])
        .arg(&program)
        .args(linked)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{source}: {errors}");
    program
}

/// Runs a program with `input` and returns the numbers that it prints.
fn numbers(program: &Path, arguments: &[&str], input: &str) -> Vec<f32> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", program.display());
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace()
        .map(|x| x.parse().unwrap())
        .collect()
}

#[test]
fn programs_in_c_and_cpp_print_the_actions_of_rust() {
    if std::env::var("RUSTFLAGS").is_ok_and(|flags| flags.contains("sanitizer")) {
        return; // the system's compilers do not link that library
    }
    let folder = TempDir::new().unwrap();
    let shared = library("libfpo_c", ".so");
    let beside = format!("-Wl,-rpath,{}", shared.parent().unwrap().display());
    let (shared, archive) = (shared.to_str().unwrap(), library("libfpo_c", ".a"));
    let dynamic = [shared, &beside[..], "-lm"];
    let mut fixed = vec![archive.to_str().unwrap()];
    fixed.extend(SYSTEM_LIBRARIES);
    let (c, cpp) = (["cc", "-std=c11"], ["c++", "-std=c++17"]);
    let programs = [
        compile(
            folder.path(),
            "act-c",
            &c,
            "../../bindings/c/examples/act.c",
            &dynamic,
        ),
        compile(
            folder.path(),
            "act-c-static",
            &c,
            "../../bindings/c/examples/act.c",
            &fixed,
        ),
        compile(
            folder.path(),
            "act-cpp",
            &cpp,
            "../../bindings/c/examples/act.cpp",
            &dynamic,
        ),
    ];

    let path = folder.path().join("policy.safetensors");
    let name = path.to_str().unwrap();
    for (task, method) in TASKS.iter().flat_map(|t| METHODS.map(|m| (t, m))) {
        let bytes = trained(task, method);
        fs::write(&path, &bytes).unwrap();
        let policy = Policy::load(&bytes).unwrap();
        let rows = 25;
        let (observations, noise) = inputs(&policy, rows);
        let line = |numbers: &[f32]| {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            numbers.join(" ")
        };
        let observed = observations.chunks_exact(policy.observation_dim());
        let drawn = noise.chunks_exact(policy.noise_dim());
        let without: Vec<String> = observed.clone().map(line).collect();
        let with: Vec<String> = observed
            .zip(drawn)
            .map(|(o, n)| line(o) + " " + &line(n))
            .collect();

        let zeros = vec![0.0; noise.len()];
        for (given, arguments, lines) in [
            (&zeros, vec![name], without),
            (&noise, vec![name, "--noise"], with),
        ] {
            let mut expected = vec![0.0; rows * policy.action_dim()];
            let mut actor = policy.actor(rows);
            actor.act(&observations, given, &mut expected).unwrap();
            let first = &expected[..policy.action_dim()];
            let mut others = expected.chunks_exact(policy.action_dim());
            assert!(others.any(|action| action != first), "{task}, {method}");
            for program in &programs {
                let found = numbers(program, &arguments, &(lines.join("\n") + "\n"));
                assert_eq!(found, expected, "{task}, {method}, {}", program.display());
            }
        }
    }
    // Errors are one line and a code.
    for program in &programs {
        let output = Command::new(program).arg("missing").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            error.starts_with("error: ") && error.lines().count() == 1,
            "{error}"
        );
        assert!(error.contains("missing"), "{error}");
    }
}
