//! The guarantee: `unsafe` occurs only in the modules that docs/reliability.md lists with their
//! reasons. Elsewhere the compiler forbids it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn crates() -> Vec<PathBuf> {
    let crates = fs::read_dir("..")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    crates
        .chain(["../../bindings/c", "../../bindings/wasm"].map(PathBuf::from))
        .filter(|path| path.join("src").is_dir())
        .collect()
}

#[test]
fn every_crate_forbids_it_except_in_named_modules() {
    for path in crates() {
        let roots = ["src/lib.rs", "src/main.rs"].map(|root| path.join(root));
        for root in roots.iter().filter(|root| root.exists()) {
            let text = fs::read_to_string(root).unwrap();
            let refused = ["#![forbid(unsafe_code)]", "#![deny(unsafe_code)]"];
            assert!(
                refused.iter().any(|attribute| text.contains(attribute)),
                "{} neither forbids nor denies unsafe code",
                root.display()
            );
        }
    }
}

#[test]
fn the_modules_are_those_of_the_document() {
    let mut allowed = BTreeSet::new();
    for path in crates() {
        let mut files = Vec::new();
        sources(&path.join("src"), &mut files);
        for file in files {
            if fs::read_to_string(&file)
                .unwrap()
                .contains("allow(unsafe_code)")
            {
                allowed.insert(
                    file.strip_prefix("../..")
                        .or(file.strip_prefix(".."))
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    let text = fs::read_to_string("../../docs/reliability.md").unwrap();
    let (_, section) = text.split_once("\n## 7. ").expect("the promise's section");
    let listed: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(".rs` |"))
        .map(|(name, _)| format!("{name}.rs"))
        .collect();
    assert_eq!(allowed, listed);
}
