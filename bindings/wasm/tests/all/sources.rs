//! The modules that the repository holds are of its sources: `site/wasm.sources` is a digest of
//! them, written when the modules are built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the modules, relative to the root.
const CRATES: [&str; 8] = [
    "crates/fpo-rng",
    "crates/fpo-flow",
    "crates/fpo-nn",
    "crates/fpo-env",
    "crates/fpo-mujoco",
    "crates/fpo-policy",
    "crates/fpo-learn",
    "bindings/wasm",
];

/// Parts of `crates/fpo-mujoco/src` that are no part of a module: a page has a MuJoCo of its own.
const NATIVE: [&str; 6] = ["ffi", "gym", "model", "physics", "render", "task_file"];

/// The modules, in `site/`.
const MODULES: [&str; 3] = ["flow.wasm", "fpo.wasm", "robots.wasm"];

fn is_native(path: &Path) -> bool {
    let inner = path.strip_prefix(root().join("crates/fpo-mujoco/src"));
    let first = inner.ok().and_then(|inner| inner.iter().next());
    let name = first.map(|first| Path::new(first).with_extension(""));
    name.is_some_and(|name| NATIVE.iter().any(|native| name == Path::new(native)))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file below `folder` that is not of tests alone.
fn sources(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if is_native(&path) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.insert(path);
        }
    }
}

fn table(path: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(path)).unwrap();
    text.parse().unwrap()
}

/// The foreign packages that Cargo.lock gives the module, with versions and checksums.
fn packages() -> BTreeSet<String> {
    let lock = table("Cargo.lock");
    let text = |package: &toml::Value, field: &str| {
        let text = package.get(field).and_then(|x| x.as_str());
        text.unwrap_or_default().to_owned()
    };
    let mut ahead = Vec::new();
    for path in CRATES {
        let manifest = table(&format!("{path}/Cargo.toml"));
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            // Optional ones of others are of their benchmarks.
            let compiled = path == "bindings/wasm" || dependency.get("optional").is_none();
            if compiled && !name.starts_with("fpo-") {
                ahead.push(name.clone());
            }
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(next) = ahead.pop() {
        // The lock names a version where there are several.
        let (name, version) = next.split_once(' ').unwrap_or((&next, ""));
        for package in lock["package"].as_array().unwrap() {
            let of = text(package, "version");
            if text(package, "name") != name || !(version.is_empty() || version == of) {
                continue;
            }
            if reached.insert(format!("{name} {of} {}", text(package, "checksum"))) {
                let dependencies = package.get("dependencies").and_then(|d| d.as_array());
                let names = dependencies.into_iter().flatten();
                ahead.extend(names.map(|d| d.as_str().unwrap().to_owned()));
            }
        }
    }
    reached
}

/// A digest of all that the module is made of.
fn digest() -> String {
    let root = root();
    let mut files = BTreeSet::new();
    for path in CRATES {
        sources(&root.join(path).join("src"), &mut files);
        files.insert(root.join(path).join("Cargo.toml"));
    }
    // The latter has the models of the suite.
    for file in ["bindings/wasm/build", "crates/fpo-mujoco/build.rs"] {
        files.insert(root.join(file));
    }
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy();
        let content = blake3::hash(&fs::read(&file).unwrap());
        hasher.update(format!("{name} {content}\n").as_bytes());
    }
    for package in packages() {
        hasher.update(format!("{package}\n").as_bytes());
    }
    let profile = &table("Cargo.toml")["profile"]["wasm"];
    hasher.update(toml::to_string(profile).unwrap().as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[test]
fn the_modules_are_of_these_sources() {
    let record = root().join("site/wasm.sources");
    let mut now = format!("sources {}\n", digest());
    for name in MODULES {
        let module = blake3::hash(&fs::read(root().join("site").join(name)).unwrap());
        now += &format!("{name} {module}\n");
    }
    if std::env::var_os("FPO_RECORD").is_some() {
        fs::write(&record, &now).unwrap();
    }
    let recorded = fs::read_to_string(&record).unwrap();
    assert!(
        recorded == now,
        "the modules of site/ are of other sources: run bindings/wasm/build \
         (recorded:\n{recorded}now:\n{now})"
    );
}

#[test]
fn the_modules_name_no_place_of_the_machine_that_built_them() {
    for name in MODULES {
        let module = fs::read(root().join("site").join(name)).unwrap();
        for place in ["/root/", "/home/", "/tmp/", "/Users/"] {
            let found = module
                .windows(place.len())
                .position(|w| w == place.as_bytes());
            assert!(found.is_none(), "{name}: {place} at {found:?}");
        }
    }
}
