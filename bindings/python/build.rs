//! Puts MuJoCo's library beside the extension module, in the folder of the Python package, and lets
//! the module look for it there. So the package works wherever it is copied, as a wheel is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use std::{env, fs, process};

const PACKAGE: &str = "fpo";
const LIBRARY: &str = "libmujoco.so.3.17.0";
/// Seconds from 1970.
const YEAR_2000: u64 = 946_684_800;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PACKAGE}/{LIBRARY}");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");
    let Some(folder) = env::var_os("DEP_MUJOCO_LIBDIR").map(PathBuf::from) else {
        println!("cargo::error=fpo-mujoco's build script has not said where MuJoCo is");
        return ExitCode::FAILURE;
    };
    // For tools that load the module in the target folder.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    match place(&folder.join(LIBRARY), &Path::new(PACKAGE).join(LIBRARY)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=cannot put {LIBRARY} into the package: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Copies the library, whole or not at all: others may build at the same time.
fn place(from: &Path, to: &Path) -> std::io::Result<()> {
    let partial = to.with_extension(format!("{}.tmp", process::id()));
    fs::copy(from, &partial)?;
    // Older than this build, or cargo would take it for a change and build again.
    fs::File::options()
        .write(true)
        .open(&partial)?
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(YEAR_2000))?;
    fs::rename(&partial, to)
}
