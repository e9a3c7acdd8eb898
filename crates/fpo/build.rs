//! Sets the program's search path for the MuJoCo library: the build folder of `fpo-mujoco`, then
//! the program's own folder, so that the two can be moved together. Lists the files of `site/` that
//! `fpo view` serves.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What of `site/` is not part of the program: the robots' page, which needs MuJoCo's 11 MB and is
/// complete only once `site/build` has fetched them, what makes the site, and its tests.
const LEFT_OUT: [&str; 10] = [
    "docs",
    "docs.css",
    "docs.js",
    "policies",
    "robots",
    "robots.css",
    "robots.html",
    "robots.wasm",
    "test",
    "vendor",
];

/// Endings of what browsers load.
const SERVED: [&str; 6] = ["html", "css", "js", "svg", "wasm", "json"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../site");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut list = format!("static SITE: [Asset; {}] = [\n", files.len());
    for file in files {
        let path = file.strip_prefix(&root).expect("it is below it");
        list += &format!("Asset {{ path: {path:?}, bytes: include_bytes!({file:?}) }},\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it")).join("site.rs");
    fs::write(out, list + "];\n").expect("the folder for what is generated can be written");
}

/// The served files below `folder`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("site/ is beside crates/") {
        let path = entry.expect("its entries can be read").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_none_or(|name| LEFT_OUT.contains(&name)) {
            continue;
        }
        let end = path.extension().and_then(|end| end.to_str());
        if path.is_dir() {
            // Also for new files; not of the root, below which packages of the tests come and go.
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, files);
        } else if end.is_some_and(|end| SERVED.contains(&end)) {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
}
