//! Provides the pinned MuJoCo library and the models of DM Control and Gymnasium, so that one cargo
//! command builds everything.
//!
//! They come from wheels on PyPI whose hashes are pinned here. They are fetched once into the
//! target folder (`target/mujoco-3.17.0`, `target/dm_control-1.0.50`, `target/gymnasium-1.4.0`):
//! into a private folder first, which is then renamed, so that concurrent builds cannot disturb
//! each other. `FPO_MUJOCO_LIB_DIR`, `FPO_DM_CONTROL_DIR` and `FPO_GYMNASIUM_DIR` select other
//! folders.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, process};

const MUJOCO: &str = "3.17.0";
const LIBRARY: &str = "libmujoco.so.3.17.0";

/// A package with models to embed.
struct Package {
    name: &'static str,
    version: &'static str,
    sha256: &'static str,
    /// The environment variable that selects another folder.
    variable: &'static str,
    /// The folder of the files in the package.
    folder: &'static str,
    /// Models and the files that they include, in that folder.
    files: &'static [&'static str],
}

/// Embedded by `src/suite/assets.rs`.
const DM_CONTROL: Package = Package {
    name: "dm_control",
    version: "1.0.50",
    sha256: "5434e1e51ff69016867426da7df6064b18d140e4d0a628f879bbcf0e7d0a586d",
    variable: "FPO_DM_CONTROL_DIR",
    folder: "suite",
    files: &[
        "acrobot.xml",
        "ball_in_cup.xml",
        "cartpole.xml",
        "cheetah.xml",
        "finger.xml",
        "fish.xml",
        "hopper.xml",
        "humanoid.xml",
        "pendulum.xml",
        "point_mass.xml",
        "reacher.xml",
        "walker.xml",
        "common/materials.xml",
        "common/skybox.xml",
        "common/visual.xml",
    ],
};

/// Embedded by `src/gym/assets.rs`.
const GYMNASIUM: Package = Package {
    name: "gymnasium",
    version: "1.4.0",
    sha256: "1cb947c59e7c72d8eabb2c2274c00cd20948e69f8452a9ef4092223be24fdf0e",
    variable: "FPO_GYMNASIUM_DIR",
    folder: "envs/mujoco/assets",
    files: &["half_cheetah.xml", "hopper.xml", "walker2d_v5.xml"],
};

/// Copies members of a wheel: `WHEEL (MEMBER DESTINATION)…`. Their modification times are set to
/// the past: if cargo found a watched file newer than the build that fetched it, the next build
/// would run this script again.
const EXTRACT: &str = "\
import os, pathlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for member, destination in zip(sys.argv[2::2], sys.argv[3::2]):
        path = pathlib.Path(destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wheel.read(member))
        os.utime(path, (315532800, 315532800))
";

/// A wheel to fetch, and its files to keep.
struct Wheel<'a> {
    requirement: String,
    sha256: &'a str,
    /// pip's arguments that select the wheel of the release.
    platform: &'a [&'a str],
    /// Path in the wheel, path in the folder.
    members: Vec<(String, String)>,
}

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FPO_MUJOCO_LIB_DIR");
    let result = library()
        .and_then(|()| models(&DM_CONTROL))
        .and_then(|()| models(&GYMNASIUM));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("cargo::error={}", reason.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Finds or fetches the library, and passes its folder to cargo and to dependent crates.
fn library() -> Result<(), String> {
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        // A page has a MuJoCo of its own.
        return Ok(());
    }
    let dir = match env::var_os("FPO_MUJOCO_LIB_DIR") {
        Some(dir) => given(&dir, "FPO_MUJOCO_LIB_DIR", LIBRARY)?,
        None => {
            let help = format!(
                "set FPO_MUJOCO_LIB_DIR to a folder that holds {LIBRARY} (MuJoCo {MUJOCO})"
            );
            let target = env::var("TARGET").expect("cargo sets TARGET");
            let (platform, sha256) = match target.as_str() {
                "x86_64-unknown-linux-gnu" => (
                    "manylinux_2_28_x86_64",
                    "42371356efe53a5f5f73ed03fcb967bdf04048017f80e2fca01e71a360e42da2",
                ),
                "aarch64-unknown-linux-gnu" => (
                    "manylinux_2_28_aarch64",
                    "525e09a00ecd964f06582773d9eeb03bb0e5a1675edf296a6868024759b3b235",
                ),
                _ => return Err(format!("no MuJoCo wheel is known for {target}: {help}")),
            };
            let wheel = Wheel {
                requirement: format!("mujoco=={MUJOCO}"),
                sha256,
                // The library in the wheel is the same for every Python, so any Python 3 may fetch
                // this one.
                platform: &[
                    "--platform",
                    platform,
                    "--python-version",
                    "3.12",
                    "--implementation",
                    "cp",
                ],
                members: [LIBRARY, "LICENSE", "LICENSES_THIRD_PARTY.md"]
                    .map(|name| {
                        let licences = format!("mujoco-{MUJOCO}.dist-info/licenses");
                        let folder = if name == LIBRARY { "mujoco" } else { &licences };
                        (format!("{folder}/{name}"), name.to_owned())
                    })
                    .to_vec(),
            };
            fetch(&wheel, &format!("mujoco-{MUJOCO}"), LIBRARY)
                .map_err(|why| format!("{why}; or {help}"))?
        }
    };
    println!("cargo::rerun-if-changed={}", dir.join(LIBRARY).display());
    println!("cargo::rustc-link-search=native={}", dir.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", dir.display());
    // `DEP_MUJOCO_LIBDIR` for the build scripts of crates that link a program.
    println!("cargo::metadata=libdir={}", dir.display());
    Ok(())
}

/// Finds or fetches the models of a package, and writes the code that embeds them and their
/// licence.
fn models(package: &Package) -> Result<(), String> {
    let Package {
        name,
        version,
        variable,
        folder,
        ..
    } = package;
    println!("cargo::rerun-if-env-changed={variable}");
    println!("cargo::rustc-env={}_VERSION={version}", name.to_uppercase());
    let in_package = |file: &str| format!("{folder}/{file}");
    let licence = format!("{name}-{version}.dist-info/licenses/LICENSE");
    let dir = match env::var_os(variable) {
        Some(dir) => given(&dir, variable, &in_package(package.files[0]))?,
        None => {
            let files = package.files.iter().map(|file| in_package(file));
            let wheel = Wheel {
                requirement: format!("{name}=={version}"),
                sha256: package.sha256,
                platform: &[],
                members: files
                    .map(|file| (format!("{name}/{file}"), file))
                    .chain([(licence.clone(), "LICENSE".to_owned())])
                    .collect(),
            };
            fetch(&wheel, &format!("{name}-{version}"), "LICENSE").map_err(|why| {
                format!("{why}; or set {variable} to the folder {name} of version {version}")
            })?
        }
    };
    let mut code = String::from("&[\n");
    for file in package.files {
        let path = dir.join(in_package(file));
        if !path.is_file() {
            return Err(format!("{} holds no {}", dir.display(), in_package(file)));
        }
        println!("cargo::rerun-if-changed={}", path.display());
        code += &format!(
            "    ({file:?}, include_str!({:?})),\n",
            path.display().to_string()
        );
    }
    code.push(']');
    // Its place after fetching, and in an installed package.
    let licence = ["LICENSE".to_owned(), format!("../{licence}")]
        .map(|file| dir.join(file))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{} holds no LICENSE", dir.display()))?;
    println!("cargo::rerun-if-changed={}", licence.display());

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join(format!("{name}.rs")), code)
        .and_then(|()| fs::copy(&licence, out.join(format!("{name}.LICENCE"))).map(|_| ()))
        .map_err(|error| format!("cannot write to {}: {error}", out.display()))
}

