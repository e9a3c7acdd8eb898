//! Pauses and kills the program at points that a test chooses, by a library that intercepts its
//! changes of files ([`shim.c`](shim.c)). The program needs no hooks for tests, and tests do not
//! depend on timing.

use crate::cli::stderr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// The program with the library preloaded, to run in `folder`.
pub(crate) fn watched(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = crate::cli::fpo(folder, args);
    command.env("LD_PRELOAD", library());
    command
}

/// The same on a file system that lacks what `weak` says, as variables of [`weak.c`](weak.c).
pub(crate) fn on_weak(folder: &TempDir, args: &[&str], weak: &[(&str, &str)]) -> Command {
    let mut command = crate::cli::fpo(folder, args);
    // The weak one comes first: what it refuses has changed nothing.
    let libraries = format!("{}:{}", weak_library().display(), library().display());
    command.env("LD_PRELOAD", libraries);
    command.envs(weak.iter().copied());
    command
}

/// The library of [`shim.c`](shim.c).
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| compiled("shim"))
}

/// The library of [`weak.c`](weak.c).
pub(crate) fn weak_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| compiled("weak"))
}

/// Compiles a library.
fn compiled(name: &str) -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.so"));
    // Under a temporary name first: another process may be running the same tests.
    let partial = library.with_extension(std::process::id().to_string());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/cli/shim");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&partial)
        .arg(source.join(format!("{name}.c")))
        .args(["-ldl", "-lpthread"])
        .output()
        .expect("a C compiler");
    assert!(output.status.success(), "{}", stderr(&output));
    fs::rename(partial, &library).unwrap();
    library
}

/// A program that is paused at a point until it is released.
pub(crate) struct Held {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// Its output so far.
    said: String,
    at: TempDir,
}

impl Held {
    /// Runs the program to the `nth` `call` on each path that ends in `path`, and waits until
    /// `threads` threads are paused there.
    pub(crate) fn at(
        folder: &TempDir,
        args: &[&str],
        (call, path, nth): (&str, &str, u32),
        threads: usize,
    ) -> Self {
        Self::command_at(watched(folder, args), (call, path, nth), threads)
    }

    /// The same for a command that may run the program later, or in another way. Signals have
    /// their default meaning for it, whatever they mean for the process that tests.
    pub(crate) fn command_at(
        command: Command,
        (call, path, nth): (&str, &str, u32),
        threads: usize,
    ) -> Self {
        let at = TempDir::new().unwrap();
        let hold = format!("{call}:{path}:{nth}:{}", at.path().display());
        let mut child = with_default_signals(&command)
            .env("SHIM_HOLD", hold)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while fs::read_dir(at.path()).unwrap().count() < threads {
            if let Some(status) = child.try_wait().unwrap() {
                let output = child.wait_with_output().unwrap();
                panic!(
                    "it ended ({status}) before it reached that point: {}",
                    stderr(&output)
                );
            }
            sleep(Duration::from_millis(1));
        }
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            said: String::new(),
            at,
        }
    }

    /// Sends the process that is paused a signal, such as `-INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let names = fs::read_dir(self.at.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // A thread stands for its process, also once it was released.
        let mut threads = names.filter_map(|name| name.strip_prefix("held-").map(str::to_owned));
        let pid = &threads.next().unwrap();
        assert!(
            Command::new("kill")
                .args([signal, pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it has printed a line with `words`.
    pub(crate) fn says(&mut self, words: &str) {
        loop {
            let before = self.said.len();
            self.stderr.read_line(&mut self.said).unwrap();
            let line = &self.said[before..];
            assert!(
                !line.is_empty(),
                "it ended without printing {words:?}: {}",
                self.said
            );
            if line.contains(words) {
                return;
            }
        }
    }

    /// Releases it.
    pub(crate) fn release(&self) {
        fs::write(self.at.path().join("release"), "").unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Output {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let mut stdout = Vec::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut stdout)
            .unwrap();
        Output {
            status: self.child.wait().unwrap(),
            stdout,
            stderr: std::mem::take(&mut self.said).into_bytes(),
        }
    }
}

impl Drop for Held {
    /// A failed test leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `command` started by a program that gives signals their default meaning: a shell's background
/// jobs, for example, ignore Ctrl-C, and what they start does, too.
pub(crate) fn with_default_signals(command: &Command) -> Command {
    let mut through = Command::new("env");
    through.arg("--default-signal").arg(command.get_program());
    through.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        through.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => through.env(name, value),
            None => through.env_remove(name),
        };
    }
    through
}
