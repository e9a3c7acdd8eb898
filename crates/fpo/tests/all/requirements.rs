//! The kind: a program that does not start on an older system, which nothing says. The versions of
//! the C library and of the kernel that docs/deploying.md names are enough for the program and for
//! MuJoCo's library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `readelf` prints about `file`.
fn readelf(option: &str, file: &Path) -> String {
    let output = Command::new("readelf")
        .args(["--wide", option])
        .arg(file)
        .output();
    let output = output.expect("readelf, of the same package as the linker");
    assert!(output.status.success(), "{}", file.display());
    String::from_utf8(output.stdout).unwrap()
}

/// `2.34` as numbers that compare: zeros at the end count for nothing.
fn version(text: &str) -> Vec<u32> {
    let parts = text.split('.').filter_map(|part| part.parse().ok());
    let mut parts: Vec<u32> = parts.collect();
    while parts.last() == Some(&0) {
        parts.pop();
    }
    parts
}

/// The newest version of the symbols `PREFIX_…` that `file` requires.
fn newest(file: &Path, prefix: &str) -> Vec<u32> {
    let text = readelf("--version-info", file);
    let (_, needs) = text
        .split_once("Version needs section")
        .expect("it needs a C library");
    let names = needs.split("Name: ").skip(1);
    let of_library = names.filter_map(|rest| {
        let name = rest.split_whitespace().next()?;
        Some(version(name.strip_prefix(prefix)?))
    });
    of_library.max().unwrap_or_default()
}

/// MuJoCo's library, where the program finds it.
fn mujoco(program: &Path) -> PathBuf {
    let text = readelf("--dynamic", program);
    let (_, paths) = text
        .split_once("Library runpath: [")
        .expect("a path of libraries");
    let paths = paths.split(']').next().unwrap_or_default().split(':');
    let files = paths.map(|folder| Path::new(folder).join("libmujoco.so.3.17.0"));
    files
        .into_iter()
        .find(|file| file.is_file())
        .expect("MuJoCo's library")
}

#[test]
fn the_documented_system_is_enough() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploying.md");
    let page = fs::read_to_string(page).unwrap();
    let documented = |name: &str| {
        let (_, rest) = page.split_once(&format!("**{name} ")).expect(name);
        version(rest.split("**").next().unwrap_or_default())
    };
    let program = Path::new(env!("CARGO_BIN_EXE_fpo"));
    let library = mujoco(program);
    for (name, prefix) in [("glibc", "GLIBC_"), ("libstdc++ ABI", "CXXABI_")] {
        for file in [program, &library] {
            let needed = newest(file, prefix);
            let documented = documented(name);
            assert!(
                needed <= documented,
                "{} needs {prefix}{needed:?}, and docs/deploying.md says {documented:?}",
                file.display()
            );
        }
    }
    let notes = readelf("--notes", program);
    let (_, kernel) = notes
        .split_once("OS: Linux, ABI: ")
        .expect("a note of the kernel");
    let kernel = version(kernel.split_whitespace().next().unwrap_or_default());
    assert!(kernel <= documented("Linux"), "{kernel:?}");
}