/// The folder that an environment variable names, if it holds `file`.
fn given(dir: &std::ffi::OsStr, variable: &str, file: &str) -> Result<PathBuf, String> {
    let dir = Path::new(dir);
    match dir.canonicalize() {
        Ok(dir) if dir.join(file).is_file() => Ok(dir),
        _ => Err(format!(
            "{variable} is {}, which holds no {file}",
            dir.display()
        )),
    }
}

/// The folder `name` of the target folder, fetched if it does not exist; `witness` is a file in it.
fn fetch(wheel: &Wheel, name: &str, witness: &str) -> Result<PathBuf, String> {
    let target = target_dir()?;
    let dir = target.join(name);
    if dir.join(witness).is_file() {
        return Ok(dir);
    }
    let scratch = target.join(format!("{name}.fetch-{}", process::id()));
    let result = fetch_into(wheel, &scratch).and_then(|()| {
        match fs::rename(scratch.join("files"), &dir) {
            // Another build was faster: use its folder.
            Err(_) if dir.join(witness).is_file() => Ok(()),
            Err(error) => Err(format!("cannot create {}: {error}", dir.display())),
            Ok(()) => Ok(()),
        }
    });
    // Best effort: a leftover is an unused folder inside `target`.
    let _ = fs::remove_dir_all(&scratch);
    result.map(|()| dir)
}

/// Downloads the wheel, which pip checks against the pinned hash, and keeps its members in
/// `scratch/files`.
fn fetch_into(wheel: &Wheel, scratch: &Path) -> Result<(), String> {
    let failed = |what: &str| format!("could not {what} {} from PyPI", wheel.requirement);
    fs::create_dir_all(scratch)
        .map_err(|error| format!("cannot create {}: {error}", scratch.display()))?;
    let requirements = scratch.join("requirements.txt");
    fs::write(
        &requirements,
        format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256),
    )
    .map_err(|error| format!("cannot write {}: {error}", requirements.display()))?;

    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ])
    .args(["--only-binary=:all:", "--require-hashes"])
    .args(wheel.platform)
    .arg("--dest")
    .arg(scratch)
    .arg("--requirement")
    .arg(&requirements);
    run(pip).map_err(|why| format!("{} with python3 -m pip ({why})", failed("download")))?;

    let archive = fs::read_dir(scratch)
        .map_err(|error| format!("cannot read {}: {error}", scratch.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| failed("find the wheel of"))?;
    let mut extract = Command::new("python3");
    extract.args(["-c", EXTRACT]).arg(archive);
    for (member, destination) in &wheel.members {
        extract
            .arg(member)
            .arg(scratch.join("files").join(destination));
    }
    run(extract).map_err(|why| format!("{} ({why})", failed("unpack")))
}

/// Runs a command to its end; an error contains the last line of its output.
fn run(mut command: Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run python3: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("[notice]"));
    Err(last.unwrap_or("no message").to_owned())
}

/// The target folder of this build: the one above the profile's folder, which holds
/// `build/fpo-mujoco-…/out`.
fn target_dir() -> Result<PathBuf, String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    out.ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is not inside a cargo target folder", out.display()))
}
